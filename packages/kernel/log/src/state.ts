import { entryAt, type Int64, invariant, type LeaderEpoch, type Offset, subtractI64 } from "@samsa/base";
import { assignOffsets, BatchCursor, type TimestampType, type Tools } from "@samsa/records";
import { writeEpochs } from "./checkpoints.ts";
import type { LogConfig } from "./config.ts";
import {
  EPOCH_FILE,
  fileName,
  LOG_SUFFIX,
  type LogEffect,
  OFFSET_INDEX_SUFFIX,
  SNAPSHOT_SUFFIX,
  SWAP_SUFFIX,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
} from "./effects.ts";
import { EpochCache } from "./epochs.ts";
import type { IndexCache } from "./index-cache.ts";
import { type AbortedTxn, fitsIndex, TxnIndex } from "./indexes.ts";
import { type AppendOrigin, PRODUCER_ERROR, type ProducerBatch, ProducerStates } from "./producers.ts";
import { applyToProducers, markerOf } from "./scanner.ts";
import { Segment } from "./segment.ts";
import { writeSnapshot } from "./snapshot.ts";

/** Error codes of an append besides `PRODUCER_ERROR`, from Kafka's `Errors`. */
const APPEND_ERROR = { OFFSET_OUT_OF_RANGE: 1, CORRUPT_MESSAGE: 2, RECORD_LIST_TOO_LARGE: 18 } as const;

/** Input of an append besides the batches. */
export interface AppendRequest {
  readonly origin: AppendOrigin;
  readonly now: number;
  /** Epoch to write into the batches; leaders only. */
  readonly leaderEpoch?: LeaderEpoch;
  /** Maximum timestamps that validation found for the batches; default: those of their headers. */
  readonly maxTimestamps?: readonly Int64[];
  /** Timestamp type that validation used, as the setting may have changed since; default: the setting. */
  readonly timestampType?: TimestampType;
  /** Version of a transaction marker (0, 1 or 2; KIP-890). */
  readonly transactionVersion?: number;
  /** Guard from `startVerification`; undefined if transactions are not verified here. */
  readonly guard?: number | undefined;
}

/** Outcome of an append. */
export interface AppendResult {
  /** 0, or an error code; the log has not changed then. */
  readonly error: number;
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  /** -1 unless the log uses LogAppendTime; for a duplicate, always the timestamp of the batch that it repeats. */
  readonly logAppendTime: Int64;
  /** True if the offsets are those of an earlier append of the same batch. */
  readonly duplicate: boolean;
}

/** Settings and collaborators of a `LogState`. */
export interface LogStateOptions {
  readonly tools: Tools;
  readonly config: LogConfig;
  /** Returns a random number in [0, 1), for the jitter of `segment.ms`. */
  readonly draw: () => number;
  /** Bounds the memory of indexes that are read. */
  readonly cache: IndexCache;
  readonly reader: IndexReader;
}

/** Reads the index files of a segment on demand. */
export interface IndexReader {
  /** Calls `Segment.measure`, or more. */
  measure(segment: Segment): void;
  /** Calls `Segment.attach`, with rebuilt indexes if the files are invalid. */
  attach(segment: Segment): void;
  /** Returns the file of aborted transactions; empty if there is none. */
  txns(segment: Segment): Uint8Array;
}

function refused(error: number): AppendResult {
  return { error, firstOffset: -1, lastOffset: -1, logAppendTime: -1, duplicate: false };
}

/** Cursor of the append that runs: appends do not overlap, and each log would keep the memory of its last one. */
const batch = new BatchCursor();

/** Parts of a run of batches, each with offsets that the indexes of one segment can hold. */
function fittingParts(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly firstOffset: Offset }[] {
  const starts: { readonly at: number; readonly firstOffset: Offset }[] = [];
  let at = 0;
  batch.reset(bytes);
  for (; batch.next(); at = batch.end) {
    const { baseOffset, lastOffset } = batch;
    const part = starts.at(-1);
    if (part === undefined || !fitsIndex(part.firstOffset, lastOffset)) starts.push({ at, firstOffset: baseOffset });
  }
  return starts.map(({ at: from, firstOffset }, i) => ({
    bytes: bytes.subarray(from, starts[i + 1]?.at),
    firstOffset,
  }));
}

