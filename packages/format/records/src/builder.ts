import {
  ByteWriter,
  DecompressionBuffer,
  type Int64,
  invariant,
  type LeaderEpoch,
  type Offset,
  type ProducerEpoch,
  type ProducerId,
  subtractI64,
  utf8Length,
} from "@samsa/base";
import {
  BatchCursor,
  CONTROL_BIT,
  DELETE_HORIZON_BIT,
  HEADER_SIZE,
  LOG_APPEND_TIME_BIT,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  type TimestampType,
  type Tools,
  TRANSACTIONAL_BIT,
} from "./batch.ts";
import { type Compression, compress, NO_COMPRESSION } from "./compression.ts";
import { writeHeader } from "./header.ts";
import { DECOMPRESSED_LIMIT, RecordCursor, type RecordHeader } from "./record.ts";
import { varintSize, varlongSize } from "./varint-size.ts";

/** A record to append to a batch. */
export interface NewRecord {
  readonly timestamp: Int64;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
}

/** Header fields and compression of a new batch. By default it has no producer, no compression and base offset 0. */
export interface BatchOptions {
  readonly baseOffset?: Offset;
  readonly leaderEpoch?: LeaderEpoch;
  readonly compression?: Compression;
  readonly timestampType?: TimestampType;
  /** Maximum timestamp of a `LogAppendTime` batch. */
  readonly logAppendTime?: Int64;
  readonly producerId?: ProducerId;
  readonly producerEpoch?: ProducerEpoch;
  readonly baseSequence?: number;
  readonly transactional?: boolean;
  readonly control?: boolean;
  /** Time from which compaction may drop tombstones of the batch, in milliseconds since the epoch (KIP-534). */
  readonly deleteHorizon?: Int64;
}

/** Room for records, in bytes, if nobody knows how many come. */
const FIRST_CAPACITY = 450;

/** Builds a batch from records. */
export class BatchBuilder {
  count = 0;
  maxTimestamp: Int64 = NO_TIMESTAMP;
  private readonly options: BatchOptions;
  private readonly tools: Tools;
  private readonly records: ByteWriter;
  private baseTimestamp: Int64;
  private lastDelta = -1;

  /** The builder has room for records of `capacity` bytes, and grows beyond it. */
  constructor(options: BatchOptions, tools: Tools, capacity = FIRST_CAPACITY) {
    this.options = options;
    this.tools = tools;
    this.baseTimestamp = options.deleteHorizon ?? NO_TIMESTAMP;
    this.records = new ByteWriter(HEADER_SIZE + capacity);
    this.records.position = HEADER_SIZE;
  }

  /** Size of the batch if it were built now, without compression. */
  get size(): number {
    return this.records.position;
  }

  /** Appends a record at the next offset, or at base offset + `offsetDelta`, which must grow. */
  append(record: NewRecord, offsetDelta: number = this.lastDelta + 1): void {
    invariant(offsetDelta > this.lastDelta, "offsets grow within a batch");
    if (this.count === 0 && this.options.deleteHorizon === undefined) this.baseTimestamp = record.timestamp;
    if (record.timestamp > this.maxTimestamp) this.maxTimestamp = record.timestamp;
    this.lastDelta = offsetDelta;
    this.count++;
    const timestampDelta = subtractI64(record.timestamp, this.baseTimestamp);
    writeRecord(this.records, record, timestampDelta, offsetDelta);
  }

  /** Appends the current record of a cursor with another timestamp or offset. */
  appendFrom(record: RecordCursor, timestamp: Int64, offsetDelta: number): void {
    const headers = record.headerCount === 0 ? [] : record.headers();
    this.append({ timestamp, key: record.key(), value: record.value(), headers }, offsetDelta);
  }

