export {
  type EpochStart,
  type PartitionOffset,
  readEpochs,
  readOffsets,
  readTopicId,
  writeEpochs,
  writeOffsets,
  writeTopicId,
} from "./checkpoints.ts";
export {
  BatchFilter,
  type Cleanable,
  cleanable,
  type CleanableOptions,
  type FilterOptions,
  groupSegments,
  mapKeys,
  PassingTxns,
} from "./compaction.ts";
export { KEEP_ALL, type LogConfig } from "./config.ts";
export {
  CLEANED_SUFFIX,
  CUT_SUFFIX,
  DELETED_SUFFIX,
  EPOCH_FILE,
  fileName,
  LOG_SUFFIX,
  type LogEffect,
  OFFSET_INDEX_SUFFIX,
  offsetOfFile,
  PARTITION_FILE,
  SNAPSHOT_SUFFIX,
  SWAP_SUFFIX,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
} from "./effects.ts";
export { EpochCache } from "./epochs.ts";
export { IndexCache } from "./index-cache.ts";
export { type AbortedTxn, fitsIndex, OffsetIndex, TimeIndex, TxnIndex } from "./indexes.ts";
export { OffsetMap } from "./offset-map.ts";
export {
  type AppendOrigin,
  type CompletedTxn,
  type MarkerFacts,
  type ProducerBatch,
  type ProducerEntry,
  ProducerStates,
  VERIFICATION,
} from "./producers.ts";
export { LogScanner, markerOf, type ScanTarget } from "./scanner.ts";
export { Segment, type SegmentIndexes } from "./segment.ts";
export { readSnapshot, writeSnapshot } from "./snapshot.ts";
export { type AppendRequest, type AppendResult, type IndexReader, LogState, type LogStateOptions } from "./state.ts";
export { type OpenTxn, UndecidedTxns } from "./undecided.ts";
