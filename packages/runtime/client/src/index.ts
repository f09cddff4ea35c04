export { Admin } from "./admin/admin.ts";
export type { AdminOptions } from "./admin/drive.ts";
export { type Outcome, Outcomes, PartitionOutcomes } from "./admin/outcomes.ts";
export { ClusterClient, type ClusterCallOptions } from "./cluster/cluster-client.ts";
export { CLUSTER_DEFAULTS, type ClusterSettings } from "./cluster/cluster-settings.ts";
export { type LinkUse } from "./cluster/broker-pool.ts";
export { type CoordinatorKind } from "./cluster/coordinators.ts";
export { type CancelSignal, type Patience } from "./cluster/deadline.ts";
export { ConsumedBatch, ConsumedRecord } from "./consume/consumed-record.ts";
export { type CallBounds, Consumer, type ConsumerParts, type PartitionStart } from "./consume/consumer.ts";
export type { ConsumerObserver, JoinedGeneration } from "./consume/consumer-observer.ts";
export type { GroupSettings, RebalanceListener, Subscription } from "./consume/group-settings.ts";
export type { ConsumerOptions, ConsumerSettings } from "./consume/consumer-settings.ts";
export type { HandlerContext, RecordHandler, RunOptions } from "./consume/record-runner.ts";
export type { Moved } from "./consume/fetch-runtime.ts";
export { type BatchStream, type RecordStream, type StreamOptions } from "./consume/record-stream.ts";
export { type OperationOptions, Producer, type ProducerOptions } from "./producer/producer.ts";
export type { Acknowledge, BatchResult, LostRecords, ProducerRecord, RecordMetadata } from "./producer/records.ts";
export { type OAuthOptions, type SaslOptions, type SecurityOptions, securityOf } from "./settings/security-options.ts";
export type {
  AccessAdmin,
  Acl,
  AclFilter,
  DelegationToken,
  Principal,
  ScramChange,
  ScramCredential,
} from "./admin/access.ts";
export type {
  ClientQuota,
  ClientQuotaChange,
  ClusterAdmin,
  DescribedCluster,
  DescribedNode,
  DescribedQuorum,
  FeatureLevels,
  FeatureUpdate,
  QuorumReplica,
  QuotaComponent,
  QuotaEntity,
  VoterListener,
} from "./admin/cluster.ts";
export type {
  ConfigAdmin,
  ConfigChange,
  ConfigEntry,
  ConfigResource,
  ConfigResourceType,
  ConfigSource,
  ConfigSynonym,
} from "./admin/configs.ts";
export type { FoundOffset, OffsetSpec } from "./admin/offsets.ts";
export type {
  CommittedOffset,
  DescribedGroup,
  DescribedMember,
  GroupAdmin,
  ListedGroup,
  MemberToRemove,
  OffsetToCommit,
} from "./admin/groups.ts";
export type { DescribedLogDir, LogDirReplica, Reassignment, ReplicaAdmin, ReplicaPlace } from "./admin/replicas.ts";
export type { ShareGroupAdmin, ShareOffset } from "./admin/share-groups.ts";
export type {
  CreatedTopic,
  DescribedPartition,
  DescribedTopic,
  ListedTopic,
  NewTopic,
  TopicAdmin,
} from "./admin/topics.ts";
export type {
  AbortTransaction,
  DescribedTransaction,
  ListedTransaction,
  PartitionProducer,
  TransactionAdmin,
} from "./admin/transactions.ts";
export { JAVA_SETTINGS, type JavaSettings, javaSettings } from "./settings/java-settings.ts";
export { ShareConsumer, type ShareConsumerParts } from "./share/share-consumer.ts";
export { ShareRecord } from "./share/share-record.ts";
export type { FailureVerdict, ShareHandler, ShareHandlerContext, ShareRunOptions } from "./share/share-runner.ts";
export type { Acknowledged } from "./share/share-runtime.ts";
export type { AcknowledgementMode, ShareConsumerOptions, ShareConsumerSettings } from "./share/share-settings.ts";
export type { ShareStream } from "./share/share-stream.ts";
