import { type Env, fromUtf8, parseProperties, randomUuid, utf8 } from "@samsa/base";
import { formatStorage } from "@samsa/broker";
import { readWhole, replaceFile } from "@samsa/storage";
import { endpointText } from "@samsa/wire";
import { Failure } from "../terminal/failure.ts";
import type { ClusterPlan, ClusterShape, ControllerPlace, NodePlan } from "./cluster-plan.ts";

/*
 * The folder of a cluster on one machine has the file cluster.properties and a folder for each node. The file is
 * written before the first node is formatted, so a start that is cut off is finished by the next, under the same
 * cluster id and with the same voters.
 */

const FILE = "cluster.properties";

/** Facts about a cluster that never change. */
interface Cluster {
  readonly clusterId: string;
  readonly brokers: number;
  readonly controllers: readonly (ControllerPlace & { readonly directoryId: string })[];
  /** True once all nodes have been formatted. */
  readonly isFormatted: boolean;
}

const VOTER = /^(\d+)@\[?(.*?)\]?:(\d+):([A-Za-z0-9_-]{22})$/;

function parse(path: string, text: string): Cluster {
  const found = parseProperties(text);
  const voters = (found.get("controllers") ?? "").split(",").map(voter => VOTER.exec(voter));
  const controllers = voters.flatMap(match => {
    const [, id, host, port, directoryId] = match ?? [];
    return host === undefined || directoryId === undefined
      ? []
      : [{ id: Number(id), host, port: Number(port), directoryId }];
  });
  const clusterId = found.get("cluster.id");
  const brokers = Number(found.get("brokers"));
  if (clusterId === undefined || !Number.isInteger(brokers) || controllers.length !== voters.length) {
    throw new Failure(`${path} is damaged: restore it from a copy`);
  }
  return { clusterId, brokers, controllers, isFormatted: found.get("formatted") === "true" };
}

function votersOf({ controllers }: Cluster): string {
  return controllers
    .map(({ id, directoryId, ...endpoint }) => `${id}@${endpointText(endpoint)}:${directoryId}`)
    .join(",");
}

function write({ disk }: Env, path: string, cluster: Cluster): void {
  const { clusterId, brokers, isFormatted } = cluster;
  const lines = [
    `cluster.id=${clusterId}`,
    `brokers=${brokers}`,
    `controllers=${votersOf(cluster)}`,
    `formatted=${isFormatted}`,
  ];
  replaceFile(disk, path, utf8(`version=1\n${lines.join("\n")}\n`), true);
}

function read({ disk }: Env, root: string): Cluster | undefined {
  const bytes = readWhole(disk, `${root}/${FILE}`);
  return bytes && parse(`${root}/${FILE}`, fromUtf8(bytes));
}

/** Throws `Failure` if a single node is started in the folder of a cluster. */
export function checkNoCluster(env: Env, root: string): void {
  const cluster = read(env, root);
  if (cluster === undefined) return;
  throw new Failure(`${root} holds ${said(cluster)}: ${advice(cluster)}`);
}

function said({ brokers, controllers }: Cluster): string {
  return `a cluster of ${brokers} broker${brokers === 1 ? "" : "s"}, of which ${controllers.length} ${controllers.length === 1 ? "is a controller" : "are controllers"}`;
}

function advice({ brokers, controllers }: Cluster): string {
  return (
    `start it with --brokers ${brokers} --controllers ${controllers.length}, or choose another folder with ` +
    "--override log.dirs=FOLDER"
  );
}

/**
 * Places of the controllers of the cluster in a folder; undefined if there is none yet. Throws `Failure` if the folder
 * belongs to a cluster of another size, or to a single node.
 */
export function knownControllers(
  env: Env,
  root: string,
  { brokers, controllers }: Pick<ClusterShape, "brokers" | "controllers">,
): readonly ControllerPlace[] | undefined {
  if (env.disk.stat(`${root}/meta.properties`) !== undefined) {
    throw new Failure(
      `${root} holds the data of a single broker: start it without --brokers, or choose another folder with ` +
        "--override log.dirs=FOLDER",
    );
  }
  const cluster = read(env, root);
  if (cluster === undefined) return undefined;
  if (cluster.brokers !== brokers || cluster.controllers.length !== controllers) {
    throw new Failure(`${root} holds ${said(cluster)}: ${advice(cluster)}`);
  }
  return cluster.controllers;
}

/**
 * Formats what is not formatted of the nodes' directories, and returns the id of the cluster. A controller that has
 * lost its directory is formatted as one that does not vote: with its former directory id it could vote twice.
 */
export function formatCluster(
  env: Env,
  root: string,
  { plan, settings }: { readonly plan: ClusterPlan; readonly settings: ReadonlyMap<string, string> },
): string {
  const path = `${root}/${FILE}`;
  const newId = () => randomUuid(length => env.random.bytes(length));
  let cluster = read(env, root);
  if (cluster === undefined) {
    const controllers = plan.controllers.map(controller => ({ ...controller, directoryId: newId() }));
    cluster = { clusterId: newId(), brokers: plan.nodes.length, controllers, isFormatted: false };
    env.disk.makeDirectory(root);
    write(env, path, cluster);
  }
  for (const node of plan.nodes) formatNode(env, cluster, { node, settings });
  if (!cluster.isFormatted) write(env, path, { ...cluster, isFormatted: true });
  return cluster.clusterId;
}

function formatNode(
  env: Env,
  cluster: Cluster,
  { node, settings }: { readonly node: NodePlan; readonly settings: ReadonlyMap<string, string> },
): void {
  const lines = formatStorage(env, {
    settings: new Map([...settings, ...node.settings]),
    clusterId: cluster.clusterId,
    ignoreFormatted: true,
    features: [],
    quorum:
      node.isController && !cluster.isFormatted ? { kind: "voters", voters: votersOf(cluster) } : { kind: "none" },
  });
  if (!cluster.isFormatted || lines.length <= 1) return;
  for (const line of lines.slice(1)) env.logger.warn("a directory was missing", { node: node.id, done: line });
  if (!node.isController || !lines.some(line => line.startsWith("Formatting metadata"))) return;
  env.logger.warn("a controller has lost its metadata; it votes again after: samsa quorum remove, samsa quorum add", {
    node: node.id,
  });
}
