import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect } from "node:tls";
import type { Admin, DescribedNode } from "@samsa/client-runtime";
import { exposuresOf, isLoopbackName } from "../exposure.ts";
import { hostFindings, validityFindings } from "./certificate-findings.ts";
import type { Finding } from "./finding.ts";
import { settingFindings } from "./setting-findings.ts";

/** Replicas that bear the loss of one broker while the others go on. */
const ENOUGH_REPLICAS = 3;
const CONNECT_MS = 10_000;

/**
 * Certificate that a server shows; undefined if there is no handshake. It is looked at and nothing is sent, so it need not
 * be trusted.
 */
function shownCertificate({ host, port }: DescribedNode): Promise<X509Certificate | undefined> {
  return new Promise(resolve => {
    const servername = isIP(host) === 0 ? host : "";
    const socket = connect({ host, port, servername, rejectUnauthorized: false, timeout: CONNECT_MS });
    const end = (found: X509Certificate | undefined): void => {
      socket.destroy();
      resolve(found);
    };
    socket.once("secureConnect", () => end(socket.getPeerX509Certificate()));
    socket.once("timeout", () => end(undefined));
    socket.once("error", () => end(undefined));
  });
}

/** Finds what is wrong with the certificate that a broker shows, at the time `now`, in ms since 1970. */
export async function shownFindings(node: DescribedNode, now: number): Promise<Finding[]> {
  const certificate = await shownCertificate(node);
  if (certificate === undefined) return [];
  const subject = `${node.host}:${node.port}`;
  return [...validityFindings([certificate], { subject, now }), ...hostFindings(certificate, node.host, subject)];
}

async function brokerFindings(admin: Admin, node: DescribedNode, hasPeers: boolean): Promise<Finding[]> {
  const resource = `broker:${node.id}` as const;
  const described = (await admin.configs.describe([resource])).value(resource);
  const settings = new Map(
    [...described].flatMap(([name, { value }]): [string, string][] => (value === null ? [] : [[name, value]])),
  );
  // The names of other machines may lead to loopback on them only.
  const exposures = await exposuresOf(settings, host => Promise.resolve(isLoopbackName(host)));
  return settingFindings(settings, { exposures, hasPeers });
}

async function topicFindings(admin: Admin, hasPeers: boolean): Promise<Finding[]> {
  const names = (await admin.topics.list({ internal: true })).map(({ name }) => name);
  if (names.length === 0) return [];
  const topics = (await admin.topics.describe(names)).orThrow();
  const configs = await admin.configs.describe(
    names.map(name => `topic:${name}` as const),
    { names: ["min.insync.replicas"] },
  );
  return [...topics].flatMap(([name, { partitions, isInternal }]): Finding[] => {
    const subject = `topic ${name}`;
    const replicas = Math.min(...partitions.map(partition => partition.replicas.length));
    if (isInternal && hasPeers && replicas === 1) {
      const fault = "has one replica in a cluster of several brokers: what one broker loses is gone";
      const remedy = `samsa reassign plan --topic ${name} --replication-factor ${ENOUGH_REPLICAS} --out plan.json, then run it`;
      return [{ severity: "medium", subject, fault, remedy }];
    }
    const least = configs.value(`topic:${name}`).get("min.insync.replicas")?.value;
    if (replicas < ENOUGH_REPLICAS || least !== "1") return [];
    const fault = `has ${replicas} replicas and a min.insync.replicas of 1: a record that one broker has counts as acknowledged`;
    return [{ severity: "medium", subject, fault, remedy: `samsa topic alter ${name} --config min.insync.replicas=2` }];
  });
}

/** Findings of brokers with the brokers that they are about. */
function merged(found: ReadonlyMap<number, readonly Finding[]>): Finding[] {
  const brokers = new Map<string, { readonly finding: Finding; readonly ids: number[] }>();
  for (const [id, findings] of found) {
    for (const finding of findings) {
      const key = JSON.stringify(finding);
      const known = brokers.get(key) ?? { finding, ids: [] };
      known.ids.push(id);
      brokers.set(key, known);
    }
  }
  return [...brokers.values()].map(({ finding, ids }) => ({
    ...finding,
    subject: `${ids.length === 1 ? "broker" : "brokers"} ${ids.join(", ")}: ${finding.subject}`,
  }));
}

/**
 * Finds what a running cluster leaves open: settings of its brokers, topics, and the certificates that brokers show if
 * clients speak TLS. `now` is in ms since 1970. Rejects with a `KafkaError`.
 */
export async function clusterFindings(
  admin: Admin,
  { isTls, now }: { readonly isTls: boolean; readonly now: number },
): Promise<Finding[]> {
  const { nodes } = await admin.cluster.describe();
  const hasPeers = nodes.length > 1;
  const found = new Map<number, readonly Finding[]>();
  for (const node of nodes) found.set(node.id, await brokerFindings(admin, node, hasPeers));
  const shown = isTls ? await Promise.all(nodes.map(node => shownFindings(node, now))) : [];
  return [...merged(found), ...shown.flat(), ...(await topicFindings(admin, hasPeers))];
}