/** State of a log, and the rules by which it changes (`UnifiedLog`, `LocalLog`). */
export class LogState {
  config: LogConfig;
  /** Oldest first; never empty once the log is open. */
  readonly segments: Segment[] = [];
  readonly epochs = new EpochCache();
  readonly producers = new ProducerStates();
  /** Offsets of producer snapshots on disk, ascending. */
  snapshots: Offset[] = [];
  /** False while the first segment has no files: they are made with the first record. */
  isMade = true;
  startOffset: Offset = 0;
  endOffset: Offset = 0;
  private readonly options: LogStateOptions;

  constructor(options: LogStateOptions) {
    this.options = options;
    this.config = options.config;
  }

  /** Segment that takes appends. */
  get active(): Segment {
    return this.segments[this.segments.length - 1] as Segment;
  }

  /** Segment with the lowest offsets. */
  get oldest(): Segment {
    return entryAt(this.segments, 0);
  }

  get size(): number {
    let size = 0;
    for (const segment of this.segments) size += segment.size;
    return size;
  }

  /** Index of the segment in which `offset` is or would be; -1 before the first. */
  indexOf(offset: Offset): number {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.segments[middle] as Segment).base <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Segment in which `offset` is or would be; undefined before the first. */
  segmentOf(offset: Offset): Segment | undefined {
    return this.segments[this.indexOf(offset)];
  }

  /** Segment after `segment`. */
  after(segment: Segment): Segment | undefined {
    return this.segments[this.indexOf(segment.base) + 1];
  }

  /** Returns the segment with known timestamps. */
  measured(segment: Segment): Segment {
    if (segment.firstTimestamp === undefined) this.options.reader.measure(segment);
    return segment;
  }

  /** Returns the segment with its offset and time index in memory, until another one is loaded. */
  loaded(segment: Segment): Segment {
    this.measured(segment);
    if (segment.indexes === undefined) this.options.reader.attach(segment);
    this.used(segment);
    return segment;
  }

  /** Aborted transactions of a segment. */
  private txnsOf(segment: Segment): TxnIndex {
    segment.txns ??= new TxnIndex(segment.hasTxns ? this.options.reader.txns(segment) : undefined);
    this.used(segment);
    return segment.txns;
  }

  private used(segment: Segment): void {
    if (segment !== this.active) this.options.cache.use(segment);
  }

  openSegment(base: Offset, size: number, times: { created: number; modified: number }): Segment {
    const { segmentJitterMs, segmentMs } = this.config;
    const jitter = Math.floor(this.options.draw() * Math.min(segmentJitterMs, segmentMs));
    const segment = new Segment(base, size, { ...times, jitter });
    this.segments.push(segment);
    return segment;
  }

  /** Adds an empty segment at `base`, which becomes the active one, and creates its files. */
  createSegment(base: Offset, now: number, out: LogEffect[]): void {
    this.openSegment(base, 0, { created: now, modified: now });
    // Kafka expects the two index files beside every segment, also an empty one.
    for (const suffix of [LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX]) {
      out.push({ kind: "write", file: fileName(base, suffix), position: 0, bytes: new Uint8Array(0) });
    }
    if (!this.config.preallocate) return;
    this.active.preallocated = true;
    out.push({ kind: "allocate", file: this.active.file, size: this.config.segmentBytes });
  }

