import { addI64, ByteReader, type Int64, MalformedError, type Uuid, ZERO_UUID } from "@samsa/base";
import {
  consumerProtocolSubscription,
  Errors,
  type OffsetCommitRequest,
  type OffsetDeleteRequest,
  type OffsetFetchRequest,
} from "@samsa/protocol";
import type { TopicDirectory } from "./consumer/topics.ts";
import type { ShardContext } from "./context.ts";
import type { ShardRecord } from "./effects.ts";
import { groupTombstones } from "./consumer/records.ts";
import type { ConsumerGroup } from "./consumer/group.ts";
import type { CommittedOffset, ClassicGroup } from "./classic/group.ts";
import { groupTombstone, offsetRecord, offsetTombstone } from "./records.ts";
import type { PendingOffsets } from "./pending-offsets.ts";

type CommitTopics = OffsetCommitRequest["topics"];
export type FetchTopics = OffsetFetchRequest["groups"][number]["topics"];

/** A group with committed offsets: classic or consumer. */
export type AnyGroup = ClassicGroup | ConsumerGroup;

interface PartitionResult {
  readonly partitionIndex: number;
  readonly errorCode: number;
}

/** Records of a commit, and the topics of the response once they are written. */
export interface CommitPlan {
  readonly records: readonly ShardRecord[];
  readonly topics: readonly { readonly name: string; readonly partitions: readonly PartitionResult[] }[];
}

const LAST_TIME = 2n ** 63n - 1n;

/**
 * Expiry time of an offset that is kept for `retentionMs`; -1 if the request sets none: `offsets.retention.minutes`
 * applies then. The sum saturates; Kafka's overflows, so that the offset expires at once.
 */
function expiryOf(now: number, retentionMs: Int64): Int64 {
  if (retentionMs === -1) return -1;
  const sum = addI64(now, retentionMs);
  return retentionMs > 0 && sum < now ? LAST_TIME : sum;
}

/** Plans an OffsetCommit: checks each partition and builds its record. Changes no state. */
export function planCommit(
  context: ShardContext,
  request: Pick<OffsetCommitRequest, "groupId" | "retentionTimeMs" | "topics">,
): CommitPlan {
  const records: ShardRecord[] = [];
  const { wall: now, config } = context;
  const expireTimestamp = expiryOf(now, request.retentionTimeMs);
  const topics = request.topics.map(topic => ({
    name: topic.name,
    topicId: topic.topicId,
    partitions: topic.partitions.map(partition => {
      const { partitionIndex } = partition;
      const metadata = partition.committedMetadata ?? "";
      if (metadata.length > config.offsetMetadataMaxLength) {
        return { partitionIndex, errorCode: Errors.OFFSET_METADATA_TOO_LARGE.code };
      }
      const value: CommittedOffset = {
        topicId: topic.topicId,
        offset: partition.committedOffset,
        leaderEpoch: partition.committedLeaderEpoch,
        metadata,
        commitTimestamp: now,
        expireTimestamp,
      };
      records.push(offsetRecord(request.groupId, topic.name, partitionIndex, value));
      return { partitionIndex, errorCode: 0 };
    }),
  }));
  return { records, topics };
}

/** OffsetCommit response with the same error code for every partition. */
export function commitError(topics: CommitTopics, errorCode: number) {
  return {
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  };
}

/** Lookup of topic ids and names. */
export type TopicNames = Pick<TopicDirectory, "idOf" | "nameOf">;

/** False if the offset belongs to a topic with another id. An unknown id matches every offset. */
function isOfTopic(offset: CommittedOffset, topicId: Uuid | undefined): boolean {
  if (topicId === undefined || topicId === ZERO_UUID || offset.topicId === ZERO_UUID) return true;
  return offset.topicId === topicId;
}

/** True if the offset's topic does not exist, or has been deleted. */
function isOrphan(offset: CommittedOffset, name: string, names: TopicNames): boolean {
  return (offset.topicId === ZERO_UUID ? names.idOf(name) : names.nameOf(offset.topicId)) === undefined;
}

