import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { type ClientSecurity, type ClusterSecurity, type MixedNode, renewed, wireSecurity } from "@samsa/interop";
import type { Run } from "../frame/run.ts";
import type { Scenario } from "../frame/scenario.ts";
import { type ClientKind, onStage, type Stage } from "../stage/stage.ts";
import { deleteCredential, refusedLogin, setCredential } from "../stage/users.ts";
import { connectAs } from "../stage/wire.ts";

const LOADS: readonly ClientKind[] = ["steady", "kafkajs", "java"];
const STRETCH = 100;
const HANDSHAKE_MS = 10_000;

/** Address of a listener, for `node:tls`. */
function placeOf(server: string): { readonly host: string; readonly port: number } {
  const [host = "", port] = server.split(":");
  return { host, port: Number(port) };
}

/** Fingerprint of the certificate that a server shows to a client that trusts `ca`. */
function shown(server: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...placeOf(server), ca, timeout: HANDSHAKE_MS }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? "none");
      socket.destroy();
    });
    socket.once("timeout", () => socket.destroy(new Error(`${server} does not finish the handshake`)));
    socket.once("error", reject);
  });
}

/** Checks that the listeners of a node show the certificate in its file. */
async function showsItsOwn(stage: Stage, node: MixedNode, { ca }: ClientSecurity): Promise<void> {
  const wanted = new X509Certificate(readFileSync(join(node.home, "node.pem"))).fingerprint256;
  // The other listener wants a certificate of its clients, but shows its own before.
  const found = await shown(node.broker ?? "", ca);
  stage.run.hold(found === wanted, `node ${node.id} shows another certificate than that of its file`);
}

/** Restarts each node in turn after a change of its files and settings, while the loads go on. */
async function roll(stage: Stage, what: string, change: (node: MixedNode) => void): Promise<void> {
  const { run, security } = stage;
  for (const node of stage.cluster.nodes) {
    change(node);
    await node.stop();
    await node.start();
    await stage.whole(true);
    if (security !== undefined) await showsItsOwn(stage, node, security.client(stage.login));
    await stage.more(STRETCH, `after node ${node.id} has ${what}`);
  }
  run.say(`all nodes have ${what}: ${stage.pauses().toFixed()} ms without writes`);
}

/** Gives the user of the loads another password. Clients keep their connections, and are replaced by others in time. */
async function renewUser(stage: Stage): Promise<void> {
  const old = stage.login;
  const login = renewed(old);
  await setCredential(stage, login);
  await refusedLogin(stage, old);
  await stage.more(STRETCH, "over connections from before the change of the password");
  stage.login = login;
  await stage.replaceLoads(...LOADS);
  stage.run.say(`clients have another password: ${stage.pauses().toFixed()} ms without writes`);
}

/** Checks that the certificates of before let nobody in anymore, and are not shown to anyone. */
async function isGone(stage: Stage, security: ClusterSecurity): Promise<void> {
  const { run } = stage;
  const [first, next] = security.authorities;
  const admin = security.client(security.admin);
  for (const { id, broker = "", controller = "" } of stage.cluster.nodes) {
    const asker = (ca: string, own: object) => ({ tls: { ca, ...own } });
    const isServed = (authority: typeof first): Promise<boolean> =>
      connectAs("intruder", controller, HANDSHAKE_MS, asker(admin.ca, authority.issue({ name: "node-9" }))).then(
        async connection => {
          try {
            // In TLS 1.3, a server refuses a certificate after the handshake of its client.
            return (await connection.ask("ApiVersions", 0, {})).errorCode === 0;
          } catch {
            return false;
          } finally {
            connection.close();
          }
        },
        () => false,
      );
    run.hold(await isServed(next), `node ${id} refuses a certificate of its authority`);
    run.hold(!(await isServed(first)), `node ${id} trusts an authority that is gone`);
    const isTrusted = await connectAs("old", broker, HANDSHAKE_MS, wireSecurity({ ...admin, ca: first.cert })).then(
      connection => {
        connection.close();
        return true;
      },
      () => false,
    );
    run.hold(!isTrusted, `node ${id} shows a certificate of an authority that is gone`);
  }
}

async function renewals(run: Run): Promise<void> {
  await onStage(run, { isSecured: true }, async stage => {
    const { security } = stage;
    if (security === undefined) throw new Error("the stage is not secured");
    const [first, next] = security.authorities;
    const login = renewed(security.broker, "SCRAM-SHA-256");
    await stage.load(...LOADS);
    await roll(stage, "a new certificate, and takes another mechanism", node => {
      security.issue(node.home, node.id, first);
      node.configure(security.furtherMechanism(login));
    });
    await setCredential(stage, login);
    await roll(stage, "two authorities, and another login", node => {
      security.trust(node.home, [first, next]);
      node.configure(security.nodeLogin(login));
    });
    await deleteCredential(stage, security.broker);
    await stage.more(STRETCH, "after the brokers' first password is gone");
    await renewUser(stage);
    await roll(stage, "a certificate of the next authority", node => security.issue(node.home, node.id, next));
    await roll(stage, "the next authority alone", node => security.trust(node.home, [next]));
    await isGone(stage, security);
  });
}

/** Renewals of what a secured cluster has, under load. */
export const RENEWALS: readonly Scenario[] = [
  {
    id: "R31",
    title: "certificates and passwords are renewed",
    does:
      "Rolling restarts of a secured cluster give the nodes new certificates, then an authority beside the first one, certificates of it, " +
      "and it alone; meanwhile the brokers get another password and mechanism, and the user of the clients another password.",
    rule: "No client fails, nothing acknowledged is lost or doubled, and nobody comes in with what is gone.",
    runs: "processes",
    variations: ["secured", "mixed"],
    play: renewals,
  },
];
