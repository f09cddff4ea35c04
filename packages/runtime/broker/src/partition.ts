import { DiskError, type Env, guardEach, type Report, type Uuid } from "@samsa/base";
import type { AppendRequest, AppendResult } from "@samsa/log";
import { Errors } from "@samsa/protocol";
import type { JudgeRules } from "@samsa/records";
import type { PartitionLog } from "@samsa/storage";
import { Order } from "./order.ts";
import type { Turn } from "./turn.ts";

/** Told when more of a partition can be read. */
export interface Watcher {
  /** `bytes` more of `partition` are below the high watermark. */
  advanced(bytes: number, partition: Partition): void;
  /** The partition is gone or has failed: look again now. */
  changed(): void;
}

const NO_EPOCH = -1;

interface PendingAck {
  /** Acknowledged once the high watermark has reached this. */
  readonly offset: number;
  readonly done: (errorCode: number) => void;
}

function succeed({ done }: PendingAck): void {
  done(0);
}

/** What the broker knows of a partition beyond its log. */
export interface PartitionOptions {
  readonly env: Env;
  readonly turn: Turn;
  readonly log: PartitionLog;
  readonly topicId: Uuid;
  readonly leaderEpoch: number;
  readonly rules: JudgeRules;
}

/**
 * A partition that this broker leads. Appends of one turn are written together at its end; the high watermark moves,
 * and producers hear, once they are written and, if `flush.*` asks for it, flushed.
 */
export class Partition {
  readonly topicId: Uuid;
  leaderEpoch: number;
  rules: JudgeRules;
  /** `min.insync.replicas`; the replicas in sync are one, this one. */
  minInSync = 1;
  /** Set when its directory has failed or its topic is deleted: no append succeeds any more. */
  fault = 0;
  /** Batches that are on their way to the log. */
  readonly order: Order;
  /** Takes what a callback of a producer or reader throws. */
  readonly #report: Report;
  readonly #env: Env;
  readonly #turn: Turn;
  #log: PartitionLog;
  /** Another log is about to take the place of this one: nothing is acknowledged before it has. */
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
    // With one replica all that is in the log is replicated as far as it will be.
    this.log.highWatermark = this.log.endOffset;
  }

  get log(): PartitionLog {
    return this.#log;
  }

  /** Acknowledges nothing until `release`; what is appended meanwhile waits in the log that is there now. */
  hold(): void {
    this.#held = true;
  }

  /** The log that stands in from now on has all that the one before had. To be called while held. */
  replaceLog(log: PartitionLog): void {
    this.#log = log;
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#turn.add("write", this.#write);
  }

  /** The error of a client whose idea of the leader's epoch is not ours; −1: it has none. */
  epochFault(currentLeaderEpoch: number): number {
    if (currentLeaderEpoch === NO_EPOCH || currentLeaderEpoch === this.leaderEpoch) return 0;
    const { FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH } = Errors;
    return currentLeaderEpoch < this.leaderEpoch ? FENCED_LEADER_EPOCH.code : UNKNOWN_LEADER_EPOCH.code;
  }

  /** How far a consumer may read. */
  limit(committedOnly: boolean): number {
    return committedOnly ? this.log.stableOffset : this.log.highWatermark;
  }

  watch(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  unwatch(watcher: Watcher): void {
    this.#watchers.delete(watcher);
  }

  /** Appends batches of this broker's own; undefined when the disk fails, and the partition with it. */
  append(bytes: Uint8Array, request: AppendRequest): AppendResult | undefined {
    try {
      return this.log.append(bytes, request);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.fail(Errors.KAFKA_STORAGE_ERROR.code);
      return undefined;
    }
  }

  /** Calls `done` when everything up to `offset` is acknowledged; an append of `bytes` bytes has just happened. */
  appended(bytes: number, offset: number, done: (errorCode: number) => void): void {
    this.#unseen += bytes;
    this.#acks.push({ offset, done });
    if (this.#dirty) return;
    this.#dirty = true;
    this.#turn.add("write", this.#write);
  }

  /** Drops records before `offset`, or before the high watermark (-1); where the log begins then, -1 when refused. */
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

  /** A flush of a log that is being replaced vouches for nothing: the other one is asked once it is there. */
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

  /** Ends the partition's service with an error for all who wait. */
  fail(errorCode: number): void {
    if (this.fault !== 0) return;
    this.fault = errorCode;
    const acks = this.#acks;
    this.#acks = [];
    guardEach(acks, ({ done }) => done(errorCode), this.#report);
    guardEach([...this.#watchers], watcher => watcher.changed(), this.#report);
  }
}
