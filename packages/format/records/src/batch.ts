import type { BlockCodecs, CodecId, Crc32c, Int64, LeaderEpoch, Offset, ProducerEpoch, ProducerId } from "@samsa/base";
import { getI64, getOffset, setI64, viewOf } from "@samsa/base";

/** Checksum and block codecs, supplied by the host. */
export interface Tools {
  readonly crc32c: Crc32c;
  readonly codecs: BlockCodecs;
}

/** Kafka's codec ids; 0 is no compression. */
export type Codec = 0 | CodecId;
/** Names of `org.apache.kafka.common.record.TimestampType`. */
export type TimestampType = "CreateTime" | "LogAppendTime";

/** Names of the codecs by id, as in `compression.type`. */
export const CODEC_NAMES = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
/** Timestamp of records that have none. */
export const NO_TIMESTAMP = -1;
/** Base sequence of batches without a producer. */
export const NO_SEQUENCE = -1;
/** Producer id of batches without a producer. */
export const NO_PRODUCER_ID = -1n;
/** Version of the batch format; only version 2 is supported. */
export const MAGIC = 2;
/** Bytes of a batch that its length field does not count: the base offset and the length itself. */
export const LENGTH_OVERHEAD = 12;
/** Bytes of a batch's header; the records follow. */
export const HEADER_SIZE = 61;

/** Positions of the header's fields (KIP-98). */
export const FIELD = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
} as const;

/** Bits of the attributes field that hold the codec. */
const CODEC_MASK = 0x07;
/** Set if the records have log append time, clear if they have create time. */
export const LOG_APPEND_TIME_BIT = 0x08;
/** Set in batches of a transaction. */
export const TRANSACTIONAL_BIT = 0x10;
/** Set in batches of control records. */
export const CONTROL_BIT = 0x20;
/** Set if the base timestamp is the delete horizon (KIP-534). */
export const DELETE_HORIZON_BIT = 0x40;

/** Sequence number `count` after `sequence`; wraps from 2^31-1 to 0. */
export function addSequence(sequence: number, count: number): number {
  const sum = sequence + count;
  return sum > 0x7fffffff ? sum - 0x80000000 : sum;
}

/**
 * Cursor over the batch headers in a buffer, which allocates nothing per batch. Its getters read the buffer each time.
 */
export class BatchCursor {
  bytes: Uint8Array;
  view: DataView;
  /** Position of the current batch. */
  at = 0;
  /** End of the buffer's valid bytes. */
  limit = 0;
  /** Bytes of the current batch, the base offset and length fields included. */
  size = 0;

