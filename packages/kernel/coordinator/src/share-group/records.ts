import { ByteReader, type ByteWriter, invariant, type PartitionIndex, type Uuid } from "@samsa/base";
import {
  type ShareGroupMemberMetadataValue,
  type ShareGroupStatePartitionMetadataValue,
  type ShareGroupTargetAssignmentMetadataValue,
  shareGroupCurrentMemberAssignmentKey,
  shareGroupCurrentMemberAssignmentValue,
  shareGroupMemberMetadataKey,
  shareGroupMemberMetadataValue,
  shareGroupMetadataKey,
  shareGroupMetadataValue,
  shareGroupStatePartitionMetadataKey,
  shareGroupStatePartitionMetadataValue,
  shareGroupTargetAssignmentMemberKey,
  shareGroupTargetAssignmentMemberValue,
  shareGroupTargetAssignmentMetadataKey,
  shareGroupTargetAssignmentMetadataValue,
} from "@samsa/protocol";
import type { ShardRecord } from "../shard/effects.ts";
import { bytesOf } from "../group/records.ts";
import type { Assignment } from "./assignor.ts";

/** Types of keys of `__consumer_offsets` (`CoordinatorRecordType`). */
const TYPE = { member: 10, epoch: 11, targetEpoch: 12, target: 13, current: 14, state: 15 } as const;
const VERSION = 0;
/** State of every member (`MemberState.STABLE`). */
const STABLE = 0;

type Writer = (writer: ByteWriter) => void;

function record(type: number, key: Writer, value: Writer | null): ShardRecord {
  return { key: bytesOf(type, key), value: value === null ? null : bytesOf(VERSION, value) };
}

function shown(assignment: Assignment) {
  return [...assignment].map(([topicId, partitions]) => ({ topicId, partitions: [...partitions] }));
}

function taken(
  topics: readonly { readonly topicId: Uuid; readonly partitions: readonly PartitionIndex[] }[],
): Assignment {
  return new Map(topics.map(({ topicId, partitions }) => [topicId, new Set(partitions)]));
}

/** Epochs and assigned partitions of a member. */
export interface CurrentAssignment {
  readonly memberEpoch: number;
  readonly previousMemberEpoch: number;
  readonly assigned: Assignment;
}

const memberKey = (groupId: string, memberId: string) => ({ groupId, memberId });

export const shareRecords = {
  member(groupId: string, memberId: string, value: ShareGroupMemberMetadataValue | null): ShardRecord {
    const key: Writer = w => shareGroupMemberMetadataKey.encode(w, memberKey(groupId, memberId), VERSION);
    return record(TYPE.member, key, value && (w => shareGroupMemberMetadataValue.encode(w, value, VERSION)));
  },
  epoch(groupId: string, value: { readonly epoch: number; readonly metadataHash: bigint } | null): ShardRecord {
    const key: Writer = w => shareGroupMetadataKey.encode(w, { groupId }, VERSION);
    return record(TYPE.epoch, key, value && (w => shareGroupMetadataValue.encode(w, value, VERSION)));
  },
  targetEpoch(groupId: string, assignmentEpoch: number | null, assignmentTimestamp = 0): ShardRecord {
    const key: Writer = w => shareGroupTargetAssignmentMetadataKey.encode(w, { groupId }, VERSION);
    if (assignmentEpoch === null) return record(TYPE.targetEpoch, key, null);
    const value = { assignmentEpoch, assignmentTimestamp };
    return record(TYPE.targetEpoch, key, w => shareGroupTargetAssignmentMetadataValue.encode(w, value, VERSION));
  },
  target(groupId: string, memberId: string, assignment: Assignment | null): ShardRecord {
    const key: Writer = w => shareGroupTargetAssignmentMemberKey.encode(w, memberKey(groupId, memberId), VERSION);
    if (assignment === null) return record(TYPE.target, key, null);
    const value = { topicPartitions: shown(assignment) };
    return record(TYPE.target, key, w => shareGroupTargetAssignmentMemberValue.encode(w, value, VERSION));
  },
  current(groupId: string, memberId: string, current: CurrentAssignment | null): ShardRecord {
    const key: Writer = w => shareGroupCurrentMemberAssignmentKey.encode(w, memberKey(groupId, memberId), VERSION);
    if (current === null) return record(TYPE.current, key, null);
    const { memberEpoch, previousMemberEpoch, assigned } = current;
    const value = { memberEpoch, previousMemberEpoch, state: STABLE, assignedPartitions: shown(assigned) };
    return record(TYPE.current, key, w => shareGroupCurrentMemberAssignmentValue.encode(w, value, VERSION));
  },
  state(groupId: string, value: ShareGroupStatePartitionMetadataValue | null): ShardRecord {
    const key: Writer = w => shareGroupStatePartitionMetadataKey.encode(w, { groupId }, VERSION);
    return record(TYPE.state, key, value && (w => shareGroupStatePartitionMetadataValue.encode(w, value, VERSION)));
  },
};