  /**
   * Builds the batch; the builder cannot be used afterwards. Without records it is the empty batch that compaction
   * leaves.
   */
  build(lastOffsetDelta: number = this.lastDelta): Uint8Array {
    const { options, records } = this;
    const codec = this.count === 0 ? 0 : (options.compression?.codec ?? 0);
    let bytes = records.finish();
    if (codec !== 0) {
      const packed = compress(bytes.subarray(HEADER_SIZE), options.compression ?? NO_COMPRESSION, this.tools.codecs);
      bytes = new Uint8Array(HEADER_SIZE + packed.length);
      bytes.set(packed, HEADER_SIZE);
    }
    const appendTime = options.timestampType === "LogAppendTime";
    const attributes =
      codec |
      (appendTime ? LOG_APPEND_TIME_BIT : 0) |
      (options.transactional === true ? TRANSACTIONAL_BIT : 0) |
      (options.control === true ? CONTROL_BIT : 0) |
      (options.deleteHorizon !== undefined ? DELETE_HORIZON_BIT : 0);
    const fields = {
      baseOffset: options.baseOffset ?? 0,
      leaderEpoch: options.leaderEpoch ?? -1,
      attributes,
      lastOffsetDelta,
      baseTimestamp: this.baseTimestamp,
      maxTimestamp: appendTime ? (options.logAppendTime ?? this.maxTimestamp) : this.maxTimestamp,
      producerId: options.producerId ?? NO_PRODUCER_ID,
      producerEpoch: options.producerEpoch ?? -1,
      baseSequence: options.baseSequence ?? NO_SEQUENCE,
      count: this.count,
    };
    writeHeader(bytes, fields, this.tools.crc32c);
    return bytes;
  }
}

function sizedBytes(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varintSize(bytes.length) + bytes.length;
}

function writeSized(writer: ByteWriter, bytes: Uint8Array | null): void {
  if (bytes === null) {
    writer.varint(-1);
    return;
  }
  writer.varint(bytes.length);
  writer.raw(bytes);
}

function writeRecord(writer: ByteWriter, record: NewRecord, timestampDelta: Int64, offsetDelta: number): void {
  const headers = record.headers ?? [];
  let size = 1 + varlongSize(timestampDelta) + varintSize(offsetDelta) + sizedBytes(record.key);
  size += sizedBytes(record.value) + varintSize(headers.length);
  for (const header of headers) {
    const length = utf8Length(header.key);
    size += varintSize(length) + length + sizedBytes(header.value);
  }
  writer.varint(size);
  const start = writer.position;
  writer.i8(0);
  writer.varlong(timestampDelta);
  writer.varint(offsetDelta);
  writeSized(writer, record.key);
  writeSized(writer, record.value);
  writer.varint(headers.length);
  for (const header of headers) {
    const length = utf8Length(header.key);
    writer.varint(length);
    writer.text(header.key, length);
    writeSized(writer, header.value);
  }
  invariant(writer.position - start === size, "a record is as long as it says");
}

/** Compression of a rebuilt batch. */
export interface RebuildOptions {
  readonly compression: Compression;
  /** Limit on the decompressed size of the batch, in bytes; `DECOMPRESSED_LIMIT` by default. */
  readonly limit?: number;
}

/**
 * Copies the current batch of a cursor with another codec and offsets without gaps (conversion in `LogValidator`, for
 * topics whose `compression.type` is not `producer`).
 */
export function rebuildBatch(batch: BatchCursor, options: RebuildOptions, tools: Tools): Uint8Array {
  const builder = new BatchBuilder(
    {
      baseOffset: batch.baseOffset,
      leaderEpoch: batch.leaderEpoch,
      compression: options.compression,
      producerId: batch.producerId,
      producerEpoch: batch.producerEpoch,
      baseSequence: batch.baseSequence,
      transactional: batch.isTransactional,
      control: batch.isControl,
    },
    tools,
  );
  const record = new RecordCursor().open(
    batch,
    tools.codecs,
    new DecompressionBuffer(options.limit ?? DECOMPRESSED_LIMIT),
  );
  for (let delta = 0; record.next(); delta++) builder.appendFrom(record, record.timestamp, delta);
  return builder.build();
}

/** Builds a batch of `records`. */
export function buildBatch(records: readonly NewRecord[], options: BatchOptions, tools: Tools): Uint8Array {
  const builder = new BatchBuilder(options, tools);
  for (const record of records) builder.append(record);
  return builder.build();
}

/** All records of all batches in `bytes`, as objects. For tests and small logs, not for the data path. */
export function readRecords(bytes: Uint8Array, tools: Tools): (NewRecord & { readonly offset: Offset })[] {
  const all: (NewRecord & { readonly offset: Offset })[] = [];
  const batch = new BatchCursor(bytes);
  const cursor = new RecordCursor();
  while (batch.next()) {
    cursor.open(batch, tools.codecs);
    while (cursor.next()) {
      const { offset, timestamp } = cursor;
      all.push({ offset, timestamp, key: cursor.key(), value: cursor.value(), headers: cursor.headers() });
    }
  }
  return all;
}
