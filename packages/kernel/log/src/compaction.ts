import { entryAt, ignored, type Int64, type Offset, type ProducerId } from "@samsa/base";
import type { BatchCursor } from "@samsa/records";
import {
  BatchBuilder,
  CONTROL_TYPE,
  type Codec,
  controlTypeOf,
  defaultCompression,
  RecordCursor,
  type Tools,
} from "@samsa/records";
import type { AbortedTxn } from "./indexes.ts";
import type { OffsetMap } from "./offset-map.ts";
import type { ProducerEntry } from "./producers.ts";
import type { Segment } from "./segment.ts";
import type { LogState } from "./state.ts";

/** Part of a log that may be compacted now (`LogToClean`). */
export interface Cleanable {
  /** Offset before which all records have been compacted. */
  readonly firstDirty: Offset;
  /** Base offset of the first segment that may not be compacted yet. */
  readonly firstUncleanable: Offset;
  /** Size of the part that has been compacted before, in bytes. */
  readonly cleanBytes: number;
  /** Size of the part that can be compacted, in bytes. */
  readonly dirtyBytes: number;
  /** Share of `dirtyBytes` in both; the log with the highest ratio needs compaction most. */
  readonly ratio: number;
  /** True if a record has waited for longer than `max.compaction.lag.ms`. */
  readonly overdue: boolean;
}

/** Input of `cleanable`. */
export interface CleanableOptions {
  /** Offset at which the last compaction ended. */
  readonly cleanedTo: Offset;
  /** Last stable offset. */
  readonly stableOffset: Offset;
  /** In milliseconds since the epoch. */
  readonly now: number;
}

/** Part of a log that can be compacted: closed segments of decided, old enough records (`LogCleanerManager`). */
export function cleanable(state: LogState, { cleanedTo, stableOffset, now }: CleanableOptions): Cleanable {
  const { config, segments, active, startOffset, endOffset } = state;
  // A log that was truncated or emptied is dirty from its start.
  const firstDirty = cleanedTo < startOffset || cleanedTo > endOffset ? startOffset : cleanedTo;
  const dirty = segments.filter(segment => segment !== active && (state.after(segment)?.base ?? 0) > firstDirty);
  let limit = Math.min(stableOffset, active.base);
  if (config.minCompactionLagMs > 0) {
    const young = dirty.find(segment => state.measured(segment).largestTimestamp > now - config.minCompactionLagMs);
    limit = Math.min(limit, young?.base ?? Infinity);
  }
  // Segments are compacted as a whole.
  const firstUncleanable = Math.min(state.segmentOf(Math.max(firstDirty, limit))?.base ?? active.base, active.base);
  const bytes = (of: readonly Segment[]): number => of.reduce((sum, { size }) => sum + size, 0);
  const cleanBytes = bytes(segments.filter(({ base }) => base < firstDirty));
  const dirtyBytes = bytes(dirty.filter(({ base }) => base < firstUncleanable));
  let oldest: Int64 = Infinity;
  for (const segment of dirty) {
    const time = state.measured(segment).firstTimestamp ?? -1;
    if (time > 0 && time < oldest) oldest = time;
  }
  return {
    firstDirty,
    firstUncleanable,
    cleanBytes,
    dirtyBytes,
    ratio: dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes),
    overdue: oldest < now - config.maxCompactionLagMs,
  };
}

/** Groups adjacent segments that fit into one; excludes those that begin at or after `end`. */
export function groupSegments(state: LogState, end: Offset): Segment[][] {
  const { segmentBytes, segmentIndexBytes } = state.config;
  const groups: Segment[][] = [];
  let size = 0;
  let entries = 0;
  let times = 0;
  for (const segment of state.segments) {
    if (segment === state.active || segment.base >= end) break;
    const { offsets, times: timeIndex } = state.loaded(segment).ready();
    const group = groups.at(-1);
    const last = (state.after(segment)?.base ?? state.endOffset) - 1;
    const fits =
      group !== undefined &&
      size + segment.size <= segmentBytes &&
      (entries + offsets.count) * 8 <= segmentIndexBytes &&
      (times + timeIndex.count) * 12 <= segmentIndexBytes &&
      (segment.size === 0 || last - entryAt(group, 0).base <= 0x7fffffff);
    if (fits) group.push(segment);
    else groups.push([segment]);
    size = segment.size + (fits ? size : 0);
    entries = offsets.count + (fits ? entries : 0);
    times = timeIndex.count + (fits ? times : 0);
  }
  return groups;
}

