import type { PartitionIndex, Uuid } from "@samsa/base";
import type { TopicDirectory } from "@samsa/coordinator";
import type { MetadataChanges, MetadataImage } from "@samsa/metadata";

/** Directory of an image's topics for coordinators. */
export function topicDirectory(image: MetadataImage): TopicDirectory {
  return {
    version: image.provenance.offset,
    idOf: name => image.topicIds.get(name),
    nameOf: (id: Uuid) => image.topics.get(id)?.name,
    partitions: (id: Uuid) => image.topics.get(id)?.partitions.size ?? 0,
    racks: (id: Uuid, partition: PartitionIndex) =>
      (image.topics.get(id)?.partitions.get(partition)?.replicas ?? []).flatMap(replica => {
        const rack = image.brokers.get(replica)?.rack ?? null;
        return rack === null ? [] : [rack];
      }),
    names: () => image.topicIds.keys(),
  };
}

/** Names of topics that were created, deleted or changed, and whether any were created. */
export function topicChanges(
  { base, changedTopics, deletedTopics }: MetadataChanges,
  image: MetadataImage,
): { changed: Set<string>; created: boolean } {
  const changed = new Set([...deletedTopics.values()].map(({ name }) => name));
  let created = false;
  for (const id of changedTopics.keys()) {
    changed.add(image.topics.get(id)?.name ?? "");
    if (!base.topics.has(id)) created = true;
  }
  return { changed, created };
}
