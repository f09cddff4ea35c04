import type { BrokerId, PartitionIndex, Uuid } from "@samsa/base";
import type { MetadataChanges, MetadataImage, PartitionImage } from "@samsa/metadata";

/** Partition by the id of its topic. */
export interface Place {
  readonly topicId: Uuid;
  readonly partitionId: PartitionIndex;
}

/** Set of partitions. A topic with one partition takes one entry of the map, as most topics have few. */
class Places {
  readonly #topics = new Map<Uuid, PartitionIndex | Set<PartitionIndex>>();

  get isEmpty(): boolean {
    return this.#topics.size === 0;
  }

  add({ topicId, partitionId }: Place): void {
    const known = this.#topics.get(topicId);
    if (known === undefined) this.#topics.set(topicId, partitionId);
    else if (typeof known !== "number") known.add(partitionId);
    else if (known !== partitionId) this.#topics.set(topicId, new Set([known, partitionId]));
  }

  remove({ topicId, partitionId }: Place): void {
    const known = this.#topics.get(topicId);
    if (known === partitionId) this.#topics.delete(topicId);
    if (known === undefined || typeof known === "number") return;
    known.delete(partitionId);
    if (known.size > 1) return;
    for (const last of known) this.#topics.set(topicId, last);
  }

  /** All partitions, by topic id and index, so that decisions do not depend on the history of the index. */
  sorted(): Place[] {
    return [...this.#topics.keys()].sort().flatMap(topicId => {
      const known = this.#topics.get(topicId) ?? [];
      const partitions = typeof known === "number" ? [known] : [...known].sort((a, b) => a - b);
      return partitions.map((partitionId): Place => ({ topicId, partitionId }));
    });
  }
}

/** Sets of partitions by broker. */
class PlacesByBroker {
  readonly #brokers = new Map<BrokerId, Places>();

  of(brokerId: BrokerId): Place[] {
    return this.#brokers.get(brokerId)?.sorted() ?? [];
  }

  move(place: Place, from: readonly BrokerId[], to: readonly BrokerId[]): void {
    // Partitions of an image share equal lists.
    if (from === to) return;
    for (const id of from) if (!to.includes(id)) this.#remove(id, place);
    for (const id of to) if (!from.includes(id)) this.#add(id, place);
  }

  #add(id: BrokerId, place: Place): void {
    let places = this.#brokers.get(id);
    if (places === undefined) this.#brokers.set(id, (places = new Places()));
    places.add(place);
  }

  #remove(id: BrokerId, place: Place): void {
    const places = this.#brokers.get(id);
    if (places === undefined) return;
    places.remove(place);
    if (places.isEmpty) this.#brokers.delete(id);
  }
}

const NO_ONE: readonly BrokerId[] = [];
const NO_LEADER = -1;

function isImbalanced({ leader, replicas }: PartitionImage): boolean {
  return leader !== replicas[0];
}

/**
 * Partitions of an image by broker, kept with each change of the image (`BrokersToIsrs`, `BrokersToElrs`, and
 * `imbalancedPartitions` of `ReplicationControlManager`). An update costs as much as has changed, and a look-up as much
 * as it finds.
 */
export class BrokerPartitions {
  readonly #isr = new PlacesByBroker();
  readonly #elr = new PlacesByBroker();
  readonly #leaderless = new Places();
  readonly #imbalanced = new Places();

  constructor(image: MetadataImage) {
    for (const topic of image.topics.values()) {
      for (const [partitionId, partition] of topic.partitions) {
        this.#replace({ topicId: topic.id, partitionId }, undefined, partition);
      }
    }
  }

  /** Partitions with the broker in their ISR. */
  inSync(brokerId: BrokerId): Place[] {
    return this.#isr.of(brokerId);
  }

  /** Partitions with the broker among their eligible leader replicas. */
  eligible(brokerId: BrokerId): Place[] {
    return this.#elr.of(brokerId);
  }

  /** Partitions without a leader. */
  leaderless(): Place[] {
    return this.#leaderless.sorted();
  }

  /** Partitions whose leader is not their first replica. */
  imbalanced(): Place[] {
    return this.#imbalanced.sorted();
  }

  /** Follows the image from `changes.base` to `image`. */
  replayed({ base, changedTopics, deletedTopics }: MetadataChanges, image: MetadataImage): void {
    for (const [topicId, { partitions }] of deletedTopics) {
      for (const [partitionId, partition] of partitions) this.#replace({ topicId, partitionId }, partition, undefined);
    }
    for (const [topicId, changed] of changedTopics) {
      const before = base.topics.get(topicId)?.partitions;
      const after = image.topics.get(topicId)?.partitions;
      for (const partitionId of changed) {
        this.#replace({ topicId, partitionId }, before?.get(partitionId), after?.get(partitionId));
      }
    }
  }

  #replace(place: Place, before: PartitionImage | undefined, after: PartitionImage | undefined): void {
    this.#isr.move(place, before?.isr ?? NO_ONE, after?.isr ?? NO_ONE);
    this.#elr.move(place, before?.eligibleLeaderReplicas ?? NO_ONE, after?.eligibleLeaderReplicas ?? NO_ONE);
    if (after?.leader === NO_LEADER) this.#leaderless.add(place);
    else this.#leaderless.remove(place);
    if (after !== undefined && isImbalanced(after)) this.#imbalanced.add(place);
    else this.#imbalanced.remove(place);
  }
}
