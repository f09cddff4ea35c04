import { type Contender, topic } from "./contenders.ts";
import { BenchCluster } from "./bench-cluster.ts";
import { type Java, runJava } from "./java.ts";
import { type Figures, numberIn, type Place, TOOLS } from "./loads.ts";
import { sleep } from "./system/sleep.ts";

/** Loads of three nodes on this machine, with three replicas of each partition. */

const NODES = 3;
/** Time from the start of a producer to the fault: after its first window, which lasts 5 s and holds its own start. */
const FAULT_AFTER_MS = 11_000;
/** Number of partitions of `clusterMany`. */
const MANY = 10_000;
const PART = 1000;
const IDLE_MS = 10_000;

interface Load {
  readonly name: string;
  readonly records: number;
  readonly size: number;
  readonly acks: string;
  readonly throughput?: number;
}

interface Tools {
  readonly java: Java;
  readonly bundle: string;
}

function produce(java: Java, servers: string, load: Load): Promise<string> {
  return runJava(java, `${TOOLS}.ProducerPerformance`, [
    ...["--topic", load.name, "--num-records", String(load.records), "--record-size", String(load.size)],
    ...["--throughput", String(load.throughput ?? -1), "--producer-props", `bootstrap.servers=${servers}`],
    ...[`acks=${load.acks}`, "batch.size=64000", "linger.ms=5"],
  ]);
}

async function measured({ java, bundle }: Tools, cluster: BenchCluster, load: Load) {
  const args = ["-p", "6", "-r", String(NODES), "-c", "min.insync.replicas=2"];
  await topic(bundle, cluster.node(0), ["create", load.name, ...args]);
  await sleep(1000);
  await produce(java, cluster.bootstrap, { ...load, records: load.records / 5 });
  const before = cluster.cpuSeconds();
  const printed = await produce(java, cluster.bootstrap, load);
  const cpu = cluster.cpuSeconds() - before;
  return { rate: numberIn([...printed.matchAll(/records sent, ([\d.]+) records\/sec/g)].at(-1)?.[1], printed), cpu };
}

/** Longest time, in ms, that a producer waits for an acknowledgement while `fault` is done to the first node. */
async function pause({ java, bundle }: Tools, cluster: BenchCluster, fault: () => Promise<void>): Promise<number> {
  const name = `pause-${cluster.faults++}`;
  await topic(bundle, cluster.node(1), ["create", name, "-p", "6", "-r", String(NODES)]);
  await sleep(1000);
  const servers = `${cluster.node(1).bootstrap},${cluster.node(2).bootstrap}`;
  const producing = produce(java, servers, { name, records: 100_000, size: 100, acks: "all", throughput: 5000 });
  await sleep(FAULT_AFTER_MS);
  await fault();
  const printed = await producing;
  // The first window holds the producer's own start.
  const windows = [...printed.matchAll(/([\d.]+) ms max latency\.$/gm)].slice(1).map(found => Number(found[1]));
  return numberIn(String(Math.max(...windows)), printed);
}

/** Time in ms from the end of the active controller until another one has created a topic. */
async function controllerGap(cluster: BenchCluster): Promise<number> {
  const active = await cluster.activeController();
  await cluster.node(active).kill();
  const began = performance.now();
  await cluster.createTopic((active + 1) % NODES, `after-${cluster.faults++}`);
  const gap = performance.now() - began;
  await cluster.start(active);
  await cluster.inSync();
  return gap;
}

/** Measures how fast the only replica of a partition moves to another node. */
async function move({ java, bundle }: Tools, cluster: BenchCluster, figures: Figures, quick: boolean): Promise<void> {
  const gigabytes = quick ? 0.2 : 1;
  await topic(bundle, cluster.node(0), ["create", "moved", "-p", "1", "-r", "1"]);
  await sleep(1000);
  await produce(java, cluster.bootstrap, { name: "moved", records: gigabytes * 1e6, size: 1000, acks: "all" });
  const before = cluster.cpuSeconds();
  const ms = await cluster.move("moved");
  figures.set("cluster-move.rate", (gigabytes * 1e6) / ms);
  figures.set("cluster-move.cpu-gb", (cluster.cpuSeconds() - before) / gigabytes);
}

/** Measures starts, production and a failover of a cluster. */
export async function cluster(contender: Contender, java: Java, { bundle, folder, quick }: Place): Promise<Figures> {
  const begin = await contender.prepareCluster(folder, NODES);
  const began = performance.now();
  const cluster = await BenchCluster.start(begin, NODES);
  const figures: Figures = new Map();
  try {
    await cluster.joined();
    figures.set("cluster.start", performance.now() - began);
    const tools = { java, bundle };
    const scale = quick ? 5 : 1;
    const small = await measured(tools, cluster, { name: "small", records: 1_500_000 / scale, size: 100, acks: "all" });
    figures.set("cluster-100.rate", small.rate);
    figures.set("cluster-100.cpu", (small.cpu / (1_500_000 / scale)) * 1e6);
    const large = await measured(tools, cluster, { name: "large", records: 500_000 / scale, size: 1000, acks: "all" });
    figures.set("cluster-1000.rate", large.rate);
    figures.set("cluster-1000.cpu-gb", large.cpu / (0.5 / scale));
    const one = await measured(tools, cluster, { name: "one", records: 500_000 / scale, size: 1000, acks: "1" });
    figures.set("cluster-acks1.rate", one.rate);
    figures.set("cluster-acks1.cpu-gb", one.cpu / (0.5 / scale));
    figures.set("cluster.memory", cluster.residentMiB());
    await move(tools, cluster, figures, quick);
    const restart = () => cluster.restart(0);
    figures.set("cluster.restart", await pause(tools, cluster, restart));
    await cluster.inSync();
    const kill = () => cluster.node(0).kill();
    figures.set("cluster.pause", await pause(tools, cluster, kill));
    await cluster.start(0);
    await cluster.inSync();
    figures.set("cluster.controller", await controllerGap(cluster));
  } finally {
    await cluster.stop();
  }
  return figures;
}

/** Measures memory, idle processor time, restarts and failovers of a cluster with 10,000 partitions. */
export async function clusterMany(contender: Contender, _java: Java, { folder, quick }: Place): Promise<Figures> {
  const cluster = await BenchCluster.start(await contender.prepareCluster(folder, NODES), NODES);
  const figures: Figures = new Map();
  try {
    await cluster.joined();
    const began = performance.now();
    const partitions = quick ? MANY / 5 : MANY;
    for (let i = 0; i < partitions / PART; i++) await cluster.createTopic(0, `many-${i}`, PART, NODES);
    await cluster.inSync();
    await cluster.logsMade("many-", partitions);
    figures.set("cluster-many.create", performance.now() - began);
    await sleep(IDLE_MS);
    figures.set("cluster-many.memory", cluster.residentMiB());
    const before = cluster.cpuSeconds();
    await sleep(IDLE_MS);
    figures.set("cluster-many.cpu", ((cluster.cpuSeconds() - before) * 100_000) / IDLE_MS);
    const passive = ((await cluster.activeController()) + 1) % NODES;
    await cluster.node(passive).stop();
    const restarted = performance.now();
    await cluster.start(passive);
    await cluster.inSync();
    figures.set("cluster-many.restart", performance.now() - restarted);
    figures.set("cluster-many.controller", await controllerGap(cluster));
  } finally {
    await cluster.stop();
  }
  return figures;
}
