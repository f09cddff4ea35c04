import {
  type BrokerId,
  ExponentialBackoff,
  type Int64,
  type LeaderEpoch,
  nearestNumber,
  type Offset,
} from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { type ClusterView, partitionKey, type TopicPartition } from "../cluster/cluster-view.ts";
import { KafkaError } from "../error/kafka-error.ts";
import {
  type IsolationLevel,
  type ListOffsetsAnswer,
  type ListOffsetsDraft,
  listOffsetsRequest,
  type OffsetQuery,
} from "./list-offsets.ts";
import type { Moment } from "./moment.ts";
import { faultOf } from "./partition-fault.ts";

/** Partition and the timestamp, or one of `OFFSET_TIMESTAMPS`, whose offset is wanted. */
export type OffsetWish = Omit<OffsetQuery, "leaderEpoch">;

/** Offset that was found. */
export interface FoundOffset extends TopicPartition {
  /** −1: no record has the timestamp or a later one. */
  readonly offset: Offset;
  /** Timestamp of the record at the offset; −1: none. */
  readonly timestamp: Int64;
  readonly leaderEpoch: LeaderEpoch;
}

/** Settings of an `OffsetLookup`, as in `FetchOptions`. */
export interface LookupOptions {
  readonly isolation: IsolationLevel;
  readonly requestTimeoutMs: number;
  readonly retryBackoffMs: number;
  readonly retryBackoffMaxMs: number;
}

/** Action of an `OffsetLookup`. A request is answered, or has failed, exactly once. */
export type LookupEffect =
  | {
      readonly type: "listOffsets";
      readonly ticket: number;
      readonly brokerId: BrokerId;
      readonly request: ListOffsetsDraft;
    }
  | { readonly type: "refreshMetadata" };

/** Part of a delay that chance adds or takes away (`CommonClientConfigs.RETRY_BACKOFF_JITTER`). */
const JITTER = 0.2;

interface Wish extends OffsetWish {
  readonly key: string;
  retryAt: number;
  failures: number;
  isAsked: boolean;
}

/**
 * Lookup of offsets of any partitions, assigned or not (`OffsetFetcher.offsetsForTimes`, `beginningOffsets`,
 * `endOffsets`). It asks their leaders until each has answered; the caller bounds its time.
 */
export class OffsetLookup {
  readonly #options: LookupOptions;
  readonly #cluster: ClusterView;
  readonly #backoff: ExponentialBackoff;
  /** Wishes without an answer, by partition. */
  readonly #open = new Map<string, Wish>();
  readonly #inFlight = new Map<number, readonly Wish[]>();
  readonly #found: FoundOffset[] = [];
  #tickets = 0;
  #deadline = -Infinity;
  #failure: KafkaError | undefined;

  /** A partition that is named twice is looked up once, for its last timestamp. */
  constructor(wishes: readonly OffsetWish[], options: LookupOptions, cluster: ClusterView) {
    this.#options = options;
    this.#cluster = cluster;
    const { retryBackoffMs, retryBackoffMaxMs } = options;
    this.#backoff = new ExponentialBackoff({ initialMs: retryBackoffMs, maxMs: retryBackoffMaxMs, jitter: JITTER });
    for (const wish of wishes) {
      const key = partitionKey(wish.topic, wish.partition);
      this.#open.set(key, { ...wish, key, retryAt: -Infinity, failures: 0, isAsked: false });
    }
  }

  /** Error that ends the lookup; undefined: none. */
  get failure(): KafkaError | undefined {
    return this.#failure;
  }

  /** Offsets of all partitions; undefined: some are not known yet. */
  get found(): readonly FoundOffset[] | undefined {
    return this.#open.size === 0 ? this.#found : undefined;
  }