/**
 * Assigns the batches of a log to transactions as they pass (`CleanedTransactionMetadata`). After the first batch,
 * every batch must pass; the aborted transactions of a part of the log must be added before its batches pass.
 */
export class PassingTxns {
  readonly #tools: Tools;
  /** Aborted transactions that have not begun yet, the next one last. */
  #coming: AbortedTxn[] = [];
  readonly #aborted = new Map<ProducerId, { readonly txn: AbortedTxn; seen: boolean }>();
  readonly #committed = new Set<ProducerId>();
  readonly #record = new RecordCursor();

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  add(txns: readonly AbortedTxn[]): void {
    if (txns.length === 0) return;
    this.#coming = [...this.#coming, ...txns].sort((a, b) => b.firstOffset - a.firstOffset);
  }

  #begin(upTo: Offset): void {
    for (let next = this.#coming.at(-1); next !== undefined && next.firstOffset <= upTo; next = this.#coming.at(-1)) {
      this.#coming.pop();
      if (!this.#aborted.has(next.producerId)) this.#aborted.set(next.producerId, { txn: next, seen: false });
    }
  }

  /** Passes a data batch; true if it belongs to an aborted transaction. */
  data(batch: BatchCursor): boolean {
    this.#begin(batch.lastOffset);
    if (!batch.isTransactional) return false;
    const aborted = this.#aborted.get(batch.producerId);
    if (aborted === undefined) this.#committed.add(batch.producerId);
    else aborted.seen = true;
    return aborted !== undefined;
  }

  /**
   * Passes a marker; true if it is not needed any more, as no batch of its transaction has passed. Calls `retained`
   * with the aborted transaction of a marker that is still needed.
   */
  marker(batch: BatchCursor, retained: (txn: AbortedTxn) => void): boolean {
    this.#begin(batch.lastOffset);
    const record = this.#record.open(batch, this.#tools.codecs);
    if (!record.next() || record.keyLength < 4) return true;
    const type = controlTypeOf(record.key() as Uint8Array);
    const { producerId } = batch;
    if (type === CONTROL_TYPE.commit) return !this.#committed.delete(producerId);
    if (type !== CONTROL_TYPE.abort) return false;
    const aborted = this.#aborted.get(producerId);
    this.#aborted.delete(producerId);
    if (aborted?.seen !== true) return true;
    retained(aborted.txn);
    return false;
  }
}

/** Adds the keys of a batch to the map; false if the map is full. */
export function mapKeys(batch: BatchCursor, from: Offset, map: OffsetMap, txns: PassingTxns, tools: Tools): boolean {
  if (batch.isControl) txns.marker(batch, ignored("markers have no keys"));
  else if (!txns.data(batch) && batch.lastOffset >= from) {
    const record = new RecordCursor().open(batch, tools.codecs);
    while (record.next()) {
      const key = record.key();
      if (key !== null && record.offset >= from && !map.put(key, record.offset)) return false;
    }
  }
  if (batch.lastOffset >= from) map.latestOffset = batch.lastOffset;
  return true;
}

/** Input of a `BatchFilter`. */
export interface FilterOptions {
  readonly map: OffsetMap;
  readonly txns: PassingTxns;
  readonly producers: ReadonlyMap<ProducerId, ProducerEntry>;
  readonly highWatermark: Offset;
  readonly deleteRetentionMs: number;
  /** In milliseconds since the epoch. */
  readonly now: number;
  readonly tools: Tools;
  /** Gets the aborted transactions of which batches remain. */
  readonly retained: (txn: AbortedTxn) => void;
}

/** Most bytes by which a record grows as its batch gets another base timestamp, its length field included. */
const MOST_DELTA_GROWTH = 10;

/** Filters batches when a log is compacted (`Cleaner.cleanInto`, `MemoryRecords.filterTo`). */
export class BatchFilter {
  readonly #options: FilterOptions;
  readonly #record = new RecordCursor();
  /** Tells for each record of the batch in hand whether it stays: 1. */
  #stay = new Uint8Array(256);

  constructor(options: FilterOptions) {
    this.#options = options;
  }

