import {
  type BrokerId,
  checkTransition,
  type ExponentialBackoff,
  type LeaderEpoch,
  type Offset,
  type PartitionIndex,
  type Uuid,
  ZERO_UUID,
} from "@samsa/base";
import { partitionKey, type TopicPartition } from "../cluster/cluster-view.ts";
import type { KafkaError } from "../error/kafka-error.ts";
import type { Moment } from "../offsets/moment.ts";
import type { OffsetTarget } from "../offsets/offset-reset.ts";
import { FETCH_STATES, type FetchState } from "./fetch-state.ts";
import type { QueueBudget } from "./queue-budget.ts";
import type { Extent, ReadProgress, RecordReader } from "./record-reader.ts";

/** Leader of a partition, as the metadata names it. */
export interface PartitionLeader {
  readonly leaderId: BrokerId;
  readonly leaderEpoch: LeaderEpoch;
  /** `ZERO_UUID`: not known. */
  readonly topicId: Uuid;
}

/** End of the largest epoch of a log up to the one that was asked for (KIP-320); −1: the log knows neither. */
export interface EpochEnd {
  readonly epoch: LeaderEpoch;
  readonly endOffset: Offset;
}

/** Result of a validation. */
export type Validity =
  /** The log still has the position. */
  | "valid"
  /** The truncated records waited for the application, and are dropped; the position is to be validated again. */
  | "unread"
  /** Records that the application has seen were truncated. */
  | "truncated";

/**
 * A partition that a consumer reads (`SubscriptionState.TopicPartitionState`). It has three offsets: `processed`, up to
 * which the application is done, `position`, up to which it has records, and `fetchOffset`, up to which they are fetched.
 */
export class AssignedPartition implements ReadProgress, TopicPartition {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly key: string;
  topicId: Uuid = ZERO_UUID;
  leaderId: BrokerId = -1;
  leaderEpoch: LeaderEpoch = -1;

  processed: Offset = -1;
  processedEpoch: LeaderEpoch = -1;
  position: Offset = -1;
  positionEpoch: LeaderEpoch = -1;
  fetchOffset: Offset = -1;
  /** Leader epoch of the last fetched batch, which a new leader is asked about; −1: not known. */
  fetchEpoch: LeaderEpoch = -1;

  /** Target of a reset, while it is awaited. */
  target: OffsetTarget | undefined;
  /** Ends of the log in the last answer of a broker; −1: not known. */
  highWatermark: Offset = -1;
  lastStableOffset: Offset = -1;
  logStartOffset: Offset = -1;

  /** Number of the request in flight about this partition; 0: none. A late answer to another number is ignored. */
  ticket = 0;
  /** Monotonic time before which no request is sent about this partition. */
  retryAt = -Infinity;
  /** Failures since records were read, or since an answer without records and errors. */
  failures = 0;
  /** Error that the application has not been told yet. */
  failure: KafkaError | undefined;
  /** Records could not be read, so that the next fetch is to be delayed. */
  isBroken = false;

  /** Replica that the leader prefers for this consumer (KIP-392); −1: the leader itself. */
  preferredReplica: BrokerId = -1;
  /** Monotonic time from which on the leader is asked again. */
  preferredUntil = -Infinity;

  isReadable = false;
  /** Fetched records, oldest first. */
  readonly queue: RecordReader[] = [];
  queuedBytes = 0;
  readonly #budget: QueueBudget;
  #state: FetchState = "INITIALIZING";
  #isPaused = false;
  #isAwaitingCallback = false;
  #isBeingRevoked = false;

  constructor({ topic, partition }: TopicPartition, budget: QueueBudget) {
    this.topic = topic;
    this.partition = partition;
    this.key = partitionKey(topic, partition);
    this.#budget = budget;
  }

  get index(): PartitionIndex {
    return this.partition;
  }

  get state(): FetchState {
    return this.#state;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused;
    if (isPaused) for (const reader of this.queue) reader.detach();
    this.#refresh();
  }

  /** The application's listener has not returned yet, and may seek. */
  get isAwaitingCallback(): boolean {
    return this.#isAwaitingCallback;
  }

  set isAwaitingCallback(isAwaiting: boolean) {
    this.#isAwaitingCallback = isAwaiting;
    this.#refresh();
  }

  /** The group takes the partition away, once the application has committed. */
  get isBeingRevoked(): boolean {
    return this.#isBeingRevoked;
  }

  set isBeingRevoked(isBeingRevoked: boolean) {
    this.#isBeingRevoked = isBeingRevoked;
    this.#refresh();
  }

  /** The position may be looked up, or has been. */
  get hasPosition(): boolean {
    return this.#state === "FETCHING" || this.#state === "AWAIT_VALIDATION";
  }

