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
import { fitsIndex, OffsetIndex, TimeIndex, TxnIndex } from "./indexes.ts";

export interface SegmentIndexes {
  readonly offsets: OffsetIndex;
  readonly times: TimeIndex;
  txns: TxnIndex;
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
    this.indexes = { offsets: new OffsetIndex(base), times: new TimeIndex(base), txns: new TxnIndex() };
    this.maxTime = -1;
    this.maxTimeOffset = -1;
    this.sinceEntry = 0;
  }

  /** Takes the bytes of the three index files; false when they cannot be this segment's and must be rebuilt. */
  attach(offsets: Uint8Array, times: Uint8Array, txns: Uint8Array): boolean {
    const { base } = this;
    if (offsets.length % 8 !== 0 || times.length % 12 !== 0 || txns.length % 34 !== 0) return false;
    const indexes = {
      offsets: new OffsetIndex(base, offsets),
      times: new TimeIndex(base, times),
      txns: new TxnIndex(txns),
    };
    if (!indexes.offsets.sane(this.size) || !indexes.times.sane()) return false;
    this.indexes = indexes;
    this.maxTime = indexes.times.lastTimestamp;
    this.maxTimeOffset = indexes.times.lastOffset;
    return true;
  }

  /** Forgets the indexes when all of them are on disk. */
  release(): void {
    const all = this.indexes;
    if (all === undefined || this.size === 0) return;
    const unwritten = [all.offsets, all.times, all.txns].some(index => index.written !== index.count);
    if (!unwritten) this.indexes = undefined;
  }

  ready(): SegmentIndexes {
    invariant(this.indexes !== undefined, "a segment's indexes are attached before they are used");
    return this.indexes;
  }

  /** The youngest record's time, -1 when none has one. Needs the indexes. */
  get maxTimestamp(): Int64 {
    this.ready();
    return this.maxTime;
  }

  /** The last offset of the batch that holds `maxTimestamp`. Needs the indexes. */
  get offsetOfMaxTimestamp(): number {
    this.ready();
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
    const { offsets, times, txns } = this.indexes;
    if (closing && this.maxTime >= 0) times.append(this.maxTime, this.maxTimeOffset);
    for (const [index, suffix] of [
      [offsets, OFFSET_INDEX_SUFFIX],
      [times, TIME_INDEX_SUFFIX],
      [txns, TXN_INDEX_SUFFIX],
    ] as const) {
      const fresh = index.takeUnwritten();
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
    const { offsets, times, txns } = this.ready();
    this.size = position;
    this.preallocated = false;
    if (position === 0) this.firstTimestamp = -1;
    offsets.truncate(offset);
    times.truncate(offset);
    txns.truncate(offset);
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
