import { KafkaError } from "@samsa/client-kernel";
import { Admin as Runtime, type ClusterClient } from "@samsa/client-runtime";
import { describeGroup } from "../consumer/group-description.ts";
import { kafkaJSError } from "../error/convert.ts";
import { KafkaJSDeleteGroupsError, KafkaJSError, KafkaJSNonRetriableError } from "../error/errors.ts";
import { checkPartition, offsetOf } from "../values/offset.ts";
import { partitionsOf, topicOffsets } from "./topics.ts";
import type { Admin, DeleteGroupsResult, FetchOffsetsPartition, GroupOverview, SeekEntry } from "./types.ts";

type GroupOffsets = { topic: string; partitions: FetchOffsetsPartition[] }[];

/** Offsets that stand for the ends of a partition. */
const [EARLIEST, LATEST] = [-2, -1];
/** First version of OffsetFetch with several groups, and the last one with names of topics. */
const [SEVERAL_GROUPS, TOPIC_NAMES] = [8, 9];
const GROUP_ID_NOT_FOUND = 69;

export async function listGroups(client: ClusterClient): Promise<GroupOverview[]> {
  const groups = await new Runtime(client).groups.list();
  return groups.map(({ groupId, protocolType }) => ({ groupId, protocolType }));
}

/** Offsets that a group has committed: of all its partitions, or of those of topics. */
export async function groupOffsets(
  client: ClusterClient,
  { groupId, topics: names = [], resolveOffsets = false }: Parameters<Admin["fetchOffsets"]>[0],
): Promise<GroupOffsets> {
  const topics = await Promise.all(
    names.map(async name => ({ name, partitionIndexes: await partitionsOf(client, name) })),
  );
  const found = await committedOffsets(client, groupId, topics.length === 0 ? null : topics);
  if (!resolveOffsets) return found;
  return Promise.all(
    found.map(async ({ topic, partitions }) => {
      const resolved = await resolvedOffsets(client, topic, partitions);
      await setOffsets(client, groupId, topic, resolved);
      return { topic, partitions: resolved };
    }),
  );
}

/** Raw offsets: also those that stand for the ends of a partition, and −1 where there is none. */
async function committedOffsets(
  client: ClusterClient,
  groupId: string,
  topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[] | null,
): Promise<GroupOffsets> {
  const group = await client.retrying(client.patience(), async () => {
    const answer = await client.callCoordinator(
      { kind: "group", key: groupId },
      "OffsetFetch",
      version => ({
        ...(version < SEVERAL_GROUPS ? { groupId, topics } : { groups: [{ groupId, topics }] }),
      }),
      { maxVersion: TOPIC_NAMES },
    );
    const found = answer.groups[0] ?? answer;
    // A group that does not exist has no offsets, as with older brokers.
    if (found.errorCode !== 0 && found.errorCode !== GROUP_ID_NOT_FOUND) {
      client.forgetCoordinator("group", groupId);
      throw KafkaError.of(found.errorCode, `group ${groupId}`);
    }
    return found;
  });
  return group.topics.map(({ name: topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partitionIndex: partition, committedOffset, metadata, errorCode }) => {
      if (errorCode !== 0) throw KafkaError.of(errorCode, `${topic}-${partition}`);
      return { partition, offset: String(committedOffset), metadata: metadata === "" ? null : metadata };
    }),
  }));
}

async function resolvedOffsets(
  client: ClusterClient,
  topic: string,
  partitions: readonly FetchOffsetsPartition[],
): Promise<FetchOffsetsPartition[]> {
  const ends = new Map((await topicOffsets(client, topic)).map(entry => [entry.partition, entry]));
  return partitions.map(entry => {
    const end = ends.get(entry.partition);
    const offset = Number(entry.offset);
    if (end === undefined || (offset !== EARLIEST && offset !== LATEST)) return entry;
    return { ...entry, offset: offset === EARLIEST ? end.low : end.high };
  });
}

/** Commits offsets of a group without running members. */
export async function setOffsets(
  client: ClusterClient,
  groupId: string,
  topic: string,
  partitions: readonly SeekEntry[],
): Promise<void> {
  const offsets = partitions.map(({ partition, offset }) => {
    checkPartition(partition);
    return { topic, partition, offset: checkedOffset(offsetOf(offset)) };
  });
  const { state } = await describeGroup(client, groupId);
  if (state !== "Empty" && state !== "Dead") {
    throw new KafkaJSNonRetriableError(`The consumer group must have no running instances, current state: ${state}`);
  }
  (await new Runtime(client).groups.alterOffsets(groupId, offsets)).orThrow();
}

function checkedOffset(offset: number): number {
  if (offset >= EARLIEST) return offset;
  throw new KafkaJSNonRetriableError("Offset must not be a negative number");
}

/** Commits for all partitions of a topic that the group begins at an end of them. */
export async function resetOffsets(
  client: ClusterClient,
  { groupId, topic, earliest = false }: Parameters<Admin["resetOffsets"]>[0],
): Promise<void> {
  const offset = String(earliest ? EARLIEST : LATEST);
  const partitions = await partitionsOf(client, topic);
  await setOffsets(
    client,
    groupId,
    topic,
    partitions.map(partition => ({ partition, offset })),
  );
}

export async function deleteGroups(client: ClusterClient, groupIds: readonly string[]): Promise<DeleteGroupsResult[]> {
  const outcomes = await new Runtime(client).groups.delete(groupIds);
  const failed = [...outcomes.errors].flatMap(([groupId, failure]) => {
    const error = kafkaJSError(failure);
    return error instanceof KafkaJSError ? [{ groupId, errorCode: failure.code ?? -1, error }] : [];
  });
  if (failed.length > 0) throw new KafkaJSDeleteGroupsError("Error in DeleteGroups", failed);
  return groupIds.map(groupId => ({ groupId, errorCode: 0 }));
}
