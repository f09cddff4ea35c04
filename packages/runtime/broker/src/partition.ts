import { DiskError, type Env, guardEach, type Report, type Uuid } from "@samsa/base";
import type { AppendRequest, AppendResult } from "@samsa/log";
import { Errors } from "@samsa/protocol";
import type { JudgeRules } from "@samsa/records";
import type { PartitionLog } from "@samsa/storage";
import { Order } from "./order.ts";
import type { Turn } from "./turn.ts";

/** Observes a partition for readable records. */
export interface Watcher {
  /** Called when `bytes` more of `partition` are below the high watermark. */
  advanced(bytes: number, partition: Partition): void;
  /** Called when the partition has been deleted or has failed: look again at once. */
  changed(): void;
}

const NO_EPOCH = -1;

interface PendingAck {
  /** High watermark at which the append is acknowledged. */
  readonly offset: number;
  readonly done: (errorCode: number) => void;
}

function succeed({ done }: PendingAck): void {
  done(0);
}

/** Environment and initial state of a partition. */
export interface PartitionOptions {
  readonly env: Env;
  readonly turn: Turn;
  readonly log: PartitionLog;
  readonly topicId: Uuid;
  readonly leaderEpoch: number;
  readonly rules: JudgeRules;
}

/**
 * A partition that this broker leads. Appends of one turn are written together at its end; the high watermark advances
 * and producers are acknowledged once they are written and, if `flush.*` requires it, flushed.
 */
export class Partition {
  readonly topicId: Uuid;
  leaderEpoch: number;
  rules: JudgeRules;
  /** Value of `min.insync.replicas`; this replica is the only one in sync. */
  minInSync = 1;
  /** Error code once the directory has failed or the topic is deleted: appends fail from then on. */
  fault = 0;
  /** Order of batches that are being validated. */
  readonly order: Order;
  /** Receives errors that callbacks of producers or readers throw. */
  readonly #report: Report;
  readonly #env: Env;
  readonly #turn: Turn;
  #log: PartitionLog;
  /** True while another log is about to replace this one: nothing is acknowledged. */
  #held = false;
  readonly #watchers = new Set<Watcher>();
  #acks: PendingAck[] = [];
  #dirty = false;
  /** Bytes appended and not yet below the high watermark. */
  #unseen = 0;

  constructor(options: PartitionOptions) {
    this.#env = options.env;
    const { topic, partition } = options.log;
    this.#report = error => options.env.logger.error("a callback of a partition failed", { topic, partition, error });
    this.order = new Order(this.#report);
    this.#turn = options.turn;
    this.#log = options.log;
    this.topicId = options.topicId;
    this.leaderEpoch = options.leaderEpoch;
    this.rules = options.rules;
    // With a single replica all records in the log are replicated.
    this.log.highWatermark = this.log.endOffset;
  }

  get log(): PartitionLog {
    return this.#log;
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
  epochFault(currentLeaderEpoch: number): number {
    if (currentLeaderEpoch === NO_EPOCH || currentLeaderEpoch === this.leaderEpoch) return 0;
    const { FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH } = Errors;
    return currentLeaderEpoch < this.leaderEpoch ? FENCED_LEADER_EPOCH.code : UNKNOWN_LEADER_EPOCH.code;
  }

  /** Offset below which a consumer may read: the last stable offset if `committedOnly`, else the high watermark. */
  limit(committedOnly: boolean): number {
    return committedOnly ? this.log.stableOffset : this.log.highWatermark;
  }

  watch(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  unwatch(watcher: Watcher): void {
    this.#watchers.delete(watcher);
  }

  /** Appends batches of the broker itself; undefined if the disk fails, which fails the partition too. */
  append(bytes: Uint8Array, request: AppendRequest): AppendResult | undefined {
    try {
      return this.log.append(bytes, request);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.fail(Errors.KAFKA_STORAGE_ERROR.code);
      return undefined;
    }
  }

  /** Calls `done` once everything up to `offset` is acknowledged. Call it after an append of `bytes` bytes. */
  appended(bytes: number, offset: number, done: (errorCode: number) => void): void {
    this.#unseen += bytes;
    this.#acks.push({ offset, done });
    if (this.#dirty) return;
    this.#dirty = true;
    this.#turn.add("write", this.#write);
  }

  /**
   * Deletes records before `offset`, or before the high watermark (-1). Returns the log start offset, or -1 if refused.
   */
  deleteRecords(offset: number): number {
    const start = this.log.deleteRecords(offset);
    if (start >= 0) this.#turn.add("write", this.#write);
    return start;
  }

  readonly #write = (): void => {
    this.#dirty = false;
    if (this.fault !== 0 || this.#held) return;
    if (!this.log.writePending()) {
      this.fail(Errors.KAFKA_STORAGE_ERROR.code);
      return;
    }
    const { endOffset: end, isNamed } = this.log;
    const isDue = this.log.flushDue(this.#env.clock.monotonic());
    if (isNamed && !isDue) {
      this.#advance(end);
      return;
    }
    (isDue ? this.log.flush() : this.log.syncNames()).then(
      () => this.#flushed(end),
      () => this.fail(Errors.KAFKA_STORAGE_ERROR.code),
    );
  };

  /**
   * Advances the high watermark after a flush. Ignores a flush of a log that is being replaced; the new log reports
   * later.
   */
  #flushed(end: number): void {
    if (!this.#held) this.#advance(end);
  }

  #advance(end: number): void {
    if (this.fault !== 0 || end <= this.log.highWatermark) {
      if (this.fault === 0) this.#acknowledge();
      return;
    }
    this.log.highWatermark = end;
    const bytes = this.#unseen;
    this.#unseen = 0;
    this.#acknowledge();
    guardEach(this.#watchers, watcher => watcher.advanced(bytes, this), this.#report);
  }

  #acknowledge(): void {
    const { highWatermark } = this.log;
    let count = 0;
    while (count < this.#acks.length && this.#acks[count].offset <= highWatermark) count++;
    guardEach(this.#acks.splice(0, count), succeed, this.#report);
  }

  /** Fails the partition, and all pending appends and reads, with an error code. */
  fail(errorCode: number): void {
    if (this.fault !== 0) return;
    this.fault = errorCode;
    const acks = this.#acks;
    this.#acks = [];
    guardEach(acks, ({ done }) => done(errorCode), this.#report);
    guardEach([...this.#watchers], watcher => watcher.changed(), this.#report);
  }
}