/**
 * Committed offsets of the requested partitions (null: all). A partition without one has offset -1; one for which
 * `isOpen` is true has the error UNSTABLE_OFFSET_COMMIT. Offsets of a deleted topic of the same name are ignored.
 */
export function fetchOffsets(
  group: AnyGroup | undefined,
  topics: FetchTopics,
  { names, isOpen }: { names: TopicNames; isOpen: (topic: string, partition: number) => boolean },
) {
  const answer = (topic: string, partitionIndex: number, there: CommittedOffset | undefined) => {
    const unstable = isOpen(topic, partitionIndex);
    const found = unstable ? undefined : there;
    return {
      partitionIndex,
      committedOffset: found?.offset ?? -1,
      committedLeaderEpoch: found?.leaderEpoch ?? -1,
      metadata: found?.metadata ?? "",
      errorCode: unstable ? Errors.UNSTABLE_OFFSET_COMMIT.code : 0,
    };
  };
  if (topics === null) {
    return [...(group?.offsets ?? [])].flatMap(([name, partitions]) => {
      const id = names.idOf(name);
      const current = [...partitions].filter(([, offset]) => isOfTopic(offset, id));
      return current.length === 0 ? [] : [{ name, partitions: current.map(([index, it]) => answer(name, index, it)) }];
    });
  }
  return topics.map(({ name, topicId, partitionIndexes }) => {
    const id = topicId === ZERO_UUID ? names.idOf(name) : topicId;
    const known = group?.offsets.get(name);
    const partitions = partitionIndexes.map(index => {
      const found = known?.get(index);
      return answer(name, index, found !== undefined && isOfTopic(found, id) ? found : undefined);
    });
    return { name, topicId, partitions };
  });
}

export function setOffset(group: AnyGroup, topic: string, partition: number, offset: CommittedOffset): void {
  let partitions = group.offsets.get(topic);
  if (partitions === undefined) {
    partitions = new Map();
    group.offsets.set(topic, partitions);
  }
  partitions.set(partition, offset);
}

export function dropOffset(group: AnyGroup, topic: string, partition: number): void {
  const partitions = group.offsets.get(topic);
  partitions?.delete(partition);
  if (partitions?.size === 0) group.offsets.delete(topic);
}

