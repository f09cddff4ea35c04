import { type Int64, invariant, type Offset, subtractI64 } from "@samsa/base";
import type { LogConfig } from "./config.ts";
import {
  fileName,
  LOG_SUFFIX,
  type LogEffect,
  OFFSET_INDEX_SUFFIX,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
} from "./effects.ts";
import { type AbortedTxn, fitsIndex, OffsetIndex, TimeIndex, TxnIndex } from "./indexes.ts";

/** Offset index and time index of a segment. */
export interface SegmentIndexes {
  readonly offsets: OffsetIndex;
  readonly times: TimeIndex;
}

/** Segment of the log (`LogSegment`): a file, and its indexes once they have been read. */
export class Segment {
  readonly base: Offset;
  readonly file: string;
  /** Size of the file in bytes, pending writes included. */
  size: number;
  /** Creation time, for logs whose records have no timestamps. */
  readonly created: number;
  /** Time of the last change of the file. */
  modified: number;
  readonly jitter: number;
  /** Timestamp of the first batch; -1: there is none; undefined: not read yet. */
  firstTimestamp: Int64 | undefined;
  indexes: SegmentIndexes | undefined;
  /** Index of aborted transactions; undefined if it was not read, or is empty. */
  txns: TxnIndex | undefined;
  /** True if the segment has an ABORT marker. */
  hasTxns = false;
  /** True if the file may be longer than `size`. */
  preallocated = false;
  private maxTime: Int64 = -1;
  private maxTimeOffset: Offset = -1;
  private sinceEntry = 0;

  constructor(base: Offset, size: number, facts: { created: number; modified: number; jitter: number }) {
    this.base = base;
    this.file = fileName(base, LOG_SUFFIX);
    this.size = size;
    this.created = facts.created;
    this.modified = facts.modified;
    this.jitter = facts.jitter;
    if (size === 0) {
      this.firstTimestamp = -1;
      this.reset();
    }
  }

  /** Resets the indexes to empty ones, for a new segment or one that is scanned. */
  reset(): void {
    const { base } = this;
    this.indexes = { offsets: new OffsetIndex(base), times: new TimeIndex(base) };
    this.txns = new TxnIndex();
    this.hasTxns = false;
    this.maxTime = -1;
    this.maxTimeOffset = -1;
    this.sinceEntry = 0;
  }

  /** Takes the bytes of offset index and time index; false if they do not fit this segment and must be rebuilt. */
  attach(offsets: Uint8Array, times: Uint8Array): boolean {
    const { base } = this;
    if (offsets.length % 8 !== 0 || times.length % 12 !== 0) return false;
    const indexes = { offsets: new OffsetIndex(base, offsets), times: new TimeIndex(base, times) };
    if (!indexes.offsets.sane(this.size) || !indexes.times.sane()) return false;
    this.indexes = indexes;
    this.maxTime = indexes.times.lastTimestamp;
    this.maxTimeOffset = indexes.times.lastOffset;
    return true;
  }

  /**
   * Takes the timestamp of the first batch and the last entries of the time index, which suffice to know the maximum
   * timestamp; false if they do not fit this segment.
   */
  measure(firstTimestamp: Int64, lastTimes: Uint8Array): boolean {
    const times = new TimeIndex(this.base, lastTimes);
    if (lastTimes.length % 12 !== 0 || !times.sane()) return false;
    this.firstTimestamp = firstTimestamp;
    this.maxTime = times.lastTimestamp;
    this.maxTimeOffset = times.lastOffset;
    return true;
  }

  /** Size of the indexes in memory, in bytes. */
  get indexBytes(): number {
    const { indexes, txns } = this;
    const all = indexes === undefined ? 0 : indexes.offsets.bytes.length + indexes.times.bytes.length;
    return all + (txns?.bytes.length ?? 0);
  }

  /** Adds an aborted transaction whose marker is in this segment. The index must have been read. */
  addTxn(txn: AbortedTxn): void {
    invariant(this.txns !== undefined || !this.hasTxns, "an index is read before it is added to");
    this.txns ??= new TxnIndex();
    this.txns.append(txn);
    this.hasTxns = true;
  }

  /** Drops the indexes from memory if all of them are on disk. */
  release(): void {
    const { indexes, txns } = this;
    if (this.size === 0) return;
    const all = [indexes?.offsets, indexes?.times, txns];
    if (all.some(index => index !== undefined && index.written !== index.count)) return;
    this.indexes = undefined;
    this.txns = undefined;
  }

  ready(): SegmentIndexes {
    invariant(this.indexes !== undefined, "a segment's indexes are attached before they are used");
    return this.indexes;
  }

  /** Maximum timestamp of the records; -1: none has one. The segment must have been measured. */
  get maxTimestamp(): Int64 {
    invariant(this.firstTimestamp !== undefined, "a segment is measured before its times are used");
    return this.maxTime;
  }

