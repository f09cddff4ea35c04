import {
  type BrokerId,
  DiskError,
  type Env,
  guardEach,
  type Int64,
  type LeaderEpoch,
  type Offset,
  type PartitionIndex,
  type Report,
  type Uuid,
} from "@samsa/base";
import type { AppendResult, LogConfig } from "@samsa/log";
import { Errors } from "@samsa/protocol";
import type { JudgeRules } from "@samsa/records";
import {
  type Acks,
  type BrokerView,
  type FollowerFetch,
  type FollowerLog,
  type IsrAnswer,
  type IsrProposal,
  type PartitionState,
  type Pulse,
  Replica,
  type Settled,
  type Wait,
} from "@samsa/replica";
import type { PartitionLog, ReadResult } from "@samsa/storage";
import {
  type Acknowledgement,
  LEAST_WAIT_MS,
  type LeaderAppend,
  limitWaits,
  type PartitionRead,
  type PartitionReadResult,
  type PartitionSettings,
  type PendingAppend,
  refused,
} from "./access.ts";
import type { Deadlines } from "./deadlines.ts";
import { LowWatermarkWaits } from "./low-watermark-waits.ts";
import { Order } from "./order.ts";
import { Readers, type ReplicaWatcher, type Watched, type Watcher } from "./readers.ts";
import type { Turn } from "../turn/turn.ts";

/** Cluster around the partitions of a broker. */
export interface PartitionCluster {
  readonly brokers: BrokerView;
  /** `replica.lag.time.max.ms`. */
  readonly lagMs: number;
  /** Sends a proposal to the controller, and its answer to `Partition.isrAnswered`. */
  readonly propose: (partition: Partition, proposal: IsrProposal) => void;
}

/** Environment and initial state of a partition. */
export interface PartitionOptions {
  readonly env: Env;
  readonly turn: Turn;
  readonly log: PartitionLog;
  readonly deadlines: Deadlines;
  readonly cluster: PartitionCluster;
  readonly topicId: Uuid;
  readonly settings: PartitionSettings;
}

type StartVerification = PartitionLog["state"]["producers"]["startVerification"];

/** The log of a partition, for the files that keep logs and metadata in step: nobody else goes around the partition. */
export let logOf: (partition: Partition) => PartitionLog;

/**
 * Replica of a partition on this broker, which leads and follows any number of times (`Partition`). Appends of one turn
 * are written together at its end. They count for the high watermark, and for the leader of a follower, once they are
 * written and, if `flush.*` requires it, flushed.
 */
export class Partition implements Watched {
  static {
    logOf = partition => partition.#log;
  }

  readonly topicId: Uuid;
  #rules: JudgeRules;
  throttled: PartitionSettings["throttled"];
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
  readonly #readers: Readers;
  readonly #lowWatermarks: LowWatermarkWaits;
  readonly #cluster: PartitionCluster;
  /** Replicas of the metadata: this broker, and others. */
  #replicas: readonly BrokerId[] = [];
  /** Appends of this turn: those that its write does not end get a deadline. */
  #fresh: Wait<PendingAppend>[] = [];
  #dirty = false;
  #isSafe = true;
  /** End of the records that this process knows to be safe; after a start, those below the high watermark may not be. */
  #safe: Offset = -1;
  /** End of the records in the files that an earlier process has written. */
  #recovered: Offset;
  /** Called when a follower's records have become safe. */
  #whenSafe: (() => void) | undefined;

