import { ignored, ZERO_UUID } from "@samsa/base";
import {
  type ClientSecurity,
  type ClusterPlan,
  ClusterSecurity,
  findJava,
  javaSettings,
  KafkajsJudge,
  type Login,
  Missing,
  MixedCluster,
  type MixedNode,
  PlatformaticJudge,
  renewed,
  until,
  VerifiableJudge,
  wireSecurity,
} from "@samsa/interop";
import type { ApiName } from "@samsa/protocol";
import type { ResponseOf, Security } from "@samsa/wire";
import { brokenBy, checkHistory, fallenOffsets, type Logged } from "../check/history.ts";
import { unequalReplicas } from "../check/replicas.ts";
import { NotRun, type Run } from "../frame/run.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { Reader } from "./reader.ts";
import { SteadyProducer } from "./steady-producer.ts";
import { makeUser } from "./users.ts";
import { connectAs, readPartition } from "./wire.ts";
import { type Producer, Writer } from "./writer.ts";

/** Client that writes during a scenario. */
export type ClientKind = "steady" | "kafkajs" | "platformatic" | "java";

/** Wish for a stage. */
export interface StageOptions {
  /** Nodes; three of Samsa with both roles by default. */
  readonly nodes?: ClusterPlan["nodes"];
  readonly voters?: ClusterPlan["voters"];
  readonly settings?: readonly string[];
  /** Puts the proxy between all ends. */
  readonly isProxied?: boolean;
  /** Log directories of nodes that have others than the usual one, by id. */
  readonly directories?: ReadonlyMap<number, readonly string[]>;
  /** Plays it on a secured cluster in any case. */
  readonly isSecured?: true;
  /** Settings of the topics of the loads. */
  readonly topicConfigs?: Readonly<Record<string, string>>;
}

const ASK_MS = 5000;
const WHOLE_MS = 60_000;
const READ_MS = 30_000;
const PARTITIONS = 3;
const TIMES = { firstMs: 20, mostMs: 100, requestMs: 3000 };
const AUDITOR = "auditor";

/** Three nodes with both roles, in a quorum whose voters are records of the metadata if both vendors are among them. */
function usualNodes(isMixed: boolean): Pick<ClusterPlan, "nodes" | "voters"> {
  if (!isMixed) {
    const nodes = [1, 2, 3].map(id => ({ id, vendor: "samsa", roles: "broker,controller" }) as const);
    return { voters: "fixed", nodes };
  }
  const mixed = (["samsa", "kafka", "samsa"] as const).map(
    (vendor, i) => ({ id: i + 1, vendor, roles: "broker,controller", isVoter: true }) as const,
  );
  return { voters: "changing", nodes: mixed };
}

/** Settings of a cluster of three. Sessions are Kafka's unless a scenario wants shorter ones. */
const SETTINGS: readonly string[] = [
  "offsets.topic.replication.factor=3",
  "transaction.state.log.replication.factor=3",
  "transaction.state.log.min.isr=2",
  "min.insync.replicas=2",
  "broker.heartbeat.interval.ms=2000",
  "broker.session.timeout.ms=9000",
  "replica.lag.time.max.ms=10000",
];

/** Settings with which a broker that is out of reach is noticed within seconds. */
export const SHORT_SESSIONS: readonly string[] = [
  "broker.heartbeat.interval.ms=300",
  "broker.session.timeout.ms=2000",
  "replica.lag.time.max.ms=3000",
];

/** Cluster of processes, the clients that load it, and what is checked when the faults are over. */
export class Stage {
  readonly run: Run;
  readonly cluster: MixedCluster;
  readonly proxy: FaultProxy;
  /** Certificates and users of a secured cluster. */
  readonly security: ClusterSecurity | undefined;
  /** User of the loads on a secured cluster. */
  login: Login = renewed({ mechanism: "SCRAM-SHA-512", username: "app", password: "" });
  readonly writers: Writer[] = [];
  readonly readers: Reader[] = [];
  /** Nodes that do not answer. */
  readonly asleep = new Set<number>();
  readonly #options: StageOptions;
  /** Times that the loads were begun. */
  #loads = 0;