  /**
   * Appends a run of whole batches as leader: assigns them the next offsets, in place. Refuses batches that producer
   * state does not allow.
   */
  append(bytes: Uint8Array, request: AppendRequest, out: LogEffect[]): AppendResult {
    const timestampType = request.timestampType ?? this.config.timestampType;
    const appendTime = timestampType === "LogAppendTime" ? request.now : -1;
    let count = 0;
    batch.reset(bytes);
    while (batch.next()) {
      const verdict = this.check(request);
      if (typeof verdict !== "number") {
        const { lastOffset, offsetDelta, timestamp: logAppendTime } = verdict;
        return { error: 0, firstOffset: lastOffset - offsetDelta, lastOffset, logAppendTime, duplicate: true };
      }
      if (verdict !== 0) return refused(verdict);
      count += batch.lastOffsetDelta + 1;
    }
    if (count === 0 || batch.end !== bytes.length) return refused(APPEND_ERROR.CORRUPT_MESSAGE);
    if (bytes.length > this.config.segmentBytes) return refused(APPEND_ERROR.RECORD_LIST_TOO_LARGE);
    const firstOffset = this.endOffset;
    let next = firstOffset;
    batch.reset(bytes);
    for (let i = 0; batch.next(); i++) {
      const maxTimestamp = appendTime >= 0 ? appendTime : (request.maxTimestamps?.[i] ?? batch.maxTimestamp);
      const leaderEpoch = request.leaderEpoch ?? batch.leaderEpoch;
      assignOffsets(batch, { baseOffset: next, leaderEpoch, maxTimestamp, timestampType }, this.options.tools.crc32c);
      next += batch.lastOffsetDelta + 1;
    }
    this.take(bytes, firstOffset, request.now, out);
    return { error: 0, firstOffset, lastOffset: next - 1, logAppendTime: appendTime, duplicate: false };
  }

  /**
   * Appends a run of whole batches unchanged, for a follower or the metadata log. Offsets must not decrease; those of one
   * run may be further apart than the indexes of a segment reach.
   */
  appendVerbatim(bytes: Uint8Array, now: number, out: LogEffect[]): AppendResult {
    let first: Offset = -1;
    let next = this.endOffset;
    batch.reset(bytes);
    while (batch.next()) {
      if (!batch.intact(this.options.tools.crc32c)) return refused(APPEND_ERROR.CORRUPT_MESSAGE);
      if (batch.baseOffset < next) return refused(APPEND_ERROR.OFFSET_OUT_OF_RANGE);
      if (first < 0) first = batch.baseOffset;
      next = batch.lastOffset + 1;
    }
    if (first < 0 || batch.end !== bytes.length) return refused(APPEND_ERROR.CORRUPT_MESSAGE);
    if (fitsIndex(first, next - 1)) this.take(bytes, first, now, out);
    else for (const part of fittingParts(bytes)) this.take(part.bytes, part.firstOffset, now, out);
    return { error: 0, firstOffset: first, lastOffset: next - 1, logAppendTime: -1, duplicate: false };
  }

  /** Checks the batch at the cursor against producer state: an error code, or the batch that it repeats. */
  private check(request: AppendRequest): number | ProducerBatch {
    const { producers } = this;
    if (!batch.hasProducer || request.origin === "replication") return 0;
    if (batch.isControl) {
      const marker = markerOf(batch, this.options.tools);
      return marker === undefined ? 0 : producers.checkMarker(batch, marker, request.transactionVersion ?? 0);
    }
    if (request.origin === "client") {
      const duplicate = producers.duplicateOf(batch);
      if (duplicate !== undefined) return duplicate;
    }
    const error = producers.checkData(batch, request.origin);
    if (error === PRODUCER_ERROR.INVALID_PRODUCER_EPOCH) return error;
    if (batch.isTransactional && request.guard !== undefined && !producers.verified(batch, request.guard)) {
      return PRODUCER_ERROR.INVALID_TXN_STATE;
    }
    return error;
  }

  /** Adds batches with final offsets to the end of the log. */
  private take(bytes: Uint8Array, firstOffset: Offset, now: number, out: LogEffect[]): void {
    let lastOffset = firstOffset;
    let maxTimestamp: Int64 = -1;
    batch.reset(bytes);
    while (batch.next()) {
      lastOffset = batch.lastOffset;
      if (batch.maxTimestamp > maxTimestamp) maxTimestamp = batch.maxTimestamp;
    }
    const run = { size: bytes.length, lastOffset, maxTimestamp };
    if (this.loaded(this.active).shouldRoll(run, this.config, now)) {
      // A segment begins at the end of the previous one, not at its first record: a gap between two segments that were
      // not compacted then shows that a power failure took the end of the first.
      this.roll(now, out, fitsIndex(this.endOffset, lastOffset) ? this.endOffset : firstOffset);
    }
    const segment = this.active;
    this.txnsOf(segment);
    segment.modified = now;
    out.push({ kind: "write", file: segment.file, position: segment.size, bytes });
    batch.reset(bytes);
    while (batch.next()) {
      this.epochs.assign(batch.leaderEpoch, batch.baseOffset);
      segment.push(
        { size: batch.size, lastOffset: batch.lastOffset, maxTimestamp: batch.maxTimestamp },
        this.config.indexIntervalBytes,
      );
      applyToProducers(batch, this.producers, this.options.tools, segment);
    }
    this.endOffset = lastOffset + 1;
    this.writeEpochs(out);
  }

