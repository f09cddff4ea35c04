export {
  type Api,
  ApiKey,
  type ApiName,
  type ApiNameOn,
  apiOf,
  Apis,
  APIS,
  type Listener,
  requestHeaderVersion,
  responseHeaderVersion,
} from "./apis.ts";
export { type ErrorName, errorOf, Errors, type ProtocolError } from "./errors.ts";
export { MESSAGES } from "./declared.ts";
export { FrameSplitter } from "./framing.ts";
export type { EnvelopeRequest } from "./messages/envelope.ts";
export type { ConsumerGroupCurrentMemberAssignmentValue } from "./internal-records/consumer-group-current-member-assignment.ts";
export { consumerProtocolAssignment } from "./internal-records/consumer-protocol-assignment.ts";
export {
  consumerProtocolSubscription,
  type ConsumerProtocolSubscription,
} from "./internal-records/consumer-protocol-subscription.ts";
export { groupMetadataKey, groupMetadataValue } from "./internal-records/group-metadata.ts";
export { offsetCommitKey, offsetCommitValue } from "./internal-records/offset-commit.ts";
export { defaultPrincipalData } from "./internal-records/default-principal-data.ts";
export { quorumStateData, type QuorumStateData } from "./internal-records/quorum-state.ts";
export type { RemoteLogSegmentMetadataSnapshotRecord } from "./internal-records/remote-log-segment-metadata-snapshot.ts";
export type { RemoteLogSegmentMetadataUpdateRecord } from "./internal-records/remote-log-segment-metadata-update.ts";
export type { RemoteLogSegmentMetadataRecord } from "./internal-records/remote-log-segment-metadata.ts";
export type { RemotePartitionDeleteMetadataRecord } from "./internal-records/remote-partition-delete-metadata.ts";
export {
  shareGroupCurrentMemberAssignmentKey,
  shareGroupCurrentMemberAssignmentValue,
} from "./internal-records/share-group-current-member-assignment.ts";
export {
  shareGroupMemberMetadataKey,
  shareGroupMemberMetadataValue,
  type ShareGroupMemberMetadataValue,
} from "./internal-records/share-group-member-metadata.ts";
export { shareGroupMetadataKey, shareGroupMetadataValue } from "./internal-records/share-group-metadata.ts";
export {
  shareGroupStatePartitionMetadataKey,
  shareGroupStatePartitionMetadataValue,
  type ShareGroupStatePartitionMetadataValue,
} from "./internal-records/share-group-state-partition-metadata.ts";
export {
  shareGroupTargetAssignmentMemberKey,
  shareGroupTargetAssignmentMemberValue,
} from "./internal-records/share-group-target-assignment-member.ts";
export {
  shareGroupTargetAssignmentMetadataKey,
  shareGroupTargetAssignmentMetadataValue,
  type ShareGroupTargetAssignmentMetadataValue,
} from "./internal-records/share-group-target-assignment-metadata.ts";
export type { ShareSnapshotKey, ShareSnapshotValue } from "./internal-records/share-snapshot.ts";
export type { ShareUpdateValue } from "./internal-records/share-update.ts";
export { GROUP_RECORDS, REMOTE_LOG_RECORDS, SHARE_RECORDS, TRANSACTION_RECORDS } from "./internal-records/table.ts";
export { transactionLogKey, transactionLogValue } from "./internal-records/transaction-log.ts";
export type { AnyMessage } from "./codec/message.ts";
export { type AddPartitionsToTxnRequest } from "./messages/add-partitions-to-txn.ts";
export type {
  AlterUserScramCredentialsRequest,
  AlterUserScramCredentialsResponse,
} from "./messages/alter-user-scram-credentials.ts";
export type { CreateAclsRequest, CreateAclsResponse } from "./messages/create-acls.ts";
export type {
  CreateDelegationTokenRequest,
  CreateDelegationTokenResponse,
} from "./messages/create-delegation-token.ts";
export type {
  ExpireDelegationTokenRequest,
  ExpireDelegationTokenResponse,
} from "./messages/expire-delegation-token.ts";
export type {
  RenewDelegationTokenRequest,
  RenewDelegationTokenResponse,
} from "./messages/renew-delegation-token.ts";
export type { DeleteAclsRequest, DeleteAclsResponse } from "./messages/delete-acls.ts";
export type { DescribeAclsRequest, DescribeAclsResponse } from "./messages/describe-acls.ts";
export type { AllocateProducerIdsRequest, AllocateProducerIdsResponse } from "./messages/allocate-producer-ids.ts";
export { type AlterClientQuotasRequest, type AlterClientQuotasResponse } from "./messages/alter-client-quotas.ts";
export { alterConfigsRequest, type AlterConfigsRequest, type AlterConfigsResponse } from "./messages/alter-configs.ts";
export {
  alterPartitionReassignmentsRequest,
  type AlterPartitionReassignmentsRequest,
  type AlterPartitionReassignmentsResponse,
} from "./messages/alter-partition-reassignments.ts";
export {
  alterPartitionRequest,
  type AlterPartitionRequest,
  type AlterPartitionResponse,
} from "./messages/alter-partition.ts";
export type { AlterShareGroupOffsetsRequest } from "./messages/alter-share-group-offsets.ts";
export { type ApiVersionsRequest, type ApiVersionsResponse } from "./messages/api-versions.ts";
export {
  assignReplicasToDirsRequest,
  type AssignReplicasToDirsRequest,
  type AssignReplicasToDirsResponse,
} from "./messages/assign-replicas-to-dirs.ts";
export {
  brokerHeartbeatRequest,
  type BrokerHeartbeatRequest,
  type BrokerHeartbeatResponse,
} from "./messages/broker-heartbeat.ts";
export {
  brokerRegistrationRequest,
  type BrokerRegistrationRequest,
  type BrokerRegistrationResponse,
} from "./messages/broker-registration.ts";
export {
  type ConsumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
  type ConsumerGroupHeartbeatResponse,
} from "./messages/consumer-group-heartbeat.ts";
export {
  controllerRegistrationRequest,
  type ControllerRegistrationRequest,
  type ControllerRegistrationResponse,
} from "./messages/controller-registration.ts";
export {
  createPartitionsRequest,
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
} from "./messages/create-partitions.ts";
export {
  createTopicsRequest,
  type CreateTopicsRequest,
  createTopicsResponse,
  type CreateTopicsResponse,
} from "./messages/create-topics.ts";
export type { DeleteShareGroupOffsetsRequest } from "./messages/delete-share-group-offsets.ts";
export type { DeleteShareGroupStateRequest } from "./messages/delete-share-group-state.ts";
export { deleteTopicsRequest, type DeleteTopicsRequest, type DeleteTopicsResponse } from "./messages/delete-topics.ts";
export { type DescribeClientQuotasRequest } from "./messages/describe-client-quotas.ts";
export { type DescribeConfigsRequest } from "./messages/describe-configs.ts";
export type { DescribeQuorumRequest } from "./messages/describe-quorum.ts";
export type { DescribeShareGroupOffsetsRequest } from "./messages/describe-share-group-offsets.ts";
export type { DescribeTopicPartitionsRequest } from "./messages/describe-topic-partitions.ts";
export { electLeadersRequest, type ElectLeadersRequest, type ElectLeadersResponse } from "./messages/elect-leaders.ts";
export { type FetchRequest, type FetchResponse } from "./messages/fetch.ts";
export type { GetTelemetrySubscriptionsResponse } from "./messages/get-telemetry-subscriptions.ts";
export { requestHeader, responseHeader } from "./messages/headers.ts";
export { type HeartbeatRequest, heartbeatResponse, type HeartbeatResponse } from "./messages/heartbeat.ts";
export {
  incrementalAlterConfigsRequest,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
} from "./messages/incremental-alter-configs.ts";
export type { InitializeShareGroupStateRequest } from "./messages/initialize-share-group-state.ts";
export { type JoinGroupRequest, joinGroupResponse, type JoinGroupResponse } from "./messages/join-group.ts";
export { type LeaveGroupRequest, leaveGroupResponse, type LeaveGroupResponse } from "./messages/leave-group.ts";
export { type ListOffsetsRequest } from "./messages/list-offsets.ts";
export type {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from "./messages/list-partition-reassignments.ts";
export { type MetadataRequest, type MetadataResponse } from "./messages/metadata.ts";
export { type OffsetCommitRequest, type OffsetCommitResponse } from "./messages/offset-commit.ts";
export { type OffsetDeleteRequest } from "./messages/offset-delete.ts";
export { type OffsetFetchRequest, type OffsetFetchResponse } from "./messages/offset-fetch.ts";
export { type ProduceRequest } from "./messages/produce.ts";
export type { PushTelemetryRequest, PushTelemetryResponse } from "./messages/push-telemetry.ts";
export type { ReadShareGroupStateSummaryRequest } from "./messages/read-share-group-state-summary.ts";
export type { ReadShareGroupStateRequest } from "./messages/read-share-group-state.ts";
export { type SaslAuthenticateResponse } from "./messages/sasl-authenticate.ts";
export { type SaslHandshakeResponse } from "./messages/sasl-handshake.ts";
export type { ShareAcknowledgeRequest } from "./messages/share-acknowledge.ts";
export type { ShareFetchRequest } from "./messages/share-fetch.ts";
export {
  type ShareGroupHeartbeatRequest,
  shareGroupHeartbeatResponse,
  type ShareGroupHeartbeatResponse,
} from "./messages/share-group-heartbeat.ts";
export { type SyncGroupRequest, syncGroupResponse, type SyncGroupResponse } from "./messages/sync-group.ts";
export { type TxnOffsetCommitRequest } from "./messages/txn-offset-commit.ts";
export type { UnregisterBrokerRequest, UnregisterBrokerResponse } from "./messages/unregister-broker.ts";
export type { UnregisterControllerRequest, UnregisterControllerResponse } from "./messages/unregister-controller.ts";
export {
  updateFeaturesRequest,
  type UpdateFeaturesRequest,
  type UpdateFeaturesResponse,
} from "./messages/update-features.ts";
export type { WriteShareGroupStateRequest } from "./messages/write-share-group-state.ts";
export type { AbortTransactionRecord } from "./metadata-records/abort-transaction.ts";
export type { AccessControlEntryRecord } from "./metadata-records/access-control-entry.ts";
export type { BeginTransactionRecord } from "./metadata-records/begin-transaction.ts";
export type { BrokerRegistrationChangeRecord } from "./metadata-records/broker-registration-change.ts";
export type { ClearElrRecord } from "./metadata-records/clear-elr.ts";
export type { ClientQuotaRecord } from "./metadata-records/client-quota.ts";
export type { ConfigRecord } from "./metadata-records/config.ts";
export type { DelegationTokenRecord } from "./metadata-records/delegation-token.ts";
export type { EndTransactionRecord } from "./metadata-records/end-transaction.ts";
export type { FeatureLevelRecord } from "./metadata-records/feature-level.ts";
export type { FenceBrokerRecord } from "./metadata-records/fence-broker.ts";
export type { NoOpRecord } from "./metadata-records/no-op.ts";
export type { PartitionChangeRecord } from "./metadata-records/partition-change.ts";
export type { PartitionRecord } from "./metadata-records/partition.ts";
export type { ProducerIdsRecord } from "./metadata-records/producer-ids.ts";
export type { RegisterBrokerRecord } from "./metadata-records/register-broker.ts";
export type { RegisterControllerRecord } from "./metadata-records/register-controller.ts";
export type { RemoveAccessControlEntryRecord } from "./metadata-records/remove-access-control-entry.ts";
export type { RemoveDelegationTokenRecord } from "./metadata-records/remove-delegation-token.ts";
export type { RemoveTopicRecord } from "./metadata-records/remove-topic.ts";
export type { RemoveUserScramCredentialRecord } from "./metadata-records/remove-user-scram-credential.ts";
export { METADATA_RECORDS } from "./metadata-records/table.ts";
export type { TopicRecord } from "./metadata-records/topic.ts";
export type { UnfenceBrokerRecord } from "./metadata-records/unfence-broker.ts";
export type { UnregisterBrokerRecord } from "./metadata-records/unregister-broker.ts";
export type { UnregisterControllerRecord } from "./metadata-records/unregister-controller.ts";
export type { UserScramCredentialRecord } from "./metadata-records/user-scram-credential.ts";
export type { ZkMigrationStateRecord } from "./metadata-records/zk-migration-state.ts";
export { formatQuorumState, parseQuorumState, type VersionedQuorumState } from "./quorum-state-file.ts";
export {
  type CoordinatorRecord,
  type CoordinatorTable,
  decodeCoordinatorRecord,
  decodeMetadataRecord,
  decodeRemoteLogRecord,
  encodeCoordinatorRecord,
  encodeMetadataRecord,
  encodeMetadataRecords,
  type FramedRecord,
  type KeyAndValue,
  type MetadataRecord,
  metadataRecord,
  type MetadataRecordOf,
  type MetadataRecordType,
  type RemoteLogRecord,
} from "./record-frames.ts";
export { GatherWriter } from "./codec/gather.ts";
export { type FrameHead, requestFrame } from "./request-frame.ts";
export { responseFrame } from "./response-frame.ts";
export type { Draft, Exact, Field, Fields, Infer, Tagged, Type, UnknownTag } from "./codec/schema.ts";
export { UnsupportedVersionError } from "./codec/wire.ts";