  constructor(options: PartitionOptions) {
    this.#env = options.env;
    const { topic, partition } = options.log;
    this.#report = error => options.env.logger.error("a callback of a partition failed", { topic, partition, error });
    this.order = new Order(this.#report);
    this.#readers = new Readers(this.#report);
    this.#turn = options.turn;
    this.#log = options.log;
    this.#deadlines = options.deadlines;
    this.topicId = options.topicId;
    this.#cluster = options.cluster;
    this.#lowWatermarks = new LowWatermarkWaits(options.deadlines);
    this.#recovered = this.#log.endOffset;
    this.#replica = new Replica(this.#log.highWatermark, options.cluster);
    this.#rules = options.settings.rules;
    this.throttled = options.settings.throttled;
  }

  /** Applies the settings of the topic. */
  configure({ log, rules, minInSync, throttled }: PartitionSettings): void {
    this.#log.config = log;
    this.#rules = rules;
    this.throttled = throttled;
    this.#replica.minInSync = minInSync;
    // A lower minimum may commit what is on the replicas in sync already.
    if (this.#replica.leader !== undefined && this.#safe >= 0 && !this.#held) this.#advance(this.#safe);
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

  /** 0 if this broker has the partition for readers, as its leader or as a follower; else the error code of reads. */
  get readFault(): number {
    return this.isOffline || this.leaderEpoch < 0 ? this.fault : 0;
  }

  /** Offset below which a consumer may read: the last stable offset if `committedOnly`, else the high watermark. */
  limit(committedOnly: boolean): Offset {
    return committedOnly ? this.#log.stableOffset : this.#log.highWatermark;
  }

  /** State as a leader; undefined while this broker does not lead the partition. */
  get leader(): Replica<PendingAppend>["leader"] {
    return this.#replica.leader;
  }

  /** Log as the decisions of a follower need it. */
  get followerLog(): FollowerLog {
    return this.#log;
  }

  /** True if all records that this process has added are written, and flushed if the settings ask for it. */
  get isSafe(): boolean {
    return this.#isSafe;
  }

  /** Tells `reader` of new records, until `unfollow`. */
  follow(reader: ReplicaWatcher): void {
    this.#readers.join(reader);
  }

  /** Ends `follow`. Later fetches of the session with this pulse are none of this partition. */
  unfollow(reader: ReplicaWatcher, pulse: Pulse): void {
    this.#readers.leave(reader);
    this.#replica.leader?.forgotten(reader.replicaId, pulse);
  }

  watch(watcher: Watcher): void {
    this.#readers.watch(watcher);
  }

  unwatch(watcher: Watcher): void {
    this.#readers.unwatch(watcher);
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
    if (!result.duplicate) this.#readers.add(bytes.length);
    this.#fresh.push(this.#replica.appended(result.lastOffset + 1, acks, { timeoutMs, done, timer: undefined }));
    this.#writeSoon();
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
    if (start < 0) return start;
    this.#turn.add("write", this.#write);
    this.#readers.moved();
    return start;
  }

  #writeSoon(): void {
    this.#isSafe = false;
    if (this.#dirty) return;
    this.#dirty = true;
    this.#turn.add("write", this.#write);
  }

  readonly #write = (): void => {
    this.#dirty = false;
    // The device may hang while another log replaces this one, too.
    if (this.isOffline || this.#held) return this.#limitWaits();
    if (!this.#log.writePending()) {
      this.becomeOffline(Errors.KAFKA_STORAGE_ERROR.code);
      return;
    }
    const { endOffset: end, isNamed, changes } = this.#log;
    if (this.#replicas.length > 1) this.#replica.leader?.extended(end);
    this.#readers.written();
    const isDue = this.#log.flushDue(this.#env.clock.monotonic());
    if (isNamed && !isDue) {
      const fresh = this.#fresh;
      this.#fresh = [];
      this.#advance(end);
      // Appends that wait for no other replica are acknowledged now.
      if (this.#replicas.length > 1) this.#limit(fresh);
      return;
    }
    // A batch that is a duplicate may be safe already.
    if (this.#safe >= 0) this.#advance(this.#safe);
    this.#limitWaits();
    (isDue ? this.#log.flush() : this.#log.syncNames()).then(
      () => this.#flushed(end, changes),
      () => this.becomeOffline(Errors.KAFKA_STORAGE_ERROR.code),
    );
  };

  /** Gives deadlines to the appends of this turn, which have to wait. */
  #limitWaits(): void {
    const fresh = this.#fresh;
    this.#fresh = [];
    this.#limit(fresh);
  }

  #limit(fresh: readonly Wait<PendingAppend>[]): void {
    // Kafka's own write counts in no time-out, the time of the other replicas does.
    limitWaits(this.#deadlines, fresh, this.#replicas.length > 1 ? 0 : LEAST_WAIT_MS);
  }

  /**
   * Advances the high watermark after a flush. Ignores a flush of a log that is being replaced; the new log reports
   * later. A log that was truncated meanwhile reports again.
   */
  #flushed(end: Offset, changes: number): void {
    if (this.#log.changes !== changes && this.#log.endOffset < end) this.#writeSoon();
    else if (!this.#held) this.#advance(end);
  }

  /** Takes the end of the records that are safe on this broker. */
  #advance(end: Offset): void {
    if (this.isOffline) return;
    this.#safe = Math.max(this.#safe, end);
    this.#isSafe = end >= this.#log.endOffset;
    if (this.fault !== 0) return this.#whenSafe?.();
    this.#replica.written(end, this.#env.clock.monotonic());
    this.#led();
  }

  /** Ends a step of a leader: sends its proposal, and publishes the high watermark that it may have raised. */
  #led(): void {
    const proposal = this.#replica.leader?.takeProposal();
    if (proposal !== undefined) this.#cluster.propose(this, proposal);
    const before = this.#log.highWatermark;
    const { highWatermark } = this.#replica;
    const settled = this.#replica.settled();
    if (highWatermark > before) this.#log.highWatermark = highWatermark;
    for (const of of settled) this.#settle(of);
    if (highWatermark > before) this.#readers.advanced(this, highWatermark - before, this.endOffset - before);
    if (this.#lowWatermarks.size > 0) this.#lowWatermarks.reached(this.lowWatermark);
  }

  #settle({ items, errorCode }: Settled<PendingAppend>): void {
    const end = ({ timer, done }: PendingAppend): void => {
      timer?.cancel();
      done(errorCode);
    };
    guardEach(items, end, this.#report);
  }

  /**
   * Leads from the end of the log on, or takes a later state of the metadata as its leader (`Partition.makeLeader`).
   */
  becomeLeader(state: PartitionState): void {
    if (this.isOffline) return;
    const { endOffset: logEnd } = this.#log;
    const isNewEpoch = state.leaderEpoch > this.leaderEpoch;
    const ownEnd = Math.max(this.#recovered, this.#safe);
    // Records that were appended before it became a follower are written, and become readable. A log that has none must
    // not be touched: each start makes all partitions followers first, and a write makes the names of a log durable.
    if (this.leaderEpoch >= 0 && this.fault !== 0 && logEnd > ownEnd) this.#writeSoon();
    const now = this.#env.clock.monotonic();
    if (!this.#replica.becomeLeader(state, { logEnd, ownEnd, now })) return;
    this.#replicas = state.replicas;
    this.#guarded(() => {
      if (this.#log.latestEpoch < state.leaderEpoch) this.#log.beginEpoch(state.leaderEpoch);
    });
    if (this.isOffline) return;
    this.#led();
    if (isNewEpoch) this.#readers.changed();
  }

  /**
   * Serves no requests of a leader until it leads again, and fails all pending ones (`Partition.makeFollower`).
   */
  becomeFollower({ leaderEpoch, replicas }: Pick<PartitionState, "leaderEpoch" | "replicas">): void {
    if (this.isOffline || leaderEpoch < this.leaderEpoch) return;
    this.#replicas = replicas;
    if (leaderEpoch === this.leaderEpoch && this.#replica.leader === undefined) return;
    this.#refuse(this.#replica.becomeFollower(leaderEpoch));
  }

  /** Takes the position of another replica. Returns 0, or the error code for it. */
  fetched(fetch: Omit<FollowerFetch, "logEnd" | "now">): number {
    const { endOffset: logEnd } = this.#log;
    const errorCode = this.#replica.fetched({ ...fetch, logEnd, now: this.#env.clock.monotonic() });
    this.#led();
    return errorCode;
  }

  /** Takes the controller's answer to a proposal. True if it must be sent again. */
  isrAnswered(proposal: IsrProposal, answer: IsrAnswer): boolean {
    const again = this.#replica.isrAnswered(proposal, answer, this.#env.clock.monotonic());
    this.#led();
    return again;
  }

  /** Looks for followers that lag, or are gone, since the last call. */
  sweep(): void {
    if (this.#replica.leader?.tick(this.#env.clock.monotonic()) === true) this.#led();
  }

  /** Tells the other replicas that the log begins later now. */
  startMoved(): void {
    this.#readers.moved();
  }

  /** Least start of the logs of all replicas that are alive; −1 unless this broker leads the partition. */
  get lowWatermark(): Offset {
    return this.#replica.leader?.lowWatermark(this.#log.startOffset) ?? -1;
  }

  /** Calls `done` once, when no replica has records before `offset`, or with an error code. */
  whenDeleted(offset: Offset, timeoutMs: number, done: (errorCode: number, lowWatermark: Offset) => void): void {
    const low = this.lowWatermark;
    if (low >= offset) done(0, low);
    else this.#lowWatermarks.add(offset, timeoutMs, done);
  }

  /** Calls `run` whenever records that a follower has appended become safe. */
  onSafe(run: (() => void) | undefined): void {
    this.#whenSafe = run;
  }

  /**
   * Appends whole batches of the leader as they are, and takes the leader's high watermark and start. Returns 0, or the
   * error code of a batch that does not fit (`ReplicaFetcherThread.processPartitionData`).
   */
  appendAsFollower(batches: readonly Uint8Array[], leaderWatermark: Offset, leaderStart: Offset): number {
    let error = 0;
    this.#guarded(() => {
      for (const bytes of batches) {
        error = this.#log.appendAsFollower(bytes).error;
        if (error !== 0) return;
        this.#readers.add(bytes.length);
        this.#writeSoon();
      }
      const { highWatermark: before, endOffset } = this.#log;
      const next = this.#replica.follow(leaderWatermark, endOffset);
      this.#log.highWatermark = next;
      if (leaderStart > this.#log.startOffset) {
        this.#log.raiseStart(leaderStart);
        this.#writeSoon();
      }
      if (next > before) this.#readers.advanced(this, next - before, endOffset - before);
    });
    return this.isOffline ? Errors.KAFKA_STORAGE_ERROR.code : error;
  }

  /** Removes the records of a follower from `offset` on. A failing disk takes the partition offline. */
  truncateTo(offset: Offset): void {
    this.#cut(() => this.#log.truncateTo(offset));
  }

  /** Empties the log of a follower; the next record is at `offset`. */
  restartAt(offset: Offset): void {
    this.#cut(() => this.#log.restartAt(offset));
  }

  #cut(work: () => void): void {
    this.#guarded(work);
    if (this.isOffline) return;
    const { startOffset, endOffset, highWatermark } = this.#log;
    this.#safe = Math.min(this.#safe, endOffset);
    this.#recovered = Math.min(this.#recovered, endOffset);
    this.#readers.truncated();
    this.#log.highWatermark = this.#replica.follow(Math.max(startOffset, highWatermark), endOffset);
    this.#writeSoon();
  }

  /** Fails the partition for good, and all pending appends and reads, with an error code. */
  becomeOffline(errorCode: number): void {
    if (!this.isOffline) this.#refuse(this.#replica.becomeOffline(errorCode));
  }

  #refuse(settled: Settled<PendingAppend>): void {
    this.#settle(settled);
    if (this.#lowWatermarks.size > 0) this.#lowWatermarks.failed(this.fault);
    this.#readers.changed();
  }
}
