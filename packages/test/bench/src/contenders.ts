import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { entryAt, randomUuid } from "@samsa/base";
import { type Java, runJava } from "./java.ts";
import { BrokerProcess, freePort, run } from "./process.ts";

/** Kind of broker that can be started in a data directory. */
export interface Contender {
  readonly name: "Samsa" | "Before" | "Kafka";
  /** Prepares `folder` for `start`. */
  prepare(folder: string): Promise<void>;
  start(folder: string, options?: StartOptions): Promise<BrokerProcess>;
  /** Formats the directories of nodes with both roles; returns a function that starts the node with an index. */
  prepareCluster(folder: string, nodes: number): Promise<(index: number) => Promise<BrokerProcess>>;
}

/** Options of a start; contenders without the feature ignore a port and a folder. */
export interface StartOptions {
  /** Further settings, as `name=value`. */
  readonly settings?: readonly string[];
  /** Further listeners, each named after its protocol, as `SSL://host:port`. */
  readonly listeners?: readonly string[];
  /** Port of the `/metrics` endpoint. */
  readonly httpPort?: number;
  /** Folder for CPU profiles. */
  readonly profile?: string | undefined;
}

/** Settings of both brokers: groups rebalance without an initial delay, and deleted files are removed soon. */
const SHARED = [
  "group.initial.rebalance.delay.ms=0",
  "offsets.topic.replication.factor=1",
  "log.segment.delete.delay.ms=1000",
];

/** Samsa, run from `bundle` by Node with `nodeFlags`. Another build to compare with is named "Before". */
export function samsa(bundle: string, nodeFlags: readonly string[], name: "Samsa" | "Before" = "Samsa"): Contender {
  const start = async (
    folder: string,
    { httpPort, profile, settings: own = [], listeners = [] }: StartOptions = {},
  ): Promise<BrokerProcess> => {
    const port = await freePort();
    const all = [`PLAINTEXT://127.0.0.1:${port}`, ...listeners];
    const settings = [`listeners=${all.join(",")}`, `log.dirs=${join(folder, "data")}`, ...SHARED, ...own];
    const args = [
      ...nodeFlags,
      ...(profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`]),
      bundle,
      "start",
      ...settings.flatMap(setting => ["-o", setting]),
      "--http-port",
      httpPort === undefined ? "off" : String(httpPort),
      "--json",
    ];
    return BrokerProcess.start({ program: process.execPath, args }, port);
  };
  return {
    name,
    async prepare(folder) {
      mkdirSync(folder, { recursive: true });
      // The first start formats the directory.
      await (await start(folder)).stop();
    },
    start,
    async prepareCluster(folder, nodes) {
      const files = await clusterFiles(folder, nodes);
      const id = randomUuid(randomBytes);
      for (const { file } of files) await run(process.execPath, [bundle, "storage", "format", "-t", id, "-c", file]);
      return index => {
        const { file, port } = entryAt(files, index);
        const args = [...nodeFlags, bundle, "start", file, "--http-port", "off", "--json"];
        return BrokerProcess.start({ program: process.execPath, args }, port);
      };
    },
  };
}

/** Settings file of a node in a cluster, with its port for clients. */
interface NodeFile {
  readonly file: string;
  readonly port: number;
}

/** Writes the settings of nodes with both roles, whose quorum has fixed voters. */
async function clusterFiles(folder: string, nodes: number): Promise<NodeFile[]> {
  const ports: { port: number; controller: number }[] = [];
  for (let i = 0; i < nodes; i++) ports.push({ port: await freePort(), controller: await freePort() });
  const voters = ports.map(({ controller }, i) => `${i + 1}@127.0.0.1:${controller}`).join(",");
  return ports.map(({ port, controller }, i) => {
    const home = join(folder, String(i + 1));
    mkdirSync(home, { recursive: true });
    const file = join(home, "server.properties");
    const lines = [
      "process.roles=broker,controller",
      `node.id=${i + 1}`,
      `controller.quorum.voters=${voters}`,
      `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
      "controller.listener.names=CONTROLLER",
      "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
      "inter.broker.listener.name=PLAINTEXT",
      `log.dirs=${join(home, "data")}`,
      "log.initial.task.delay.ms=500",
      ...SHARED,
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    return { file, port };
  });
}

/** Names of listeners, each of the protocol of its name. */
const PROTOCOLS = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/** JVM flags of kafka-server-start.sh. */
const JVM = [
  "-Xms1g",
  "-Xmx1g",
  "-server",
  "-XX:+UseG1GC",
  "-XX:MaxGCPauseMillis=20",
  "-XX:InitiatingHeapOccupancyPercent=35",
  "-XX:+ExplicitGCInvokesConcurrent",
];

/** Apache Kafka as one node in combined mode. */
export function kafka(java: Java): Contender {
  const write = (folder: string, port: number, controller: number, options: StartOptions = {}): string => {
    const { settings = [], listeners = [] } = options;
    const file = join(folder, "server.properties");
    const all = [`PLAINTEXT://127.0.0.1:${port}`, `CONTROLLER://127.0.0.1:${controller}`, ...listeners];
    const protocols = ["CONTROLLER:PLAINTEXT", ...PROTOCOLS.map(name => `${name}:${name}`)];
    const lines = [
      "process.roles=broker,controller",
      "node.id=1",
      `controller.quorum.bootstrap.servers=127.0.0.1:${controller}`,
      `listeners=${all.join(",")}`,
      "controller.listener.names=CONTROLLER",
      `listener.security.protocol.map=${protocols.join(",")}`,
      "inter.broker.listener.name=PLAINTEXT",
      `log.dirs=${join(folder, "data")}`,
      "transaction.state.log.replication.factor=1",
      "transaction.state.log.min.isr=1",
      "share.coordinator.state.topic.replication.factor=1",
      "share.coordinator.state.topic.min.isr=1",
      "log.initial.task.delay.ms=500",
      ...SHARED,
      ...settings,
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    return file;
  };
  const controllers = new Map<string, number>();
  return {
    name: "Kafka",
    async prepare(folder) {
      mkdirSync(folder, { recursive: true });
      // The quorum persists the controller's address, so its port must not change between starts.
      const controller = await freePort();
      controllers.set(folder, controller);
      const file = write(folder, await freePort(), controller);
      const id = randomUuid(randomBytes);
      await runJava(java, "kafka.tools.StorageTool", ["format", "--standalone", "-t", id, "-c", file]);
    },
    async start(folder, options) {
      const port = await freePort();
      const file = write(folder, port, controllers.get(folder) ?? (await freePort()), options);
      return BrokerProcess.start({ program: "java", args: [...JVM, "-cp", java.classPath, "kafka.Kafka", file] }, port);
    },
    async prepareCluster(folder, nodes) {
      const files = await clusterFiles(folder, nodes);
      const id = randomUuid(randomBytes);
      for (const { file } of files) await runJava(java, "kafka.tools.StorageTool", ["format", "-t", id, "-c", file]);
      return index => {
        const { file, port } = entryAt(files, index);
        const args = [...JVM, "-cp", java.classPath, "kafka.Kafka", file];
        return BrokerProcess.start({ program: "java", args }, port);
      };
    },
  };
}

/** Runs `samsa topic …`, which works with both brokers. */
export async function topic(bundle: string, broker: BrokerProcess, args: readonly string[]): Promise<void> {
  await run(process.execPath, [bundle, "topic", ...args, "--bootstrap-server", broker.bootstrap]);
}
