export { abortedTxn } from "./aborted-txn.ts";
export {
  consumerGroupCurrentMemberAssignmentKey,
  consumerGroupCurrentMemberAssignmentValue,
} from "./consumer-group-current-member-assignment.ts";
export { consumerGroupMemberMetadataKey, consumerGroupMemberMetadataValue } from "./consumer-group-member-metadata.ts";
export { consumerGroupMetadataKey, consumerGroupMetadataValue } from "./consumer-group-metadata.ts";
export {
  consumerGroupPartitionMetadataKey,
  consumerGroupPartitionMetadataValue,
} from "./consumer-group-partition-metadata.ts";
export {
  consumerGroupRegularExpressionKey,
  consumerGroupRegularExpressionValue,
} from "./consumer-group-regular-expression.ts";
export {
  consumerGroupTargetAssignmentMemberKey,
  consumerGroupTargetAssignmentMemberValue,
} from "./consumer-group-target-assignment-member.ts";
export {
  consumerGroupTargetAssignmentMetadataKey,
  consumerGroupTargetAssignmentMetadataValue,
} from "./consumer-group-target-assignment-metadata.ts";
export { consumerProtocolAssignment } from "./consumer-protocol-assignment.ts";
export { consumerProtocolSubscription } from "./consumer-protocol-subscription.ts";
export { controlRecordTypeSchema } from "./control-record-type.ts";
export { defaultPrincipalData } from "./default-principal-data.ts";
export { endTxnMarker } from "./end-txn-marker.ts";
export { groupMetadataKey, groupMetadataValue } from "./group-metadata.ts";
export { kraftVersionRecord } from "./kraft-version.ts";
export { leaderChangeMessage } from "./leader-change.ts";
export { legacyOffsetCommitKey, legacyOffsetCommitValue } from "./legacy-offset-commit.ts";
export { offsetCommitKey, offsetCommitValue } from "./offset-commit.ts";
export { producerSnapshot } from "./producer-snapshot.ts";
export { quorumStateData } from "./quorum-state.ts";
export { remoteLogSegmentMetadataSnapshotRecord } from "./remote-log-segment-metadata-snapshot.ts";
export { remoteLogSegmentMetadataUpdateRecord } from "./remote-log-segment-metadata-update.ts";
export { remoteLogSegmentMetadataRecord } from "./remote-log-segment-metadata.ts";
export { remotePartitionDeleteMetadataRecord } from "./remote-partition-delete-metadata.ts";
export {
  shareGroupCurrentMemberAssignmentKey,
  shareGroupCurrentMemberAssignmentValue,
} from "./share-group-current-member-assignment.ts";
export { shareGroupMemberMetadataKey, shareGroupMemberMetadataValue } from "./share-group-member-metadata.ts";
export { shareGroupMetadataKey, shareGroupMetadataValue } from "./share-group-metadata.ts";
export {
  shareGroupStatePartitionMetadataKey,
  shareGroupStatePartitionMetadataValue,
} from "./share-group-state-partition-metadata.ts";
export {
  shareGroupTargetAssignmentMemberKey,
  shareGroupTargetAssignmentMemberValue,
} from "./share-group-target-assignment-member.ts";
export {
  shareGroupTargetAssignmentMetadataKey,
  shareGroupTargetAssignmentMetadataValue,
} from "./share-group-target-assignment-metadata.ts";
export { shareSnapshotKey, shareSnapshotValue } from "./share-snapshot.ts";
export { shareUpdateKey, shareUpdateValue } from "./share-update.ts";
export { snapshotFooterRecord } from "./snapshot-footer.ts";
export { snapshotHeaderRecord } from "./snapshot-header.ts";
export {
  streamsGroupCurrentMemberAssignmentKey,
  streamsGroupCurrentMemberAssignmentValue,
} from "./streams-group-current-member-assignment.ts";
export { streamsGroupMemberMetadataKey, streamsGroupMemberMetadataValue } from "./streams-group-member-metadata.ts";
export { streamsGroupMetadataKey, streamsGroupMetadataValue } from "./streams-group-metadata.ts";
export {
  streamsGroupTargetAssignmentMemberKey,
  streamsGroupTargetAssignmentMemberValue,
} from "./streams-group-target-assignment-member.ts";
export {
  streamsGroupTargetAssignmentMetadataKey,
  streamsGroupTargetAssignmentMetadataValue,
} from "./streams-group-target-assignment-metadata.ts";
export { streamsGroupTopologyKey, streamsGroupTopologyValue } from "./streams-group-topology.ts";
export { transactionLogKey, transactionLogValue } from "./transaction-log.ts";
export { votersRecord } from "./voters.ts";
