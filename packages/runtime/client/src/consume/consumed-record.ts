import type { Int64, LeaderEpoch, Offset, PartitionIndex } from "@samsa/base";
import type { RecordReader } from "@samsa/client-kernel";
import { RecordCursor, type RecordHeader, type TimestampType } from "@samsa/records";

/** View of a part of `bytes`; null if its length is negative. It costs half as much as `subarray`. */
function viewAt(bytes: Uint8Array, at: number, length: number): Uint8Array | null {
  return length < 0 ? null : new Uint8Array(bytes.buffer, bytes.byteOffset + at, length);
}

/** Place of the record that a reader has come to. */
export interface RecordSource {
  readonly record: RecordCursor;
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly timestampType: TimestampType;
  readonly leaderEpoch: LeaderEpoch;
}

/**
 * Record that a consumer has read. Key, value and headers are decoded when they are asked for, and are views of the
 * memory of the whole answer: an application that keeps small parts of many answers copies them.
 */
export class ConsumedRecord {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly offset: Offset;
  /** Milliseconds since the epoch; −1: none. */
  readonly timestamp: Int64;
  readonly timestampType: TimestampType;
  /** Epoch of the leader that has written the record; −1: not known. */
  readonly leaderEpoch: LeaderEpoch;
  readonly #bytes: Uint8Array;
  readonly #keyAt: number;
  readonly #keyLength: number;
  readonly #valueAt: number;
  readonly #valueLength: number;
  readonly #headersAt: number;
  readonly #headerCount: number;

  /** Copies the positions of the current record of a reader. */
  constructor(reader: RecordSource) {
    const { record } = reader;
    this.topic = reader.topic;
    this.partition = reader.partition;
    this.offset = record.offset;
    this.timestamp = record.timestamp;
    this.timestampType = reader.timestampType;
    this.leaderEpoch = reader.leaderEpoch;
    this.#bytes = record.bytes;
    this.#keyAt = record.keyAt;
    this.#keyLength = record.keyLength;
    this.#valueAt = record.valueAt;
    this.#valueLength = record.valueLength;
    this.#headersAt = record.headersAt;
    this.#headerCount = record.headerCount;
  }

  get key(): Uint8Array | null {
    return viewAt(this.#bytes, this.#keyAt, this.#keyLength);
  }

  get value(): Uint8Array | null {
    return viewAt(this.#bytes, this.#valueAt, this.#valueLength);
  }

  get headers(): readonly RecordHeader[] {
    if (this.#headerCount === 0) return [];
    const cursor = new RecordCursor();
    cursor.bytes = this.#bytes;
    cursor.headersAt = this.#headersAt;
    cursor.headerCount = this.#headerCount;
    return cursor.headers();
  }
}

/**
 * Records of one partition, in order. Those that are not read come again with the next batch of the partition. A batch
 * is over when the next one is asked for.
 */
export class ConsumedBatch implements Iterable<ConsumedRecord> {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly #reader: RecordReader;
  #left: number;

  /** Gives out `max` records of the reader at most. */
  constructor(reader: RecordReader, max: number) {
    this.topic = reader.topic;
    this.partition = reader.partition;
    this.#reader = reader;
    this.#left = max;
  }

  /** Next record; undefined: there is none. */
  next(): ConsumedRecord | undefined {
    return this.#move() ? new ConsumedRecord(this.#reader) : undefined;
  }

  /**
   * Visits all records without an allocation for each: `record` is the same cursor every time, and valid during the call.
   * Returns the number of records.
   */
  forEach(visit: (record: RecordCursor, reader: RecordReader) => void): number {
    const reader = this.#reader;
    let count = 0;
    for (; this.#move(); count++) visit(reader.record, reader);
    return count;
  }

  /** All records that are left. */
  toArray(): ConsumedRecord[] {
    return [...this];
  }

  *[Symbol.iterator](): Generator<ConsumedRecord, void, undefined> {
    for (let record = this.next(); record !== undefined; record = this.next()) yield record;
  }

  /** Marks the records that were read as processed. */
  settle(): void {
    this.#reader.settle();
  }

  /** `settle`, after which no more is read. */
  end(): void {
    this.#left = 0;
    this.settle();
  }

  #move(): boolean {
    if (this.#left <= 0 || !this.#reader.next()) return false;
    this.#left--;
    return true;
  }
}
