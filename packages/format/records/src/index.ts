export {
  addSequence,
  type Assignment,
  assignOffsets,
  BatchCursor,
  batchSize,
  type Codec,
  CODEC_NAMES,
  FIELD,
  HEADER_SIZE,
  LENGTH_OVERHEAD,
  MAGIC,
  NO_SEQUENCE,
  type TimestampType,
  type Tools,
} from "./batch.ts";
export { batchSizeBound, BatchWriter, type RecordData, type WritableHeader } from "./batch-writer.ts";
export { BatchBuilder, type BatchOptions, buildBatch, type NewRecord, readRecords } from "./builder.ts";
export { compress, type Compression, decompress, defaultCompression } from "./compression.ts";
export {
  CONTROL_TYPE,
  type ControlRecord,
  controlRecord,
  controlTypeOf,
  endTxnBatch,
  type EndTxnMarker,
  type QuorumVoter,
  readControlRecord,
  type VoterDescription,
  type VoterEndpoint,
} from "./control.ts";
export { type ProducerStamp, restampBatch } from "./header.ts";
export { BatchJudge, isCompressed, isLarge, type Judgement, type JudgeRules } from "./judge.ts";
export { DECOMPRESSED_LIMIT, RecordCursor, type RecordHeader } from "./record.ts";
export { BatchValidator, type RecordFault, type Validation, type ValidationRules } from "./validate.ts";
