export { addOffsetsToTxnRequest, addOffsetsToTxnResponse } from "./add-offsets-to-txn.ts";
export { addPartitionsToTxnRequest, addPartitionsToTxnResponse } from "./add-partitions-to-txn.ts";
export { addRaftVoterRequest, addRaftVoterResponse } from "./add-raft-voter.ts";
export { allocateProducerIdsRequest, allocateProducerIdsResponse } from "./allocate-producer-ids.ts";
export { alterClientQuotasRequest, alterClientQuotasResponse } from "./alter-client-quotas.ts";
export { alterConfigsRequest, alterConfigsResponse } from "./alter-configs.ts";
export {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from "./alter-partition-reassignments.ts";
export { alterPartitionRequest, alterPartitionResponse } from "./alter-partition.ts";
export { alterReplicaLogDirsRequest, alterReplicaLogDirsResponse } from "./alter-replica-log-dirs.ts";
export { alterShareGroupOffsetsRequest, alterShareGroupOffsetsResponse } from "./alter-share-group-offsets.ts";
export { alterUserScramCredentialsRequest, alterUserScramCredentialsResponse } from "./alter-user-scram-credentials.ts";
export { apiVersionsRequest, apiVersionsResponse } from "./api-versions.ts";
export { assignReplicasToDirsRequest, assignReplicasToDirsResponse } from "./assign-replicas-to-dirs.ts";
export { beginQuorumEpochRequest, beginQuorumEpochResponse } from "./begin-quorum-epoch.ts";
export { brokerHeartbeatRequest, brokerHeartbeatResponse } from "./broker-heartbeat.ts";
export { brokerRegistrationRequest, brokerRegistrationResponse } from "./broker-registration.ts";
export { consumerGroupDescribeRequest, consumerGroupDescribeResponse } from "./consumer-group-describe.ts";
export { consumerGroupHeartbeatRequest, consumerGroupHeartbeatResponse } from "./consumer-group-heartbeat.ts";
export { controllerRegistrationRequest, controllerRegistrationResponse } from "./controller-registration.ts";
export { createAclsRequest, createAclsResponse } from "./create-acls.ts";
export { createDelegationTokenRequest, createDelegationTokenResponse } from "./create-delegation-token.ts";
export { createPartitionsRequest, createPartitionsResponse } from "./create-partitions.ts";
export { createTopicsRequest, createTopicsResponse } from "./create-topics.ts";
export { deleteAclsRequest, deleteAclsResponse } from "./delete-acls.ts";
export { deleteGroupsRequest, deleteGroupsResponse } from "./delete-groups.ts";
export { deleteRecordsRequest, deleteRecordsResponse } from "./delete-records.ts";
export { deleteShareGroupOffsetsRequest, deleteShareGroupOffsetsResponse } from "./delete-share-group-offsets.ts";
export { deleteShareGroupStateRequest, deleteShareGroupStateResponse } from "./delete-share-group-state.ts";
export { deleteTopicsRequest, deleteTopicsResponse } from "./delete-topics.ts";
export { describeAclsRequest, describeAclsResponse } from "./describe-acls.ts";
export { describeClientQuotasRequest, describeClientQuotasResponse } from "./describe-client-quotas.ts";
export { describeClusterRequest, describeClusterResponse } from "./describe-cluster.ts";
export { describeConfigsRequest, describeConfigsResponse } from "./describe-configs.ts";
export { describeDelegationTokenRequest, describeDelegationTokenResponse } from "./describe-delegation-token.ts";
export { describeGroupsRequest, describeGroupsResponse } from "./describe-groups.ts";
export { describeLogDirsRequest, describeLogDirsResponse } from "./describe-log-dirs.ts";
export { describeProducersRequest, describeProducersResponse } from "./describe-producers.ts";
export { describeQuorumRequest, describeQuorumResponse } from "./describe-quorum.ts";
export { describeShareGroupOffsetsRequest, describeShareGroupOffsetsResponse } from "./describe-share-group-offsets.ts";
export { describeTopicPartitionsRequest, describeTopicPartitionsResponse } from "./describe-topic-partitions.ts";
export { describeTransactionsRequest, describeTransactionsResponse } from "./describe-transactions.ts";
export {
  describeUserScramCredentialsRequest,
  describeUserScramCredentialsResponse,
} from "./describe-user-scram-credentials.ts";
export { electLeadersRequest, electLeadersResponse } from "./elect-leaders.ts";
export { endQuorumEpochRequest, endQuorumEpochResponse } from "./end-quorum-epoch.ts";
export { endTxnRequest, endTxnResponse } from "./end-txn.ts";
export { envelopeRequest, envelopeResponse } from "./envelope.ts";
export { expireDelegationTokenRequest, expireDelegationTokenResponse } from "./expire-delegation-token.ts";
export { fetchSnapshotRequest, fetchSnapshotResponse } from "./fetch-snapshot.ts";
export { fetchRequest, fetchResponse } from "./fetch.ts";
export { findCoordinatorRequest, findCoordinatorResponse } from "./find-coordinator.ts";
export { getTelemetrySubscriptionsRequest, getTelemetrySubscriptionsResponse } from "./get-telemetry-subscriptions.ts";
export { requestHeader, responseHeader } from "./headers.ts";
export { heartbeatRequest, heartbeatResponse } from "./heartbeat.ts";
export { incrementalAlterConfigsRequest, incrementalAlterConfigsResponse } from "./incremental-alter-configs.ts";
export { initProducerIdRequest, initProducerIdResponse } from "./init-producer-id.ts";
export { initializeShareGroupStateRequest, initializeShareGroupStateResponse } from "./initialize-share-group-state.ts";
export { joinGroupRequest, joinGroupResponse } from "./join-group.ts";
export { leaveGroupRequest, leaveGroupResponse } from "./leave-group.ts";
export { listConfigResourcesRequest, listConfigResourcesResponse } from "./list-config-resources.ts";
export { listGroupsRequest, listGroupsResponse } from "./list-groups.ts";
export { listOffsetsRequest, listOffsetsResponse } from "./list-offsets.ts";
export {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from "./list-partition-reassignments.ts";
export { listTransactionsRequest, listTransactionsResponse } from "./list-transactions.ts";
export { metadataRequest, metadataResponse } from "./metadata.ts";
export { offsetCommitRequest, offsetCommitResponse } from "./offset-commit.ts";
export { offsetDeleteRequest, offsetDeleteResponse } from "./offset-delete.ts";
export { offsetFetchRequest, offsetFetchResponse } from "./offset-fetch.ts";
export { offsetForLeaderEpochRequest, offsetForLeaderEpochResponse } from "./offset-for-leader-epoch.ts";
export { produceRequest, produceResponse } from "./produce.ts";
export { pushTelemetryRequest, pushTelemetryResponse } from "./push-telemetry.ts";
export {
  readShareGroupStateSummaryRequest,
  readShareGroupStateSummaryResponse,
} from "./read-share-group-state-summary.ts";
export { readShareGroupStateRequest, readShareGroupStateResponse } from "./read-share-group-state.ts";
export { removeRaftVoterRequest, removeRaftVoterResponse } from "./remove-raft-voter.ts";
export { renewDelegationTokenRequest, renewDelegationTokenResponse } from "./renew-delegation-token.ts";
export { saslAuthenticateRequest, saslAuthenticateResponse } from "./sasl-authenticate.ts";
export { saslHandshakeRequest, saslHandshakeResponse } from "./sasl-handshake.ts";
export { shareAcknowledgeRequest, shareAcknowledgeResponse } from "./share-acknowledge.ts";
export { shareFetchRequest, shareFetchResponse } from "./share-fetch.ts";
export { shareGroupDescribeRequest, shareGroupDescribeResponse } from "./share-group-describe.ts";
export { shareGroupHeartbeatRequest, shareGroupHeartbeatResponse } from "./share-group-heartbeat.ts";
export { streamsGroupDescribeRequest, streamsGroupDescribeResponse } from "./streams-group-describe.ts";
export { streamsGroupHeartbeatRequest, streamsGroupHeartbeatResponse } from "./streams-group-heartbeat.ts";
export {
  streamsGroupTopologyDescriptionUpdateRequest,
  streamsGroupTopologyDescriptionUpdateResponse,
} from "./streams-group-topology-description-update.ts";
export { syncGroupRequest, syncGroupResponse } from "./sync-group.ts";
export { txnOffsetCommitRequest, txnOffsetCommitResponse } from "./txn-offset-commit.ts";
export { unregisterBrokerRequest, unregisterBrokerResponse } from "./unregister-broker.ts";
export { unregisterControllerRequest, unregisterControllerResponse } from "./unregister-controller.ts";
export { updateFeaturesRequest, updateFeaturesResponse } from "./update-features.ts";
export { updateRaftVoterRequest, updateRaftVoterResponse } from "./update-raft-voter.ts";
export { voteRequest, voteResponse } from "./vote.ts";
export { writeShareGroupStateRequest, writeShareGroupStateResponse } from "./write-share-group-state.ts";
export { writeTxnMarkersRequest, writeTxnMarkersResponse } from "./write-txn-markers.ts";
