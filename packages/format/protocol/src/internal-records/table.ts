/** Records of the internal topics, by the type at the start of their keys; for tiered storage, of their frames. */
import { legacyOffsetCommitKey, legacyOffsetCommitValue } from "./legacy-offset-commit.ts";
import { shareSnapshotKey, shareSnapshotValue } from "./share-snapshot.ts";
import { remoteLogSegmentMetadataRecord } from "./remote-log-segment-metadata.ts";
import { transactionLogKey, transactionLogValue } from "./transaction-log.ts";
import { offsetCommitKey, offsetCommitValue } from "./offset-commit.ts";
import { shareUpdateKey, shareUpdateValue } from "./share-update.ts";
import { remoteLogSegmentMetadataUpdateRecord } from "./remote-log-segment-metadata-update.ts";
import { groupMetadataKey, groupMetadataValue } from "./group-metadata.ts";
import { remotePartitionDeleteMetadataRecord } from "./remote-partition-delete-metadata.ts";
import { consumerGroupMetadataKey, consumerGroupMetadataValue } from "./consumer-group-metadata.ts";
import { remoteLogSegmentMetadataSnapshotRecord } from "./remote-log-segment-metadata-snapshot.ts";
import {
  consumerGroupPartitionMetadataKey,
  consumerGroupPartitionMetadataValue,
} from "./consumer-group-partition-metadata.ts";
import { consumerGroupMemberMetadataKey, consumerGroupMemberMetadataValue } from "./consumer-group-member-metadata.ts";
import {
  consumerGroupTargetAssignmentMetadataKey,
  consumerGroupTargetAssignmentMetadataValue,
} from "./consumer-group-target-assignment-metadata.ts";
import {
  consumerGroupTargetAssignmentMemberKey,
  consumerGroupTargetAssignmentMemberValue,
} from "./consumer-group-target-assignment-member.ts";
import {
  consumerGroupCurrentMemberAssignmentKey,
  consumerGroupCurrentMemberAssignmentValue,
} from "./consumer-group-current-member-assignment.ts";
import { shareGroupMemberMetadataKey, shareGroupMemberMetadataValue } from "./share-group-member-metadata.ts";
import { shareGroupMetadataKey, shareGroupMetadataValue } from "./share-group-metadata.ts";
import {
  shareGroupTargetAssignmentMetadataKey,
  shareGroupTargetAssignmentMetadataValue,
} from "./share-group-target-assignment-metadata.ts";
import {
  shareGroupTargetAssignmentMemberKey,
  shareGroupTargetAssignmentMemberValue,
} from "./share-group-target-assignment-member.ts";
import {
  shareGroupCurrentMemberAssignmentKey,
  shareGroupCurrentMemberAssignmentValue,
} from "./share-group-current-member-assignment.ts";
import {
  shareGroupStatePartitionMetadataKey,
  shareGroupStatePartitionMetadataValue,
} from "./share-group-state-partition-metadata.ts";
import {
  consumerGroupRegularExpressionKey,
  consumerGroupRegularExpressionValue,
} from "./consumer-group-regular-expression.ts";
import { streamsGroupMetadataKey, streamsGroupMetadataValue } from "./streams-group-metadata.ts";
import { streamsGroupMemberMetadataKey, streamsGroupMemberMetadataValue } from "./streams-group-member-metadata.ts";
import {
  streamsGroupTargetAssignmentMetadataKey,
  streamsGroupTargetAssignmentMetadataValue,
} from "./streams-group-target-assignment-metadata.ts";
import {
  streamsGroupTargetAssignmentMemberKey,
  streamsGroupTargetAssignmentMemberValue,
} from "./streams-group-target-assignment-member.ts";
import {
  streamsGroupCurrentMemberAssignmentKey,
  streamsGroupCurrentMemberAssignmentValue,
} from "./streams-group-current-member-assignment.ts";
import { streamsGroupTopologyKey, streamsGroupTopologyValue } from "./streams-group-topology.ts";