  /** Names of partitions without an answer, for the message of a timeout. */
  get missing(): string[] {
    return [...this.#open.values()].map(({ topic, partition }) => `${topic}-${partition}`);
  }

  /** Monotonic time at which `poll` may have something to do without an answer; Infinity: never. */
  nextDeadline(): number {
    return this.#deadline;
  }

  /** Requests that are due. To be called after each answer, at `nextDeadline`, and when the metadata has changed. */
  poll({ now }: Moment): readonly LookupEffect[] {
    this.#deadline = Infinity;
    if (this.#failure !== undefined) return [];
    const effects: LookupEffect[] = [];
    const byLeader = new Map<BrokerId, { readonly wish: Wish; readonly leaderEpoch: LeaderEpoch }[]>();
    let isLost = false;
    for (const wish of this.#open.values()) {
      if (wish.isAsked) continue;
      if (wish.retryAt > now) {
        this.#deadline = Math.min(this.#deadline, wish.retryAt);
        continue;
      }
      const view = this.#cluster.topic(wish.topic)?.partitions[wish.partition];
      if (view === undefined || this.#cluster.broker(view.leaderId) === undefined) {
        isLost = true;
        continue;
      }
      const asked = byLeader.get(view.leaderId) ?? [];
      asked.push({ wish, leaderEpoch: view.leaderEpoch });
      byLeader.set(view.leaderId, asked);
    }
    for (const [brokerId, asked] of byLeader) {
      const ticket = ++this.#tickets;
      const wishes = asked.map(({ wish }) => wish);
      for (const wish of wishes) wish.isAsked = true;
      this.#inFlight.set(ticket, wishes);
      const queries = asked.map(({ wish: { topic, partition, timestamp }, leaderEpoch }) => {
        return { topic, partition, timestamp, leaderEpoch };
      });
      const { isolation, requestTimeoutMs } = this.#options;
      effects.push({
        type: "listOffsets",
        ticket,
        brokerId,
        request: listOffsetsRequest(queries, isolation, requestTimeoutMs),
      });
    }
    if (isLost) {
      effects.push({ type: "refreshMetadata" });
      this.#deadline = Math.min(this.#deadline, now + this.#options.retryBackoffMs);
    }
    return effects;
  }

  /** Answer to a request. */
  listed(ticket: number, { topics }: ListOffsetsAnswer, moment: Moment): void {
    const answers = new Map<string, ListOffsetsAnswer["topics"][number]["partitions"][number]>();
    for (const { name, partitions } of topics) {
      for (const one of partitions) answers.set(partitionKey(name, one.partitionIndex), one);
    }
    for (const wish of this.#settled(ticket)) {
      const answer = answers.get(wish.key);
      const code = answer?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR.code;
      if (answer !== undefined && (code === 0 || code === Errors.UNSUPPORTED_FOR_MESSAGE_FORMAT.code)) {
        const { topic, partition } = wish;
        const { offset, timestamp, leaderEpoch } = answer;
        this.#found.push({ topic, partition, offset: nearestNumber(offset), timestamp, leaderEpoch });
        this.#open.delete(wish.key);
        continue;
      }
      const fault = faultOf(code);
      if (fault === "raise" || fault === "range") {
        this.#failure ??= KafkaError.of(code, `looking up an offset of ${wish.topic}-${wish.partition}`);
      }
      this.#retry(wish, moment);
    }
  }

  /** A request without an answer. */
  failed(ticket: number, error: KafkaError, moment: Moment): void {
    if (!error.retriable) this.#failure ??= error;
    for (const wish of this.#settled(ticket)) this.#retry(wish, moment);
  }

  #settled(ticket: number): readonly Wish[] {
    const wishes = this.#inFlight.get(ticket) ?? [];
    this.#inFlight.delete(ticket);
    for (const wish of wishes) wish.isAsked = false;
    return wishes;
  }

  #retry(wish: Wish, { now, chance }: Moment): void {
    wish.retryAt = now + this.#backoff.delayMs(wish.failures++, chance);
  }
}
