import {
  type Crc32c,
  type Int64,
  type LeaderEpoch,
  type Offset,
  type ProducerEpoch,
  type ProducerId,
  setI64,
  viewOf,
} from "@samsa/base";
import { FIELD, LENGTH_OVERHEAD, MAGIC, TRANSACTIONAL_BIT } from "./batch.ts";

/** Fields of a batch's header, its length and checksum excepted. */
export interface HeaderFields {
  readonly baseOffset: Offset;
  readonly leaderEpoch: LeaderEpoch;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: Int64;
  readonly maxTimestamp: Int64;
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
  readonly baseSequence: number;
  readonly count: number;
}

/** Writes the header of the batch that fills `bytes`, whose records are in place. */
export function writeHeader(bytes: Uint8Array, fields: HeaderFields, crc32c: Crc32c): void {
  const view = viewOf(bytes);
  setI64(view, FIELD.baseOffset, fields.baseOffset);
  view.setInt32(FIELD.length, bytes.length - LENGTH_OVERHEAD);
  view.setInt32(FIELD.leaderEpoch, fields.leaderEpoch);
  view.setInt8(FIELD.magic, MAGIC);
  view.setInt16(FIELD.attributes, fields.attributes);
  view.setInt32(FIELD.lastOffsetDelta, fields.lastOffsetDelta);
  setI64(view, FIELD.baseTimestamp, fields.baseTimestamp);
  setI64(view, FIELD.maxTimestamp, fields.maxTimestamp);
  view.setBigInt64(FIELD.producerId, fields.producerId);
  view.setInt16(FIELD.producerEpoch, fields.producerEpoch);
  view.setInt32(FIELD.baseSequence, fields.baseSequence);
  view.setInt32(FIELD.count, fields.count);
  view.setUint32(FIELD.crc, crc32c(bytes, FIELD.attributes, bytes.length));
}

/** Producer of a batch, which a client knows only when it sends the batch. */
export interface ProducerStamp {
  /** −1: neither idempotent nor transactional. */
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
  readonly baseSequence: number;
  readonly transactional: boolean;
}

/** Gives the batch that fills `bytes` another producer, in place, as `ProducerBatch.resetProducerState` does. */
export function restampBatch(bytes: Uint8Array, stamp: ProducerStamp, crc32c: Crc32c): void {
  const view = viewOf(bytes);
  const kept = view.getInt16(FIELD.attributes) & ~TRANSACTIONAL_BIT;
  view.setInt16(FIELD.attributes, kept | (stamp.transactional ? TRANSACTIONAL_BIT : 0));
  view.setBigInt64(FIELD.producerId, stamp.producerId);
  view.setInt16(FIELD.producerEpoch, stamp.producerEpoch);
  view.setInt32(FIELD.baseSequence, stamp.baseSequence);
  view.setUint32(FIELD.crc, crc32c(bytes, FIELD.attributes, bytes.length));
}