  writeEpochs(out: LogEffect[]): void {
    if (!this.epochs.dirty) return;
    this.epochs.dirty = false;
    out.push({ kind: "replace", file: EPOCH_FILE, bytes: writeEpochs(this.epochs.entries) });
  }

  /** Closes the active segment and begins a new one at `base`. */
  roll(now: number, out: LogEffect[], base: Offset = this.endOffset): void {
    const old = this.loaded(this.active);
    if (old.size === 0 && old.base === base) return;
    old.writeIndexes(true, out);
    if (base > this.endOffset) this.producers.endOffset = base;
    this.takeSnapshot(out);
    if (old.size > 0) {
      old.trim(out);
      out.push({ kind: "seal" });
    } else if (fitsIndex(old.base, base - 1)) {
      // The segment has never had a batch, so its name would only suggest missing offsets. Before a leap of 2^31 offsets
      // it says where the log starts.
      this.segments.pop();
      old.delete(out);
    } else old.trim(out);
    this.createSegment(base, now, out);
    if (old.size > 0) this.used(old);
  }

  /** Begins a segment at `offset`, beyond the log end offset: compaction has left no records in between. */
  extendTo(offset: Offset, now: number, out: LogEffect[]): void {
    this.roll(now, out, offset);
    this.endOffset = offset;
    this.producers.endOffset = offset;
  }

  /** Writes a snapshot of producer state at its end offset, unless that is on disk. */
  takeSnapshot(out: LogEffect[]): void {
    const { producers } = this;
    // A log that never had batches has no producers.
    if (producers.endOffset <= Math.max(producers.snapshotOffset, this.oldest.base)) return;
    const offset = producers.endOffset;
    const bytes = writeSnapshot(producers.entries.values(), this.options.tools.crc32c);
    out.push({ kind: "replace", file: fileName(offset, SNAPSHOT_SUFFIX), bytes });
    producers.snapshotOffset = offset;
    this.snapshots.push(offset);
  }

  /** Number of the oldest segments that may be deleted now (`UnifiedLog.deleteOldSegments`). */
  expired(now: number, highWatermark: Offset): number {
    const { config } = this;
    const deletes = config.cleanupPolicy.has("delete");
    let excess = config.retentionBytes >= 0 ? this.size - config.retentionBytes : -1;
    let gone = 0;
    for (const [i, segment] of this.segments.entries()) {
      const next = this.segments[i + 1];
      if ((next?.base ?? this.endOffset) > highWatermark || (next === undefined && segment.size === 0)) break;
      const tooMuch = deletes && excess >= segment.size && excess >= 0 && config.retentionBytes >= 0;
      const below = next !== undefined && next.base <= this.startOffset;
      const old =
        !below &&
        deletes &&
        config.retentionMs >= 0 &&
        subtractI64(now, this.measured(segment).largestTimestamp) > config.retentionMs;
      if (!tooMuch && !below && !old) break;
      excess -= segment.size;
      gone = i + 1;
    }
    return gone;
  }

  /** Drops the `count` oldest segments; if these are all, begins a new one first. */
  dropOldest(count: number, now: number, out: LogEffect[]): void {
    if (count === 0) return;
    if (count === this.segments.length) this.roll(now, out);
    const gone = this.segments.splice(0, count);
    invariant(this.segments.length > 0, "a log keeps a segment");
    for (const segment of gone) this.drop(segment, out);
    this.raiseStart(Math.max(this.startOffset, this.oldest.base));
    this.dropSnapshots(offset => offset < this.oldest.base, out);
    this.writeEpochs(out);
  }

