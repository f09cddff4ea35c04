import { BufferPool, concat, SortedMap, UNASSIGNED_DIRECTORY, type Uuid } from "@samsa/base";
import { configKey, EMPTY_IMAGE, type MetadataChanges, type MetadataImage, type PartitionImage } from "@samsa/metadata";
import { BatchJudge, buildBatch, type Tools } from "@samsa/records";
import type { IsrAnswer } from "@samsa/replica";
import { type SimNode, World, type WorldOptions } from "@samsa/sim";
import { type ApiName, type FetchRequest, GatherWriter } from "@samsa/protocol";
import { LogDirs } from "@samsa/storage";
import { RawConnection, type ResponseOf } from "@samsa/wire";
import { apiVersions } from "../src/api/cluster/api-versions.ts";
import { describeLogDirs } from "../src/api/cluster/describe-log-dirs.ts";
import type { BrokerParts, ServedApi } from "../src/api/parts.ts";
import { fetch } from "../src/api/records/fetch.ts";
import { listOffsets } from "../src/api/records/list-offsets.ts";
import { produce } from "../src/api/records/produce.ts";
import { serve } from "../src/apis.ts";
import { announced } from "../src/request/api-row.ts";
import { logConfig, Settings } from "../src/config/settings.ts";
import { HeldBytes } from "../src/limits/held-bytes.ts";
import { Judging } from "../src/limits/judging.ts";
import { Quotas } from "../src/quotas/quotas.ts";
import { ClientConnection, type ConnectionHost } from "../src/network/connection.ts";
import { RequestLog } from "../src/network/request-log.ts";
import { RequestBudget } from "../src/network/request-budget.ts";
import { RequestHandler } from "../src/network/request-handler.ts";
import { FetchSessions } from "../src/replica/fetch-sessions.ts";
import type { IsrChange } from "../src/replica/isr-proposals.ts";
import { Moves } from "../src/replica/moves.ts";
import type { Partition } from "../src/replica/partition.ts";
import { Replication } from "../src/replica/replication.ts";
import { Topics } from "../src/replica/topics.ts";
import { ALLOW_ALL } from "@samsa/security";
import { BrokerMetrics } from "../src/turn/metrics.ts";
import { Turn } from "../src/turn/turn.ts";
import { logOf } from "./logs.ts";

export const TOPIC = "t";
export const TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAZQ" as Uuid;
const PORT = 9092;
/** Type of the resource of a topic's settings. */
const TOPIC_RESOURCE = 2;
const WINDOWS = { count: 11, ms: 1000 };

/** APIs that replicas use, and Produce; `seen` receives the requests for records. */
function apis(seen: FetchRequest[]): readonly ServedApi[] {
  const noting: typeof fetch = (parts, request, context, reply) => {
    seen.push(request);
    fetch(parts, request, context, reply);
  };
  return [
    serve("ApiVersions", apiVersions),
    serve("Fetch", noting, { topics: { operation: "READ", idsSince: 13 } }),
    serve("Produce", produce, { topics: { operation: "WRITE", idsSince: 13 } }),
    serve("ListOffsets", listOffsets, { topics: { operation: "DESCRIBE" } }),
    serve("DescribeLogDirs", describeLogDirs, { topics: { operation: null } }),
  ];
}

export type State = Pick<PartitionImage, "leader" | "leaderEpoch" | "partitionEpoch" | "replicas" | "isr">;

/** Pool that wipes what is given back, so that a later use shows. */
class WipedBuffers extends BufferPool {
  /** Number of bytes given back. */
  wiped = 0;

  protected override freed(buffer: Uint8Array): void {
    this.wiped += buffer.length;
    buffer.fill(0xee);
  }
}

/** The replicas of a broker, and the APIs that other brokers use, in one life of a machine. */
class ReplicaBroker {
  readonly id: number;
  readonly epoch: number;
  readonly topics: Topics;
  readonly replication: Replication;
  readonly dirs: LogDirs;
  readonly sessions: FetchSessions;
  readonly errors: unknown[] = [];
  /** Memory of what its fetchers receive. */
  readonly received = new WipedBuffers();
  /** Requests for records that it has got. */
  readonly fetches: FetchRequest[] = [];
  #image = EMPTY_IMAGE;