  /** Last offset of the batch with `maxTimestamp`. */
  get offsetOfMaxTimestamp(): Offset {
    return this.maxTimeOffset;
  }

  /** Timestamp for retention: the maximum timestamp, or without one the time of the last change of the file. */
  get largestTimestamp(): Int64 {
    return this.maxTimestamp >= 0 ? this.maxTime : this.modified;
  }

  /** Takes the timestamp of a batch that has no entry in the time index, after a truncation. */
  noteTimestamp(maxTimestamp: Int64, lastOffset: Offset): void {
    if (maxTimestamp <= this.maxTime) return;
    this.maxTime = maxTimestamp;
    this.maxTimeOffset = lastOffset;
  }

  /** Adds a batch at the end of the file, with an index entry if one is due. */
  push(batch: { size: number; lastOffset: Offset; maxTimestamp: Int64 }, intervalBytes: number): void {
    const { offsets, times } = this.ready();
    if (this.firstTimestamp === undefined || this.size === 0) this.firstTimestamp = batch.maxTimestamp;
    this.noteTimestamp(batch.maxTimestamp, batch.lastOffset);
    if (this.sinceEntry > intervalBytes) {
      offsets.append(batch.lastOffset, this.size);
      times.append(this.maxTime, this.maxTimeOffset);
      this.sinceEntry = 0;
    }
    this.size += batch.size;
    this.sinceEntry += batch.size;
  }

  /** True if a run of `size` bytes must go to a new segment instead (`LogSegment.shouldRoll`). */
  shouldRoll(run: { size: number; lastOffset: Offset; maxTimestamp: Int64 }, config: LogConfig, now: number): boolean {
    const { offsets, times } = this.ready();
    if (this.size > config.segmentBytes - run.size) return true;
    const first = this.firstTimestamp ?? -1;
    const waited = first >= 0 ? subtractI64(run.maxTimestamp, first) : now - this.created;
    // The active segment is never compacted, so its age is limited.
    const compacts = config.cleanupPolicy.has("compact") && config.maxCompactionLagMs > 0;
    const most = compacts ? Math.min(config.segmentMs, config.maxCompactionLagMs) : config.segmentMs;
    if (this.size > 0 && waited > most - this.jitter) return true;
    const full = offsets.count >= Math.floor(config.segmentIndexBytes / 8);
    return (
      full || times.count >= Math.floor(config.segmentIndexBytes / 12) - 1 || !fitsIndex(this.base, run.lastOffset)
    );
  }

  /** Writes the entries that the index files lack; `closing` also adds the last time entry. */
  writeIndexes(closing: boolean, out: LogEffect[]): void {
    if (this.indexes === undefined) return;
    const { offsets, times } = this.indexes;
    const { txns } = this;
    if (closing && this.maxTime >= 0) times.append(this.maxTime, this.maxTimeOffset);
    for (const [index, suffix] of [
      [offsets, OFFSET_INDEX_SUFFIX],
      [times, TIME_INDEX_SUFFIX],
      [txns, TXN_INDEX_SUFFIX],
    ] as const) {
      const fresh = index?.takeUnwritten();
      if (fresh !== undefined) out.push({ kind: "write", file: fileName(this.base, suffix), ...fresh });
    }
  }

  /** Truncates a preallocated file to its used size. */
  trim(out: LogEffect[]): void {
    if (!this.preallocated) return;
    this.preallocated = false;
    out.push({ kind: "truncate", file: this.file, size: this.size });
  }

  /** Truncates the segment at `position`, where `offset` was or would have been. */
  truncate(offset: Offset, position: number, out: LogEffect[]): void {
    const { offsets, times } = this.ready();
    const txns = this.txns ?? new TxnIndex();
    this.size = position;
    this.preallocated = false;
    if (position === 0) this.firstTimestamp = -1;
    offsets.truncate(offset);
    times.truncate(offset);
    txns.truncate(offset);
    this.hasTxns = txns.count > 0;
    this.maxTime = times.lastTimestamp;
    this.maxTimeOffset = times.lastOffset;
    this.sinceEntry = 0;
    out.push({ kind: "truncate", file: this.file, size: position });
    out.push({ kind: "truncate", file: fileName(this.base, OFFSET_INDEX_SUFFIX), size: offsets.written * 8 });
    out.push({ kind: "truncate", file: fileName(this.base, TIME_INDEX_SUFFIX), size: times.written * 12 });
    out.push({ kind: "truncate", file: fileName(this.base, TXN_INDEX_SUFFIX), size: txns.written * 34 });
  }

  /** Renames all files for deletion; they are removed later. */
  delete(out: LogEffect[]): void {
    for (const suffix of [LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX]) {
      out.push({ kind: "delete", file: fileName(this.base, suffix) });
    }
  }
}
