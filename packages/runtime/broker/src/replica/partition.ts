import {
  DiskError,
  type Env,
  guardEach,
  type Int64,
  type LeaderEpoch,
  type Offset,
  type PartitionIndex,
  type Report,
  type Timer,
  type Uuid,
} from "@samsa/base";
import type { AppendRequest, AppendResult, LogConfig } from "@samsa/log";
import { Errors } from "@samsa/protocol";
import type { JudgeRules } from "@samsa/records";
import { type Acks, Replica, type Settled, type Wait } from "@samsa/replica";
import type { PartitionLog, ReadOptions, ReadResult } from "@samsa/storage";
import type { Deadlines } from "./deadlines.ts";
import { Order } from "./order.ts";
import type { Turn } from "../turn/turn.ts";

/** Observes a partition for readable records. */
export interface Watcher {
  /** Called when `bytes` more of `partition` are below the high watermark. */
  advanced(bytes: number, partition: Partition): void;
  /** Called when the partition has been deleted or has failed: look again at once. */
  changed(): void;
}

/**
 * Least time that an append waits for the device, whatever its client allows, in ms. Kafka's own write counts in no
 * time-out; this one ends requests of clients that have given up (`request.timeout.ms`) while a device hangs.
 */
const LEAST_WAIT_MS = 30_000;

/** An append by the leader, which knows its epoch. */
export type LeaderAppend = Omit<AppendRequest, "leaderEpoch">;

export interface PartitionRead extends Omit<ReadOptions, "limitOffset"> {
  /** End of the readable records (`FetchIsolation`). */
  readonly isolation: "LOG_END" | "HIGH_WATERMARK" | "TXN_COMMITTED";
}

export interface PartitionReadResult extends ReadResult {
  /** Transactions that were aborted among the records read; null unless `isolation` is TXN_COMMITTED. */
  readonly aborted: ReturnType<PartitionLog["abortedTransactions"]> | null;
}

/** Rule for the acknowledgement of an append, and its outcome. */
export interface Acknowledgement {
  readonly acks: Acks;
  /** Time to wait, in ms; then the append has the error REQUEST_TIMED_OUT, and its records stay. No limit by default. */
  readonly timeoutMs?: number;
  /** Called once: with 0, or the error code for the client. */
  readonly done: (errorCode: number) => void;
}

interface PendingAppend {
  readonly timeoutMs: number | undefined;
  readonly done: (errorCode: number) => void;
  timer: Timer | undefined;
}

function refused(error: number): AppendResult {
  return { error, firstOffset: -1, lastOffset: -1, logAppendTime: -1, duplicate: false };
}

/** Environment and initial state of a partition. */
export interface PartitionOptions {
  readonly env: Env;
  readonly turn: Turn;
  readonly log: PartitionLog;
  readonly deadlines: Deadlines;
  readonly topicId: Uuid;
  readonly settings: PartitionSettings;
}

/** Settings of a topic as its partitions use them. */
export interface PartitionSettings {
  readonly log: LogConfig;
  readonly rules: JudgeRules;
  readonly minInSync: number;
}

type StartVerification = PartitionLog["state"]["producers"]["startVerification"];

/** The log of a partition, for the files that keep logs and metadata in step: nobody else goes around the partition. */
export let logOf: (partition: Partition) => PartitionLog;

/**
 * A partition that this broker leads. Appends of one turn are written together at its end; the high watermark advances
 * and producers are acknowledged once they are written and, if `flush.*` requires it, flushed.
 */
export class Partition {
  static {
    logOf = partition => partition.#log;
  }

