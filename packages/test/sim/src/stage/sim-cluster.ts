import { type Env, entryAt, utf8 } from "@samsa/base";
import { formatStorage, Node } from "@samsa/broker";
import { CLUSTER_DEFAULTS, ClusterClient, type ClusterSettings } from "@samsa/client-runtime";
import { buildBatch, readRecords, type Tools } from "@samsa/records";
import type { ApiName } from "@samsa/protocol";
import { BrokerLink, type RequestOf, type ResponseOf } from "@samsa/wire";
import { World } from "../world/world.ts";

const PORT = 9092;
const CONTROLLER_ID = 9;
/** Time between two looks at a condition, in ms. */
const STEP_MS = 20;
const TIMES = {
  setupTimeoutMs: 200,
  maxSetupTimeoutMs: 400,
  requestTimeoutMs: 5000,
  reconnectBackoffMs: 5,
  maxReconnectBackoffMs: 50,
};
const SETTINGS = {
  "controller.quorum.voters": `${CONTROLLER_ID}@n${CONTROLLER_ID}:${PORT}`,
  "log.dirs": "/data",
  "broker.session.timeout.ms": "1000",
  "broker.heartbeat.interval.ms": "200",
  "replica.lag.time.max.ms": "1000",
};

/** Options of a `SimCluster`. */
export interface SimClusterOptions {
  /** Settings of all nodes. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Features as name=level. */
  readonly features?: readonly string[];
}

/** A controller and three brokers in a simulated world, whose time passes in `settle` and `until` only. */
export class SimCluster {
  readonly world = new World(1);
  readonly nodes = new Map<number, Node>();
  /** Reasons of nodes that have ended by themselves. */
  readonly halted = new Map<number, string>();
  readonly #settings: Readonly<Record<string, string>>;
  readonly #links = new Map<number, BrokerLink>();

