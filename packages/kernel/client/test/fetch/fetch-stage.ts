import { type Uuid, utf8, uuidFromBytes } from "@samsa/base";
import { buildBatch, type NewRecord } from "@samsa/records";
import {
  type BrokerView,
  type ClusterView,
  DEFAULT_FETCH_OPTIONS,
  type FetchAnswer,
  type FetchDraft,
  type FetchEffect,
  Fetcher,
  type FetchOptions,
  KafkaError,
  type Moment,
  type TopicView,
} from "../../src/index.ts";
import { tools } from "./model-log.ts";

type Partition = FetchAnswer["responses"][number]["partitions"][number];
/** Effect of one type. */
export type EffectOf<T extends FetchEffect["type"]> = Extract<FetchEffect, { type: T }>;

export function id(n: number): Uuid {
  return uuidFromBytes(new Uint8Array(16).fill(n + 1));
}

/** Metadata of one topic, `t`, that a test changes. */
export class StageView implements ClusterView {
  version = 1;
  topicId = id(0);
  brokers = new Set([0, 1, 2]);
  readonly partitions: TopicView["partitions"][number][];

  constructor(count: number) {
    this.partitions = Array.from({ length: count }, (_, index) => {
      return { index, leaderId: 0, leaderEpoch: 5, replicas: [0, 1, 2], inSync: [0, 1, 2], offline: [] };
    });
  }

  lead(index: number, leaderId: number, leaderEpoch: number): void {
    this.partitions[index] = { ...this.partitions[index], leaderId, leaderEpoch };
    this.version++;
  }

  topic(name: string): TopicView | undefined {
    if (name !== "t") return undefined;
    return { name, id: this.topicId, isInternal: false, partitions: this.partitions };
  }

  topicOf(topicId: Uuid): TopicView | undefined {
    return topicId === this.topicId ? this.topic("t") : undefined;
  }

  broker(brokerId: number): BrokerView | undefined {
    return this.brokers.has(brokerId) ? { id: brokerId, host: "h", port: 9092, rack: null } : undefined;
  }
}

/** A batch of records with these values. */
export function batch(baseOffset: number, values: readonly string[], leaderEpoch = 5): Uint8Array {
  const records = values.map((value): NewRecord => ({ timestamp: 1, key: null, value: utf8(value) }));
  return buildBatch(records, { baseOffset, leaderEpoch }, tools);
}

/** Partition of an answer. */
export function partition(partitionIndex: number, fields: Partial<Partition> = {}): Partition {
  return {
    partitionIndex,
    errorCode: 0,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    divergingEpoch: { epoch: -1, endOffset: -1 },
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
    snapshotId: { epoch: -1, endOffset: -1 },
    abortedTransactions: null,
    preferredReadReplica: -1,
    records: [],
    ...fields,
  };
}

/** A fetcher of topic `t`, and a clock. */
export class Stage {
  readonly view: StageView;
  readonly fetcher: Fetcher;
  now = 0;
  readonly effects: FetchEffect[] = [];
  /** Requests that close a session, which `take` leaves out. */
  readonly closings: EffectOf<"fetch">[] = [];
  #sessions = 0;

  constructor(options: Partial<FetchOptions> = {}, partitions = 1) {
    this.view = new StageView(partitions);
    this.fetcher = new Fetcher({ ...DEFAULT_FETCH_OPTIONS, reset: "earliest", ...options, tools }, this.view);
    this.fetcher.assign(this.view.partitions.map(({ index }) => ({ topic: "t", partition: index })));
  }

  get moment(): Moment {
    return { now: this.now, wall: 1_000_000, chance: 0.5 };
  }

  /** Effects of a type since the last call for that type. */
  take<T extends FetchEffect["type"]>(type: T): EffectOf<T>[] {
    for (let rounds = 0; rounds === 0 || this.fetcher.nextDeadline() <= this.now; rounds++) {
      if (rounds > 10) throw new Error("it polls for ever");
      this.effects.push(...this.fetcher.poll(this.moment));
    }
    const found = this.effects.filter((effect): effect is EffectOf<T> => effect.type === type);
    for (const effect of found) this.effects.splice(this.effects.indexOf(effect), 1);
    const isClosing = (effect: FetchEffect) => effect.type === "fetch" && effect.request.sessionEpoch === -1;
    this.closings.push(...found.filter((effect): effect is EffectOf<T> & EffectOf<"fetch"> => isClosing(effect)));
    return found.filter(effect => !isClosing(effect));
  }

  one<T extends FetchEffect["type"]>(type: T): EffectOf<T> {
    const all = this.take(type);
    if (all.length !== 1) throw new Error(`${all.length} effects of type ${type}`);
    return all[0];
  }

  /** Answers the lookups of the beginning. */
  begin(offset = 0): void {
    const { ticket, request } = this.one("listOffsets");
    this.list(
      ticket,
      request.topics[0].partitions.map(({ partitionIndex }) => ({ partitionIndex, offset })),
    );
  }

  list(ticket: number, partitions: { partitionIndex: number; offset?: number; errorCode?: number }[]): void {
    const full = partitions.map(one => ({ offset: -1, errorCode: 0, timestamp: -1, leaderEpoch: -1, ...one }));
    this.fetcher.listed(ticket, { throttleTimeMs: 0, topics: [{ name: "t", partitions: full }] }, this.moment);
  }

  validate(ticket: number, fields: { endOffset?: number; leaderEpoch?: number; errorCode?: number }): void {
    const one = { partition: 0, endOffset: -1, leaderEpoch: -1, errorCode: 0, ...fields };
    this.fetcher.validated(ticket, { throttleTimeMs: 0, topics: [{ topic: "t", partitions: [one] }] }, this.moment);
  }

  /** Answers a fetch. */
  answer({ ticket }: { ticket: number }, partitions: Partition[], fields: Partial<FetchAnswer> = {}): void {
    const responses = partitions.map(one => ({ topic: "", topicId: this.view.topicId, partitions: [one] }));
    const answer = { throttleTimeMs: 0, errorCode: 0, sessionId: ++this.#sessions, responses, nodeEndpoints: [] };
    this.fetcher.fetched(ticket, { ...answer, ...fields }, this.moment);
  }

  lose({ ticket }: { ticket: number }): void {
    this.fetcher.failed(ticket, new KafkaError("DISCONNECTED", "lost"), this.moment);
  }

  /** Values of all records that can be read now. */
  read(): string[] {
    const values: string[] = [];
    for (;;) {
      const taken = this.fetcher.take();
      if (taken === undefined) return values;
      if (taken instanceof KafkaError) throw taken;
      while (taken.next()) values.push(new TextDecoder().decode(taken.record.value() ?? undefined));
    }
  }
}

/** Partitions of a request as `partition@offset`. */
export function named({ topics }: FetchDraft): string[] {
  return topics.flatMap(({ partitions }) => partitions.map(one => `${one.partition}@${one.fetchOffset}`));
}
