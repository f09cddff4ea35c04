import { type BrokerId, ByteReader, ByteWriter, concat, type Uuid, uuidFromBytes, ZERO_UUID } from "@samsa/base";
import { type ApiName, Apis, Errors } from "@samsa/protocol";
import type { BrokerView, ClusterView, TopicView } from "../../src/index.ts";
import type { FetchEffect, FetchAnswer } from "../../src/index.ts";
import { encodeBatch, ModelLog } from "./model-log.ts";

export const TOPICS = ["orders", "bills"];
export const BROKERS = [0, 1, 2];

export interface ModelPartition {
  readonly topic: string;
  readonly partition: number;
  readonly log: ModelLog;
  leader: BrokerId;
  /** Replica that the leader sends consumers to; −1: itself. */
  preferred: BrokerId;
}

interface Session {
  epoch: number;
  readonly hasIds: boolean;
  readonly partitions: Map<string, { topic: string; id: Uuid; partition: number; offset: number; epoch: number }>;
}

type Fetch = Extract<FetchEffect, { type: "fetch" }>;

function uuid(n: number): Uuid {
  return uuidFromBytes(Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? n + 1 : 7)));
}

/** Request or response as its receiver decodes it. */
export function overWire<T>(api: ApiName, kind: "request" | "response", value: object, version: number): T {
  const writer = new ByteWriter();
  const message = Apis[api][kind];
  message.encode(writer, value as never, version);
  return message.decode(new ByteReader(writer.finish()), version) as T;
}

/** Brokers whose partitions are lists, and which keep fetch sessions as Kafka's do. */
export class ModelBrokers implements ClusterView {
  readonly partitions: ModelPartition[] = [];
  readonly sessions = BROKERS.map(() => new Map<number, Session>());
  version = 1;
  /** Version of Fetch of each broker: 12 has names, 17 has ids. */
  readonly fetchVersions: readonly number[];
  /** Largest number of batches of a partition in an answer. */
  mostBatches = 4;
  /** Brokers keep no sessions. */
  isSessionless = false;
  #sessionIds = 0;
  readonly #ids = new Map<string, Uuid>();
  #topics: TopicView[] = [];

  constructor(fetchVersions: readonly number[]) {
    this.fetchVersions = fetchVersions;
    TOPICS.forEach((topic, t) => {
      this.#ids.set(topic, fetchVersions.includes(12) && t === 1 ? ZERO_UUID : uuid(t));
      for (let partition = 0; partition < 2 - t; partition++) {
        const log = new ModelLog(this.partitions.length);
        this.partitions.push({ topic, partition, log, leader: partition % 3, preferred: -1 });
      }
    });
    this.publish();
  }

  // View of the client

