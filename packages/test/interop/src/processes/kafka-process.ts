import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import type { BrokerProcess } from "./broker.ts";
import { Child, run } from "./child.ts";
import { freePort } from "./free-port.ts";
import { findJava, type Java, Missing } from "./runtimes.ts";

const CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAQ";

const READY_MS = 30_000;

/** Parts of a broker beside its settings. */
interface KafkaOptions {
  /** Listeners for clients beside the one in clear text, as `NAME://host:port`. */
  readonly listeners?: readonly string[];
  /** Options of the Java machine. */
  readonly jvm?: readonly string[];
  /** Runs it, perhaps with classes of ours; with Kafka's alone by default. */
  readonly java?: Java;
}

interface Place {
  readonly directory: string;
  readonly quorum: string;
  readonly port: number;
  readonly controller: number;
}

function properties({ directory, quorum, port, controller }: Place, listeners: readonly string[]): string {
  const clients = [`PLAINTEXT://127.0.0.1:${port}`, ...listeners];
  return [
    "process.roles=broker,controller",
    "node.id=1",
    quorum,
    `listeners=${clients.join(",")},CONTROLLER://127.0.0.1:${controller}`,
    `advertised.listeners=${clients.join(",")}`,
    "controller.listener.names=CONTROLLER",
    `log.dirs=${directory}`,
    "offsets.topic.replication.factor=1",
    // With one partition there is one coordinator to wait for. A broker that opens this directory later must keep one
    // partition, whatever its own setting.
    "offsets.topic.num.partitions=1",
    "transaction.state.log.replication.factor=1",
    "transaction.state.log.min.isr=1",
    "transaction.state.log.num.partitions=1",
    "share.coordinator.state.topic.num.partitions=1",
    "share.coordinator.state.topic.replication.factor=1",
    "share.coordinator.state.topic.min.isr=1",
    "group.initial.rebalance.delay.ms=0",
    "auto.create.topics.enable=false",
    "",
  ].join("\n");
}

/** Apache Kafka as one node in combined mode, formatted by its own tool. */
export class KafkaProcess implements BrokerProcess {
  readonly directory: string;
  readonly server: string;
  /** Setting that names the quorum voters, as `name=value`. */
  readonly quorum: string;
  readonly #home: string;
  readonly #java: Java;
  readonly #jvm: readonly string[];
  #child: Child | undefined;
  #log = "";

  private constructor(java: Java, jvm: readonly string[], home: string, { quorum, port }: Omit<Place, "directory">) {
    this.#java = java;
    this.#jvm = jvm;
    this.#home = home;
    this.quorum = quorum;
    this.directory = join(home, "data");
    this.server = `127.0.0.1:${port}`;
  }

  /** Starts Kafka with fixed voters in its settings, or with changing voters in its metadata (KIP-853). */
  static async start(
    voters: "fixed" | "changing" = "fixed",
    settings: readonly string[] = [],
    { listeners = [], jvm = [], java: own }: KafkaOptions = {},
  ): Promise<KafkaProcess> {
    const java = own ?? (await findJava());
    if (java instanceof Missing) throw new Error(java.reason);
    const home = mkdtempSync(join(tmpdir(), "kafka-interop-"));
    const [port, controller] = [await freePort(), await freePort()];
    const quorum =
      voters === "fixed"
        ? `controller.quorum.voters=1@127.0.0.1:${controller}`
        : `controller.quorum.bootstrap.servers=127.0.0.1:${controller}`;
    const broker = new KafkaProcess(java, jvm, home, { quorum, port, controller });
    const { directory } = broker;
    try {
      const file = join(home, "server.properties");
      // The last value of a setting counts.
      const first = properties({ directory, quorum, port, controller }, listeners);
      writeFileSync(file, `${first}${settings.join("\n")}\n`);
      const how = voters === "fixed" ? [] : ["--standalone"];
      const format = java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", file, ...how);
      await run(format.command, format.args);
      await broker.start();
    } catch (error) {
      await broker.dispose();
      throw error;
    }
    return broker;
  }

  async start(): Promise<void> {
    const { command, args } = this.#java("kafka.Kafka", join(this.#home, "server.properties"));
    const child = new Child(command, [...this.#jvm, ...args]);
    this.#child = child;
    await this.#ready(child);
  }

  /** Polls until the broker leads every partition and coordinates groups, since Kafka prints no sign of readiness. */
  async #ready(child: Child): Promise<void> {
    const retry = { initialRetryTime: 50, maxRetryTime: 200, retries: 5 };
    const deadline = performance.now() + READY_MS;
    for (;;) {
      // Create a client for every attempt: after a failure, a client keeps its stale metadata.
      const admin = new Kafka({ brokers: [this.server], logLevel: logLevel.NOTHING, retry }).admin();
      try {
        await admin.connect();
        await admin.fetchOffsets({ groupId: "ready", topics: [] });
        for (const topic of await admin.listTopics()) await admin.fetchTopicOffsets(topic);
        return;
      } catch (error) {
        if (performance.now() > deadline) throw new Error(`${String(error)}\n${child.stderr}`);
        await new Promise(resolve => setTimeout(resolve, 100));
      } finally {
        await admin.disconnect();
      }
    }
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  log(): string {
    return this.#log + (this.#child?.stderr ?? "");
  }

  async dispose(): Promise<void> {
    await this.#end("SIGKILL");
    rmSync(this.#home, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await child?.end(signal);
    this.#log += child?.stderr ?? "";
  }
}