  private constructor(parts: {
    readonly run: Run;
    readonly cluster: MixedCluster;
    readonly proxy: FaultProxy;
    readonly security: ClusterSecurity | undefined;
    readonly options: StageOptions;
  }) {
    this.run = parts.run;
    this.cluster = parts.cluster;
    this.proxy = parts.proxy;
    this.security = parts.security;
    this.#options = parts.options;
  }

  static async open(run: Run, options: StageOptions): Promise<Stage> {
    const security = options.isSecured === true || run.is("secured") ? new ClusterSecurity() : undefined;
    if (run.is("mixed") && (await findJava()) instanceof Missing) throw new NotRun("there is no Java");
    const proxy = new FaultProxy();
    const usual = usualNodes(run.is("mixed"));
    const { nodes = usual.nodes, voters = options.nodes === undefined ? usual.voters : "fixed" } = options;
    // Links of its own: it reaches the nodes that other clients are cut off from.
    for (const { id } of nodes) proxy.link(AUDITOR, String(id));
    try {
      const cluster = await MixedCluster.start({
        voters,
        nodes,
        security,
        settings: [...SETTINGS, ...(options.settings ?? [])],
        ...(options.isProxied === true ? { front: (id, listener) => proxy.front(id, listener) } : {}),
      });
      const stage = new Stage({ run, cluster, proxy, security, options });
      try {
        if (security !== undefined) await makeUser(stage, stage.login);
        return stage;
      } catch (error) {
        run.say(cluster.log());
        await cluster.dispose();
        throw error;
      }
    } catch (error) {
      await proxy.close();
      throw error;
    }
  }

