import { type LeaderEpoch, MalformedError, nearestNumber, type Offset } from "@samsa/base";
import { decodeMetadataRecord, encodeMetadataRecord, type MetadataRecord } from "@samsa/protocol";
import {
  BatchCursor,
  buildBatch,
  type ControlRecord,
  controlRecord,
  readControlRecord,
  RecordCursor,
  type Tools,
} from "@samsa/records";

/** Maximum size of a batch of the metadata log or of a snapshot (`KafkaRaftClient.MAX_BATCH_SIZE_BYTES`). */
export const MAX_METADATA_BATCH = 8 * 1024 * 1024;

/** Position of a batch in the log. */
export interface BatchPlace {
  readonly baseOffset: Offset;
  readonly epoch: LeaderEpoch;
  readonly timestamp: number;
}

/** Decoded batch of the metadata log. A control batch has no metadata records, other batches no control records. */
export interface MetadataBatch extends BatchPlace {
  readonly lastOffset: Offset;
  readonly records: readonly MetadataRecord[];
  readonly control: readonly ControlRecord[];
}

/** Encodes all `records` as one batch, so that they are appended together or not at all. */
export function metadataBatch(records: readonly MetadataRecord[], place: BatchPlace, tools: Tools): Uint8Array {
  const { baseOffset, epoch: leaderEpoch, timestamp } = place;
  return buildBatch(
    records.map(record => ({ timestamp, key: null, value: encodeMetadataRecord(record) })),
    { baseOffset, leaderEpoch },
    tools,
  );
}

/** Encodes a control batch. */
export function controlBatch(records: readonly ControlRecord[], place: BatchPlace, tools: Tools): Uint8Array {
  const { baseOffset, epoch: leaderEpoch, timestamp } = place;
  return buildBatch(
    records.map(record => controlRecord(record, timestamp)),
    { baseOffset, leaderEpoch, control: true },
    tools,
  );
}

/**
 * Decodes the batches in `bytes`. Throws `MalformedError` at a wrong checksum, at an incomplete batch, and at records
 * that this version does not know: none of them may be skipped. Unknown control records may.
 */
export function* readMetadataBatches(bytes: Uint8Array, tools: Tools): Generator<MetadataBatch> {
  const batch = new BatchCursor(bytes);
  const cursor = new RecordCursor();
  while (batch.next()) {
    if (!batch.intact(tools.crc32c)) throw new MalformedError(`the batch at byte ${batch.at} fails its checksum`);
    const records: MetadataRecord[] = [];
    const control: ControlRecord[] = [];
    cursor.open(batch, tools.codecs);
    while (cursor.next()) {
      const value = cursor.value();
      if (value === null) throw new MalformedError(`the record at offset ${cursor.offset} has no value`);
      if (!batch.isControl) {
        records.push(decodeMetadataRecord(value));
        continue;
      }
      const key = cursor.key();
      if (key === null) throw new MalformedError(`the control record at offset ${cursor.offset} has no key`);
      const known = readControlRecord(key, value);
      if (known !== undefined) control.push(known);
    }
    const { baseOffset, lastOffset, leaderEpoch: epoch, maxTimestamp } = batch;
    yield { baseOffset, lastOffset, epoch, timestamp: nearestNumber(maxTimestamp), records, control };
  }
  if (batch.end !== bytes.length) throw new MalformedError(`no whole batch at byte ${batch.end}`);
}
