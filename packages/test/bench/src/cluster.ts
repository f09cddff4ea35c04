import { entryAt } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { BrokerConnection, WireError } from "@samsa/wire";
import { type Contender, topic } from "./contenders.ts";
import { type Java, runJava } from "./java.ts";
import { type Figures, numberIn, TOOLS } from "./loads.ts";
import { type BrokerProcess, sleep } from "./process.ts";

/** Loads of three nodes on this machine, with three replicas of each partition. */

const NODES = 3;
const LIMIT_MS = 120_000;
const KILL_AFTER_MS = 6000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });

interface Place {
  readonly bundle: string;
  readonly folder: string;
  readonly quick: boolean;
}

/** Waits until each node has all nodes in its metadata. */
async function joined(nodes: readonly BrokerProcess[]): Promise<void> {
  const software = { name: "bench", version: "1" };
  for (const { port } of nodes) {
    for (let waited = 0; waited < LIMIT_MS; waited += 5) {
      if ((await brokersAt(port, software)) === nodes.length) break;
      await sleep(5);
    }
  }
}

async function brokersAt(port: number, software: { name: string; version: string }): Promise<number> {
  try {
    const connection = await BrokerConnection.connect(
      env,
      { host: "127.0.0.1", port },
      { clientId: "bench", software },
    );
    const { brokers } = await connection.call("Metadata", { topics: [] });
    connection.close();
    return brokers.length;
  } catch (error) {
    if (error instanceof WireError) return 0;
    throw error;
  }
}

interface Load {
  readonly name: string;
  readonly records: number;
  readonly size: number;
  readonly acks: string;
  readonly throughput?: number;
}

function produce(java: Java, nodes: readonly BrokerProcess[], load: Load): Promise<string> {
  const servers = nodes.map(({ bootstrap }) => bootstrap).join(",");
  return runJava(java, `${TOOLS}.ProducerPerformance`, [
    ...["--topic", load.name, "--num-records", String(load.records), "--record-size", String(load.size)],
    ...["--throughput", String(load.throughput ?? -1), "--producer-props", `bootstrap.servers=${servers}`],
    ...[`acks=${load.acks}`, "batch.size=64000", "linger.ms=5"],
  ]);
}

/** Sum over all nodes; NaN outside Linux. */
function sum(nodes: readonly BrokerProcess[], figure: (node: BrokerProcess) => number | undefined): number {
  return nodes.reduce((total, node) => total + (figure(node) ?? Number.NaN), 0);
}

async function measured(
  { java, bundle }: { readonly java: Java; readonly bundle: string },
  nodes: readonly BrokerProcess[],
  load: Load,
): Promise<{ rate: number; cpu: number }> {
  const args = ["-p", "6", "-r", String(NODES), "-c", "min.insync.replicas=2"];
  await topic(bundle, entryAt(nodes, 0), ["create", load.name, ...args]);
  await sleep(1000);
  await produce(java, nodes, { ...load, records: load.records / 5 });
  const before = sum(nodes, node => node.cpuSeconds());
  const printed = await produce(java, nodes, load);
  const cpu = sum(nodes, node => node.cpuSeconds()) - before;
  return { rate: numberIn([...printed.matchAll(/records sent, ([\d.]+) records\/sec/g)].at(-1)?.[1], printed), cpu };
}

/** Longest time, in ms, that a producer waits for an acknowledgement while the leader of its partition is killed. */
async function pause(
  { java, bundle }: { readonly java: Java; readonly bundle: string },
  nodes: readonly BrokerProcess[],
): Promise<number> {
  // The first replica is the leader: it runs in the first process.
  await topic(bundle, entryAt(nodes, 1), ["create", "pause", "-p", "6", "-r", String(NODES)]);
  await sleep(1000);
  const rest = nodes.slice(1);
  const load = { name: "pause", records: 100_000, size: 100, acks: "all", throughput: 5000 };
  const producing = produce(java, rest, load);
  await sleep(KILL_AFTER_MS);
  await entryAt(nodes, 0).kill();
  const printed = await producing;
  // The first window holds the producer's own start.
  const windows = [...printed.matchAll(/([\d.]+) ms max latency\.$/gm)].slice(1).map(found => Number(found[1]));
  return numberIn(String(Math.max(...windows)), printed);
}

/** Measures starts, production and a failover of a cluster. */
export async function cluster(contender: Contender, java: Java, { bundle, folder, quick }: Place): Promise<Figures> {
  const begin = await contender.prepareCluster(folder, NODES);
  const began = performance.now();
  const nodes = await begin();
  const figures: Figures = new Map();
  try {
    await joined(nodes);
    figures.set("cluster.start", performance.now() - began);
    const tools = { java, bundle };
    const scale = quick ? 5 : 1;
    const small = await measured(tools, nodes, { name: "small", records: 1_500_000 / scale, size: 100, acks: "all" });
    figures.set("cluster-100.rate", small.rate);
    figures.set("cluster-100.cpu", (small.cpu / (1_500_000 / scale)) * 1e6);
    const large = await measured(tools, nodes, { name: "large", records: 500_000 / scale, size: 1000, acks: "all" });
    figures.set("cluster-1000.rate", large.rate);
    figures.set("cluster-1000.cpu-gb", large.cpu / (0.5 / scale));
    const one = await measured(tools, nodes, { name: "one", records: 500_000 / scale, size: 1000, acks: "1" });
    figures.set("cluster-acks1.rate", one.rate);
    figures.set("cluster-acks1.cpu-gb", one.cpu / (0.5 / scale));
    figures.set(
      "cluster.memory",
      sum(nodes, node => node.residentMiB()),
    );
    figures.set("cluster.pause", await pause(tools, nodes));
  } finally {
    await Promise.all(nodes.map(node => node.stop()));
  }
  return figures;
}