  /** Security of the user of the loads. */
  get #client(): ClientSecurity | undefined {
    return this.security?.client(this.login);
  }

  /** Settings of Java's clients for the user of the loads. */
  get javaSettings(): readonly string[] {
    const client = this.#client;
    return client === undefined ? [] : javaSettings(client);
  }

  #wire(login = this.security?.admin): Security | undefined {
    return login === undefined || this.security === undefined ? undefined : wireSecurity(this.security.client(login));
  }

  /** Client of KafkaJS that asks again quickly. */
  get kafkajs(): KafkajsJudge {
    return new KafkajsJudge(this.cluster.brokers, TIMES, this.#client);
  }

  /** Begins loads with topics of their own; the first one also gets a reader. */
  async load(...kinds: readonly ClientKind[]): Promise<void> {
    const suffix = this.#loads === 0 ? "" : `-${this.#loads}`;
    this.#loads++;
    for (const kind of kinds) {
      const producer = await this.#producer(kind);
      const topic = `${kind}${suffix}`;
      await this.createTopic(topic, { configs: this.#options.topicConfigs ?? {} });
      await this.whole();
      const writer = new Writer(topic, topic, producer);
      await writer.start();
      this.writers.push(writer);
      if (this.readers.length > 0) continue;
      const reader = new Reader(this.kafkajs, topic);
      this.readers.push(reader);
      await reader.start();
    }
    await this.more(50, "at first");
    await until("the consumer reads", () => this.readers.every(({ reads }) => reads.length > 0));
    this.mark();
  }

  async #producer(kind: ClientKind): Promise<Producer> {
    if (kind === "steady") return new SteadyProducer(this.cluster.brokers, PARTITIONS, this.#wire(this.login));
    if (kind === "kafkajs") return this.kafkajs;
    if (kind === "platformatic") return new PlatformaticJudge(this.cluster.brokers, 1, this.#client);
    const java = await findJava();
    if (java instanceof Missing) throw new NotRun(java.reason);
    return new VerifiableJudge(java, this.cluster.brokers, this.javaSettings);
  }

  async createTopic(
    name: string,
    {
      partitions = PARTITIONS,
      replicas = 3,
      configs = {},
      assignments = [],
    }: {
      readonly partitions?: number;
      readonly replicas?: number;
      readonly configs?: Readonly<Record<string, string>>;
      readonly assignments?: readonly (readonly number[])[];
    } = {},
  ): Promise<void> {
    const isPlaced = assignments.length > 0;
    const topic = {
      name,
      numPartitions: isPlaced ? -1 : partitions,
      replicationFactor: isPlaced ? -1 : replicas,
      assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    };
    const { topics } = await this.ask(this.anyone.id, "CreateTopics", 7, {
      topics: [topic],
      timeoutMs: ASK_MS,
      validateOnly: false,
    });
    if (topics[0]?.errorCode !== 0) throw new Error(`${name} cannot be created: ${topics[0]?.errorMessage}`);
  }

  /** Broker that runs and answers. */
  get anyone(): MixedNode {
    const isUp = ({ id, isRunning, broker }: MixedNode): boolean =>
      isRunning && broker !== undefined && !this.asleep.has(id);
    const found = this.cluster.nodes.find(isUp);
    if (found === undefined) throw new Error("no broker runs");
    return found;
  }

  /** Sends a request to a node as the administrator, to its broker if it has one. */
  async ask<N extends ApiName>(id: number, api: N, version: number, body: object): Promise<ResponseOf<N>> {
    const { broker, controller } = this.cluster.node(id);
    const connection = await connectAs(AUDITOR, broker ?? controller ?? "", ASK_MS, this.#wire());
    try {
      return await connection.ask(api, version, body);
    } finally {
      connection.close();
    }
  }

  /** Partitions of a topic, or of all topics, as a node tells them. */
  async partitions(topic?: string, id = this.anyone.id) {
    const named = topic === undefined ? null : [{ topicId: ZERO_UUID, name: topic }];
    const { topics } = await this.ask(id, "Metadata", 12, { topics: named });
    return topics.flatMap(({ name, partitions }) => partitions.map(one => ({ ...one, topic: name ?? "" })));
  }

  async leader(topic: string, partition = 0): Promise<MixedNode> {
    const found = (await this.partitions(topic)).find(({ partitionIndex }) => partitionIndex === partition);
    return this.cluster.node(found?.leaderId ?? -1);
  }

  /** Active controller, as a node tells it. */
  async controller(id = this.anyone.id): Promise<MixedNode> {
    const topics = [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }];
    const { topics: answers } = await this.ask(id, "DescribeQuorum", 2, { topics });
    return this.cluster.node(answers[0]?.partitions[0]?.leaderId ?? -1);
  }

  /** Waits for `count` more records of each load. */
  async more(count: number, when: string, deadlineMs?: number): Promise<void> {
    await Promise.all(this.writers.map(writer => writer.more(count, when, deadlineMs)));
  }

  /** Begins to measure pauses. */
  mark(): void {
    for (const { gaps } of [...this.writers, ...this.readers]) gaps.mark();
  }

  /** Takes note of the pauses since the mark, and returns the longest one of writers. */
  pauses(): number {
    const writes = Math.max(...this.writers.map(({ gaps }) => gaps.longest));
    const reads = Math.max(...this.readers.map(({ gaps }) => gaps.longest));
    this.run.lasted("writePauseMs", writes);
    if (this.readers.length > 0) this.run.lasted("readPauseMs", reads);
    this.mark();
    return writes;
  }

  /** Waits until every partition has a leader and all replicas in sync; takes note of the time if a fault is over. */
  async whole(isRecovery = false): Promise<void> {
    const began = performance.now();
    let missing = "";
    try {
      await until(
        "all replicas in sync",
        async () => {
          const bad = (await this.partitions()).find(
            ({ leaderId, isrNodes, replicaNodes }) => leaderId < 0 || isrNodes.length < replicaNodes.length,
          );
          missing = bad === undefined ? "" : `${bad.topic}-${bad.partitionIndex} has ISR ${bad.isrNodes.join()}`;
          return bad === undefined;
        },
        WHOLE_MS,
      );
    } catch (error) {
      throw new Error(`${missing}: ${String(error)}`);
    }
    if (isRecovery) this.run.lasted("recoveryMs", performance.now() - began);
  }

  /** All records of a topic, from the leaders of its partitions. */
  async readAll(topic: string, committed = false): Promise<Logged[]> {
    const all: Logged[] = [];
    for (const { partitionIndex: partition, leaderId } of await this.partitions(topic)) {
      const { broker = "" } = this.cluster.node(leaderId);
      all.push(...(await readPartition(broker, { topic, partition, committed, security: this.#wire() })));
    }
    return all;
  }

  /** Ends the loads, and compares what clients were told with what all replicas hold. */
  async finish(): Promise<void> {
    await this.#end(this.writers, this.readers);
    await this.equal();
  }

  /** Begins loads with the login that counts now, then ends those of before and compares what their clients were told. */
  async replaceLoads(...kinds: readonly ClientKind[]): Promise<void> {
    const [writers, readers] = [this.writers.splice(0), this.readers.splice(0)];
    try {
      await this.load(...kinds);
      await this.#end(writers, readers);
    } catch (error) {
      // The end of the stage ends them, too.
      this.writers.push(...writers);
      this.readers.push(...readers);
      throw error;
    }
  }

  async #end(writers: readonly Writer[], readers: readonly Reader[]): Promise<void> {
    const { run } = this;
    for (const writer of writers) {
      await writer.stop().catch((error: unknown) => run.broken(`${writer.name} gave up: ${String(error)}`));
    }
    await this.whole();
    for (const writer of writers) await this.#check(writer, readers);
    for (const reader of readers) await reader.stop();
    for (const reader of readers) {
      for (const fallen of fallenOffsets(reader.committed, await reader.offsets(this.kafkajs))) run.broken(fallen);
    }
  }

  /** Compares all replicas, which are in sync and idle. */
  async equal(): Promise<void> {
    let unequal: readonly string[] = [];
    await until("equal replicas", () => {
      unequal = unequalReplicas(
        this.cluster.nodes
          .filter(({ broker }) => broker !== undefined)
          .map(({ id, directory }) => ({ id, directories: this.#options.directories?.get(id) ?? [directory] })),
      );
      return unequal.length === 0;
    }).catch(ignored("the list tells what differs"));
    for (const pair of unequal) this.run.broken(pair);
  }

  async #check(writer: Writer, all: readonly Reader[]): Promise<void> {
    const { run } = this;
    const log = await this.readAll(writer.topic);
    const readers = all.filter(({ topic }) => topic === writer.topic);
    for (const { reads } of readers) {
      const places = (records: readonly Logged[]): number =>
        new Set(records.map(({ partition, offset }) => `${partition}/${offset}`)).size;
      await until("the consumer has read all records", () => places(reads) >= log.length, READ_MS).catch(
        (error: unknown) => run.broken(`${places(reads)} of ${log.length} records are read: ${String(error)}`),
      );
    }
    const { acknowledged } = writer;
    const reads = readers.flatMap(reader => reader.reads);
    const anomalies = checkHistory({ acknowledged, log, reads, isSent: value => writer.isSent(value) });
    run.count("acknowledged", acknowledged.length);
    run.count("lost", anomalies.lost.length);
    if (writer.idempotent) run.count("duplicated", anomalies.duplicated.length);
    else run.note(`repeated by ${writer.name}, which is not idempotent:`, anomalies.duplicated.length);
    for (const rule of brokenBy(anomalies, writer)) run.broken(`${writer.name}: ${rule}`);
  }

  /** Ends everything that the stage has begun. */
  async close(): Promise<void> {
    this.proxy.heal();
    for (const node of this.cluster.nodes) node.resume();
    const ended = ignored("the cluster goes away in any case");
    await Promise.race([
      Promise.all([...this.readers, ...this.writers].map(client => client.stop().catch(ended))),
      new Promise(resolve => setTimeout(resolve, ASK_MS)),
    ]);
    await this.cluster.dispose();
    await this.proxy.close();
  }
}

/** Plays a scenario on a stage, and closes it whatever happens. */
export async function onStage(run: Run, options: StageOptions, body: (stage: Stage) => Promise<void>): Promise<void> {
  if (options.isProxied === true && run.is("secured")) throw new NotRun("the proxy cannot tell who speaks TLS");
  const stage = await Stage.open(run, options);
  try {
    await body(stage);
    await stage.finish();
  } catch (error) {
    if (!(error instanceof NotRun)) run.say(stage.cluster.log());
    throw error;
  } finally {
    await stage.close();
  }
}
