import type { Uuid } from "@samsa/base";
import type { TopicDirectory } from "@samsa/coordinator";
import type { MetadataImage } from "@samsa/metadata";

/** Directory of an image's topics for coordinators. */
export function topicDirectory(image: MetadataImage): TopicDirectory {
  return {
    version: image.provenance.offset,
    idOf: name => image.topicIds.get(name),
    nameOf: (id: Uuid) => image.topics.get(id)?.name,
    partitions: (id: Uuid) => image.topics.get(id)?.partitions.size ?? 0,
    racks: (id: Uuid, partition: number) =>
      (image.topics.get(id)?.partitions.get(partition)?.replicas ?? []).flatMap(replica => {
        const rack = image.brokers.get(replica)?.rack ?? null;
        return rack === null ? [] : [rack];
      }),
    names: () => image.topicIds.keys(),
  };
}

/** Names of topics created, deleted or changed between two images, and whether any were created. */
export function topicChanges(before: MetadataImage, after: MetadataImage): { changed: Set<string>; created: boolean } {
  const changed = new Set<string>();
  let created = false;
  if (before.topics === after.topics) return { changed, created };
  for (const [id, topic] of after.topics) {
    const old = before.topics.get(id);
    if (old === topic) continue;
    changed.add(topic.name);
    if (old === undefined) created = true;
  }
  for (const [id, topic] of before.topics) if (!after.topics.has(id)) changed.add(topic.name);
  return { changed, created };
}
