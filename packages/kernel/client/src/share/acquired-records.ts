import { type BrokerId, entryAt, type LeaderEpoch, messageOf, type Offset, type PartitionIndex } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { BatchCursor, MAGIC, RecordCursor, type TimestampType, type Tools } from "@samsa/records";
import { KafkaError } from "../error/kafka-error.ts";
import { ACKNOWLEDGE_CODES, type AcknowledgeType } from "./acknowledge-type.ts";
import { AcknowledgementSet } from "./acknowledgement-set.ts";
import type { SharePlace } from "./share-session.ts";

/** Offsets in a row that a broker has acquired for this member; `deliveryCount` includes this delivery. */
export interface AcquiredRun {
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  readonly deliveryCount: number;
}

/** Records of one partition that a broker has acquired with one fetch. */
export interface Acquisition {
  readonly place: SharePlace;
  readonly brokerId: BrokerId;
  /** In the order of their offsets, without overlaps. */
  readonly runs: readonly AcquiredRun[];
  /** Batches that hold the records, and perhaps others. */
  readonly bytes: Uint8Array;
  readonly checkCrcs: boolean;
  readonly tools: Tools;
  /** Hears of records that cannot be read. */
  readonly unreadable: (error: KafkaError) => void;
}

/** Renewal of locks of one partition, on its way. */
export interface Renewal {
  /** Records that the application has. */
  readonly slots: readonly number[];
  /** The records that it does not have yet, too. */
  readonly hasRest: boolean;
  readonly set: AcknowledgementSet;
}

/** Lock of a record that the application has acknowledged. */
const SAID = -Infinity;
const NO_BYTES = new Uint8Array(0);

/**
 * Records of one partition from one ShareFetch response (`ShareCompletedFetch`, `ShareInFlightBatch`): gives them out one
 * after the other, without an allocation for each, and keeps account of their acknowledgements and locks. A record that
 * was given out has a number, its slot. Times are monotonic, in ms.
 */
export class AcquiredRecords {
  /** Current record, from the `next` that has returned true to the following one. */
  readonly record = new RecordCursor();
  readonly place: SharePlace;
  readonly brokerId: BrokerId;
  /** Number of deliveries of the current record, this one included. */
  deliveryCount = 0;
  /** Acknowledgements that no request carries yet. */
  pending = new AcknowledgementSet();
  /** Acknowledgements, and a renewal, that are on their way. */
  asked: AcknowledgementSet | undefined;
  renewal: Renewal | undefined;
  /** Time before which pending acknowledgements are not sent again. */
  retryAt = -Infinity;
  failures = 0;
  /** Reason for which the records are no longer this member's. */
  loss: KafkaError | undefined;
  /** All records are given out, or the rest never will be. */
  isOver = false;
  /** Number of records that the application has and has not acknowledged. */
  unacknowledged = 0;
  /** Time up to which some record may be locked. */
  lockedUntil: number;
  /** Time up to which the records are locked that are not given out yet, and at which that began. */
  restUntil: number;
  restSince: number;
  readonly #acquisition: Acquisition;
  readonly #batch: BatchCursor;
  /** Index of the run that the next record is in, or after. */
  #run = 0;
  /** Offsets before it are given out or acknowledged. */
  #position: Offset = 0;
  #epoch: LeaderEpoch = -1;
  /** Offset of each slot, and the end of its lock. */
  readonly #offsets: Offset[] = [];
  readonly #locks: number[] = [];
  readonly #renewing = new Set<number>();
  #renewsRest = false;

  constructor(acquisition: Acquisition, now: number, lockMs: number) {
    this.#acquisition = acquisition;
    this.place = acquisition.place;
    this.brokerId = acquisition.brokerId;
    this.#batch = new BatchCursor(acquisition.bytes);
    this.restSince = now;
    this.restUntil = now + lockMs;
    this.lockedUntil = this.restUntil;
  }

  get topic(): string {
    return this.place.topic;
  }

  get partition(): PartitionIndex {
    return this.place.partition;
  }

