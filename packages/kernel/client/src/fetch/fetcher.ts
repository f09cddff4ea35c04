import type { LeaderEpoch, Offset, PartitionIndex } from "@samsa/base";
import { type ClusterView, partitionKey, type TopicPartition } from "../cluster/cluster-view.ts";
import { KafkaError } from "../error/kafka-error.ts";
import type { ListOffsetsAnswer } from "../offsets/list-offsets.ts";
import type { Moment } from "../offsets/moment.ts";
import type { OffsetTarget } from "../offsets/offset-reset.ts";
import type { AssignedPartition } from "./assigned-partition.ts";
import { Assignment } from "./assignment.ts";
import type { CommittedOffset, FetchEffect, OffsetForLeaderEpochAnswer } from "./fetch-effects.ts";
import type { FetchOptions } from "./fetch-options.ts";
import { FetchRequests } from "./fetch-requests.ts";
import type { FetchAnswer } from "./fetch-session.ts";
import type { FetchState } from "./fetch-state.ts";
import { Outbox } from "./outbox.ts";
import { PositionLookups } from "./position-lookups.ts";
import { PositionPolicy } from "./position-policy.ts";
import type { RecordReader } from "./record-reader.ts";

const NONE: readonly FetchEffect[] = [];

/** Facts of an assigned partition. Offsets and epochs that are not known are −1. */
export interface PartitionStatus {
  readonly state: FetchState;
  readonly isPaused: boolean;
  /** Offset of the next record that the application gets. */
  readonly position: Offset;
  /** Offset up to which the application is done. */
  readonly processed: Offset;
  readonly highWatermark: Offset;
  readonly lastStableOffset: Offset;
  readonly logStartOffset: Offset;
  /** Records from the position to the end of what may be read; undefined: not known yet. */
  readonly lag: number | undefined;
  /** Fetched bytes that wait for the application. */
  readonly queuedBytes: number;
  /** Error that the application has not been told yet. */
  readonly failure: KafkaError | undefined;
}

/**
 * Reading half of a consumer (`SubscriptionState`, `AbstractFetch`, `OffsetFetcher`): positions of assigned partitions,
 * requests to their leaders, and queues of fetched records. It decides; the caller sends what `poll` returns and passes
 * the answers back. After each input, and at `nextDeadline`, `poll` is to be called.
 */
export class Fetcher {
  readonly #options: FetchOptions;
  readonly #cluster: ClusterView;
  readonly #outbox: Outbox;
  readonly #assignment = new Assignment();
  readonly #lookups: PositionLookups;
  readonly #requests: FetchRequests;
  readonly #policy: PositionPolicy;
  #seenVersion = -1;
  #deadline = Infinity;
  #isClosed = false;

