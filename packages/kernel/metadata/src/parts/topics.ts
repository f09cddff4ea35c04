import {
  type BrokerId,
  entryAt,
  invariant,
  MIGRATING_DIRECTORY,
  type PartitionIndex,
  sameItems,
  SortedMap,
  UNASSIGNED_DIRECTORY,
  type Uuid,
} from "@samsa/base";
import { type MetadataRecord, metadataRecord, type PartitionChangeRecord, type PartitionRecord } from "@samsa/protocol";
import { type ImageEdits, MetadataError } from "../image/edits.ts";
import {
  collisionName,
  configKey,
  mayCollide,
  type MetadataImage,
  type PartitionImage,
  RESOURCE_TYPE,
  type TopicImage,
} from "../image/image.ts";
import { recordVersions } from "../image/versions.ts";
import { ELR_FEATURE, metadataVersionOf } from "./features.ts";
import type { ImagePart } from "./part.ts";

const NO_PARTITIONS = SortedMap.of<PartitionIndex, PartitionImage>();

const NO_IDS: readonly BrokerId[] = [];

/** A list for an image: most lists of a partition are empty or equal to its replicas, and images share these. */
function shared(list: readonly BrokerId[], replicas: readonly BrokerId[] = NO_IDS): readonly BrokerId[] {
  if (list.length === 0) return NO_IDS;
  return sameItems(list, replicas) ? replicas : list;
}

/** Partition of a record; it shares the lists of `near`, another partition that is likely to have equal ones. */
function partitionOf(record: PartitionRecord, near: PartitionImage | undefined): PartitionImage {
  const replicas = near !== undefined && sameItems(record.replicas, near.replicas) ? near.replicas : record.replicas;
  // Records of older versions have no directories: the broker will assign the replicas to directories.
  const directories = record.directories.length === 0 ? replicas.map(() => MIGRATING_DIRECTORY) : record.directories;
  return {
    replicas,
    directories: near !== undefined && sameItems(directories, near.directories) ? near.directories : directories,
    isr: shared(record.isr, replicas),
    removingReplicas: shared(record.removingReplicas),
    addingReplicas: shared(record.addingReplicas),
    eligibleLeaderReplicas: shared(record.eligibleLeaderReplicas ?? NO_IDS, replicas),
    lastKnownElr: shared(record.lastKnownElr ?? NO_IDS, replicas),
    leader: record.leader,
    leaderRecoveryState: record.leaderRecoveryState,
    leaderEpoch: record.leaderEpoch,
    partitionEpoch: record.partitionEpoch,
  };
}

/** Partition after a change; null, and −2 for the leader, mean unchanged (`PartitionRegistration.merge`). */
export function changedPartition(old: PartitionImage, change: PartitionChangeRecord): PartitionImage {
  const replicas = change.replicas ?? old.replicas;
  const led = change.leader !== -2;
  return {
    replicas,
    directories: change.directories ?? (change.replicas === null ? old.directories : movedDirectories(old, replicas)),
    isr: shared(change.isr ?? old.isr, replicas),
    removingReplicas: shared(change.removingReplicas ?? old.removingReplicas),
    addingReplicas: shared(change.addingReplicas ?? old.addingReplicas),
    eligibleLeaderReplicas: shared(change.eligibleLeaderReplicas ?? old.eligibleLeaderReplicas, replicas),
    lastKnownElr: shared(change.lastKnownElr ?? old.lastKnownElr, replicas),
    leader: led ? change.leader : old.leader,
    leaderRecoveryState: change.leaderRecoveryState === -1 ? old.leaderRecoveryState : change.leaderRecoveryState,
    leaderEpoch: led ? old.leaderEpoch + 1 : old.leaderEpoch,
    partitionEpoch: old.partitionEpoch + 1,
  };
}

function movedDirectories(old: PartitionImage, replicas: readonly BrokerId[]): readonly Uuid[] {
  return replicas.map(replica => {
    const at = old.replicas.indexOf(replica);
    return at < 0 ? UNASSIGNED_DIRECTORY : entryAt(old.directories, at);
  });
}

