import { ByteReader, invariant } from "@samsa/base";
import { GROUP_RECORDS } from "@samsa/protocol";
import type { Assignment } from "../assign/index.ts";
import type { ShardRecord } from "../shard/effects.ts";
import { bytesOf } from "../group/records.ts";
import type { ConsumerMember, Owned } from "./member.ts";

const {
  ConsumerGroupMetadata: GROUP,
  ConsumerGroupPartitionMetadata: PARTITIONS,
  ConsumerGroupMemberMetadata: MEMBER,
  ConsumerGroupTargetAssignmentMetadata: TARGET,
  ConsumerGroupTargetAssignmentMember: TARGET_MEMBER,
  ConsumerGroupCurrentMemberAssignment: CURRENT,
  ConsumerGroupRegularExpression: REGEX,
} = GROUP_RECORDS;

type RecordTypes = typeof GROUP_RECORDS;
type RecordType = RecordTypes[keyof RecordTypes];

/** Encodes a record. `key` and `value` follow the schemas of the type, which have version 0 only. */
function record(type: RecordType, key: object, value: object | null): ShardRecord {
  return {
    key: bytesOf(type.id, writer => type.key.encode(writer, key as never, 0)),
    value: value === null ? null : bytesOf(0, writer => type.value.encode(writer, value as never, 0)),
  };
}

/** Topics that a pattern matched, with the metadata version and the wall-clock time of the match. */
export interface Resolved {
  readonly topics: ReadonlySet<string>;
  readonly version: number;
  readonly timestamp: number;
}

/** Tombstones of a member. */
export function memberTombstones(groupId: string, memberId: string): ShardRecord[] {
  // Kafka's replay requires this order.
  return [CURRENT, TARGET_MEMBER, MEMBER].map(type => record(type, { groupId, memberId }, null));
}

export function memberRecord(groupId: string, member: ConsumerMember): ShardRecord {
  const { instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs } = member;
  return record(
    MEMBER,
    { groupId, memberId: member.id },
    {
      instanceId,
      rackId,
      clientId,
      clientHost,
      subscribedTopicNames: member.topicNames,
      subscribedTopicRegex: member.regex,
      rebalanceTimeoutMs,
      serverAssignor: member.assignor,
      classicMemberMetadata: member.classic,
    },
  );
}

export function epochRecord(groupId: string, epoch: number, metadataHash: bigint): ShardRecord {
  return record(GROUP, { groupId }, { epoch, metadataHash });
}

export function partitionMetadataTombstone(groupId: string): ShardRecord {
  return record(PARTITIONS, { groupId }, null);
}

export function targetRecord(groupId: string, memberId: string, assignment: Assignment): ShardRecord {
  const topicPartitions = [...assignment].map(([topicId, partitions]) => ({ topicId, partitions: [...partitions] }));
  return record(TARGET_MEMBER, { groupId, memberId }, { topicPartitions });
}

/** Record of the assignment epoch. `timestamp`: wall-clock time of the assignment; 0: do not delay the next one. */
export function targetEpochRecord(groupId: string, assignmentEpoch: number, timestamp: number): ShardRecord {
  return record(TARGET, { groupId }, { assignmentEpoch, assignmentTimestamp: timestamp });
}

const ownedTopics = (owned: Owned): object[] =>
  [...owned].map(([topicId, partitions]) => ({
    topicId,
    partitions: [...partitions.keys()],
    assignmentEpochs: [...partitions.values()],
  }));

export function currentRecord(groupId: string, member: ConsumerMember): ShardRecord {
  return record(
    CURRENT,
    { groupId, memberId: member.id },
    {
      memberEpoch: member.epoch,
      previousMemberEpoch: member.previousEpoch,
      state: member.state,
      assignedPartitions: ownedTopics(member.assigned),
      partitionsPendingRevocation: ownedTopics(member.revoking),
    },
  );
}

export function regexRecord(groupId: string, regularExpression: string, resolved: Resolved): ShardRecord {
  const { version, timestamp } = resolved;
  return record(REGEX, { groupId, regularExpression }, { topics: [...resolved.topics].sort(), version, timestamp });
}

export function regexTombstone(groupId: string, regularExpression: string): ShardRecord {
  return record(REGEX, { groupId, regularExpression }, null);
}

/** Tombstones of a group and its members (`ConsumerGroup.createGroupTombstoneRecords`). */
export function groupTombstones(
  groupId: string,
  members: readonly string[],
  regexes: readonly string[],
): ShardRecord[] {
  const each = (type: RecordType): ShardRecord[] => members.map(memberId => record(type, { groupId, memberId }, null));
  return [
    ...each(CURRENT),
    ...each(TARGET_MEMBER),
    record(TARGET, { groupId }, null),
    ...each(MEMBER),
    ...regexes.map(regex => regexTombstone(groupId, regex)),
    record(PARTITIONS, { groupId }, null),
    record(GROUP, { groupId }, null),
  ];
}

type Decoded<T extends RecordType> = {
  readonly key: ReturnType<T["key"]["decode"]>;
  readonly value: ReturnType<T["value"]["decode"]> | null;
};

/** Decoded record of a consumer group. */
export type ConsumerRecord =
  | ({ readonly type: "group" } & Decoded<RecordTypes["ConsumerGroupMetadata"]>)
  | ({ readonly type: "partitions" } & Decoded<RecordTypes["ConsumerGroupPartitionMetadata"]>)
  | ({ readonly type: "member" } & Decoded<RecordTypes["ConsumerGroupMemberMetadata"]>)
  | ({ readonly type: "target" } & Decoded<RecordTypes["ConsumerGroupTargetAssignmentMetadata"]>)
  | ({ readonly type: "targetMember" } & Decoded<RecordTypes["ConsumerGroupTargetAssignmentMember"]>)
  | ({ readonly type: "current" } & Decoded<RecordTypes["ConsumerGroupCurrentMemberAssignment"]>)
  | ({ readonly type: "regex" } & Decoded<RecordTypes["ConsumerGroupRegularExpression"]>);

const TYPES: ReadonlyMap<number, readonly [ConsumerRecord["type"], RecordType]> = new Map([
  [GROUP.id, ["group", GROUP]],
  [PARTITIONS.id, ["partitions", PARTITIONS]],
  [MEMBER.id, ["member", MEMBER]],
  [TARGET.id, ["target", TARGET]],
  [TARGET_MEMBER.id, ["targetMember", TARGET_MEMBER]],
  [CURRENT.id, ["current", CURRENT]],
  [REGEX.id, ["regex", REGEX]],
]);

export const CONSUMER_RECORD_TYPES: readonly number[] = [...TYPES.keys()];

/** Decodes a record of one of `CONSUMER_RECORD_TYPES`; `key` is read up to the type. Throws `MalformedError`. */
export function parseConsumerRecord(recordType: number, key: ByteReader, value: Uint8Array | null): ConsumerRecord {
  const found = TYPES.get(recordType);
  invariant(found !== undefined, "the record is of a consumer group");
  const [type, schema] = found;
  const body = value === null ? undefined : new ByteReader(value);
  const decoded = {
    type,
    key: schema.key.decode(key, 0),
    value: body === undefined ? null : schema.value.decode(body, body.i16()),
  };
  // The table pairs types with their schemas.
  return decoded as ConsumerRecord;
}
