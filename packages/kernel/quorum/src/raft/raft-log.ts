import { entryAt, invariant, lastEntry, type LeaderEpoch, type Offset } from "@samsa/base";
import type { LogEnd, Run } from "./messages.ts";

interface EpochStart {
  readonly epoch: LeaderEpoch;
  readonly startOffset: Offset;
}

/** Shape of the metadata log: where it begins and ends, and where its epochs begin (`LeaderEpochFileCache`). */
export class RaftLog {
  readonly #epochs: EpochStart[];
  #endOffset: Offset;
  /** Records before it survive a power cut. */
  #flushedTo: Offset;
  /** Number of truncations: a flush that began before one says nothing of the records after it. */
  #generation = 0;

  /** A log that is durable as a whole. */
  constructor(epochs: readonly EpochStart[], endOffset: Offset) {
    this.#epochs = [...epochs];
    this.#endOffset = endOffset;
    this.#flushedTo = endOffset;
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

  /** End of the log with its last epoch; epoch 0 if the log is empty. */
  get end(): LogEnd {
    const epoch = this.#epochs.length === 0 ? 0 : lastEntry(this.#epochs).epoch;
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
    return { epoch: 0, offset: 0 };
  }

  /** Place to which a follower must truncate if its log ends at `end` and is none of this one; undefined: it is. */
  divergence({ offset, epoch }: LogEnd): LogEnd | undefined {
    if (offset === 0) return undefined;
    const own = this.endForEpoch(epoch);
    return own.epoch !== epoch || own.offset < offset ? own : undefined;
  }

  /** Offset to which to truncate, because the leader's log has `leader.epoch` end at `leader.offset` (KIP-279). */
  commonEnd(leader: LogEnd): Offset {
    const own = this.endForEpoch(leader.epoch);
    // Both logs have the epoch: they agree up to the shorter one. Else records of the earlier epoch are all agreed.
    return own.epoch === leader.epoch ? Math.min(own.offset, leader.offset) : own.offset;
  }
}