  readonly topicId: Uuid;
  #rules: JudgeRules;
  /** Order of batches that are being validated. */
  readonly order: Order;
  /** Receives errors that callbacks of producers or readers throw. */
  readonly #report: Report;
  readonly #env: Env;
  readonly #turn: Turn;
  readonly #deadlines: Deadlines;
  readonly #replica: Replica<PendingAppend>;
  #log: PartitionLog;
  /** True while another log is about to replace this one: nothing is acknowledged. */
  #held = false;
  readonly #watchers = new Set<Watcher>();
  /** Appends of this turn: those that its write does not end get a deadline. */
  #fresh: Wait<PendingAppend>[] = [];
  #dirty = false;
  /** End of the records that this process knows to be safe; after a start, those below the high watermark may not be. */
  #safe: Offset = -1;
  /** Bytes appended and not yet below the high watermark. */
  #unseen = 0;

  constructor(options: PartitionOptions) {
    this.#env = options.env;
    const { topic, partition } = options.log;
    this.#report = error => options.env.logger.error("a callback of a partition failed", { topic, partition, error });
    this.order = new Order(this.#report);
    this.#turn = options.turn;
    this.#log = options.log;
    this.#deadlines = options.deadlines;
    this.topicId = options.topicId;
    // With a single replica all records in the log are replicated.
    this.#log.highWatermark = this.#log.endOffset;
    this.#replica = new Replica(this.#log.endOffset);
    this.#rules = options.settings.rules;
  }

  /** Applies the settings of the topic. */
  configure({ log, rules, minInSync }: PartitionSettings): void {
    this.#log.config = log;
    this.#rules = rules;
    this.#replica.minInSync = minInSync;
  }

  /** Rules that produced batches must satisfy. */
  get rules(): JudgeRules {
    return this.#rules;
  }

  /** Epoch of the partition's leader, this broker or another. */
  get leaderEpoch(): LeaderEpoch {
    return this.#replica.leaderEpoch;
  }

  /** 0 while this broker leads the partition, else the error code of requests. */
  get fault(): number {
    return this.#replica.fault;
  }

  get topic(): string {
    return this.#log.topic;
  }

  get index(): PartitionIndex {
    return this.#log.partition;
  }

  /** Path of the directory of its log. */
  get path(): string {
    return this.#log.path;
  }

  get config(): LogConfig {
    return this.#log.config;
  }

  get startOffset(): Offset {
    return this.#log.startOffset;
  }

  get endOffset(): Offset {
    return this.#log.endOffset;
  }

  get highWatermark(): Offset {
    return this.#log.highWatermark;
  }

  get stableOffset(): Offset {
    return this.#log.stableOffset;
  }

  /** Largest epoch up to `epoch`, and its end (`Partition.lastOffsetForLeaderEpoch`). */
  endOffsetForEpoch(epoch: LeaderEpoch): ReturnType<PartitionLog["endOffsetForEpoch"]> {
    return this.#log.endOffsetForEpoch(epoch);
  }

  /** Epoch in which the record at `offset` was, or will be, written; −1: unknown. */
  epochAt(offset: Offset): LeaderEpoch {
    let epoch = -1;
    for (const entry of this.#log.epochs) if (entry.startOffset <= offset) epoch = entry.epoch;
    return epoch;
  }

  /** First record with this timestamp or a later one; undefined if the disk fails, too. */
  offsetForTimestamp(timestamp: Int64): ReturnType<PartitionLog["offsetForTimestamp"]> {
    return this.#guarded(() => this.#log.offsetForTimestamp(timestamp));
  }

  /** Record with the largest timestamp; undefined if the disk fails, too. */
  offsetOfMaxTimestamp(): ReturnType<PartitionLog["offsetOfMaxTimestamp"]> {
    return this.#guarded(() => this.#log.offsetOfMaxTimestamp());
  }

  /** Result of `work` on the log; undefined if the disk fails, which takes the partition offline. */
  #guarded<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  /** Takes the partition offline after a `DiskError`; throws any other error. */
  #failed(error: unknown): void {
    if (!(error instanceof DiskError)) throw error;
    this.becomeOffline(Errors.KAFKA_STORAGE_ERROR.code);
  }

  /** Producers that the log remembers (`Partition.activeProducerState`). */
  get producers(): PartitionLog["producers"] {
    return this.#log.producers;
  }

  /** Begins to verify that a producer's transaction includes this partition; see `ProducerStates.startVerification`. */
  startVerification(...of: Parameters<StartVerification>): ReturnType<StartVerification> {
    return this.#log.state.producers.startVerification(...of);
  }

  /** Acknowledges nothing until `release`; records appended in the meantime go to the current log. */
  hold(): void {
    this.#held = true;
  }

  /** Replaces the log by one that contains all its records. Call it between `hold` and `release`. */
  replaceLog(log: PartitionLog): void {
    this.#log = log;
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#turn.add("write", this.#write);
  }

  /** Error code for a client with another leader epoch than this broker's; epoch −1 is always accepted. */
  epochFault(currentLeaderEpoch: LeaderEpoch): number {
    return this.#replica.epochFault(currentLeaderEpoch);
  }

  /** Error code for an append; 0 if this leader may take it. */
  appendFault(acks: Acks): number {
    return this.#replica.appendFault(acks);
  }

  /** True if the settings ask for a flush: after a crash, of records that the last process has written, too. */
  get isFlushDue(): boolean {
    return this.#log.flushDue(this.#env.clock.monotonic());
  }

  /** Flushes the log. Rejects if the disk fails, which takes the partition offline. */
  async flush(): Promise<void> {
    try {
      await this.#log.flush();
    } catch (error) {
      this.becomeOffline(Errors.KAFKA_STORAGE_ERROR.code);
      throw error;
    }
  }

  /** True once the directory has failed or the topic is deleted. */
  get isOffline(): boolean {
    return this.#replica.isOffline;
  }

  /** Offset below which a consumer may read: the last stable offset if `committedOnly`, else the high watermark. */
  limit(committedOnly: boolean): Offset {
    return committedOnly ? this.#log.stableOffset : this.#log.highWatermark;
  }

  watch(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  unwatch(watcher: Watcher): void {
    this.#watchers.delete(watcher);
  }

  /**
   * Appends batches in the epoch of this leader. The acknowledgement is called later, once; not at all if the result has
   * an error (`Partition.appendRecordsToLeader`).
   */
  appendAsLeader(bytes: Uint8Array, request: LeaderAppend, acknowledgement: Acknowledgement): AppendResult {
    const { acks, timeoutMs, done } = acknowledgement;
    const fault = this.#replica.appendFault(acks);
    if (fault !== 0) return refused(fault);
    let result: AppendResult;
    try {
      result = this.#log.append(bytes, { ...request, leaderEpoch: this.leaderEpoch });
    } catch (error) {
      this.#failed(error);
      return refused(Errors.KAFKA_STORAGE_ERROR.code);
    }
    if (result.error !== 0) return result;
    if (!result.duplicate) this.#unseen += bytes.length;
    this.#fresh.push(this.#replica.appended(result.lastOffset + 1, acks, { timeoutMs, done, timer: undefined }));
    if (!this.#dirty) {
      this.#dirty = true;
      this.#turn.add("write", this.#write);
    }
    return result;
  }

  /** Reads batches up to the end that `isolation` names. A failing disk takes the partition offline. */
  read({ isolation, ...options }: PartitionRead): PartitionReadResult {
    const limitOffset = isolation === "LOG_END" ? this.#log.endOffset : this.limit(isolation === "TXN_COMMITTED");
    let read: ReadResult | undefined;
    try {
      read = this.#log.read({ ...options, limitOffset });
      const wantsAborted = isolation === "TXN_COMMITTED" && read.error === 0;
      const aborted = wantsAborted ? this.#log.abortedTransactions(options.offset, read.nextOffset) : null;
      return { ...read, aborted };
    } catch (error) {
      this.#failed(error);
      read?.release?.();
      return {
        error: Errors.KAFKA_STORAGE_ERROR.code,
        chunks: [],
        size: 0,
        nextOffset: options.offset,
        aborted: null,
      };
    }
  }

  /**
   * Deletes records before `offset`, or before the high watermark (-1). Returns the log start offset, or -1 if refused.
   */
  deleteRecords(offset: Offset): Offset {
    const start = this.#log.deleteRecords(offset);
    if (start >= 0) this.#turn.add("write", this.#write);
    return start;
  }

  readonly #write = (): void => {
    this.#dirty = false;
    // The device may hang while another log replaces this one, too.
    if (this.fault !== 0 || this.#held) return this.#limitWaits();
    if (!this.#log.writePending()) {
      this.becomeOffline(Errors.KAFKA_STORAGE_ERROR.code);
      return;
    }
    const { endOffset: end, isNamed } = this.#log;
    const isDue = this.#log.flushDue(this.#env.clock.monotonic());
    if (isNamed && !isDue) {
      this.#fresh = [];
      this.#advance(end);
      return;
    }
    // A batch that is a duplicate may be safe already.
    if (this.#safe >= 0) this.#advance(this.#safe);
    this.#limitWaits();
    (isDue ? this.#log.flush() : this.#log.syncNames()).then(
      () => this.#flushed(end),
      () => this.becomeOffline(Errors.KAFKA_STORAGE_ERROR.code),
    );
  };

  /** Gives deadlines to the appends of this turn, which have to wait. */
  #limitWaits(): void {
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const wait of fresh) {
      const { item } = wait;
      if (item?.timeoutMs === undefined) continue;
      item.timer = this.#deadlines.after(Math.max(LEAST_WAIT_MS, item.timeoutMs), () => {
        wait.cancel();
        item.done(Errors.REQUEST_TIMED_OUT.code);
      });
    }
  }

  /**
   * Advances the high watermark after a flush. Ignores a flush of a log that is being replaced; the new log reports
   * later.
   */
  #flushed(end: Offset): void {
    if (!this.#held) this.#advance(end);
  }

  #advance(end: Offset): void {
    if (this.fault !== 0) return;
    this.#safe = Math.max(this.#safe, end);
    const before = this.#replica.highWatermark;
    const settled = this.#replica.written(end);
    const { highWatermark } = this.#replica;
    this.#log.highWatermark = highWatermark;
    const bytes = this.#unseen;
    if (highWatermark > before) this.#unseen = 0;
    for (const of of settled) this.#settle(of);
    if (highWatermark > before) guardEach(this.#watchers, watcher => watcher.advanced(bytes, this), this.#report);
  }

  #settle({ items, errorCode }: Settled<PendingAppend>): void {
    const end = ({ timer, done }: PendingAppend): void => {
      timer?.cancel();
      done(errorCode);
    };
    guardEach(items, end, this.#report);
  }

  /** Leads a number of replicas in an epoch, from the end of the log on (`Partition.makeLeader`). */
  becomeLeader(epoch: LeaderEpoch, replicas = 1): void {
    if (this.isOffline) return;
    this.#replica.replicas = replicas;
    // Records that were appended before it became a follower are written, and become readable.
    if (this.leaderEpoch >= 0 && this.fault !== 0) this.#turn.add("write", this.#write);
    this.#replica.becomeLeader(epoch);
    this.#guarded(() => {
      if (this.#log.latestEpoch < epoch) this.#log.beginEpoch(epoch);
    });
  }

  /** Serves no requests until it leads again, and fails all pending ones (`Partition.makeFollower`). */
  becomeFollower(epoch: LeaderEpoch): void {
    if (!this.isOffline) this.#refuse(this.#replica.becomeFollower(epoch));
  }

  /** Fails the partition for good, and all pending appends and reads, with an error code. */
  becomeOffline(errorCode: number): void {
    if (!this.isOffline) this.#refuse(this.#replica.becomeOffline(errorCode));
  }

  #refuse(settled: Settled<PendingAppend>): void {
    this.#settle(settled);
    guardEach([...this.#watchers], watcher => watcher.changed(), this.#report);
  }
}
