import { type LeaderEpoch, MalformedError, nearestNumber, type Offset } from "@samsa/base";
import { decodeMetadataRecord, encodeMetadataRecords, type MetadataRecord } from "@samsa/protocol";
import {
  BatchCursor,
  buildBatch,
  type ControlRecord,
  controlRecord,
  MAGIC,
  readControlRecord,
  RecordCursor,
  type Tools,
} from "@samsa/records";
import type { Run } from "./raft/messages.ts";

/** Topic of the metadata log; it has one partition. */
export const METADATA_TOPIC = "__cluster_metadata";

/** Maximum size of a batch of the metadata log or of a snapshot (`KafkaRaftClient.MAX_BATCH_SIZE_BYTES`). */
export const MAX_METADATA_BATCH = 8 * 1024 * 1024;

/** Bytes by which the header of a batch may exceed the maximum. */
const BATCH_OVERHEAD = 1024;

/** Position of a batch in the log. */
export interface BatchPlace {
  readonly baseOffset: Offset;
  readonly epoch: LeaderEpoch;
  readonly timestamp: number;
}

/** Decoded batch of the metadata log. A control batch has no metadata records, other batches no control records. */
export interface MetadataBatch extends BatchPlace {
  readonly lastOffset: Offset;
  /** Bytes in the log. */
  readonly size: number;
  readonly records: readonly MetadataRecord[];
  readonly control: readonly ControlRecord[];
}

/**
 * Encodes all `records` as one batch, so that they are appended together or not at all. `values` are the encoded records,
 * if the caller has them.
 */
export function metadataBatch(
  records: readonly MetadataRecord[],
  place: BatchPlace,
  tools: Tools,
  values: readonly Uint8Array[] = encodeMetadataRecords(records),
): Uint8Array {
  const { baseOffset, epoch: leaderEpoch, timestamp } = place;
  return buildBatch(
    values.map(value => ({ timestamp, key: null, value })),
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
 * Runs of records in what a peer has sent, one for each batch. Throws `MalformedError` if it cannot be the next part of a
 * metadata log: no whole batch, a wrong checksum, or offsets that do not follow each other. A batch that is cut off at
 * the end is left out.
 */
export function fetchedRuns(bytes: Uint8Array, tools: Tools): Run[] {
  const runs: Run[] = [];
  const batch = new BatchCursor(bytes);
  let next: Offset | undefined;
  while (batch.next()) {
    const { baseOffset, lastOffset, leaderEpoch: epoch, size } = batch;
    if (batch.magic !== MAGIC) throw new MalformedError("a batch of an old format");
    if (size > MAX_METADATA_BATCH + BATCH_OVERHEAD) throw new MalformedError(`a batch of ${size} bytes`);
    if (!batch.intact(tools.crc32c)) throw new MalformedError(`the batch at byte ${batch.at} fails its checksum`);
    if (baseOffset < 0 || lastOffset < baseOffset || epoch < 0 || (next !== undefined && baseOffset !== next)) {
      throw new MalformedError(`the batch at byte ${batch.at} is not the next of a log`);
    }
    next = lastOffset + 1;
    const control = batch.isControl ? readControl(batch, tools) : undefined;
    runs.push({ epoch, baseOffset, endOffset: next, size, control });
  }
  if (runs.length === 0 && bytes.length > 0) throw new MalformedError("no whole batch");
  return runs;
}

function readControl(batch: BatchCursor, tools: Tools): ControlRecord[] {
  const [read] = readMetadataBatches(batch.bytes.subarray(batch.at, batch.end), tools);
  return read === undefined ? [] : [...read.control];
}

/**
 * Decodes the batches in `bytes`. Throws `MalformedError` at a wrong checksum, at an incomplete batch, and at records
 * that this version does not know: none of them may be skipped. Unknown control records may.
 */
export function* readMetadataBatches(bytes: Uint8Array, tools: Tools): Generator<MetadataBatch> {
  for (const batch of metadataBatchSteps(bytes, tools, Infinity)) if (batch !== undefined) yield batch;
}

/** Decodes batches as `readMetadataBatches` does, and yields undefined after each `most` records for a pause. */
export function* metadataBatchSteps(
  bytes: Uint8Array,
  tools: Tools,
  most: number,
): Generator<MetadataBatch | undefined> {
  const batch = new BatchCursor(bytes);
  const cursor = new RecordCursor();
  let count = 0;
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
        if (++count % most === 0) yield undefined;
        continue;
      }
      const key = cursor.key();
      if (key === null) throw new MalformedError(`the control record at offset ${cursor.offset} has no key`);
      const known = readControlRecord(key, value);
      if (known !== undefined) control.push(known);
    }
    const { baseOffset, lastOffset, leaderEpoch: epoch, maxTimestamp, size } = batch;
    yield { baseOffset, lastOffset, epoch, timestamp: nearestNumber(maxTimestamp), size, records, control };
  }
  if (batch.end !== bytes.length) throw new MalformedError(`no whole batch at byte ${batch.end}`);
}
