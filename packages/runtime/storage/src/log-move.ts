import { invariant, type Offset } from "@samsa/base";
import { BatchCursor } from "@samsa/records";
import type { PartitionLog } from "./log.ts";

/** Bytes copied in a step. */
const SLICE = 1 << 20;

/**
 * Copies a log into another directory while it is appended to (`ReplicaAlterLogDirsThread`). Copies only when `step` is
 * called, which throws `DiskError` when a disk has failed and its directory is offline, or `Error` when the copy cannot
 * be made. Pauses compaction of the log until the move ends: a tombstone that compaction drops would leave the deleted
 * record in the copy (`LogManager.abortAndPauseCleaning`).
 */
export class LogMove {
  readonly source: PartitionLog;
  readonly copy: PartitionLog;
  /** Value of `source.changes` at the last step: a follower's log may have been cut since. */
  private changes: number;

  constructor(source: PartitionLog, copy: PartitionLog) {
    this.source = source;
    this.copy = copy;
    source.pauseCleaning();
    this.changes = source.changes;
  }

  /** Gives up a move before its swap. */
  cancel(): void {
    this.source.resumeCleaning();
  }

  /** Truncates an existing copy to the offsets and epochs that it shares with the log. */
  align(): void {
    const { source, copy } = this;
    if (copy.startOffset === copy.endOffset) {
      if (copy.endOffset !== source.startOffset) copy.restartAt(source.startOffset);
      return;
    }
    const { epoch, endOffset } = source.endOffsetForEpoch(copy.latestEpoch);
    if (copy.latestEpoch >= 0 && epoch === copy.latestEpoch && copy.endOffset >= source.startOffset) {
      copy.truncateTo(Math.min(endOffset, source.endOffset));
    } else copy.restartAt(source.startOffset);
  }

  /** Resolves when the next `step` need not wait for the device. */
  ready(): Promise<void> {
    const { source, copy } = this;
    return source.warm(copy.endOffset, Math.min(SLICE, copy.config.segmentBytes));
  }

  /** True if the log has records that the copy lacks. */
  get isBehind(): boolean {
    return this.copy.endOffset < this.source.endOffset;
  }

  /** Copies a slice. False if the copy had caught up already. */
  step(): boolean {
    const { source, copy } = this;
    if (source.changes !== this.changes) {
      this.changes = source.changes;
      this.align();
    }
    if (copy.endOffset >= source.endOffset) return false;
    // Retention or DeleteRecords may have removed the next records, or all that were left.
    const offset = Math.max(copy.endOffset, source.startOffset);
    if (offset === source.endOffset) {
      copy.restartAt(offset);
      return true;
    }
    const maxBytes = Math.min(SLICE, copy.config.segmentBytes);
    const read = source.read({ offset, maxBytes, minOneMessage: true, limitOffset: source.endOffset });
    try {
      invariant(read.error === 0, "offsets between the start and the end of a log are in range");
      const [first] = read.chunks;
      if (first === undefined) {
        // Compaction may have left no batch before the log end offset.
        copy.extendTo(source.endOffset);
        return true;
      }
      if (offset > copy.endOffset || copy.size === 0) this.begin(first, offset);
      for (const chunk of read.chunks) {
        const { error } = copy.appendAsFollower(chunk);
        if (error !== 0) throw new Error(`the copy of ${source.path} refuses a batch with error ${error}`);
      }
    } finally {
      read.release?.();
    }
    if (!copy.writePending()) throw new Error(`the directory of ${copy.path} is offline`);
    return true;
  }

  /** Starts the copy where the first batch does, which may be below the log start offset. */
  private begin(chunk: Uint8Array, offset: Offset): void {
    const batch = new BatchCursor(chunk);
    batch.next();
    const start = Math.min(batch.baseOffset, offset);
    if (start !== this.copy.endOffset) this.copy.restartAt(start);
  }

  /** Writes the checkpoints of the copy: after the swap no other file has these facts. */
  async secure(): Promise<void> {
    this.copy.raiseStart(this.source.startOffset);
    await this.copy.home.checkpoint();
  }

  /** Makes the copy the log. The copy must have caught up. The caller deletes the old log. */
  swap(): void {
    const { source, copy } = this;
    invariant(copy.endOffset === source.endOffset, "a log is replaced by one that has as much");
    copy.highWatermark = source.highWatermark;
    copy.raiseStart(source.startOffset);
    copy.cleanedTo = source.cleanedTo;
    if (copy.latestEpoch < source.latestEpoch) copy.beginEpoch(source.latestEpoch);
    copy.promote();
    copy.home.checkpointSoon();
    source.retire();
  }
}