  /** Moves to an offset, whose epoch the leader is asked about if it is known. */
  seek(offset: Offset, epoch: LeaderEpoch): void {
    this.#forget();
    this.processed = this.position = this.fetchOffset = offset;
    this.processedEpoch = this.positionEpoch = this.fetchEpoch = epoch;
    this.#move("FETCHING");
    this.#validate();
  }

  /** Moves to where a log ends that was truncated: a position that the leader has just named. */
  seekValidated(end: EpochEnd): void {
    this.seek(end.endOffset, -1);
    this.processedEpoch = this.positionEpoch = this.fetchEpoch = end.epoch;
  }

  /** Waits for the offset of `target`. */
  reset(target: OffsetTarget): void {
    this.#forget();
    this.target = target;
    this.processed = this.position = this.fetchOffset = -1;
    this.processedEpoch = this.positionEpoch = this.fetchEpoch = -1;
    this.#move("AWAIT_RESET");
  }

  /** Drops all that was fetched or asked. The partition is no longer assigned. */
  abandon(): void {
    this.#forget();
    this.isBeingRevoked = true;
  }

  /** Takes the leader from the metadata. True if the topic was deleted and created again, so that the position is void. */
  follow({ leaderId, leaderEpoch, topicId }: PartitionLeader): boolean {
    const isKnown = this.topicId !== ZERO_UUID && topicId !== ZERO_UUID;
    const isRecreated = isKnown && topicId !== this.topicId;
    // Brokers that are behind name an older leader.
    if (!isRecreated && leaderEpoch >= 0 && leaderEpoch < this.leaderEpoch) return false;
    if (topicId !== ZERO_UUID) this.topicId = topicId;
    const isSame = leaderId === this.leaderId && leaderEpoch === this.leaderEpoch;
    if (isSame && !isRecreated) return false;
    this.leaderId = leaderId;
    this.leaderEpoch = leaderEpoch;
    this.preferredReplica = -1;
    this.ticket = 0;
    this.retryAt = -Infinity;
    if (this.hasPosition) this.#validate();
    return isRecreated && this.hasPosition;
  }

  /** Takes the answer to a validation. */
  complete({ epoch, endOffset }: EpochEnd): Validity {
    if (epoch >= 0 && endOffset >= this.fetchOffset) {
      this.#move("FETCHING");
      return "valid";
    }
    if (this.queue.length === 0 && this.fetchOffset === this.position) return "truncated";
    this.#drop();
    this.fetchOffset = this.position;
    this.fetchEpoch = this.positionEpoch;
    this.#validate();
    return "unread";
  }

  /** Adds fetched records to the queue. */
  push(reader: RecordReader, { nextOffset, epoch }: Extent): void {
    if (this.#isPaused) reader.detach();
    this.queue.push(reader);
    this.queuedBytes += reader.bytes;
    this.#budget.add(reader.bytes);
    this.fetchOffset = nextOffset;
    this.fetchEpoch = epoch;
  }

  finish(reader: RecordReader): void {
    reader.isOver = true;
    this.failures = 0;
    this.queue.shift();
    this.queuedBytes -= reader.bytes;
    this.#budget.add(-reader.bytes);
  }

  break(_reader: RecordReader, error: KafkaError): void {
    // The same records are fetched again: the damage may have happened on their way.
    this.#drop();
    this.ticket = 0;
    this.fetchOffset = this.position;
    this.fetchEpoch = this.positionEpoch;
    this.failure = error;
    this.isBroken = true;
  }

  /** The application is done with the records that it has. */
  settle(): void {
    this.processed = this.position;
    this.processedEpoch = this.positionEpoch;
  }

  /** Delays the next request after a failure. */
  backOff({ now, chance }: Moment, backoff: ExponentialBackoff): void {
    this.retryAt = now + backoff.delayMs(this.failures++, chance);
    this.#budget.isDirty = true;
  }

  #validate(): void {
    this.#move(this.fetchEpoch >= 0 && this.leaderEpoch >= 0 ? "AWAIT_VALIDATION" : "FETCHING");
  }

  #move(state: FetchState): void {
    checkTransition(FETCH_STATES, this.#state, state);
    this.#state = state;
    this.#refresh();
  }

  #refresh(): void {
    this.isReadable =
      this.#state === "FETCHING" && !this.#isPaused && !this.#isAwaitingCallback && !this.#isBeingRevoked;
    this.#budget.isDirty = true;
  }

  #forget(): void {
    this.#drop();
    this.target = undefined;
    this.ticket = 0;
    this.retryAt = -Infinity;
    this.failures = 0;
    this.failure = undefined;
    this.isBroken = false;
  }

  #drop(): void {
    for (const reader of this.queue) reader.isOver = true;
    this.queue.length = 0;
    this.#budget.add(-this.queuedBytes);
    this.queuedBytes = 0;
  }
}