/** Record types of `__consumer_offsets`, by name. */
export const GROUP_RECORDS = {
  LegacyOffsetCommit: { id: 0, key: legacyOffsetCommitKey, value: legacyOffsetCommitValue },
  OffsetCommit: { id: 1, key: offsetCommitKey, value: offsetCommitValue },
  GroupMetadata: { id: 2, key: groupMetadataKey, value: groupMetadataValue },
  ConsumerGroupMetadata: { id: 3, key: consumerGroupMetadataKey, value: consumerGroupMetadataValue },
  ConsumerGroupPartitionMetadata: {
    id: 4,
    key: consumerGroupPartitionMetadataKey,
    value: consumerGroupPartitionMetadataValue,
  },
  ConsumerGroupMemberMetadata: { id: 5, key: consumerGroupMemberMetadataKey, value: consumerGroupMemberMetadataValue },
  ConsumerGroupTargetAssignmentMetadata: {
    id: 6,
    key: consumerGroupTargetAssignmentMetadataKey,
    value: consumerGroupTargetAssignmentMetadataValue,
  },
  ConsumerGroupTargetAssignmentMember: {
    id: 7,
    key: consumerGroupTargetAssignmentMemberKey,
    value: consumerGroupTargetAssignmentMemberValue,
  },
  ConsumerGroupCurrentMemberAssignment: {
    id: 8,
    key: consumerGroupCurrentMemberAssignmentKey,
    value: consumerGroupCurrentMemberAssignmentValue,
  },
  ShareGroupMemberMetadata: { id: 10, key: shareGroupMemberMetadataKey, value: shareGroupMemberMetadataValue },
  ShareGroupMetadata: { id: 11, key: shareGroupMetadataKey, value: shareGroupMetadataValue },
  ShareGroupTargetAssignmentMetadata: {
    id: 12,
    key: shareGroupTargetAssignmentMetadataKey,
    value: shareGroupTargetAssignmentMetadataValue,
  },
  ShareGroupTargetAssignmentMember: {
    id: 13,
    key: shareGroupTargetAssignmentMemberKey,
    value: shareGroupTargetAssignmentMemberValue,
  },
  ShareGroupCurrentMemberAssignment: {
    id: 14,
    key: shareGroupCurrentMemberAssignmentKey,
    value: shareGroupCurrentMemberAssignmentValue,
  },
  ShareGroupStatePartitionMetadata: {
    id: 15,
    key: shareGroupStatePartitionMetadataKey,
    value: shareGroupStatePartitionMetadataValue,
  },
  ConsumerGroupRegularExpression: {
    id: 16,
    key: consumerGroupRegularExpressionKey,
    value: consumerGroupRegularExpressionValue,
  },
  StreamsGroupMetadata: { id: 17, key: streamsGroupMetadataKey, value: streamsGroupMetadataValue },
  StreamsGroupMemberMetadata: { id: 19, key: streamsGroupMemberMetadataKey, value: streamsGroupMemberMetadataValue },
  StreamsGroupTargetAssignmentMetadata: {
    id: 20,
    key: streamsGroupTargetAssignmentMetadataKey,
    value: streamsGroupTargetAssignmentMetadataValue,
  },
  StreamsGroupTargetAssignmentMember: {
    id: 21,
    key: streamsGroupTargetAssignmentMemberKey,
    value: streamsGroupTargetAssignmentMemberValue,
  },
  StreamsGroupCurrentMemberAssignment: {
    id: 22,
    key: streamsGroupCurrentMemberAssignmentKey,
    value: streamsGroupCurrentMemberAssignmentValue,
  },
  StreamsGroupTopology: { id: 23, key: streamsGroupTopologyKey, value: streamsGroupTopologyValue },
} as const;

/** Record types of `__transaction_state`, by name. */
export const TRANSACTION_RECORDS = {
  TransactionLog: { id: 0, key: transactionLogKey, value: transactionLogValue },
} as const;

/** Record types of `__share_group_state`, by name. */
export const SHARE_RECORDS = {
  ShareSnapshot: { id: 0, key: shareSnapshotKey, value: shareSnapshotValue },
  ShareUpdate: { id: 1, key: shareUpdateKey, value: shareUpdateValue },
} as const;

/** Record types of `__remote_log_metadata`, by name. */
export const REMOTE_LOG_RECORDS = {
  RemoteLogSegmentMetadataRecord: { id: 0, message: remoteLogSegmentMetadataRecord },
  RemoteLogSegmentMetadataUpdateRecord: { id: 1, message: remoteLogSegmentMetadataUpdateRecord },
  RemotePartitionDeleteMetadataRecord: { id: 2, message: remotePartitionDeleteMetadataRecord },
  RemoteLogSegmentMetadataSnapshotRecord: { id: 3, message: remoteLogSegmentMetadataSnapshotRecord },
} as const;