  /** Gives the client the present metadata. */
  publish(): void {
    this.version++;
    this.#topics = TOPICS.map(name => ({
      name,
      id: this.idOf(name),
      isInternal: false,
      partitions: this.partitions
        .filter(({ topic }) => topic === name)
        .map(({ partition, leader, log }) => ({
          index: partition,
          leaderId: leader,
          leaderEpoch: log.leaderEpoch,
          replicas: BROKERS,
          inSync: BROKERS,
          offline: [],
        })),
    }));
  }

  topic(name: string): TopicView | undefined {
    return this.#topics.find(topic => topic.name === name);
  }

  topicOf(id: Uuid): TopicView | undefined {
    return this.#topics.find(topic => topic.id === id);
  }

  broker(id: BrokerId): BrokerView | undefined {
    return { id, host: "localhost", port: 9092 + id, rack: null };
  }

  // Answers of brokers

  idOf(topic: string): Uuid {
    return this.#ids.get(topic) ?? ZERO_UUID;
  }

  find(topic: string, partition: number): ModelPartition | undefined {
    return this.partitions.find(one => one.topic === topic && one.partition === partition);
  }

  #nameOf(id: Uuid): string {
    return TOPICS.find(topic => this.idOf(topic) === id) ?? "";
  }

  /** Error of a request that names an epoch of the leader. */
  #epochFault({ leader, log }: ModelPartition, broker: BrokerId, epoch: number): number {
    if (epoch >= 0 && epoch < log.leaderEpoch) return Errors.FENCED_LEADER_EPOCH.code;
    if (epoch > log.leaderEpoch) return Errors.UNKNOWN_LEADER_EPOCH.code;
    return leader === broker ? 0 : Errors.NOT_LEADER_OR_FOLLOWER.code;
  }

  fetch(effect: Fetch): { answer: FetchAnswer; version: number } {
    const { brokerId } = effect;
    const version = Math.min(this.fetchVersions[brokerId], effect.maxVersion ?? 17);
    const request = overWire<FetchRequestLike>("Fetch", "request", effect.request, version);
    const answer = this.#answer(brokerId, request, version);
    return { answer: overWire("Fetch", "response", answer, version), version };
  }

  #answer(brokerId: BrokerId, request: FetchRequestLike, version: number): object {
    const sessions = this.sessions[brokerId];
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch <= 0) sessions.delete(sessionId);
    if (sessionEpoch < 0) return { errorCode: 0, sessionId: 0, responses: [] };
    const named = request.topics.flatMap(topic => {
      const name = version >= 13 ? this.#nameOf(topic.topicId) : topic.topic;
      return topic.partitions.map(one => ({
        topic: name,
        id: topic.topicId,
        partition: one.partition,
        offset: Number(one.fetchOffset),
        epoch: one.currentLeaderEpoch,
      }));
    });
    const keyOf = ({ topic, partition }: { topic: string; partition: number }) => `${topic}/${partition}`;
    if (sessionEpoch === 0) {
      const partitions = new Map(named.map(one => [keyOf(one), one]));
      const id = this.isSessionless ? 0 : ++this.#sessionIds;
      if (id > 0) sessions.set(id, { epoch: 1, hasIds: version >= 13, partitions });
      const responses = this.#read(brokerId, [...partitions.values()], false);
      return { errorCode: 0, sessionId: id, responses, nodeEndpoints: [] };
    }
    const session = sessions.get(sessionId);
    const fault = (errorCode: number) => ({ errorCode, sessionId: 0, responses: [] });
    if (session === undefined) return fault(Errors.FETCH_SESSION_ID_NOT_FOUND.code);
    if (session.epoch !== sessionEpoch) return fault(Errors.INVALID_FETCH_SESSION_EPOCH.code);
    if (session.hasIds !== version >= 13) return fault(Errors.FETCH_SESSION_TOPIC_ID_ERROR.code);
    session.epoch++;
    for (const one of named) session.partitions.set(keyOf(one), one);
    for (const topic of request.forgottenTopicsData) {
      const name = version >= 13 ? this.#nameOf(topic.topicId) : topic.topic;
      for (const partition of topic.partitions) session.partitions.delete(keyOf({ topic: name, partition }));
    }
    const responses = this.#read(brokerId, [...session.partitions.values()], true);
    return { errorCode: 0, sessionId, responses, nodeEndpoints: [] };
  }

  #read(
    brokerId: BrokerId,
    asked: { topic: string; id: Uuid; partition: number; offset: number; epoch: number }[],
    isIncremental: boolean,
  ): object[] {
    return asked.flatMap(({ topic, id, partition, offset, epoch }) => {
      const one = this.#readOne(brokerId, { topic, partition, offset, epoch });
      if (isIncremental && one.errorCode === 0 && one.records.length === 0 && one.preferredReadReplica < 0) return [];
      return [{ topic, topicId: id, partitions: [one] }];
    });
  }

  #readOne(brokerId: BrokerId, asked: { topic: string; partition: number; offset: number; epoch: number }) {
    const found = this.find(asked.topic, asked.partition);
    const none = { partitionIndex: asked.partition, errorCode: 0, highWatermark: -1, records: [] as Uint8Array[] };
    const empty = { ...none, preferredReadReplica: -1 };
    if (found === undefined) return { ...empty, errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION.code };
    const { log, leader, preferred } = found;
    const isFollower = preferred === brokerId && leader !== brokerId;
    const errorCode = this.#epochFault(found, isFollower ? leader : brokerId, asked.epoch);
    if (errorCode !== 0) {
      const currentLeader = { leaderId: leader, leaderEpoch: log.leaderEpoch };
      return { ...empty, errorCode, currentLeader };
    }
    const { offset } = asked;
    if (offset < log.start || offset > log.end) return { ...empty, errorCode: Errors.OFFSET_OUT_OF_RANGE.code };
    const ends = { highWatermark: log.end, lastStableOffset: log.lastStable, logStartOffset: log.start };
    if (!isFollower && preferred >= 0 && preferred !== leader) {
      return { ...empty, ...ends, preferredReadReplica: preferred };
    }
    const limit = this.isCommitted ? log.lastStable : log.end;
    const batches = log.batches.filter(({ base, last }) => last >= offset && base < limit).slice(0, this.mostBatches);
    const from = batches[0]?.base ?? 0;
    const to = batches.at(-1)?.last ?? -1;
    const bytes = concat(batches.map(encodeBatch)).slice();
    const cut = batches.length > 1 && this.isCut ? bytes.subarray(0, bytes.length - 7) : bytes;
    const abortedTransactions = this.isCommitted
      ? log
          .aborted()
          .filter(({ first, last }) => first <= to && last >= Math.min(from, offset))
          .map(({ producer, first }) => ({ producerId: BigInt(producer), firstOffset: first }))
      : null;
    return { ...empty, ...ends, abortedTransactions, records: cut.length === 0 ? [] : [cut] };
  }

  isCommitted = false;
  /** Answers are cut short after their first batch. */
  isCut = false;

  listOffsets(effect: Extract<FetchEffect, { type: "listOffsets" }>): object {
    const request = overWire<ListRequestLike>("ListOffsets", "request", effect.request, 10);
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, currentLeaderEpoch, timestamp }) => {
        const found = this.find(name, partitionIndex);
        const errorCode =
          found === undefined
            ? Errors.UNKNOWN_TOPIC_OR_PARTITION.code
            : this.#epochFault(found, effect.brokerId, currentLeaderEpoch);
        if (found === undefined || errorCode !== 0) return { partitionIndex, errorCode };
        const { log } = found;
        const end = this.isCommitted ? log.lastStable : log.end;
        const offset = timestamp === -1 ? end : timestamp === -2 ? log.start : -1;
        return { partitionIndex, errorCode, offset, timestamp: -1, leaderEpoch: log.leaderEpoch };
      }),
    }));
    return overWire("ListOffsets", "response", { topics }, 10);
  }

  validate(effect: Extract<FetchEffect, { type: "offsetForLeaderEpoch" }>): object {
    const request = overWire<EpochRequestLike>("OffsetForLeaderEpoch", "request", effect.request, 4);
    const topics = request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
        const found = this.find(topic, partition);
        const errorCode =
          found === undefined
            ? Errors.UNKNOWN_TOPIC_OR_PARTITION.code
            : this.#epochFault(found, effect.brokerId, currentLeaderEpoch);
        if (found === undefined || errorCode !== 0) return { partition, errorCode };
        const { epoch, end } = found.log.endOf(leaderEpoch);
        return { partition, errorCode, leaderEpoch: epoch, endOffset: end };
      }),
    }));
    return overWire("OffsetForLeaderEpoch", "response", { topics }, 4);
  }
}

interface FetchRequestLike {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly topics: readonly {
    readonly topic: string;
    readonly topicId: Uuid;
    readonly partitions: readonly {
      readonly partition: number;
      readonly fetchOffset: number;
      readonly currentLeaderEpoch: number;
    }[];
  }[];
  readonly forgottenTopicsData: readonly {
    readonly topic: string;
    readonly topicId: Uuid;
    readonly partitions: readonly number[];
  }[];
}

interface ListRequestLike {
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly currentLeaderEpoch: number;
      readonly timestamp: number;
    }[];
  }[];
}

interface EpochRequestLike {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly currentLeaderEpoch: number;
      readonly leaderEpoch: number;
    }[];
  }[];
}
