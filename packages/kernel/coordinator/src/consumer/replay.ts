import { nearestNumber, type PartitionIndex, type Uuid } from "@samsa/base";
import type { ConsumerGroupCurrentMemberAssignmentValue } from "@samsa/protocol";
import type { ConsumerGroup } from "./group.ts";
import { type ConsumerMember, LEAVING_EPOCH, memberState, NONE, namesOf, newMember, type Owned } from "./member.ts";
import type { ConsumerRecord } from "./records.ts";

type OwnedTopics = ConsumerGroupCurrentMemberAssignmentValue["assignedPartitions"];

/** Partitions with their assignment epochs. Kafka 4.2 and earlier wrote no such epochs: the member's is used then. */
function ownedOf(topics: OwnedTopics, memberEpoch: number): Owned {
  return new Map(
    topics.map(({ topicId, partitions, assignmentEpochs: epochs }): [Uuid, Map<PartitionIndex, number>] => {
      const own = epochs !== null && epochs.length === partitions.length ? epochs : undefined;
      return [topicId, new Map(partitions.map((id, i) => [id, own?.[i] ?? Math.max(memberEpoch, 0)]))];
    }),
  );
}

function described(
  member: ConsumerMember,
  value: NonNullable<Extract<ConsumerRecord, { type: "member" }>["value"]>,
): ConsumerMember {
  const { instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs, classicMemberMetadata: classic } = value;
  return {
    ...member,
    instanceId,
    rackId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    topicNames: namesOf(value.subscribedTopicNames),
    regex: value.subscribedTopicRegex,
    assignor: value.serverAssignor,
    classic:
      classic === null
        ? null
        : {
            sessionTimeoutMs: classic.sessionTimeoutMs,
            // The record's bytes are slices of a larger buffer, which must not live as long as the group.
            supportedProtocols: classic.supportedProtocols.map(({ name, metadata }) => ({
              name,
              metadata: Uint8Array.from(metadata),
            })),
          },
  };
}

/** Applies a record to an existing group; returns the member that it concerns, if there is one. */
export function replayConsumerRecord(group: ConsumerGroup, record: ConsumerRecord): ConsumerMember | undefined {
  switch (record.type) {
    case "group":
      if (record.value === null) return undefined;
      group.setEpochs({ epoch: record.value.epoch, metadataHash: record.value.metadataHash });
      return undefined;
    case "partitions":
      group.setEpochs({ hasPartitionMetadata: record.value !== null });
      return undefined;
    case "target":
      group.setEpochs({
        assignmentEpoch: record.value?.assignmentEpoch ?? -1,
        assignmentTimestamp: nearestNumber(record.value?.assignmentTimestamp ?? 0),
        assignedAt: undefined,
      });
      return undefined;
    case "targetMember": {
      const { key, value } = record;
      if (value === null) group.target.delete(key.memberId);
      else {
        const topics = value.topicPartitions.map(({ topicId, partitions }): [Uuid, Set<PartitionIndex>] => [
          topicId,
          new Set(partitions),
        ]);
        group.target.set(key.memberId, new Map(topics));
      }
      return undefined;
    }
    case "regex": {
      const { key, value } = record;
      if (value === null) group.resolved.delete(key.regularExpression);
      else {
        const [version, timestamp] = [nearestNumber(value.version), nearestNumber(value.timestamp)];
        group.resolved.set(key.regularExpression, { topics: new Set(value.topics), version, timestamp });
      }
      return undefined;
    }
    case "member":
    case "current":
      return replayMember(group, record);
  }
}

function replayMember(
  group: ConsumerGroup,
  record: Extract<ConsumerRecord, { type: "member" | "current" }>,
): ConsumerMember | undefined {
  const { memberId } = record.key;
  const known = group.members.get(memberId);
  if (record.type === "member" && record.value === null) {
    group.remove(memberId);
    return undefined;
  }
  if (known === undefined && record.value === null) return undefined;
  const before = known ?? newMember(memberId);
  let member = before;
  if (record.type === "member") {
    if (record.value !== null) member = described(before, record.value);
  } else if (record.value === null) {
    member = { ...before, epoch: LEAVING_EPOCH, previousEpoch: LEAVING_EPOCH, assigned: NONE, revoking: NONE };
  } else {
    const { memberEpoch: epoch, previousMemberEpoch: previousEpoch } = record.value;
    const state = memberState(record.value.state);
    const assigned = ownedOf(record.value.assignedPartitions, epoch);
    const revoking = ownedOf(record.value.partitionsPendingRevocation, epoch);
    member = { ...before, epoch, previousEpoch, state, assigned, revoking };
  }
  group.set(member);
  return member;
}