/** Partition record in the version for the image's `metadata.version`. */
export function partitionRecord(
  topic: Pick<TopicImage, "id">,
  partitionId: PartitionIndex,
  partition: PartitionImage,
  image: MetadataImage,
): MetadataRecord {
  const version = recordVersions(metadataVersionOf(image)).partition;
  const elr = version >= 2 && (image.features.get(ELR_FEATURE) ?? 0) > 0;
  return metadataRecord("PartitionRecord", version, {
    ...partition,
    topicId: topic.id,
    partitionId,
    directories: version >= 1 ? partition.directories : [],
    // Write no empty list: an absent one means the same in fewer bytes.
    eligibleLeaderReplicas:
      elr && partition.eligibleLeaderReplicas.length > 0 ? partition.eligibleLeaderReplicas : null,
    lastKnownElr: elr && partition.lastKnownElr.length > 0 ? partition.lastKnownElr : null,
  });
}

function setPartition(edits: ImageEdits, topicId: Uuid, index: PartitionIndex, partition: PartitionImage): void {
  edits.partitions(topicId).set(index, partition);
  edits.lastPartition = partition;
  const changed = edits.changedTopics.get(topicId);
  if (changed === undefined) edits.changedTopics.set(topicId, new Set([index]));
  else changed.add(index);
}

function removeTopic(edits: ImageEdits, id: Uuid): void {
  const { name } = edits.topic(id);
  edits.remove("topics", id);
  edits.remove("topicIds", name);
  if (mayCollide(name)) {
    const key = collisionName(name);
    const left = (edits.now("collisions").get(key) ?? []).filter(other => other !== name);
    if (left.length === 0) edits.remove("collisions", key);
    else edits.edit("collisions").set(key, left);
  }
  edits.dropPartitions(id);
  edits.changedTopics.delete(id);
  const existed = edits.base.topics.get(id);
  if (existed !== undefined) edits.deletedTopics.set(id, existed);
  // The settings of a topic are deleted with it, without further records.
  const key = configKey(RESOURCE_TYPE.topic, name);
  if (edits.now("configs").has(key)) {
    edits.remove("configs", key);
    edits.changedConfigs.add(key);
  }
}

function clearElr(edits: ImageEdits, topicName: string): void {
  const id = edits.now("topicIds").get(topicName);
  if (topicName !== "" && id === undefined) throw new MetadataError(`no topic ${topicName}`);
  const all = edits.settleTopics();
  for (const topic of id === undefined ? all.values() : [all.get(id)]) {
    invariant(topic !== undefined, "every name's topic exists");
    for (const [number, partition] of topic.partitions) {
      if (partition.eligibleLeaderReplicas.length + partition.lastKnownElr.length === 0) continue;
      setPartition(edits, topic.id, number, {
        ...partition,
        eligibleLeaderReplicas: NO_IDS,
        lastKnownElr: NO_IDS,
        partitionEpoch: partition.partitionEpoch + 1,
      });
    }
  }
}

export const topics: ImagePart<
  "TopicRecord" | "PartitionRecord" | "PartitionChangeRecord" | "RemoveTopicRecord" | "ClearElrRecord"
> = {
  replay: {
    TopicRecord(edits, { name, topicId }) {
      if (edits.now("topicIds").has(name)) throw new MetadataError(`topic ${name} is created twice`);
      edits.edit("topics").set(topicId, { id: topicId, name, partitions: NO_PARTITIONS });
      edits.edit("topicIds").set(name, topicId);
      if (mayCollide(name)) {
        const key = collisionName(name);
        edits.edit("collisions").set(key, [...(edits.now("collisions").get(key) ?? []), name]);
      }
      edits.changedTopics.set(topicId, new Set());
    },
    PartitionRecord(edits, record) {
      setPartition(edits, record.topicId, record.partitionId, partitionOf(record, edits.lastPartition));
    },
    PartitionChangeRecord(edits, change) {
      const { topicId, partitionId } = change;
      const partition = edits.partitions(topicId).get(partitionId);
      if (partition === undefined) throw new MetadataError(`no partition ${partitionId} of topic ${topicId}`);
      setPartition(edits, topicId, partitionId, changedPartition(partition, change));
    },
    RemoveTopicRecord(edits, { topicId }) {
      removeTopic(edits, topicId);
    },
    ClearElrRecord(edits, { topicName }) {
      clearElr(edits, topicName);
    },
  },
  snapshot(image, put) {
    for (const topic of image.topics.values()) {
      put(metadataRecord("TopicRecord", 0, { name: topic.name, topicId: topic.id }));
      for (const [partitionId, partition] of topic.partitions) {
        put(partitionRecord(topic, partitionId, partition, image));
      }
    }
  },
};
