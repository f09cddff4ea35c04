export {
  type BrokerView,
  byTopic,
  type ClusterView,
  partitionKey,
  partitionKeys,
  type PartitionView,
  type TopicPartition,
  type TopicView,
  withoutPartitions,
} from "./cluster/cluster-view.ts";
export type { LeaderHint, MetadataEffect } from "./cluster/leader-hint.ts";
export {
  type MetadataQuestion,
  type MetadataSettings,
  MetadataState,
  type MetadataStep,
} from "./cluster/metadata-state.ts";
export { retryBackoff } from "./cluster/retry-backoff.ts";
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
export { ClassicMember, type ClassicSettings } from "./group/classic-member.ts";
export { type ClassicState } from "./group/classic-states.ts";
export { consumerMember, type HeartbeatMember, shareMember } from "./group/heartbeat-member.ts";
export { type ConsumerMemberSettings } from "./group/heartbeat-forms.ts";
export {
  type GroupMember,
  type LeaveMode,
  type MemberEffect,
  type MemberRequest,
  type MemberResponse,
  type MemberSettings,
  type TopicSubscription,
} from "./group/member.ts";
export { type MemberState } from "./group/member-states.ts";
export { AutoCommit, type AutoCommitSettings } from "./offsets/auto-commit.ts";
export { type MemberIdentity } from "./offsets/member-identity.ts";
export { OffsetCommits } from "./offsets/offset-commits.ts";
export {
  type OffsetEffect,
  type OffsetRequest,
  type OffsetSettings,
  type PartitionOffset,
} from "./offsets/offset-effects.ts";
export { OffsetFetches } from "./offsets/offset-fetches.ts";
export { OffsetTracker } from "./offsets/offset-tracker.ts";
export { TrackedOffsets } from "./offsets/tracked-offsets.ts";
export {
  APPEND,
  type BatchFailure,
  type Coordinator,
  type Delivery,
  type OutgoingRecord,
  type ProduceCall,
  type ProducerEffect,
  type Run,
  type TransactionAnswer,
  type TransactionApi,
  type TransactionCall,
} from "./produce/effects.ts";
export { type ProducerContext, ProducerCore } from "./produce/producer-core.ts";
export { type ProducerOptions, type ProducerSettings, producerSettings } from "./produce/producer-settings.ts";
export type { ProduceAnswer } from "./produce/sender.ts";
export type { ProducerState } from "./produce/producer-state.ts";
export type { TransactionFeatures } from "./produce/transaction-manager.ts";
export type { GroupMembership, TransactionOffset } from "./produce/transaction-requests.ts";
export type { KeyHash } from "./produce/partitioner.ts";
export { type AcknowledgeType } from "./share/acknowledge-type.ts";
export type { AcquiredRecords } from "./share/acquired-records.ts";
export type { AcknowledgeResults } from "./share/share-commit.ts";
export type { ShareEffect } from "./share/share-effects.ts";
export { ShareFetcher } from "./share/share-fetcher.ts";
export { DEFAULT_SHARE_FETCH_OPTIONS, type ShareAcquireMode, type ShareFetchOptions } from "./share/share-options.ts";
export {
  ClientMetrics,
  type Measurement,
  type RequestTimes,
  type TelemetryDomain,
} from "./telemetry/client-metrics.ts";
export {
  selected,
  SumDeltas,
  TelemetrySession,
  type TelemetryStep,
  type TelemetrySubscription,
} from "./telemetry/telemetry-session.ts";
