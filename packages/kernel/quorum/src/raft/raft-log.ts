import { entryAt, invariant, lastEntry, type LeaderEpoch, type Offset } from "@samsa/base";
import type { LogEnd, Run } from "./messages.ts";

interface EpochStart {
  readonly epoch: LeaderEpoch;
  readonly startOffset: Offset;
}

/** Shape of a log when its replica starts. */
export interface LogShape {
  readonly epochs: readonly EpochStart[];
  readonly endOffset: Offset;
  /** Begin of the log, and the epoch of the record before it; offset 0 and epoch 0 for a log that lacks nothing. */
  readonly start?: LogEnd;
  /** Newest snapshot. */
  readonly snapshot?: LogEnd | undefined;
}

/** Answer to a follower whose log is none of this one. */
export type Misplaced = { readonly diverging: LogEnd } | { readonly snapshot: LogEnd };

const NOTHING: LogEnd = { offset: 0, epoch: 0 };

/** Shape of the metadata log: where it begins and ends, and where its epochs begin (`LeaderEpochFileCache`). */
export class RaftLog {
  #epochs: EpochStart[];
  #start: LogEnd;
  #endOffset: Offset;
  /** Records before it survive a power cut. */
  #flushedTo: Offset;
  /** Newest snapshot; offset 0: none besides the bootstrap snapshot, which is not for others. */
  #snapshot: LogEnd;
  /** Number of truncations: a flush that began before one says nothing of the records after it. */
  #generation = 0;

  /** A log that is durable as a whole. */
  constructor({ epochs, endOffset, start = NOTHING, snapshot = NOTHING }: LogShape) {
    this.#epochs = [...epochs];
    this.#start = start;
    this.#endOffset = endOffset;
    this.#flushedTo = endOffset;
    this.#snapshot = snapshot;
  }

  get startOffset(): Offset {
    return this.#start.offset;
  }

  get endOffset(): Offset {
    return this.#endOffset;
  }

  get flushedTo(): Offset {
    return this.#flushedTo;
  }

  get generation(): number {
    return this.#generation;
  }

  get snapshot(): LogEnd {
    return this.#snapshot;
  }

  /** End of the log with its last epoch; epoch 0 if there was no record yet. */
  get end(): LogEnd {
    const epoch = this.#epochs.length === 0 ? this.#start.epoch : lastEntry(this.#epochs).epoch;
    return { offset: this.#endOffset, epoch };
  }

  /** Adds records at the end. */
  append({ epoch, baseOffset, endOffset }: Run): void {
    invariant(baseOffset === this.#endOffset && endOffset > baseOffset, "records are appended at the end of the log");
    invariant(epoch >= this.end.epoch, "epochs of the log do not decrease");
    if (this.#epochs.length === 0 || epoch > lastEntry(this.#epochs).epoch) {
      this.#epochs.push({ epoch, startOffset: baseOffset });
    }
    this.#endOffset = endOffset;
  }

  /** Removes the records from `offset` on. */
  truncate(offset: Offset): void {
    this.#endOffset = Math.min(this.#endOffset, offset);
    this.#flushedTo = Math.min(this.#flushedTo, this.#endOffset);
    while (this.#epochs.length > 0 && lastEntry(this.#epochs).startOffset >= this.#endOffset) this.#epochs.pop();
    this.#generation++;
  }

  /** Empties the log, which goes on after a snapshot. */
  restart(snapshot: LogEnd): void {
    this.#epochs = [];
    this.#start = snapshot;
    this.#snapshot = snapshot;
    this.#endOffset = snapshot.offset;
    this.#flushedTo = snapshot.offset;
    this.#generation++;
  }

  /** Takes a new snapshot of this log. */
  snapshotted(snapshot: LogEnd): void {
    if (snapshot.offset > this.#snapshot.offset) this.#snapshot = snapshot;
  }

  /** Takes a new begin of the log. */
  trim(start: LogEnd): void {
    invariant(start.offset <= this.#snapshot.offset, "the log is trimmed below a snapshot only");
    if (start.offset <= this.#start.offset) return;
    this.#start = start;
    const keep = this.#epochs.findLastIndex(({ startOffset }) => startOffset <= start.offset);
    if (keep < 0) return;
    const { epoch } = entryAt(this.#epochs, keep);
    this.#epochs = [{ epoch, startOffset: start.offset }, ...this.#epochs.slice(keep + 1)];
  }

  /** Takes the end of a flush that began at `generation`, when the log ended at `offset`. */
  flushed(generation: number, offset: Offset): void {
    if (generation === this.#generation) this.#flushedTo = Math.max(this.#flushedTo, offset);
  }

  /** Largest epoch up to `epoch`, and its end (`endOffsetForEpoch`). */
  endForEpoch(epoch: LeaderEpoch): LogEnd {
    for (let i = this.#epochs.length - 1; i >= 0; i--) {
      const found = entryAt(this.#epochs, i);
      if (found.epoch > epoch) continue;
      const next = this.#epochs[i + 1];
      return { epoch: found.epoch, offset: next === undefined ? this.#endOffset : next.startOffset };
    }
    return this.#start.epoch <= epoch ? this.#start : NOTHING;
  }

  /**
   * Answer to a follower whose log ends at `end`, if it is none of this one: the place to which it must truncate, or a
   * snapshot (`validateOffsetAndEpoch`).
   */
  misplaced({ offset, epoch }: LogEnd): Misplaced | undefined {
    const snapshot = this.#snapshot;
    // A snapshot is shorter than the log that it stands for.
    if (offset === 0) return snapshot.offset > 0 ? { snapshot } : undefined;
    const { offset: startOffset, epoch: startEpoch } = this.#start;
    const isBefore = offset < startOffset || epoch < startEpoch || (offset === startOffset && epoch !== startEpoch);
    if (startOffset > 0 && isBefore) return { snapshot };
    const own = this.endForEpoch(epoch);
    return own.epoch !== epoch || own.offset < offset ? { diverging: own } : undefined;
  }

  /** Offset to which to truncate, because the leader's log has `leader.epoch` end at `leader.offset` (KIP-279). */
  commonEnd(leader: LogEnd): Offset {
    const own = this.endForEpoch(leader.epoch);
    // Both logs have the epoch: they agree up to the shorter one. Else records of the earlier epoch are all agreed.
    return own.epoch === leader.epoch ? Math.min(own.offset, leader.offset) : own.offset;
  }
}
