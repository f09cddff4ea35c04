import { entryAt } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { BrokerConnection, type ResponseOf, WireError } from "@samsa/wire";
import type { BrokerProcess } from "./process.ts";
import { sleep } from "./system/sleep.ts";

const LIMIT_MS = 600_000;
/** Least pause between two questions, in ms; an expensive question is followed by a pause as long as itself. */
const PAUSE_MS = 5;
const METADATA_TOPIC = "__cluster_metadata";
/** Error code of a topic that an earlier attempt has created. */
const TOPIC_ALREADY_EXISTS = 36;
const CLIENT = { clientId: "bench", software: { name: "bench", version: "1" } };

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });

type Partitions = ResponseOf<"Metadata">["topics"][number]["partitions"];

/** Nodes of a cluster with the ids 1, 2, …, and what the loads ask of it. */
export class BenchCluster {
  /** Number of faults so far, for names of topics. */
  faults = 0;
  readonly #begin: (index: number) => Promise<BrokerProcess>;
  readonly #nodes: BrokerProcess[];

  private constructor(begin: (index: number) => Promise<BrokerProcess>, nodes: BrokerProcess[]) {
    this.#begin = begin;
    this.#nodes = nodes;
  }

  /** Starts all nodes at once. */
  static async start(begin: (index: number) => Promise<BrokerProcess>, nodes: number): Promise<BenchCluster> {
    return new BenchCluster(begin, await Promise.all(Array.from({ length: nodes }, (_, index) => begin(index))));
  }

  node(index: number): BrokerProcess {
    return entryAt(this.#nodes, index);
  }

  get bootstrap(): string {
    return this.#nodes.map(({ bootstrap }) => bootstrap).join(",");
  }

  /** Processor time of all nodes; NaN outside Linux. */
  cpuSeconds(): number {
    return this.#nodes.reduce((sum, node) => sum + (node.cpuSeconds() ?? Number.NaN), 0);
  }

  residentMiB(): number {
    return this.#nodes.reduce((sum, node) => sum + (node.residentMiB() ?? Number.NaN), 0);
  }

  /** Starts a node that has ended. */
  async start(index: number): Promise<void> {
    this.#nodes[index] = await this.#begin(index);
  }

  async restart(index: number): Promise<void> {
    await this.node(index).stop();
    await this.start(index);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map(node => node.stop()));
  }

  /** Waits until each node has all nodes in its metadata. */
  async joined(): Promise<void> {
    for (const index of this.#nodes.keys()) {
      await this.#until("all nodes in the metadata", index, async connection => {
        const { brokers } = await connection.call("Metadata", { topics: [] });
        return brokers.length === this.#nodes.length;
      });
    }
  }

  /** Waits until all replicas of all partitions are in sync and have a leader. */
  async inSync(): Promise<void> {
    const whole = (partitions: Partitions): boolean =>
      partitions.every(
        ({ leaderId, isrNodes, replicaNodes }) => leaderId > 0 && isrNodes.length === replicaNodes.length,
      );
    for (const index of this.#nodes.keys()) {
      await this.#until("all replicas in sync", index, async connection => {
        const { brokers, topics } = await connection.call("Metadata", { topics: null });
        return brokers.length === this.#nodes.length && topics.every(({ partitions }) => whole(partitions));
      });
    }
  }

  /**
   * Waits until each node has the logs of `count` partitions of topics whose names begin with `prefix`. The metadata name
   * all replicas of a new topic as in sync before a broker has made a log.
   */
  async logsMade(prefix: string, count: number): Promise<void> {
    for (const index of this.#nodes.keys()) {
      await this.#until(`${count} logs`, index, async connection => {
        const { results } = await connection.call("DescribeLogDirs", { topics: null });
        const topics = results.flatMap(result => result.topics).filter(({ name }) => name.startsWith(prefix));
        return topics.reduce((sum, { partitions }) => sum + partitions.length, 0) >= count;
      });
    }
  }

  /** Index of the node with the active controller. */
  async activeController(): Promise<number> {
    let leader = -1;
    await this.#until("an active controller", 0, async connection => {
      const topics = [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0 }] }];
      const response = await connection.call("DescribeQuorum", { topics });
      leader = response.topics[0]?.partitions[0]?.leaderId ?? -1;
      return leader > 0;
    });
    return leader - 1;
  }

  /** Creates a topic through a node; asks again until it is there. */
  async createTopic(index: number, name: string, numPartitions = 1, replicationFactor = 1): Promise<void> {
    await this.#until(`topic ${name}`, index, async connection => {
      const topics = [{ name, numPartitions, replicationFactor, assignments: [], configs: [] }];
      const response = await connection.call("CreateTopics", { topics, timeoutMs: 30_000, validateOnly: false });
      return [0, TOPIC_ALREADY_EXISTS].includes(response.topics[0]?.errorCode ?? -1);
    });
  }

  /** Moves the only replica of partition 0 to the next node. Returns the time that it took, in ms. */
  async move(name: string): Promise<number> {
    const connection = await this.#connect(0);
    try {
      const { topics } = await connection.call("Metadata", { topics: [{ name }] });
      const from = topics[0]?.partitions[0]?.leaderId ?? 1;
      const replicas = [(from % this.#nodes.length) + 1];
      const began = performance.now();
      const asked = [{ name, partitions: [{ partitionIndex: 0, replicas }] }];
      const { errorCode, responses } = await connection.call("AlterPartitionReassignments", {
        topics: asked,
        timeoutMs: 30_000,
      });
      const refused = errorCode || (responses[0]?.partitions[0]?.errorCode ?? -1);
      if (refused !== 0) throw new Error(`${name} cannot be moved: error ${refused}`);
      await this.#until(`${name} moved`, 0, async other => {
        const left = await other.call("ListPartitionReassignments", { topics: null, timeoutMs: 30_000 });
        return left.errorCode === 0 && left.topics.length === 0;
      });
      return performance.now() - began;
    } finally {
      connection.close();
    }
  }

  #connect(index: number): Promise<BrokerConnection> {
    return BrokerConnection.connect(env, { host: "127.0.0.1", port: this.node(index).port }, CLIENT);
  }

  /** Asks a node until `holds`; connects again after a failure. */
  async #until(what: string, index: number, holds: (connection: BrokerConnection) => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + LIMIT_MS;
    let connection: BrokerConnection | undefined;
    try {
      for (;;) {
        const asked = performance.now();
        try {
          connection ??= await this.#connect(index);
          if (await holds(connection)) return;
        } catch (error) {
          if (!(error instanceof WireError)) throw error;
          connection?.close();
          connection = undefined;
        }
        if (performance.now() > deadline) throw new Error(`${LIMIT_MS} ms went by without: ${what}`);
        await sleep(Math.max(PAUSE_MS, performance.now() - asked));
      }
    } finally {
      connection?.close();
    }
  }
}
