import { type Int64, invariant, subtractI64 } from "@samsa/base";
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

export interface SegmentIndexes {
  readonly offsets: OffsetIndex;
  readonly times: TimeIndex;
}

/** A stretch of the log in one file, and its indexes once somebody wanted them. */
export class Segment {
  readonly base: number;
  readonly file: string;
  /** Bytes in the file, written or about to be. */
  size: number;
  /** When the segment was made, for logs whose records have no time. */
  readonly created: number;
  /** When its file last changed. */
  modified: number;
  readonly jitter: number;
  /** Of the first batch; -1 when there is none, undefined when it was not read yet. */
  firstTimestamp: Int64 | undefined;
  indexes: SegmentIndexes | undefined;
  /** Undefined when it has not been read, or when there is nothing in it. */
  txns: TxnIndex | undefined;
  /** A transaction was aborted by a marker in here. */
  hasTxns = false;
  /** The file may be longer than what is in it. */
  preallocated = false;
  private maxTime: Int64 = -1;
  private maxTimeOffset = -1;
  private sinceEntry = 0;

  constructor(base: number, size: number, facts: { created: number; modified: number; jitter: number }) {
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

  /** Starts with empty indexes, for a new segment or one that is scanned. */
  reset(): void {
    const { base } = this;
    this.indexes = { offsets: new OffsetIndex(base), times: new TimeIndex(base) };
    this.txns = new TxnIndex();
    this.hasTxns = false;
    this.maxTime = -1;
    this.maxTimeOffset = -1;
    this.sinceEntry = 0;
  }

  /** Takes the bytes of the offset and the time index; false when they cannot be this segment's and must be rebuilt. */
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
   * Takes the time of the first batch and the last entries of the time index, which are enough to know the youngest
   * record; false when they cannot be this segment's.
   */
  measure(firstTimestamp: Int64, lastTimes: Uint8Array): boolean {
    const times = new TimeIndex(this.base, lastTimes);
    if (lastTimes.length % 12 !== 0 || !times.sane()) return false;
    this.firstTimestamp = firstTimestamp;
    this.maxTime = times.lastTimestamp;
    this.maxTimeOffset = times.lastOffset;
    return true;
  }

  /** Bytes of the indexes that are in memory. */
  get indexBytes(): number {
    const { indexes, txns } = this;
    const all = indexes === undefined ? 0 : indexes.offsets.bytes.length + indexes.times.bytes.length;
    return all + (txns?.bytes.length ?? 0);
  }

  /** Notes an aborted transaction whose marker is in here. The index of those must have been read. */
  addTxn(txn: AbortedTxn): void {
    invariant(this.txns !== undefined || !this.hasTxns, "an index is read before it is added to");
    this.txns ??= new TxnIndex();
    this.txns.append(txn);
    this.hasTxns = true;
  }

  /** Forgets the indexes when all of them are on disk. */
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

  /** The youngest record's time, -1 when none has one. The segment must have been measured. */
  get maxTimestamp(): Int64 {
    invariant(this.firstTimestamp !== undefined, "a segment is measured before its times are used");
    return this.maxTime;
  }

  /** The last offset of the batch that holds `maxTimestamp`. */
  get offsetOfMaxTimestamp(): number {
    return this.maxTimeOffset;
  }

  /** By what retention judges the segment. */
  get largestTimestamp(): Int64 {
    return this.maxTimestamp >= 0 ? this.maxTime : this.modified;
  }

  /** Notes the time of a batch that the time index does not tell of, after a truncation. */
  noteTimestamp(maxTimestamp: Int64, lastOffset: number): void {
    if (maxTimestamp <= this.maxTime) return;
    this.maxTime = maxTimestamp;
    this.maxTimeOffset = lastOffset;
  }

  /** Notes a batch at the end of the file, with an index entry when one is due. */
  push(batch: { size: number; lastOffset: number; maxTimestamp: Int64 }, intervalBytes: number): void {
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

  /** Whether a run of `size` bytes must go to a new segment instead (`LogSegment.shouldRoll`). */
  shouldRoll(run: { size: number; lastOffset: number; maxTimestamp: Int64 }, config: LogConfig, now: number): boolean {
    const { offsets, times } = this.ready();
    if (this.size > config.segmentBytes - run.size) return true;
    const first = this.firstTimestamp ?? -1;
    const waited = first >= 0 ? subtractI64(run.maxTimestamp, first) : now - this.created;
    // The active segment is never compacted, so it must not live for too long.
    const compacts = config.cleanupPolicy.has("compact") && config.maxCompactionLagMs > 0;
    const most = compacts ? Math.min(config.segmentMs, config.maxCompactionLagMs) : config.segmentMs;
    if (this.size > 0 && waited > most - this.jitter) return true;
    const full = offsets.count >= Math.floor(config.segmentIndexBytes / 8);
    return (
      full || times.count >= Math.floor(config.segmentIndexBytes / 12) - 1 || !fitsIndex(this.base, run.lastOffset)
    );
  }

  /** Writes what the index files lack; `closing` also adds the last time entry. */
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

  /** Lets the file end where what is in it does. */
  trim(out: LogEffect[]): void {
    if (!this.preallocated) return;
    this.preallocated = false;
    out.push({ kind: "truncate", file: this.file, size: this.size });
  }

  /** Cuts the segment at `position`, where `offset` was or would have been. */
  truncate(offset: number, position: number, out: LogEffect[]): void {
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

  /** Renames all files away; they are removed later. */
  delete(out: LogEffect[]): void {
    for (const suffix of [LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX]) {
      out.push({ kind: "delete", file: fileName(this.base, suffix) });
    }
  }
}