  constructor(id: number, epoch: number, { env }: SimNode, cluster: ReplicaBrokers) {
    this.id = id;
    this.epoch = epoch;
    const file = new Map([["node.id", String(id)], ["replica.lag.time.max.ms", "2000"], ...cluster.settings]);
    const settings = new Settings(id, file);
    const config = settings.broker(EMPTY_IMAGE);
    const turn = new Turn(env.timers, error => this.errors.push(error));
    const defaults = logConfig(settings.topic(EMPTY_IMAGE, ""));
    this.dirs = new LogDirs(env, {
      paths: ["/data"],
      metadataPath: "/data",
      metadataTopic: "__cluster_metadata",
      nodeId: id,
      clusterId: "c",
      configOf: () => defaults,
    });
    this.replication = new Replication({
      env,
      turn,
      nodeId: id,
      config: () => config,
      brokerEpoch: () => epoch,
      endpointOf: other => ({ host: `broker-${other}`, port: PORT }),
      proposeIsr: changes => cluster.propose(this, changes),
      introduction: { software: { name: "test", version: "1" } },
      buffers: this.received,
    });
    const moves = new Moves({ env, assign: () => Promise.resolve(), settled: () => {} });
    const { replication, dirs } = this;
    this.topics = new Topics(
      { env, nodeId: id, turn, dirs, settings, moves, replication, openAtOnce: 50, opened() {} },
      EMPTY_IMAGE,
    );
    this.sessions = new FetchSessions(100, () => env.random.next());
    const metrics = new BrokerMetrics();
    const quotas = new Quotas(WINDOWS, WINDOWS, host => Promise.resolve(host));
    const unsent = new HeldBytes<ClientConnection<ServedApi>>(1 << 28);
    const parts: Partial<BrokerParts> = {
      env,
      nodeId: id,
      config,
      turn,
      metrics,
      quotas,
      moves,
      dirs,
      settings,
      unsent,
      judging: new Judging(new BatchJudge(cluster.tools), undefined),
      leaderQuota: replication.leaderQuota,
      followerWaits: replication.followerWaits,
    };
    const fetches = { sessions: this.sessions, pendingFetches: new Set<never>(), topics: this.topics };
    const served = apis(this.fetches);
    const versions = { node: () => undefined, kraftVersion: () => 1, apis: () => served.map(announced), ...fetches };
    // The handlers that are served here use no other parts.
    const all = { ...parts, ...versions } as BrokerParts;
    const host: ConnectionHost<ServedApi> = {
      env,
      turn,
      metrics,
      quotas,
      requests: new RequestHandler(all, this.topics, ALLOW_ALL),
      log: new RequestLog(env),
      complaints: env.logger,
      maxRequestBytes: 1 << 24,
      writer: new GatherWriter(),
      buffers: new BufferPool(),
      apiOf: key => served.find(api => api.key === key),
      budget: new RequestBudget(-1),
      unfinished: new HeldBytes(1 << 28),
      unsent,
      closed() {},
    };
    void env.network.listen("0.0.0.0", PORT, connection => new ClientConnection(host, connection, "PLAINTEXT"));
  }

  partition(index: number): Partition | undefined {
    return this.topics.partition(TOPIC, index);
  }

  apply(image: MetadataImage): void {
    const known = this.#image.topics.get(TOPIC_ID)?.partitions;
    const states = [...(image.topics.get(TOPIC_ID)?.partitions ?? [])];
    const changed = states.filter(
      ([index, { partitionEpoch }]) => known?.get(index)?.partitionEpoch !== partitionEpoch,
    );
    const changes: MetadataChanges = {
      base: this.#image,
      changedTopics: new Map([[TOPIC_ID, new Set(changed.map(([index]) => index))]]),
      deletedTopics: new Map(),
      changedConfigs: new Set(),
      changedBrokers: new Set(image.brokers.keys()),
      changedAcls: new Set(),
    };
    this.#image = image;
    this.topics.apply(changes, image);
  }
}

