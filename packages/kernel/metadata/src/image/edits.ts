import type { BrokerId, PartitionIndex, SortedMap, SortedMapEdit, Uuid } from "@samsa/base";
import { type MetadataImage, type PartitionImage, type Provenance, type TopicImage } from "./image.ts";

/** Record that contradicts the image: the log and this program disagree, and to go on would do more damage. */
export class MetadataError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "MetadataError";
  }
}

type Writable = { -readonly [K in keyof MetadataImage]: MetadataImage[K] };
type MapName = {
  [K in keyof MetadataImage]: MetadataImage[K] extends { edit(): unknown } ? K : never;
}[keyof MetadataImage];
type EditOf<K extends MapName> = ReturnType<MetadataImage[K]["edit"]>;

/** Image that is being changed, and a note of what has changed. Costs as much as the changes. */
export class ImageEdits {
  readonly base: MetadataImage;
  readonly changedTopics = new Map<Uuid, Set<PartitionIndex>>();
  readonly deletedTopics = new Map<Uuid, TopicImage>();
  readonly changedConfigs = new Set<string>();
  readonly changedBrokers = new Set<BrokerId>();
  readonly changedAcls = new Set<Uuid>();
  /** Partition that was set last; the next one shares its lists if they are equal. */
  lastPartition: PartitionImage | undefined;
  /** Values of the image that are no maps, and maps without changes. */
  readonly next: Writable;
  /** Edits of the maps that have changed. */
  readonly #edits = new Map<MapName, EditOf<MapName>>();
  /** Edits of partitions, which `settleTopics` puts into their topics. */
  readonly #partitionEdits = new Map<Uuid, SortedMapEdit<PartitionIndex, PartitionImage>>();

  constructor(base: MetadataImage) {
    this.base = base;
    this.next = { ...base };
  }

  /** Image with all changes. Make no more changes after this call. */
  done(provenance: Provenance): MetadataImage {
    this.settleTopics();
    for (const name of this.#edits.keys()) this.#settle(name);
    return { ...this.next, provenance };
  }

  /** Entries of a map, for changes. */
  edit<K extends MapName>(name: K): EditOf<K> {
    let edit = this.#edits.get(name);
    if (edit === undefined) {
      edit = this.next[name].edit();
      this.#edits.set(name, edit);
    }
    // The edit under a map's name is one of that map.
    return edit as EditOf<K>;
  }

  /** Removes an entry of a map, if it is there. */
  remove<K extends MapName>(name: K, key: Parameters<EditOf<K>["delete"]>[0]): void {
    // The edit under a map's name has keys of that map.
    (this.edit(name) as { delete(key: unknown): boolean }).delete(key);
  }

  /** Current entries of a map, for reading only. */
  now<K extends MapName>(name: K): Pick<EditOf<K>, "get" | "has"> {
    return (this.#edits.get(name) ?? this.next[name]) as Pick<EditOf<K>, "get" | "has">;
  }

  #settle(name: MapName): void {
    const edit = this.#edits.get(name);
    if (edit === undefined) return;
    Object.assign(this.next, { [name]: edit.done() });
    this.#edits.delete(name);
  }

  /** Topic without the changes of its partitions. Throws `MetadataError` if it does not exist. */
  topic(id: Uuid): TopicImage {
    const topic = this.now("topics").get(id);
    if (topic === undefined) throw new MetadataError(`no topic ${id}`);
    return topic;
  }

  /** Partitions of a topic, for changes. */
  partitions(topicId: Uuid): SortedMapEdit<PartitionIndex, PartitionImage> {
    let partitions = this.#partitionEdits.get(topicId);
    if (partitions === undefined) {
      partitions = this.topic(topicId).partitions.edit();
      this.#partitionEdits.set(topicId, partitions);
    }
    return partitions;
  }

  /** Drops the changes of a topic's partitions. */
  dropPartitions(topicId: Uuid): void {
    this.#partitionEdits.delete(topicId);
  }

  /** All topics with their partitions as of now. */
  settleTopics(): SortedMap<Uuid, TopicImage> {
    for (const [id, partitions] of this.#partitionEdits) {
      this.edit("topics").set(id, { ...this.topic(id), partitions: partitions.done() });
    }
    this.#partitionEdits.clear();
    this.#settle("topics");
    return this.next.topics;
  }
}
