import { entryAt, type LeaderEpoch, type Offset } from "@samsa/base";
import type { EpochStart } from "./checkpoints.ts";

/** Start offsets of the leader epochs of a log (`LeaderEpochFileCache`, KIP-101). */
export class EpochCache {
  /** Ascending by epoch and by offset. */
  entries: EpochStart[] = [];
  /** True if the checkpoint file is out of date. */
  dirty = false;
  /** True if the latest epoch has no records yet. Such an epoch need not be in the file: `loadState` drops it. */
  private begun = false;

  /** Latest epoch; -1: none is known. */
  get latest(): LeaderEpoch {
    return this.entries.at(-1)?.epoch ?? -1;
  }

  /** Adds `epoch`, whose first record is at `startOffset`; drops entries that contradict it. */
  assign(epoch: LeaderEpoch, startOffset: Offset): void {
    if (epoch < 0 || (epoch === this.latest && !this.begun)) return;
    if (epoch !== this.latest) this.add(epoch, startOffset);
    this.begun = false;
    this.dirty = true;
  }

  /** Adds `epoch`, which begins at the log end offset `startOffset` and has no records yet. */
  begin(epoch: LeaderEpoch, startOffset: Offset): void {
    if (epoch < 0 || epoch === this.latest) return;
    this.add(epoch, startOffset);
    this.begun = true;
  }

  private add(epoch: LeaderEpoch, startOffset: Offset): void {
    for (let last = this.entries.at(-1); last !== undefined; last = this.entries.at(-1)) {
      if (last.epoch < epoch && last.startOffset < startOffset) break;
      this.entries.pop();
    }
    this.entries.push({ epoch, startOffset });
  }

  /** Drops epochs that begin at or after `offset`. */
  truncateFromEnd(offset: Offset): void {
    const keep = this.entries.findLastIndex(entry => entry.startOffset < offset) + 1;
    if (keep === this.entries.length) return;
    this.entries.length = keep;
    this.dirty = true;
  }

  /** Drops epochs that end at or before `offset`; the epoch that contains it begins there then. */
  truncateFromStart(offset: Offset): void {
    const keep = this.entries.findLastIndex(entry => entry.startOffset <= offset);
    if (keep < 0) return;
    const { epoch, startOffset } = entryAt(this.entries, keep);
    if (keep === 0 && startOffset === offset) return;
    this.entries = [{ epoch, startOffset: offset }, ...this.entries.slice(keep + 1)];
    this.dirty = true;
  }

  /** Epoch of the record at `offset`; -1: unknown. */
  epochAt(offset: Offset): LeaderEpoch {
    let epoch: LeaderEpoch = -1;
    for (const entry of this.entries) {
      if (entry.startOffset > offset) break;
      epoch = entry.epoch;
    }
    return epoch;
  }

  /**
   * End of `epoch`: the largest epoch not above it, and the offset after its last record; both -1 if unknown.
   */
  endOffsetFor(epoch: LeaderEpoch, logEndOffset: Offset): { epoch: LeaderEpoch; endOffset: Offset } {
    if (epoch === -1) return { epoch: -1, endOffset: -1 };
    if (epoch === this.latest) return { epoch, endOffset: logEndOffset };
    const higher = this.entries.findIndex(entry => entry.epoch > epoch);
    if (higher < 0) return { epoch: -1, endOffset: -1 };
    const { startOffset } = entryAt(this.entries, higher);
    return { epoch: higher === 0 ? epoch : entryAt(this.entries, higher - 1).epoch, endOffset: startOffset };
  }
}