  /** Leader epoch of the current record's batch. */
  get leaderEpoch(): LeaderEpoch {
    return this.#epoch;
  }

  get timestampType(): TimestampType {
    return this.#batch.timestampType;
  }

  /** Slot of the current record. */
  get slot(): number {
    return this.#offsets.length - 1;
  }

  get isAsked(): boolean {
    return this.asked !== undefined || this.renewal !== undefined;
  }

  /** True once nothing is left to be done with these records. */
  get isDone(): boolean {
    const isRead = this.isOver || this.loss !== undefined;
    return isRead && this.unacknowledged === 0 && this.pending.isEmpty && !this.isAsked;
  }

  // Records

  /** Moves to the next record. False: there is none, or their lock is over. */
  next(now: number): boolean {
    if (this.isOver || this.loss !== undefined) return false;
    if (now >= this.restUntil) {
      this.isOver = true;
      return false;
    }
    for (;;) {
      try {
        if (!this.#advance()) break;
        this.#offsets.push(this.record.offset);
        this.#locks.push(this.restUntil);
        this.unacknowledged++;
        return true;
      } catch (error) {
        this.#rejectBatch(error);
      }
    }
    this.#pass(Infinity, ACKNOWLEDGE_CODES.gap);
    this.isOver = true;
    return false;
  }

  #advance(): boolean {
    const { runs } = this.#acquisition;
    const { record } = this;
    do {
      while (record.next()) {
        const { offset } = record;
        this.#pass(offset, ACKNOWLEDGE_CODES.gap);
        const run = runs[this.#run];
        if (run === undefined) return false;
        if (offset < run.firstOffset || offset < this.#position) continue;
        this.deliveryCount = run.deliveryCount;
        this.#position = offset + 1;
        if (offset === run.lastOffset) this.isOver = ++this.#run === runs.length;
        return true;
      }
    } while (this.#nextBatch());
    return false;
  }

  #nextBatch(): boolean {
    const { checkCrcs, tools } = this.#acquisition;
    const batch = this.#batch;
    while (batch.next()) {
      if (batch.magic !== MAGIC) throw new Error(`format ${batch.magic} is not supported`);
      if (checkCrcs && !batch.intact(tools.crc32c)) throw new Error("the checksum does not match");
      this.#epoch = batch.leaderEpoch;
      if (batch.isControl) continue;
      this.record.open(batch, tools.codecs);
      return true;
    }
    return false;
  }

  /** Acknowledges all acquired offsets before `end` that are not given out. */
  #pass(end: Offset, type: number): void {
    const { runs } = this.#acquisition;
    for (let run = runs[this.#run]; run !== undefined; run = runs[this.#run]) {
      const first = Math.max(run.firstOffset, this.#position);
      const last = Math.min(run.lastOffset, end - 1);
      if (first <= last) {
        this.pending.add(first, last, type);
        this.#position = last + 1;
      }
      if (run.lastOffset >= end) return;
      this.#run++;
    }
  }

  /** Rejects the rest of a batch that cannot be read, so that it does not come again and again. */
  #rejectBatch(cause: unknown): void {
    const { topic, partition } = this.place;
    const reason = messageOf(cause);
    const what = `records of ${topic}-${partition} from offset ${this.#position} on cannot be read, and are rejected`;
    this.record.left = 0;
    this.#pass(this.#startOfNextBatch(), ACKNOWLEDGE_CODES.reject);
    const facts = { error: Errors.CORRUPT_MESSAGE, cause };
    this.#acquisition.unreadable(new KafkaError("CORRUPT_MESSAGE", `${what}: ${reason}`, facts));
  }

  /** Offset from which on the bytes may be sound again: a corrupt batch does not say where it ends. */
  #startOfNextBatch(): Offset {
    const { bytes, end } = this.#batch;
    const following = new BatchCursor(bytes, end);
    try {
      return following.next() ? following.baseOffset : Infinity;
    } catch {
      return Infinity;
    }
  }

  // Acknowledgements

  /** True if the application may still acknowledge the record. */
  isHeld(slot: number): boolean {
    return this.#lock(slot) !== SAID;
  }

  /** True if the record may be another member's by now. */
  isLost(slot: number, now: number): boolean {
    const lock = this.#lock(slot);
    return lock !== SAID && (this.loss !== undefined || lock <= now);
  }

  /** Time up to which a record is locked; −Infinity: it is acknowledged. */
  lockOf(slot: number): number {
    return this.#lock(slot);
  }

  /** Acknowledges a record. Returns the error if it is this member's no longer. */
  acknowledge(slot: number, type: Exclude<AcknowledgeType, "renew">, now: number): KafkaError | undefined {
    const lock = this.#lock(slot);
    const offset = entryAt(this.#offsets, slot);
    this.#locks[slot] = SAID;
    this.#renewing.delete(slot);
    this.unacknowledged--;
    if (this.loss !== undefined) return this.loss;
    if (lock <= now) return this.#lateness(`offset ${offset}`);
    this.pending.add(offset, offset, ACKNOWLEDGE_CODES[type]);
    return undefined;
  }

  /** The pending acknowledgements are on their way from now on. */
  sendPending(): void {
    if (this.pending.isEmpty) return;
    this.asked = this.pending;
    this.pending = new AcknowledgementSet();
  }

  #lateness(what: string): KafkaError {
    const { topic, partition } = this.place;
    const text = `${what} of ${topic}-${partition} was not acknowledged before the end of its lock`;
    return new KafkaError("INVALID_RECORD_STATE", text, { error: Errors.INVALID_RECORD_STATE });
  }

  /** Takes the records away. Returns the acknowledgements that cannot be sent any more. */
  lose(error: KafkaError): AcknowledgementSet {
    this.loss = error;
    const { pending } = this;
    this.pending = new AcknowledgementSet();
    this.#batch.reset(NO_BYTES);
    return pending;
  }

  /** Error of records whose locks are all over. */
  expired(): KafkaError {
    return this.#lateness("a record");
  }

  // Renewals

  /** Renews the lock of a record with the next request. */
  renew(slot: number): void {
    this.#renewing.add(slot);
  }

  /** Renews the locks of the records that are not given out yet. */
  renewRest(): void {
    this.#renewsRest = true;
  }

  /** Puts the renewals together that are still of use, as `renewal`. False if there are none. */
  beginRenewal(now: number): boolean {
    const slots = [...this.#renewing].filter(slot => this.#lock(slot) > now);
    const hasRest = this.#renewsRest && !this.isOver && this.restUntil > now;
    this.#renewing.clear();
    this.#renewsRest = false;
    if (this.loss !== undefined || (slots.length === 0 && !hasRest)) return false;
    const set = new AcknowledgementSet();
    for (const slot of slots) {
      const offset = entryAt(this.#offsets, slot);
      set.add(offset, offset, ACKNOWLEDGE_CODES.renew);
    }
    if (hasRest) {
      for (const { firstOffset, lastOffset } of this.#acquisition.runs) {
        const first = Math.max(firstOffset, this.#position);
        if (first <= lastOffset) set.add(first, lastOffset, ACKNOWLEDGE_CODES.renew);
      }
    }
    this.renewal = { slots, hasRest, set };
    return true;
  }

  /** The locks of the renewal on its way last until `until`; undefined: it has failed. */
  renewed(now: number, until: number | undefined): void {
    const { slots, hasRest } = this.renewal ?? { slots: [], hasRest: false };
    this.renewal = undefined;
    if (until === undefined) {
      // The rest is not tried again: what cannot be renewed once cannot be renewed later.
      if (hasRest) this.restSince = Infinity;
      return;
    }
    for (const slot of slots) if (this.#lock(slot) !== SAID) this.#locks[slot] = until;
    this.lockedUntil = Math.max(this.lockedUntil, until);
    if (!hasRest) return;
    this.restSince = now;
    this.restUntil = until;
  }

  #lock(slot: number): number {
    return entryAt(this.#locks, slot);
  }
}