  /**
   * Replaces `old`, which are adjacent segments, by `fresh`, which has the same base offset and whose files have the
   * swap suffix.
   */
  replaceSegments(old: readonly Segment[], fresh: Segment, out: LogEffect[]): void {
    const first = entryAt(old, 0);
    const at = this.indexOf(first.base);
    invariant(this.segments[at] === first && fresh.base === first.base, "the segments to replace are in the log");
    this.segments.splice(at, old.length, fresh);
    for (const segment of old) this.drop(segment, out);
    // Rename the log file last: while it has the swap suffix, recovery does not trust the indexes.
    for (const suffix of [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, LOG_SUFFIX]) {
      const to = fileName(fresh.base, suffix);
      out.push({ kind: "rename", file: to + SWAP_SUFFIX, to });
    }
    this.tidySnapshots(out);
  }

  private drop(segment: Segment, out: LogEffect[]): void {
    segment.delete(out);
    this.options.cache.forget(segment);
  }

  raiseStart(offset: Offset): void {
    this.startOffset = Math.max(this.startOffset, offset);
    this.epochs.truncateFromStart(this.startOffset);
  }

  private dropSnapshots(goes: (offset: Offset) => boolean, out: LogEffect[]): void {
    for (const offset of this.snapshots) {
      if (goes(offset)) out.push({ kind: "remove", file: fileName(offset, SNAPSHOT_SUFFIX) });
    }
    this.snapshots = this.snapshots.filter(offset => !goes(offset));
    this.producers.snapshotOffset = this.snapshots.at(-1) ?? -1;
  }

  /** Removes snapshots that are neither at the base offset of a segment nor the newest. */
  tidySnapshots(out: LogEffect[]): void {
    const bases = new Set(this.segments.map(segment => segment.base));
    const newest = this.snapshots.at(-1);
    this.dropSnapshots(offset => offset !== newest && !bases.has(offset), out);
  }

  /**
   * Truncates the log to `offset`, whose batch begins at `position` of its segment. The caller must then load producer
   * state from the newest remaining snapshot.
   */
  truncateTo(offset: Offset, position: number, out: LogEffect[]): void {
    while (this.segments.length > 1 && this.active.base > offset) this.drop(this.segments.pop() as Segment, out);
    const segment = this.loaded(this.active);
    this.options.cache.forget(segment);
    this.txnsOf(segment);
    segment.truncate(offset, position, out);
    this.endOffset = offset;
    this.truncateEpochs(offset, out);
    this.dropSnapshots(snapshot => snapshot > offset, out);
  }

  /** Removes the leader epochs that begin at or after `offset`. */
  truncateEpochs(offset: Offset, out: LogEffect[]): void {
    this.epochs.truncateFromEnd(offset);
    this.writeEpochs(out);
  }

  /** Empties the log; the next record gets `offset`. */
  truncateFully(offset: Offset, now: number, out: LogEffect[]): void {
    for (const segment of this.segments.splice(0)) this.drop(segment, out);
    this.epochs.truncateFromEnd(0);
    this.dropSnapshots(() => true, out);
    this.producers.clear();
    this.producers.endOffset = offset;
    this.startOffset = offset;
    this.endOffset = offset;
    this.createSegment(offset, now, out);
    this.writeEpochs(out);
  }

  /** Aborted transactions that a reader of [fetchOffset, upperBound) must know. */
  abortedIn(fetchOffset: Offset, upperBound: Offset): AbortedTxn[] {
    const found: AbortedTxn[] = [];
    for (let i = Math.max(0, this.indexOf(fetchOffset)); i < this.segments.length; i++) {
      const segment = entryAt(this.segments, i);
      if (segment.hasTxns && this.txnsOf(segment).collect(fetchOffset, upperBound, found)) break;
    }
    return found;
  }

  /** Completes the files for a clean shutdown: indexes, producer snapshot, leader epochs. */
  close(out: LogEffect[]): void {
    this.active.writeIndexes(true, out);
    this.active.trim(out);
    this.takeSnapshot(out);
    this.writeEpochs(out);
  }
}
