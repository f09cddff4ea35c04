import { invariant } from "@samsa/base";
import { BatchCursor } from "@samsa/records";
import type { PartitionLog } from "./log.ts";

/** Bytes copied at a time. */
const SLICE = 1 << 20;

/**
 * Copies a log into another directory while it is appended to (`ReplicaAlterLogDirsThread`). Nothing is copied unless
 * `step` is called; what it throws is a `DiskError` that has taken its directory offline, or that the copy cannot be made.
 * The log is not compacted until the move ends: a tombstone that compaction drops would leave in the copy what it deleted
 * (`LogManager.abortAndPauseCleaning`).
 */
export class LogMove {
  readonly source: PartitionLog;
  readonly copy: PartitionLog;

  constructor(source: PartitionLog, copy: PartitionLog) {
    this.source = source;
    this.copy = copy;
    source.pauseCleaning();
  }

  /** Ends a move before its swap. */
  cancel(): void {
    this.source.resumeCleaning();
  }

  /** Keeps of what an earlier attempt has copied only what the log still has, in the same epochs. */
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

  /** Resolves when the next `step` does not wait for the device. */
  ready(): Promise<void> {
    const { source, copy } = this;
    return source.warm(copy.endOffset, Math.min(SLICE, copy.config.segmentBytes));
  }

  /** Copies a slice; false, having copied nothing, when the copy has all there is. */
  step(): boolean {
    const { source, copy } = this;
    if (copy.endOffset >= source.endOffset) return false;
    // Retention or DeleteRecords may have taken what was to be copied next, or all that is left.
    const offset = Math.max(copy.endOffset, source.startOffset);
    if (offset === source.endOffset) {
      copy.restartAt(offset);
      return true;
    }
    const maxBytes = Math.min(SLICE, copy.config.segmentBytes);
    const read = source.read({ offset, maxBytes, minOneMessage: true, limitOffset: source.endOffset });
    try {
      invariant(read.error === 0, "offsets between the start and the end of a log are in range");
      if (read.chunks.length === 0) {
        // Compaction may leave nothing before the end.
        copy.extendTo(source.endOffset);
        return true;
      }
      if (offset > copy.endOffset || copy.size === 0) this.begin(read.chunks[0], offset);
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

  /** The copy begins where the first batch does, which may be before the first offset that can be read. */
  private begin(chunk: Uint8Array, offset: number): void {
    const batch = new BatchCursor(chunk);
    batch.next();
    const start = Math.min(batch.baseOffset, offset);
    if (start !== this.copy.endOffset) this.copy.restartAt(start);
  }

  /** Writes down what a start must know of the copy: once it is the log, nothing else knows it. */
  async secure(): Promise<void> {
    this.copy.raiseStart(this.source.startOffset);
    await this.copy.home.checkpoint();
  }

  /** Makes the copy, which must have all there is, the log. The log that it was is to be deleted. */
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
