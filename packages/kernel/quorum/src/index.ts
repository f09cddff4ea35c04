export {
  BOOTSTRAP_SNAPSHOT,
  checkpointName,
  decodeSnapshot,
  decodeSnapshotSteps,
  encodeSnapshot,
  encodeSnapshotSteps,
  latestCheckpoint,
  parseCheckpointName,
  type Snapshot,
  type SnapshotId,
  type SnapshotSteps,
} from "./checkpoint.ts";
export {
  type BatchPlace,
  controlBatch,
  fetchedRuns,
  MAX_METADATA_BATCH,
  type MetadataBatch,
  METADATA_TOPIC,
  metadataBatch,
  readMetadataBatches,
} from "./metadata-log.ts";
export type { ElectionState, RaftEffect, RaftInput, RaftTimes } from "./raft/effects.ts";
export type { ReplicaProgress } from "./raft/leadership.ts";
export type {
  FetchAnswer,
  KraftVersionRange,
  LogEnd,
  RaftAnswer,
  RaftCall,
  ReplicaKey,
  Run,
  SnapshotAnswer,
} from "./raft/messages.ts";
export { RaftLog } from "./raft/raft-log.ts";
export { RaftNode } from "./raft/raft-node.ts";
export { VoterHistory, type VoterSet } from "./raft/voter-history.ts";