interface Machine {
  readonly name: string;
  broker: ReplicaBroker | undefined;
  isFenced: boolean;
  epoch: number;
}

/** Brokers with the replicas of one topic, and a controller that is a part of the test. */
export class ReplicaBrokers {
  readonly world: World;
  readonly settings: ReadonlyMap<string, string>;
  readonly topicSettings: ReadonlyMap<string, string>;
  readonly machines: readonly Machine[];
  readonly states: State[];
  readonly acknowledged = new Map<string, string>();
  #epochs = 100;
  #values = 0;

  constructor(
    seed: number,
    {
      partitions = 1,
      settings = {},
      topicSettings = {},
      world = {},
    }: {
      readonly partitions?: number;
      readonly settings?: Readonly<Record<string, string>>;
      readonly topicSettings?: Readonly<Record<string, string>>;
      readonly world?: WorldOptions;
    } = {},
  ) {
    this.world = new World(seed, world);
    this.settings = new Map(Object.entries(settings));
    this.topicSettings = new Map(Object.entries(topicSettings));
    this.machines = [1, 2, 3].map(id => ({ name: `broker-${id}`, broker: undefined, isFenced: false, epoch: -1 }));
    this.states = Array.from({ length: partitions }, (_, i) => ({
      leader: 1 + (i % 3),
      leaderEpoch: 0,
      partitionEpoch: 0,
      replicas: [1, 2, 3],
      isr: [1, 2, 3],
    }));
    for (const id of [1, 2, 3]) this.start(id);
  }

  get tools(): Tools {
    const { crypto, codecs } = this.world.node("broker-1").env;
    return { crc32c: crypto.crc32c, codecs };
  }

  machine(id: number): Machine {
    return this.machines[id - 1] as Machine;
  }

  broker(id: number): ReplicaBroker | undefined {
    return this.machine(id).broker;
  }

  get running(): ReplicaBroker[] {
    return this.machines.flatMap(({ broker }) => broker ?? []);
  }

  start(id: number): void {
    const machine = this.machine(id);
    if (machine.broker !== undefined) return;
    machine.epoch = this.#epochs++;
    machine.isFenced = false;
    machine.broker = new ReplicaBroker(id, machine.epoch, this.world.node(machine.name), this);
    for (const index of this.states.keys()) this.#elect(index);
    this.publish();
  }

  /** A power cut: what is not flushed may be lost, except on the last replica in sync. */
  crash(id: number): void {
    const machine = this.machine(id);
    if (machine.broker === undefined) return;
    const isLast = this.states.some(({ isr }) => isr.length === 1 && isr[0] === id);
    machine.broker = undefined;
    this.world.crash(machine.name, { unsynced: isLast ? "cached" : "random" });
    this.fence(id);
  }

  fence(id: number): void {
    this.machine(id).isFenced = true;
    for (const [index, { isr }] of this.states.entries()) {
      const rest = isr.filter(other => other !== id);
      this.#elect(index, rest.length > 0 ? rest : isr);
    }
    this.publish();
  }

  unfence(id: number): void {
    if (this.broker(id) === undefined) return;
    this.machine(id).isFenced = false;
    for (const index of this.states.keys()) this.#elect(index);
    this.publish();
  }

  /** Gives a partition another leader; `lateId` hears of it `lateMs` after the others. */
  move(index: number, lateId = -1, lateMs = 0): void {
    this.#elect(index, this.#state(index).isr, true);
    this.publish(lateId, lateMs);
  }