  /** Returns what remains of the batch: its own bytes, new bytes, or undefined. */
  filter(batch: BatchCursor): Uint8Array | undefined {
    const { txns, map, now, retained, highWatermark } = this.#options;
    const unneeded = batch.isControl ? txns.marker(batch, retained) : txns.data(batch);
    const whole = batch.bytes.subarray(batch.at, batch.end);
    // Keep batches that were not mapped.
    if (batch.lastOffset > map.latestOffset) return whole;
    const horizon = batch.hasDeleteHorizon ? batch.baseTimestamp : undefined;
    const discarded = unneeded && (!batch.isControl || (horizon !== undefined && horizon <= now));
    const emptyStays = this.#isLastOfProducer(batch) || batch.lastOffset + 1 === highWatermark;
    if (discarded) return emptyStays ? this.#empty(batch) : undefined;
    return this.#kept(batch, { whole, horizon, emptyMarker: unneeded, emptyStays });
  }

  #kept(
    batch: BatchCursor,
    of: { whole: Uint8Array; horizon: Int64 | undefined; emptyMarker: boolean; emptyStays: boolean },
  ): Uint8Array | undefined {
    const { tools, now, deleteRetentionMs } = this.#options;
    const record = this.#record.open(batch, tools.codecs);
    let kept = 0;
    let keptBytes = 0;
    let count = 0;
    let tombstones = false;
    for (; record.next(); count++) {
      const stays = this.#stays(batch, record, of.horizon);
      this.#note(count, stays);
      if (!stays) continue;
      kept++;
      keptBytes += record.size + MOST_DELTA_GROWTH;
      if (record.valueLength < 0) tombstones = true;
    }
    if (kept === 0) return of.emptyStays ? this.#empty(batch) : undefined;
    const begins = of.horizon === undefined && (tombstones || of.emptyMarker);
    if (kept === count && !begins) return of.whole;
    const deleteHorizon = begins ? now + deleteRetentionMs : of.horizon;
    const compression = defaultCompression(batch.codec as Codec);
    const timed = deleteHorizon === undefined ? {} : { deleteHorizon };
    const builder = new BatchBuilder({ ...headerOf(batch), compression, ...timed }, tools, keptBytes);
    record.rewind();
    for (let i = 0; record.next(); i++) {
      if (this.#stay[i] === 1) builder.appendFrom(record, record.timestamp, record.offsetDelta);
    }
    return builder.build(batch.lastOffsetDelta);
  }

  #note(index: number, stays: boolean): void {
    if (index === this.#stay.length) {
      const larger = new Uint8Array(2 * index);
      larger.set(this.#stay);
      this.#stay = larger;
    }
    this.#stay[index] = stays ? 1 : 0;
  }

  /** True if a record is the last of its key, and not an expired tombstone. */
  #stays(batch: BatchCursor, record: RecordCursor, horizon: Int64 | undefined): boolean {
    if (batch.isControl) return true;
    const key = record.key();
    if (key === null) return false;
    const { map, now } = this.#options;
    if (record.offset < map.get(key)) return false;
    return record.valueLength >= 0 || horizon === undefined || now < horizon;
  }

  /** True if the batch is the last of its producer: followers need it for the producer's sequence and epoch. */
  #isLastOfProducer(batch: BatchCursor): boolean {
    if (!batch.hasProducer) return false;
    const producer = this.#options.producers.get(batch.producerId);
    if (producer === undefined) return false;
    const last = producer.batches.at(-1);
    return last === undefined
      ? batch.isControl && batch.producerEpoch === producer.epoch
      : batch.lastOffset === last.lastOffset;
  }

  /** Batch without its records (`DefaultRecordBatch.writeEmptyHeader`). */
  #empty(batch: BatchCursor): Uint8Array {
    const builder = new BatchBuilder(headerOf(batch), this.#options.tools);
    builder.maxTimestamp = batch.maxTimestamp;
    return builder.build(batch.lastOffsetDelta);
  }
}

function headerOf(batch: BatchCursor) {
  return {
    baseOffset: batch.baseOffset,
    leaderEpoch: batch.leaderEpoch,
    timestampType: batch.timestampType,
    logAppendTime: batch.maxTimestamp,
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
    transactional: batch.isTransactional,
    control: batch.isControl,
  };
}
