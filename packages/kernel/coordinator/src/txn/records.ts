import { ByteReader, ByteWriter, nearestNumber } from "@samsa/base";
import { transactionLogKey, transactionLogValue } from "@samsa/protocol";
import type { ShardRecord } from "../shard/effects.ts";
import { NO_EPOCH, NO_PRODUCER_ID, TXN_STATES, type TxnImage } from "./image.ts";

/** Record type of the key; `__transaction_state` has no other. */
const TRANSACTION = 0;
const LAST_VALUE_VERSION = 1;

function keyOf(transactionalId: string): Uint8Array {
  const writer = new ByteWriter(64);
  writer.i16(TRANSACTION);
  transactionLogKey.encode(writer, { transactionalId }, 0);
  return writer.finish();
}

export function txnTombstone(transactionalId: string): ShardRecord {
  return { key: keyOf(transactionalId), value: null };
}

/** A record of `image`, in the version that `transactionVersion` allows (`TransactionLog.valueToBytes`). */
export function txnRecord(transactionalId: string, image: TxnImage, transactionVersion: number): ShardRecord {
  const version = transactionVersion >= 1 ? 1 : 0;
  const { producerId, epoch, timeoutMs, state, partitions, updateTimestamp, startTimestamp } = image;
  const topics = [...partitions].map(([topic, indexes]) => ({ topic, partitionIds: [...indexes] }));
  const isTagged = version >= 1;
  const value = {
    producerId,
    previousProducerId: isTagged ? image.previousProducerId : NO_PRODUCER_ID,
    nextProducerId: isTagged ? image.nextProducerId : NO_PRODUCER_ID,
    producerEpoch: epoch,
    transactionTimeoutMs: timeoutMs,
    transactionStatus: TXN_STATES.indexOf(state),
    transactionPartitions: state === "Empty" ? null : topics,
    transactionLastUpdateTimestampMs: updateTimestamp,
    transactionStartTimestampMs: startTimestamp,
    clientTransactionVersion: isTagged ? image.clientVersion : 0,
  };
  const writer = new ByteWriter(128);
  writer.i16(version);
  transactionLogValue.encode(writer, value, version);
  return { key: keyOf(transactionalId), value: writer.finish() };
}

/**
 * Decodes a record; undefined if its key type, value version or state is none that a coordinator writes. Throws
 * `MalformedError`.
 */
export function parseTxnRecord(
  key: Uint8Array,
  value: Uint8Array | null,
): { readonly transactionalId: string; readonly image: TxnImage | null } | undefined {
  const reader = new ByteReader(key);
  if (reader.i16() !== TRANSACTION) return undefined;
  const { transactionalId } = transactionLogKey.decode(reader, 0);
  if (value === null) return { transactionalId, image: null };
  const body = new ByteReader(value);
  const version = body.i16();
  if (version < 0 || version > LAST_VALUE_VERSION) return undefined;
  const read = transactionLogValue.decode(body, version);
  const state = TXN_STATES[read.transactionStatus];
  if (state === undefined || state === "Dead" || state === "PrepareEpochFence") return undefined;
  const image: TxnImage = {
    producerId: read.producerId,
    previousProducerId: read.previousProducerId,
    nextProducerId: read.nextProducerId,
    epoch: read.producerEpoch,
    lastEpoch: NO_EPOCH,
    timeoutMs: read.transactionTimeoutMs,
    state,
    partitions: new Map((read.transactionPartitions ?? []).map(p => [p.topic, new Set(p.partitionIds)])),
    startTimestamp: nearestNumber(read.transactionStartTimestampMs),
    updateTimestamp: nearestNumber(read.transactionLastUpdateTimestampMs),
    clientVersion: read.clientTransactionVersion,
  };
  return { transactionalId, image };
}
