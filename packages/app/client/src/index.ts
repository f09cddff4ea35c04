export type { ConsumerInterceptor, ProducerInterceptor, SendOutcome } from "./interceptors.ts";
export { type ClientOptions, KafkaClient } from "./kafka-client.ts";
export { type Instrumentation, openTelemetry, type OpenTelemetryApi } from "./open-telemetry.ts";
export { replyTo, REQUEST_HEADERS, Requester, type RequesterOptions } from "./request-reply.ts";
export type { OutgoingTypedRecord } from "./outgoing-record.ts";
export { TypedRecord } from "./typed-record.ts";
export type { Serde, SerdeContext, Serdes } from "./serde/serde.ts";
export { bytes, float64, int32, int64, json, type SchemaResult, type StandardSchema, string } from "./serde/serdes.ts";
export {
  type TypedBatch,
  TypedConsumer,
  type TypedConsumerOptions,
  type TypedRunOptions,
} from "./typed-consumer.ts";
export {
  TypedShareConsumer,
  type TypedShareConsumerOptions,
  TypedShareRecord,
  type TypedShareRunOptions,
} from "./typed-share-consumer.ts";
export {
  type CompressionName,
  TypedProducer,
  type TypedProducerOptions,
} from "./typed-producer.ts";
export { type ClientErrorName, KafkaError, type TopicPartition } from "@samsa/client-kernel";
export type { TlsClientOptions, TlsProtocol, TlsSource } from "@samsa/base";
export {
  Admin,
  type BatchResult,
  type OperationOptions,
  type OAuthOptions,
  type Outcome,
  Outcomes,
  PartitionOutcomes,
  type RebalanceListener,
  type RecordMetadata,
  type SaslOptions,
  type SecurityOptions,
} from "@samsa/client-runtime";
export type {
  AbortTransaction,
  AccessAdmin,
  Acknowledge,
  Acl,
  AdminOptions,
  CallBounds,
  CancelSignal,
  ClientQuota,
  ClientQuotaChange,
  ClusterAdmin,
  CommittedOffset as GroupOffset,
  ConfigAdmin,
  ConfigChange,
  ConfigEntry,
  ConfigResource,
  ConfigResourceType,
  ConfigSynonym,
  CreatedTopic,
  DelegationToken,
  DescribedCluster,
  DescribedGroup,
  DescribedLogDir,
  DescribedMember,
  DescribedNode,
  DescribedPartition,
  DescribedQuorum,
  DescribedTopic,
  DescribedTransaction,
  FeatureLevels,
  FeatureUpdate,
  FoundOffset,
  GroupAdmin,
  GroupSettings,
  ListedGroup,
  ListedTopic,
  ListedTransaction,
  LogDirReplica,
  LostRecords,
  MemberToRemove,
  NewTopic,
  OffsetSpec,
  OffsetToCommit,
  PartitionProducer,
  PartitionStart,
  Principal,
  QuorumReplica,
  QuotaComponent,
  QuotaEntity,
  Reassignment,
  ReplicaAdmin,
  ReplicaPlace,
  ScramChange,
  ScramCredential,
  ShareGroupAdmin,
  ShareOffset,
  StreamOptions,
  Subscription,
  TopicAdmin,
  TransactionAdmin,
  VoterListener,
} from "@samsa/client-runtime";
export type { CODEC_NAMES, Codec, Compression, RecordHeader } from "@samsa/records";
export type { ClientCredentials, SaslCredentials } from "@samsa/wire";
export type {
  CommittedOffset,
  ErrorFacts,
  GroupMembership,
  IsolationLevel,
  KeyHash,
  LeaveMode,
  OffsetReset,
  PartitionOffset,
  TransactionOffset,
} from "@samsa/client-kernel";
export type {
  Int64,
  BrokerId,
  LeaderEpoch,
  Logger,
  Offset,
  PartitionIndex,
  ProducerEpoch,
  ProducerId,
  Uuid,
} from "@samsa/base";
