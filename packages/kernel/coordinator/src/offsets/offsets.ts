import { addI64, type Int64, type PartitionIndex, type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors, type OffsetCommitRequest, type OffsetDeleteRequest, type OffsetFetchRequest } from "@samsa/protocol";
import type { TopicDirectory } from "../group/topics.ts";
import type { ShardContext } from "../group/context.ts";
import type { ShardRecord } from "../shard/effects.ts";
import type { Group } from "../group/group.ts";
import type { GroupTable } from "../group/group-table.ts";
import type { CommittedOffset, GroupOffsets } from "../group/offset-table.ts";
import { offsetRecord, offsetTombstone } from "../group/records.ts";
import type { View } from "../shard/timeline.ts";

/** Committed offsets of a shard's groups, and those of open transactions. */
type Offsets = Pick<GroupTable, "offsets" | "pending">;

type CommitTopics = OffsetCommitRequest["topics"];
export type FetchTopics = OffsetFetchRequest["groups"][number]["topics"];

interface PartitionResult {
  readonly partitionIndex: PartitionIndex;
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
 * `offsets` are read in `view`.
 */
export function fetchOffsets(
  offsets: GroupOffsets,
  topics: FetchTopics,
  {
    names,
    isOpen,
    view,
  }: { names: TopicNames; isOpen: (topic: string, partition: PartitionIndex) => boolean; view: View },
) {
  const answer = (topic: string, partitionIndex: PartitionIndex, there: CommittedOffset | undefined) => {
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
    return [...offsets.entries(view)].flatMap(([name, partitions]) => {
      const id = names.idOf(name);
      const current = [...partitions.entries(view)].filter(([, offset]) => isOfTopic(offset, id));
      return current.length === 0 ? [] : [{ name, partitions: current.map(([index, it]) => answer(name, index, it)) }];
    });
  }
  return topics.map(({ name, topicId, partitionIndexes }) => {
    const id = topicId === ZERO_UUID ? names.idOf(name) : topicId;
    const known = offsets.get(name, view);
    const partitions = partitionIndexes.map(index => {
      const found = known?.get(index, view);
      return answer(name, index, found !== undefined && isOfTopic(found, id) ? found : undefined);
    });
    return { name, topicId, partitions };
  });
}

/**
 * Tombstones for a group's offsets of topics that do not exist, pending transactional offsets included. `among` limits
 * them to these topic names; undefined: all topics.
 */
export function orphanRecords(
  groupId: string,
  { offsets, pending }: Offsets,
  { names, among }: { names: TopicNames; among: ReadonlySet<string> | undefined },
): ShardRecord[] {
  const orphans = new Map<string, ShardRecord>();
  const matters = (topic: string): boolean => among === undefined || among.has(topic);
  const add = (topic: string, partition: PartitionIndex): void => {
    orphans.set(`${partition}/${topic}`, offsetTombstone(groupId, topic, partition));
  };
  for (const [topic, partitions] of offsets.of(groupId)) {
    if (!matters(topic)) continue;
    for (const [partition, offset] of partitions) if (isOrphan(offset, topic, names)) add(topic, partition);
  }
  for (const { topic, partition, values } of pending.of(groupId)) {
    if (matters(topic) && values.some(value => isOrphan(value, topic, names))) add(topic, partition);
  }
  return [...orphans.values()];
}

/** Tombstones for expired offsets, and for the group itself if it is empty and has no offsets left. */
export function expiredRecords(context: ShardContext, group: Group, { offsets, pending }: Offsets): ShardRecord[] {
  const { wall: now, config } = context;
  const records: ShardRecord[] = [];
  let left = 0;
  for (const [topic, partitions] of offsets.of(group.id)) {
    for (const [partition, offset] of partitions) {
      const base = group.ageBase(topic, offset);
      const expired =
        offset.expireTimestamp === -1
          ? now - base >= config.offsetsRetentionMs
          : base !== Infinity && now >= offset.expireTimestamp;
      if (expired && !pending.hasPartition(group.id, topic, partition))
        records.push(offsetTombstone(group.id, topic, partition));
      else left++;
    }
  }
  const ends = left === 0 && !pending.has(group.id) && group.isEmpty && group.expires;
  return ends ? [...records, ...group.tombstones()] : records;
}

/** Error codes for the partitions of a topic. */
export interface TopicErrors {
  readonly name: string;
  readonly partitions: readonly PartitionResult[];
}

/** Tombstones for the offsets of `topics`; topics that members subscribe to have GROUP_SUBSCRIBED_TO_TOPIC. */
export function planOffsetDeletion(
  group: Group,
  topics: OffsetDeleteRequest["topics"],
  { offsets, pending }: Offsets,
): { records: ShardRecord[]; topics: TopicErrors[] } {
  const records: ShardRecord[] = [];
  const results = topics.map(({ name, partitions }) => {
    const inUse = group.isSubscribedTo(name);
    const errorCode = inUse ? Errors.GROUP_SUBSCRIBED_TO_TOPIC.code : 0;
    const known = offsets.of(group.id).get(name);
    for (const { partitionIndex } of partitions) {
      const isThere = known?.has(partitionIndex) === true || pending.hasPartition(group.id, name, partitionIndex);
      if (!inUse && isThere) records.push(offsetTombstone(group.id, name, partitionIndex));
    }
    return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) };
  });
  return { records, topics: results };
}

/** Tombstones for the group and all its offsets. */
export function deletionRecords(group: Group, { offsets, pending }: Offsets): ShardRecord[] {
  const records: ShardRecord[] = [];
  const known = offsets.of(group.id);
  for (const [topic, partitions] of known) {
    for (const partition of partitions.keys()) records.push(offsetTombstone(group.id, topic, partition));
  }
  for (const { topic, partition } of pending.of(group.id)) {
    if (known.get(topic)?.has(partition) !== true) records.push(offsetTombstone(group.id, topic, partition));
  }
  return [...records, ...group.tombstones()];
}