/** Topics that a group of consumers subscribes to (`ClassicGroup.computeSubscribedTopics`); undefined: unknown. */
export function subscribedTopics(group: ClassicGroup): ReadonlySet<string> | undefined {
  if (group.protocolType !== "consumer") return undefined;
  if (group.members.size === 0) return new Set();
  if (group.protocolName === null) return undefined;
  const topics = new Set<string>();
  try {
    for (const member of group.members.values()) {
      const reader = new ByteReader(group.metadataOf(member));
      // Every version begins with the fields of version 0, so the version that the member wrote does not matter.
      reader.i16();
      for (const topic of consumerProtocolSubscription.decode(reader, 0).topics) topics.add(topic);
    }
  } catch (error) {
    // Some clients write other bytes here (KAFKA-9196 and similar): then no topic counts as unsubscribed.
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
  return topics;
}

/** Time from which `offsets.retention.minutes` counts for the offset; Infinity: it does not age. */
function ageBase(
  group: AnyGroup,
  topic: string,
  offset: CommittedOffset,
  subscribed: ReadonlySet<string> | undefined,
): number {
  if (group.type === "consumer") return group.isSubscribedTo(topic) ? Infinity : offset.commitTimestamp;
  if (group.protocolType === null || group.protocolType === "") return offset.commitTimestamp;
  if (group.state === "Empty") {
    return group.stateTimestamp === -1 ? offset.commitTimestamp : group.stateTimestamp;
  }
  if (group.state === "Stable" && subscribed !== undefined && !subscribed.has(topic)) return offset.commitTimestamp;
  return Infinity;
}

/**
 * Tombstones for a group's offsets of topics that do not exist, pending transactional offsets included. `among` limits
 * them to these topic names; undefined: all topics.
 */
export function orphanRecords(
  group: AnyGroup,
  pending: PendingOffsets,
  { names, among }: { names: TopicNames; among: ReadonlySet<string> | undefined },
): ShardRecord[] {
  const orphans = new Map<string, ShardRecord>();
  const matters = (topic: string): boolean => among === undefined || among.has(topic);
  const add = (topic: string, partition: number): void => {
    orphans.set(`${partition}/${topic}`, offsetTombstone(group.id, topic, partition));
  };
  for (const [topic, partitions] of group.offsets) {
    if (!matters(topic)) continue;
    for (const [partition, offset] of partitions) if (isOrphan(offset, topic, names)) add(topic, partition);
  }
  for (const { topic, partition, values } of pending.of(group.id)) {
    if (matters(topic) && values.some(value => isOrphan(value, topic, names))) add(topic, partition);
  }
  return [...orphans.values()];
}

/** Tombstones for expired offsets, and for the group itself if it is empty and has no offsets left. */
export function expiredRecords(context: ShardContext, group: AnyGroup, pending: PendingOffsets): ShardRecord[] {
  const { wall: now, config } = context;
  const subscribed = group.type === "classic" ? group.subscribed : undefined;
  const records: ShardRecord[] = [];
  let left = 0;
  for (const [topic, partitions] of group.offsets) {
    for (const [partition, offset] of partitions) {
      const base = ageBase(group, topic, offset, subscribed);
      const expired =
        offset.expireTimestamp === -1
          ? now - base >= config.offsetsRetentionMs
          : base !== Infinity && now >= offset.expireTimestamp;
      if (expired && !pending.hasPartition(group.id, topic, partition))
        records.push(offsetTombstone(group.id, topic, partition));
      else left++;
    }
  }
  if (left > 0 || pending.has(group.id) || group.state !== "Empty") return records;
  records.push(...(group.type === "consumer" ? tombstonesOf(group) : [groupTombstone(group.id)]));
  return records;
}

/** Error codes for the partitions of a topic. */
export interface TopicErrors {
  readonly name: string;
  readonly partitions: readonly PartitionResult[];
}

/** Tombstones for the offsets of `topics`; topics that members subscribe to have GROUP_SUBSCRIBED_TO_TOPIC. */
export function planOffsetDeletion(
  group: AnyGroup,
  topics: OffsetDeleteRequest["topics"],
  pending: PendingOffsets,
): { records: ShardRecord[]; topics: TopicErrors[] } {
  const records: ShardRecord[] = [];
  const inUseIn = (name: string): boolean => {
    if (group.type === "consumer") return group.isSubscribedTo(name);
    // A consumer group whose subscriptions cannot be read may subscribe to anything.
    return group.subscribed === undefined ? group.protocolType === "consumer" : group.subscribed.has(name);
  };
  const results = topics.map(({ name, partitions }) => {
    const inUse = inUseIn(name);
    const errorCode = inUse ? Errors.GROUP_SUBSCRIBED_TO_TOPIC.code : 0;
    const known = group.offsets.get(name);
    for (const { partitionIndex } of partitions) {
      const isThere = known?.has(partitionIndex) === true || pending.hasPartition(group.id, name, partitionIndex);
      if (!inUse && isThere) records.push(offsetTombstone(group.id, name, partitionIndex));
    }
    return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) };
  });
  return { records, topics: results };
}

/** Tombstones for the group and all its offsets. */
export function deletionRecords(group: AnyGroup, pending: PendingOffsets): ShardRecord[] {
  const records: ShardRecord[] = [];
  for (const [topic, partitions] of group.offsets) {
    for (const partition of partitions.keys()) records.push(offsetTombstone(group.id, topic, partition));
  }
  for (const { topic, partition } of pending.of(group.id)) {
    if (group.offsets.get(topic)?.has(partition) !== true) records.push(offsetTombstone(group.id, topic, partition));
  }
  records.push(...(group.type === "consumer" ? tombstonesOf(group) : [groupTombstone(group.id)]));
  return records;
}

/** Tombstones for a consumer group and its members. `replaced`: the log has member `id` under the new id `by`. */
export function tombstonesOf(
  group: ConsumerGroup,
  replaced?: { readonly by: string; readonly id: string },
): ShardRecord[] {
  const ids = [...group.members.keys()].map(id => (id === replaced?.id ? replaced.by : id));
  return groupTombstones(group.id, ids, [...group.resolved.keys()]);
}