  constructor(bytes: Uint8Array = new Uint8Array(0), start = 0, limit: number = bytes.length) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.at = start;
    this.limit = limit;
  }

  /** Moves to `bytes[start]`, so that `next` moves to the first batch. */
  reset(bytes: Uint8Array, start = 0, limit = bytes.length): this {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = viewOf(bytes);
    }
    this.at = start;
    this.limit = limit;
    this.size = 0;
    return this;
  }

  /** Moves to the next batch. False at the end, or if the rest is not a whole batch. */
  next(): boolean {
    const at = this.at + this.size;
    if (this.limit - at < HEADER_SIZE) return false;
    const length = this.view.getInt32(at + FIELD.length);
    if (length < HEADER_SIZE - LENGTH_OVERHEAD || at + LENGTH_OVERHEAD + length > this.limit) return false;
    this.at = at;
    this.size = length + LENGTH_OVERHEAD;
    return true;
  }

  /** End of the current batch. */
  get end(): number {
    return this.at + this.size;
  }
  /** Throws `MalformedError` from 2^53 on, which no log reaches. */
  get baseOffset(): Offset {
    return getOffset(this.view, this.at);
  }
  get lastOffset(): Offset {
    return this.baseOffset + this.lastOffsetDelta;
  }
  get leaderEpoch(): LeaderEpoch {
    return this.view.getInt32(this.at + FIELD.leaderEpoch);
  }
  get magic(): number {
    return this.view.getInt8(this.at + FIELD.magic);
  }
  get crc(): number {
    return this.view.getUint32(this.at + FIELD.crc);
  }
  get attributes(): number {
    return this.view.getInt16(this.at + FIELD.attributes);
  }
  get codec(): number {
    return this.attributes & CODEC_MASK;
  }
  get timestampType(): TimestampType {
    return (this.attributes & LOG_APPEND_TIME_BIT) !== 0 ? "LogAppendTime" : "CreateTime";
  }
  get isTransactional(): boolean {
    return (this.attributes & TRANSACTIONAL_BIT) !== 0;
  }
  get isControl(): boolean {
    return (this.attributes & CONTROL_BIT) !== 0;
  }
  get hasDeleteHorizon(): boolean {
    return (this.attributes & DELETE_HORIZON_BIT) !== 0;
  }
  get lastOffsetDelta(): number {
    return this.view.getInt32(this.at + FIELD.lastOffsetDelta);
  }
  get baseTimestamp(): Int64 {
    return getI64(this.view, this.at + FIELD.baseTimestamp);
  }
  get maxTimestamp(): Int64 {
    return getI64(this.view, this.at + FIELD.maxTimestamp);
  }
  /** True unless the producer id is -1; allocates no bigint. */
  get hasProducer(): boolean {
    return this.view.getInt32(this.at + FIELD.producerId) >= 0;
  }
  get producerId(): ProducerId {
    return this.view.getBigInt64(this.at + FIELD.producerId);
  }
  get producerEpoch(): ProducerEpoch {
    return this.view.getInt16(this.at + FIELD.producerEpoch);
  }
  get baseSequence(): number {
    return this.view.getInt32(this.at + FIELD.baseSequence);
  }
  get lastSequence(): number {
    const first = this.baseSequence;
    return first < 0 ? NO_SEQUENCE : addSequence(first, this.lastOffsetDelta);
  }
  get count(): number {
    return this.view.getInt32(this.at + FIELD.count);
  }
  /** True if the checksum matches the bytes. */
  intact(crc32c: Crc32c): boolean {
    return crc32c(this.bytes, this.at + FIELD.attributes, this.end) === this.crc;
  }
}

/** Size of the batch at `at`, from its length field. */
export function batchSize(view: DataView, at: number): number {
  return view.getInt32(at + FIELD.length) + LENGTH_OVERHEAD;
}

/** Header fields that the leader sets when it appends a batch. */
export interface Assignment {
  readonly baseOffset: Offset;
  readonly leaderEpoch: LeaderEpoch;
  /** New maxTimestamp of the header. The checksum is computed again only if this or the timestamp type changes. */
  readonly maxTimestamp: Int64;
  readonly timestampType: TimestampType;
}

/**
 * Sets the base offset and leader epoch of the batch in place; the checksum does not cover them. Sets the timestamp
 * type and maximum timestamp if they differ; then the checksum is computed again.
 */
export function assignOffsets(batch: BatchCursor, assignment: Assignment, crc32c: Crc32c): void {
  const { view, at } = batch;
  setI64(view, at + FIELD.baseOffset, assignment.baseOffset);
  view.setInt32(at + FIELD.leaderEpoch, assignment.leaderEpoch);
  if (batch.timestampType === assignment.timestampType && batch.maxTimestamp === assignment.maxTimestamp) return;
  // Clear bits without a meaning, as Kafka does whenever it rewrites the attributes.
  const kept = batch.attributes & (CODEC_MASK | TRANSACTIONAL_BIT | CONTROL_BIT | DELETE_HORIZON_BIT);
  const stamp = assignment.timestampType === "LogAppendTime" ? LOG_APPEND_TIME_BIT : 0;
  view.setInt16(at + FIELD.attributes, kept | stamp);
  setI64(view, at + FIELD.maxTimestamp, assignment.maxTimestamp);
  view.setUint32(at + FIELD.crc, crc32c(batch.bytes, at + FIELD.attributes, batch.end));
}