  #state(index: number): State {
    return this.states[index] as State;
  }

  #elect(index: number, isr = this.#state(index).isr, moves = false): void {
    const { leader: before, leaderEpoch, partitionEpoch, replicas } = this.#state(index);
    const able = isr.filter(id => !this.machine(id).isFenced);
    const others = moves ? able.filter(id => id !== before) : able;
    const leader = !moves && able.includes(before) ? before : (others[0] ?? able[0] ?? -1);
    const isNew = leader !== before || moves;
    if (!isNew && isr.length === this.#state(index).isr.length) return;
    this.states[index] = {
      ...{ leader, replicas, isr, partitionEpoch: partitionEpoch + 1 },
      leaderEpoch: isNew ? leaderEpoch + 1 : leaderEpoch,
    };
  }

  #image(): MetadataImage {
    const partitions = SortedMap.of(
      this.states.map((state, index): [number, PartitionImage] => [
        index,
        {
          ...state,
          directories: state.replicas.map(() => UNASSIGNED_DIRECTORY),
          ...{ removingReplicas: [], addingReplicas: [], eligibleLeaderReplicas: [], lastKnownElr: [] },
          leaderRecoveryState: 0,
        },
      ]),
    );
    const brokers = this.machines.map(({ epoch, isFenced, name }, i) => {
      const endPoints = [{ name: "PLAINTEXT", host: name, port: PORT, securityProtocol: 0 }];
      const rest = { incarnationId: TOPIC_ID, features: [], rack: `rack-${i + 1}`, logDirs: [], cordonedLogDirs: [] };
      const broker = { ...rest, brokerId: i + 1, brokerEpoch: epoch, endPoints, fenced: isFenced };
      return [i + 1, { ...broker, inControlledShutdown: false, isMigratingZkBroker: false }] as const;
    });
    const resource = { type: TOPIC_RESOURCE, name: TOPIC };
    const configs = { ...resource, values: this.topicSettings };
    return {
      ...EMPTY_IMAGE,
      configs: SortedMap.of([[configKey(TOPIC_RESOURCE, TOPIC), configs]]),
      features: SortedMap.of([["metadata.version", 33]]),
      topics: SortedMap.of([[TOPIC_ID, { id: TOPIC_ID, name: TOPIC, partitions }]]),
      topicIds: SortedMap.of([[TOPIC, TOPIC_ID]]),
      brokers: SortedMap.of(brokers as never),
    };
  }

  /** Sends the metadata to all brokers, to `lateId` after `lateMs` more. */
  publish(lateId = -1, lateMs = 0): void {
    const image = this.#image();
    for (const broker of this.running) {
      const { timers } = this.world.node(`broker-${broker.id}`).env;
      timers.after(broker.id === lateId ? 5 + lateMs : 5, () => broker.apply(image));
    }
  }

  /** Decides on changes of ISRs, as the controller (AlterPartition). */
  propose(from: ReplicaBroker, changes: readonly IsrChange[]): Promise<IsrAnswer[]> {
    const { env } = this.world.node(`broker-${from.id}`);
    if (this.world.rng.next() < 0.1) return Promise.reject(new Error("the request was lost"));
    return new Promise(resolve => {
      env.timers.after(this.world.rng.next() * 20, () => {
        const answers = changes.map(change => this.#decide(from, change));
        this.publish();
        env.timers.after(this.world.rng.next() * 20, () => resolve(answers));
      });
    });
  }

  #decide(from: ReplicaBroker, { partition, proposal }: IsrChange): IsrAnswer {
    const { leader, leaderEpoch, partitionEpoch } = this.#state(partition);
    if (from.id !== leader || proposal.leaderEpoch !== leaderEpoch) return { errorCode: 74 };
    if (proposal.partitionEpoch !== partitionEpoch) return { errorCode: 95 };
    const isEligible = (id: number, epoch: unknown): boolean =>
      !this.machine(id).isFenced && (epoch === -1 || epoch === this.machine(id).epoch);
    if (!proposal.isr.every(({ brokerId, brokerEpoch }) => isEligible(brokerId, brokerEpoch)))
      return { errorCode: 107 };
    const isr = proposal.isr.map(({ brokerId }) => brokerId);
    this.states[partition] = { ...this.#state(partition), isr, partitionEpoch: partitionEpoch + 1 };
    return { errorCode: 0, leaderEpoch, partitionEpoch: partitionEpoch + 1, isr };
  }

  /** Appends a record on a broker that believes that it leads, with acks −1. */
  produce(id: number, index: number, size = 10, records = 1): void {
    const partition = this.broker(id)?.partition(index);
    if (partition === undefined || partition.fault !== 0) return;
    const value = `${this.#values++}`.padStart(size, "v");
    const record = { timestamp: 0, key: null, value: Buffer.from(value) };
    const bytes = buildBatch(Array<typeof record>(records).fill(record), {}, this.tools);
    let offset = -1;
    const done = (errorCode: number): void => {
      if (errorCode === 0) this.acknowledged.set(`${index}/${offset}`, value);
    };
    const acknowledgement = { acks: "IN_SYNC" as const, timeoutMs: 5000, done };
    offset = partition.appendAsLeader(bytes, { origin: "client", now: 0 }, acknowledgement).firstOffset;
  }

  /** Sends a request to a broker, as a client or another broker on a machine of its own, and returns the answer. */
  async ask<N extends ApiName>(id: number, api: N, version: number, body: object): Promise<ResponseOf<N>> {
    const { env } = this.world.node("client");
    const asking = RawConnection.open(env, { host: `broker-${id}`, port: PORT }).then(async wire => {
      const answer = await wire.ask(api, version, body);
      wire.close();
      return answer;
    });
    let isOver = false;
    const over = (): void => void (isOver = true);
    asking.then(over, over);
    await this.world.runUntil(() => isOver);
    return asking;
  }

  /** Sends a record to a broker with acks −1, as a client. Returns the error code, the named leader, and the time in ms. */
  async send(id: number, index: number) {
    const records = [buildBatch([{ timestamp: 0, key: null, value: Buffer.from("v") }], {}, this.tools)];
    const topicData = [{ topicId: TOPIC_ID, partitionData: [{ index, records }] }];
    const before = this.world.now();
    const request = { transactionalId: null, acks: -1, timeoutMs: 5000, topicData };
    const { responses } = await this.ask(id, "Produce", 13, request);
    const { errorCode, currentLeader } = responses[0]!.partitionResponses[0]!;
    return { errorCode, leaderId: currentLeader?.leaderId ?? -1, ms: this.world.now() - before };
  }

  /** All bytes of a replica below an offset. */
  bytes(id: number, index: number, end: number): Uint8Array {
    const log = logOf(this.broker(id)?.partition(index));
    const chunks: Uint8Array[] = [];
    for (let offset = log.startOffset; offset < end; ) {
      const read = log.read({ offset, maxBytes: 1 << 20, minOneMessage: true, limitOffset: end });
      if (read.chunks.length === 0) break;
      chunks.push(...read.chunks.map(chunk => chunk.slice()));
      read.release?.();
      offset = read.nextOffset;
    }
    return concat(chunks);
  }

  /** Looks for lagging followers, as the broker does now and then. */
  sweep(): void {
    for (const { replication, topics } of this.running) replication.sweep(topics.all());
  }

  /** Runs until all replicas are in sync and have all records below their high watermarks. */
  async heal(): Promise<void> {
    for (const { name } of this.machines) for (const other of this.machines) this.world.network.heal(name, other.name);
    for (const id of [1, 2, 3]) {
      this.start(id);
      this.unfence(id);
    }
    for (let round = 0; round < 400; round++) {
      await this.world.runFor(100);
      if (round % 10 === 0) this.sweep();
      if (this.#isWhole()) return;
    }
    throw new Error(`the replicas are not whole: ${JSON.stringify(this.describe())}`);
  }

  #isWhole(): boolean {
    return this.describe().every(
      ({ isr, ends, watermarks }) => isr === 3 && new Set([...ends, ...watermarks]).size === 1,
    );
  }

  /** State of each partition, for messages. */
  describe() {
    return this.states.map(({ leader, isr }, index) => {
      const partitions = [1, 2, 3].map(id => this.broker(id)?.partition(index));
      const ends = partitions.map(partition => partition?.endOffset ?? -1);
      const watermarks = partitions.map(partition => partition?.highWatermark ?? -1);
      return { index, leader, isr: isr.length, ends, watermarks };
    });
  }
}