  constructor(options: FetchOptions, cluster: ClusterView) {
    this.#options = options;
    this.#cluster = cluster;
    this.#outbox = new Outbox(cluster, options.retryBackoffMs);
    this.#policy = new PositionPolicy(options, this.#assignment, this.#outbox);
    const parts = { options, assignment: this.#assignment, outbox: this.#outbox, policy: this.#policy };
    this.#lookups = new PositionLookups(parts);
    this.#requests = new FetchRequests(parts, cluster);
  }

  // Assignment

  /**
   * Replaces the assigned partitions. Those that stay keep their position. New ones begin at the committed offset or by
   * the reset policy; not before `enable` if `isAwaitingCallback`, so that a listener may seek.
   */
  assign(partitions: readonly TopicPartition[], isAwaitingCallback = false): void {
    for (const added of this.#assignment.replace(partitions)) added.isAwaitingCallback = isAwaitingCallback;
    // The leaders of new partitions are to be looked up.
    this.#seenVersion = -1;
  }

  /** Ends the wait for the listener. Partitions that are not assigned are ignored. */
  enable(partitions: readonly TopicPartition[]): void {
    for (const partition of this.#find(partitions)) partition.isAwaitingCallback = false;
  }

  /** Stops giving out records of partitions that the group is about to take away. Others are ignored. */
  beginRevocation(partitions: readonly TopicPartition[]): void {
    for (const partition of this.#find(partitions)) partition.isBeingRevoked = true;
  }

  /** Assigned partitions. */
  assigned(): TopicPartition[] {
    return [...this.#assignment.partitions()].map(({ topic, partition }) => ({ topic, partition }));
  }

  // Positions. Methods throw a `KafkaError` for a partition that is not assigned.

  /** Goes on at an offset. `epoch` of the record before it, if known, shows whether the log was truncated since. */
  seek(topic: string, partition: PartitionIndex, offset: Offset, epoch: LeaderEpoch = -1): void {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new KafkaError("INVALID_ARGUMENT", `offset ${offset} cannot be sought: it is not a whole number from 0 on`);
    }
    this.#assignment.get(topic, partition).seek(offset, epoch);
  }

  /** Goes on at the beginning or the end of the log, or at the first record of some age. */
  seekTo(topic: string, partition: PartitionIndex, target: OffsetTarget): void {
    this.#assignment.get(topic, partition).reset(target);
  }

  /** Holds back records of a partition. What is fetched of it is kept. */
  pause(topic: string, partition: PartitionIndex): void {
    this.#assignment.get(topic, partition).isPaused = true;
  }

  resume(topic: string, partition: PartitionIndex): void {
    this.#assignment.get(topic, partition).isPaused = false;
  }

  /** State, offsets and lag of a partition. */
  status(topic: string, partition: PartitionIndex): PartitionStatus {
    const found = this.#assignment.get(topic, partition);
    const { state, isPaused, position, processed, queuedBytes, failure } = found;
    const { highWatermark, lastStableOffset, logStartOffset } = found;
    const end = this.#options.isolation === "read_committed" ? lastStableOffset : highWatermark;
    const lag = position < 0 || end < 0 ? undefined : Math.max(0, end - position);
    const ends = { highWatermark, lastStableOffset, logStartOffset };
    return { state, isPaused, position, processed, ...ends, lag, queuedBytes, failure };
  }

  /** Offsets that can be committed: those up to which `RecordReader.settle` has marked records. */
  processed(): CommittedOffset[] {
    const offsets: CommittedOffset[] = [];
    for (const { topic, partition, hasPosition, processed, processedEpoch } of this.#assignment.partitions()) {
      if (hasPosition) offsets.push({ topic, partition, offset: processed, leaderEpoch: processedEpoch });
    }
    return offsets;
  }

  // Records

  /**
   * Reader of the partition that has waited longest, an error that the application is to be told, or undefined if
   * nothing is there. The same reader is returned again until it has no more records. Partitions that `isHeld` is true
   * for are passed over.
   */
  take(isHeld?: (place: TopicPartition) => boolean): RecordReader | KafkaError | undefined {
    return this.#assignment.take(isHeld);
  }

  /** `take` of one partition. Throws a `KafkaError` if it is not assigned. */
  takeFrom(topic: string, partition: PartitionIndex): RecordReader | KafkaError | undefined {
    return this.#assignment.takeFrom(this.#assignment.get(topic, partition));
  }

  /** Keeps an error that is not about one partition for the next `take`, unless there is one already. */
  raise(error: KafkaError): void {
    this.#assignment.raise(error);
  }

  // Answers

  /** Answer to a `fetch`. */
  fetched(ticket: number, answer: FetchAnswer, moment: Moment): void {
    this.#requests.answered(ticket, answer, moment);
  }

  /** Answer to a `listOffsets`. */
  listed(ticket: number, answer: ListOffsetsAnswer, moment: Moment): void {
    this.#lookups.listed(ticket, answer, moment);
  }

  /** Answer to an `offsetForLeaderEpoch`. */
  validated(ticket: number, answer: OffsetForLeaderEpochAnswer, moment: Moment): void {
    this.#lookups.validated(ticket, answer, moment);
  }

  /** Answer to a `committedOffsets`. Partitions without a committed offset may be left out. */
  committed(ticket: number, offsets: readonly CommittedOffset[], moment: Moment): void {
    this.#lookups.committed(ticket, offsets, moment);
  }

  /** No answer: the request could not be sent, or its connection is lost. The application is told of final errors. */
  failed(ticket: number, error: KafkaError, moment: Moment): void {
    if (!this.#requests.failed(ticket, error, moment)) this.#lookups.failed(ticket, error, moment);
  }

  // Effects

  /** Monotonic time at which `poll` may have something to do without an input; Infinity: never. */
  nextDeadline(): number {
    return this.#deadline;
  }

  /** Actions that the inputs and the time call for. */
  poll(moment: Moment): readonly FetchEffect[] {
    const { budget } = this.#assignment;
    const isNews = this.#seenVersion !== this.#cluster.version;
    if (this.#isClosed || (!isNews && !budget.isDirty && moment.now < this.#deadline)) return NONE;
    if (isNews) this.#learn();
    // Cleared first, since what follows may make more to do.
    budget.isDirty = false;
    this.#deadline = Infinity;
    this.#requests.begin();
    for (const partition of this.#assignment.partitions()) {
      this.#deadline = Math.min(this.#deadline, this.#consider(partition, moment));
    }
    this.#lookups.flush(moment);
    this.#requests.flush(moment);
    if (budget.isDirty) this.#deadline = Math.min(this.#deadline, moment.now);
    return this.#outbox.take();
  }

  /** Closes the fetch sessions, as far as brokers know them. Nothing more is fetched. */
  close(): readonly FetchEffect[] {
    if (this.#isClosed) return NONE;
    this.#isClosed = true;
    this.#deadline = Infinity;
    this.#assignment.replace([]);
    this.#requests.close();
    return this.#outbox.take().filter(({ type }) => type === "fetch");
  }

  #find(partitions: readonly TopicPartition[]): AssignedPartition[] {
    const found = partitions.map(({ topic, partition }) => this.#assignment.find(partitionKey(topic, partition)));
    return found.filter(partition => partition !== undefined);
  }

  /** Takes new leaders from the metadata. */
  #learn(): void {
    this.#seenVersion = this.#cluster.version;
    for (const partition of this.#assignment.partitions()) {
      const topic = this.#cluster.topic(partition.topic);
      const view = topic?.partitions[partition.partition];
      if (topic === undefined || view === undefined || view.leaderId < 0) continue;
      const leader = { leaderId: view.leaderId, leaderEpoch: view.leaderEpoch, topicId: topic.id };
      if (partition.follow(leader)) this.#policy.recreated(partition);
    }
  }

  /** Lets a partition take part in the next requests. Returns the time at which to look again. */
  #consider(partition: AssignedPartition, moment: Moment): number {
    if (partition.isBroken) {
      partition.isBroken = false;
      partition.backOff(moment, this.#policy.backoff);
    }
    const isWaiting = partition.retryAt > moment.now;
    const mayAsk = partition.ticket === 0 && !isWaiting;
    const again = this.#requests.add(partition, mayAsk && partition.isReadable, moment);
    if (mayAsk && partition.state !== "FETCHING") return Math.min(again, this.#lookUp(partition, moment));
    return isWaiting && partition.ticket === 0 ? Math.min(again, partition.retryAt) : again;
  }

  /** Lets the position of a partition be looked up. Returns the time at which to look again. */
  #lookUp(partition: AssignedPartition, moment: Moment): number {
    if (partition.state === "INITIALIZING") {
      // A listener may still seek, and a partition that goes away needs no position.
      if (partition.isBeingRevoked || partition.isAwaitingCallback) return Infinity;
      if (this.#options.hasGroup) {
        this.#lookups.add(partition);
        return Infinity;
      }
      this.#policy.missing(partition, moment);
      if (partition.state === "INITIALIZING") return partition.retryAt;
    }
    const isLed = partition.leaderId >= 0 && this.#cluster.broker(partition.leaderId) !== undefined;
    if (!isLed) {
      this.#outbox.askMetadata(moment);
      return this.#outbox.askAgainAt;
    }
    this.#lookups.add(partition);
    return Infinity;
  }
}
