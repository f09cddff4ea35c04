export {
  BOOTSTRAP_SNAPSHOT,
  checkpointName,
  decodeSnapshot,
  encodeSnapshot,
  latestCheckpoint,
  parseCheckpointName,
  type Snapshot,
  type SnapshotId,
} from "./checkpoint.ts";
export { beginSoleEpoch, type Epoch, type EpochStart, type VoterSet } from "./epoch.ts";
export {
  type BatchPlace,
  MAX_METADATA_BATCH,
  type MetadataBatch,
  metadataBatch,
  readMetadataBatches,
} from "./metadata-log.ts";