  constructor({ settings = {}, features = [] }: SimClusterOptions = {}) {
    this.#settings = { ...SETTINGS, ...settings };
    for (const id of [CONTROLLER_ID, 1, 2, 3]) {
      const options = { clusterId: "cluster", ignoreFormatted: false, features };
      formatStorage(this.world.node(`n${id}`).env, { ...options, settings: this.#settingsOf(id) });
    }
  }

  #settingsOf(id: number): Map<string, string> {
    const isController = id === CONTROLLER_ID;
    return new Map(
      Object.entries({
        ...this.#settings,
        "node.id": String(id),
        "process.roles": isController ? "controller" : "broker",
        listeners: `${isController ? "CONTROLLER" : "PLAINTEXT"}://n${id}:${PORT}`,
      }),
    );
  }

  /** Environment of a client. */
  get clientEnv(): Env {
    return this.world.node("client").env;
  }

  /** Endpoints of the brokers. */
  get brokers(): { readonly host: string; readonly port: number }[] {
    return [1, 2, 3].map(id => ({ host: `n${id}`, port: PORT }));
  }

  /** Endpoints of the controllers. */
  get controllers(): { readonly host: string; readonly port: number }[] {
    return [{ host: `n${CONTROLLER_ID}`, port: PORT }];
  }

  /** Starts all nodes; the brokers are unfenced then. */
  async startAll(): Promise<void> {
    await Promise.all([CONTROLLER_ID, 1, 2, 3].map(id => this.start(id)));
  }

  /** Starts a node. */
  async start(id: number): Promise<void> {
    const { env } = this.world.node(`n${id}`);
    const onHalt = (reason: string): void => void this.halted.set(id, reason);
    this.nodes.set(id, await this.settle(Node.start(env, { settings: this.#settingsOf(id), onHalt })));
  }

  /** Ends the process of a node: its writes stay, or with the power those that were not synced are lost. */
  end(id: number, how: "kill" | "power"): void {
    this.nodes.delete(id);
    this.world.crash(`n${id}`, { unsynced: how === "power" ? "lost" : "cached" });
  }

  /** Stops a node cleanly. */
  async stop(id: number): Promise<void> {
    const node = this.nodes.get(id);
    if (node === undefined) return;
    await this.settle(node.close());
    this.end(id, "kill");
  }

  /** Lets time pass until `promise` settles. */
  settle<T>(promise: Promise<T>): Promise<T> {
    return this.world.settle(promise);
  }

  /** Lets time pass until `holds`; rejects with `what` after `withinMs`. */
  async until(
    holds: () => boolean | Promise<boolean>,
    what = (): string => "it does not hold",
    withinMs = 60_000,
  ): Promise<void> {
    const limit = this.world.now() + withinMs;
    while (!(await holds())) {
      if (this.world.now() > limit) throw new Error(what());
      await this.world.runFor(STEP_MS);
    }
  }

  /** Lets time pass until `promise` rejects; resolves with the error. */
  refusal(promise: Promise<unknown>): Promise<unknown> {
    const fulfilled = (): never => {
      throw new Error("the promise is fulfilled");
    };
    return this.settle(promise.then(fulfilled, (error: unknown) => error));
  }

  /** Client of the brokers on a node of its own, with Kafka's defaults but for `settings`. The caller closes it. */
  client(settings: Partial<ClusterSettings> = {}, node = "client"): ClusterClient {
    return new ClusterClient(this.world.node(node).env, {
      ...CLUSTER_DEFAULTS,
      bootstrapServers: this.brokers,
      clientId: node,
      software: { name: "test", version: "1" },
      ...settings,
    });
  }

  #link(id: number): BrokerLink {
    const known = this.#links.get(id);
    if (known !== undefined) return known;
    const software = { name: "test", version: "1" };
    const { env } = this.world.node("client");
    const link = new BrokerLink(
      env,
      { host: `n${id}`, port: PORT },
      { clientId: "test", software, maxInFlight: 5, ...TIMES },
    );
    this.#links.set(id, link);
    return link;
  }

  /** Sends a request to a node; rejects with a `WireError` without an answer. */
  ask<N extends ApiName>(id: number, api: N, body: RequestOf<N>, version?: number): Promise<ResponseOf<N>> {
    return this.settle(this.#link(id).call(api, body, version === undefined ? {} : { version }));
  }

  get #tools(): Tools {
    const { crypto, codecs } = this.world.node("client").env;
    return { crc32c: crypto.crc32c, codecs };
  }

  /** State of partition 0 of a topic, as a broker that runs describes it; a broker may hear of a new topic later. */
  async partition(topic: string) {
    const [id = 1] = [...this.nodes.keys()].filter(other => other !== CONTROLLER_ID);
    const topics = [{ name: topic }];
    const found = await this.ask(id, "DescribeTopicPartitions", { topics, responsePartitionLimit: 10, cursor: null });
    const [state] = entryAt(found.topics, 0).partitions;
    if (state === undefined) return { leader: -1, isr: [], elr: [], lastKnown: [] };
    const { leaderId, isrNodes, eligibleLeaderReplicas, lastKnownElr } = state;
    return { leader: leaderId, isr: isrNodes, elr: eligibleLeaderReplicas, lastKnown: lastKnownElr };
  }

  /** Waits until partition 0 of a topic is in a state. */
  async untilPartition(topic: string, wanted: Partial<Awaited<ReturnType<SimCluster["partition"]>>>): Promise<void> {
    const sorted = (value: unknown): string =>
      JSON.stringify(Array.isArray(value) ? value.map(String).sort((a, b) => a.localeCompare(b)) : value);
    let seen = {};
    const holds = async () => {
      const state = await this.partition(topic);
      seen = state;
      return Object.entries(wanted).every(
        ([name, value]) => sorted(state[name as keyof typeof state]) === sorted(value),
      );
    };
    await this.until(holds, () => `the partition is ${JSON.stringify(seen)}, not ${JSON.stringify(wanted)}`);
  }

  /** Creates a topic with one partition. */
  async createTopic(name: string, brokerIds: readonly number[], configs: readonly { name: string; value: string }[]) {
    const topic = { name, numPartitions: -1, replicationFactor: -1, configs };
    const assignments = [{ partitionIndex: 0, brokerIds }];
    const topics = [{ ...topic, assignments }];
    const answer = await this.ask(1, "CreateTopics", { topics, timeoutMs: 5000, validateOnly: false });
    return entryAt(answer.topics, 0).errorCode;
  }

  /** Produces a value to partition 0 with acks=all; returns the error code. */
  async produce(topic: string, value: string): Promise<number> {
    // Retention deletes older records.
    const timestamp = this.clientEnv.clock.now();
    const records = [buildBatch([{ timestamp, key: null, value: utf8(value) }], {}, this.#tools)];
    const topicData = [{ name: topic, partitionData: [{ index: 0, records }] }];
    const { leader } = await this.partition(topic);
    const body = { transactionalId: null, acks: -1, timeoutMs: 3000, topicData };
    const { responses } = await this.ask(leader, "Produce", body, 9);
    return entryAt(entryAt(responses, 0).partitionResponses, 0).errorCode;
  }

  /** Values in partition 0 up to the high watermark. */
  async consume(topic: string): Promise<string[]> {
    const { leader } = await this.partition(topic);
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
    const limits = { maxWaitMs: 0, minBytes: 0, maxBytes: 1_000_000, isolationLevel: 0 };
    const request = {
      ...limits,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [{ topic, partitions }],
      forgottenTopicsData: [],
    };
    const { responses } = await this.ask(leader, "Fetch", request, 11);
    const { records } = entryAt(entryAt(responses, 0).partitions, 0);
    const read = (records ?? []).flatMap(chunk => readRecords(chunk, this.#tools));
    return read.map(record => Buffer.from(record.value ?? []).toString());
  }

  async close(): Promise<void> {
    for (const link of this.#links.values()) link.disconnect();
    await Promise.all([1, 2, 3, CONTROLLER_ID].map(id => this.stop(id)));
  }
}
