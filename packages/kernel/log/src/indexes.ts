import { getI64, getOffset, type Int64, type Offset, type ProducerId, setI64, viewOf } from "@samsa/base";

const LARGEST_RELATIVE = 0x7fffffff;

/** Bytes of tables without entries, which most are: all share one object. */
const NO_BYTES = new Uint8Array(0);
const NO_VIEW = viewOf(NO_BYTES);

/** Table of entries of one size, in the format of their file; the first `written` entries are on disk. */
class EntryTable {
  readonly entrySize: number;
  bytes: Uint8Array;
  view: DataView;
  count: number;
  written: number;

  constructor(entrySize: number, bytes: Uint8Array) {
    this.entrySize = entrySize;
    const isEmpty = bytes.length < entrySize;
    this.bytes = isEmpty ? NO_BYTES : bytes;
    this.view = isEmpty ? NO_VIEW : viewOf(bytes);
    this.count = Math.floor(bytes.length / entrySize);
    this.written = this.count;
  }

  /** Makes room for another entry; returns its position. */
  protected grow(): number {
    const at = this.count * this.entrySize;
    if (at + this.entrySize > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.entrySize * 16, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
      this.view = viewOf(grown);
    }
    this.count++;
    return at;
  }

  /** Returns the bytes of the entries that are not on disk, and counts them as written. */
  takeUnwritten(): { position: number; bytes: Uint8Array } | undefined {
    if (this.written === this.count) return undefined;
    const position = this.written * this.entrySize;
    this.written = this.count;
    return { position, bytes: this.bytes.slice(position, this.count * this.entrySize) };
  }

  cut(count: number): void {
    this.count = count;
    if (this.written > count) this.written = count;
  }
}

/** `.index`: positions in the segment at which batches begin, by their last offsets. */
export class OffsetIndex extends EntryTable {
  readonly base: Offset;

  constructor(base: Offset, bytes: Uint8Array = NO_BYTES) {
    super(8, bytes);
    this.base = base;
  }

  offsetAt(i: number): Offset {
    return this.base + this.view.getInt32(i * 8);
  }

  positionAt(i: number): number {
    return this.view.getInt32(i * 8 + 4);
  }

  append(offset: Offset, position: number): void {
    const at = this.grow();
    this.view.setInt32(at, offset - this.base);
    this.view.setInt32(at + 4, position);
  }

  /** Position at or before the batch that contains `offset`. */
  lookup(offset: Offset): number {
    const i = lastAtMost(this.count, n => this.offsetAt(n), offset);
    return i < 0 ? 0 : this.positionAt(i);
  }

  /** Drops entries at or after `offset`. */
  truncate(offset: Offset): void {
    this.cut(lastAtMost(this.count, n => this.offsetAt(n), offset - 1) + 1);
  }

  /** True if the entries grow: a file of zeros or noise does not pass. */
  sane(segmentSize: number): boolean {
    let offset = this.base - 1;
    let position = -1;
    for (let i = 0; i < this.count; i++) {
      if (this.offsetAt(i) <= offset || this.positionAt(i) <= position) return false;
      offset = this.offsetAt(i);
      position = this.positionAt(i);
    }
    return this.count === 0 || (offset > this.base && position < segmentSize);
  }
}

/** `.timeindex`: offsets up to which no record is newer than a timestamp. */
export class TimeIndex extends EntryTable {
  readonly base: Offset;

  constructor(base: Offset, bytes: Uint8Array = NO_BYTES) {
    super(12, bytes);
    this.base = base;
  }

  timestampAt(i: number): Int64 {
    return getI64(this.view, i * 12);
  }

  offsetAt(i: number): Offset {
    return this.base + this.view.getInt32(i * 12 + 8);
  }

  get lastTimestamp(): Int64 {
    return this.count === 0 ? -1 : this.timestampAt(this.count - 1);
  }

  get lastOffset(): Offset {
    return this.count === 0 ? this.base : this.offsetAt(this.count - 1);
  }

  /** Adds an entry if its timestamp is newer than the last one. */
  append(timestamp: Int64, offset: Offset): void {
    if (timestamp <= this.lastTimestamp || offset < this.lastOffset) return;
    const at = this.grow();
    setI64(this.view, at, timestamp);
    this.view.setInt32(at + 8, offset - this.base);
  }

  /** Offset before which no record is as new as `timestamp`. */
  lookup(timestamp: Int64): Offset {
    const i = lastAtMost(this.count, n => this.timestampAt(n), timestamp);
    return i < 0 ? this.base : this.offsetAt(i);
  }

  truncate(offset: Offset): void {
    this.cut(lastAtMost(this.count, n => this.offsetAt(n), offset - 1) + 1);
  }

  /** True if the timestamps grow and none is negative: a file of zeros does not pass. */
  sane(): boolean {
    let timestamp: Int64 = -1;
    let offset = this.base;
    for (let i = 0; i < this.count; i++) {
      if (this.timestampAt(i) <= timestamp || this.offsetAt(i) < offset) return false;
      timestamp = this.timestampAt(i);
      offset = this.offsetAt(i);
    }
    return true;
  }
}

/** Greatest i below `count` with `at(i) <= wanted`, or -1. */
function lastAtMost(count: number, at: (i: number) => Int64, wanted: Int64): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(middle) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** True if an index that begins at `base` can contain `offset`. */
export function fitsIndex(base: Offset, offset: Offset): boolean {
  return offset >= base && offset - base <= LARGEST_RELATIVE;
}

/** Aborted transaction, which a consumer of committed records must skip (`AbortedTxn`). */
export interface AbortedTxn {
  readonly producerId: ProducerId;
  readonly firstOffset: Offset;
  /** Offset of the marker. */
  readonly lastOffset: Offset;
  /** Last stable offset when the marker was written. */
  readonly lastStableOffset: Offset;
}

const TXN_ENTRY = 34;

/** `.txnindex`: aborted transactions whose marker is in the segment. */
export class TxnIndex extends EntryTable {
  constructor(bytes: Uint8Array = NO_BYTES) {
    super(TXN_ENTRY, bytes);
  }

  append(txn: AbortedTxn): void {
    const at = this.grow();
    this.view.setInt16(at, 0);
    this.view.setBigInt64(at + 2, txn.producerId);
    setI64(this.view, at + 10, txn.firstOffset);
    setI64(this.view, at + 18, txn.lastOffset);
    setI64(this.view, at + 26, txn.lastStableOffset);
  }

  at(i: number): AbortedTxn {
    const at = i * TXN_ENTRY;
    return {
      producerId: this.view.getBigInt64(at + 2),
      firstOffset: getOffset(this.view, at + 10),
      lastOffset: getOffset(this.view, at + 18),
      lastStableOffset: getOffset(this.view, at + 26),
    };
  }

  /** Drops markers at or after `offset`. */
  truncate(offset: Offset): void {
    this.cut(this.#markersBefore(offset));
  }

  /** Number of markers before `offset`; markers are in the order of their offsets. */
  #markersBefore(offset: Offset): number {
    return lastAtMost(this.count, i => getOffset(this.view, i * TXN_ENTRY + 18), offset - 1) + 1;
  }

  /** Adds the transactions that overlap [fetchOffset, upperBound); true if no later segment can have more of them. */
  collect(fetchOffset: Offset, upperBound: Offset, into: AbortedTxn[]): boolean {
    for (let i = this.#markersBefore(fetchOffset); i < this.count; i++) {
      const txn = this.at(i);
      if (txn.firstOffset < upperBound) into.push(txn);
      if (txn.lastStableOffset >= upperBound) return true;
    }
    return false;
  }
}