export type ShareGroupRecord =
  | { readonly type: "member"; readonly memberId: string; readonly value: ShareGroupMemberMetadataValue | null }
  | { readonly type: "epoch"; readonly value: { readonly epoch: number; readonly metadataHash: bigint } | null }
  | { readonly type: "targetEpoch"; readonly value: ShareGroupTargetAssignmentMetadataValue | null }
  | { readonly type: "target"; readonly memberId: string; readonly value: Assignment | null }
  | { readonly type: "current"; readonly memberId: string; readonly value: CurrentAssignment | null }
  | { readonly type: "state"; readonly value: ShareGroupStatePartitionMetadataValue | null };

export const SHARE_RECORD_TYPES: readonly number[] = Object.values(TYPE);

/** Decodes a record of one of `SHARE_RECORD_TYPES`; `keys` is read up to the type. Throws `MalformedError`. */
export function parseShareGroup(
  type: number,
  keys: ByteReader,
  value: Uint8Array | null,
): { readonly groupId: string; readonly record: ShareGroupRecord } {
  const body = value === null ? undefined : new ByteReader(value);
  const version = body?.i16() ?? VERSION;
  const of = <V>(message: { decode(reader: ByteReader, version: number): V }): V | null =>
    body === undefined ? null : message.decode(body, version);
  switch (type) {
    case TYPE.member: {
      const { groupId, memberId } = shareGroupMemberMetadataKey.decode(keys, VERSION);
      return { groupId, record: { type: "member", memberId, value: of(shareGroupMemberMetadataValue) } };
    }
    case TYPE.epoch: {
      const { groupId } = shareGroupMetadataKey.decode(keys, VERSION);
      return { groupId, record: { type: "epoch", value: of(shareGroupMetadataValue) } };
    }
    case TYPE.targetEpoch: {
      const { groupId } = shareGroupTargetAssignmentMetadataKey.decode(keys, VERSION);
      return { groupId, record: { type: "targetEpoch", value: of(shareGroupTargetAssignmentMetadataValue) } };
    }
    case TYPE.target: {
      const { groupId, memberId } = shareGroupTargetAssignmentMemberKey.decode(keys, VERSION);
      const decoded = of(shareGroupTargetAssignmentMemberValue);
      return { groupId, record: { type: "target", memberId, value: decoded && taken(decoded.topicPartitions) } };
    }
    case TYPE.current: {
      const { groupId, memberId } = shareGroupCurrentMemberAssignmentKey.decode(keys, VERSION);
      const decoded = of(shareGroupCurrentMemberAssignmentValue);
      const current = decoded && { ...decoded, assigned: taken(decoded.assignedPartitions) };
      return { groupId, record: { type: "current", memberId, value: current } };
    }
    case TYPE.state: {
      const { groupId } = shareGroupStatePartitionMetadataKey.decode(keys, VERSION);
      return { groupId, record: { type: "state", value: of(shareGroupStatePartitionMetadataValue) } };
    }
    default:
      invariant(false, "the record is of a share group");
  }
}
