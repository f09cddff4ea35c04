export {
  type BrokerView,
  type ClusterView,
  partitionKey,
  type PartitionView,
  type TopicPartition,
  type TopicView,
} from "./cluster/cluster-view.ts";
export {
  type LeaderHint,
  type MetadataQuestion,
  type MetadataSettings,
  MetadataState,
  type MetadataStep,
} from "./cluster/metadata-state.ts";
export { type ClientErrorName, type ErrorFacts, KafkaError } from "./error/kafka-error.ts";
export { DEFAULT_FETCH_OPTIONS, type FetchOptions } from "./fetch/fetch-options.ts";
export type {
  CommittedOffset,
  FetchEffect,
  OffsetForLeaderEpochAnswer,
  OffsetForLeaderEpochDraft,
  PositionLoss,
} from "./fetch/fetch-effects.ts";
export type { FetchAnswer, FetchDraft } from "./fetch/fetch-session.ts";
export type { FetchState } from "./fetch/fetch-state.ts";
export { Fetcher, type PartitionStatus } from "./fetch/fetcher.ts";
export { RecordReader } from "./fetch/record-reader.ts";
export type { IsolationLevel, ListOffsetsAnswer, ListOffsetsDraft } from "./offsets/list-offsets.ts";
export type { Moment } from "./offsets/moment.ts";
export { type OffsetReset, type OffsetTarget, parseOffsetReset } from "./offsets/offset-reset.ts";
