import type { BrokerId, PartitionIndex, Uuid } from "@samsa/base";
import type { MetadataChanges, MetadataImage, PartitionImage } from "@samsa/metadata";

/** Partition by the id of its topic. */
export interface Place {
  readonly topicId: Uuid;
  readonly partitionId: PartitionIndex;
}

/** Set of partitions. */
class Places {
  readonly #topics = new Map<Uuid, Set<PartitionIndex>>();

  get isEmpty(): boolean {
    return this.#topics.size === 0;
  }

  add({ topicId, partitionId }: Place): void {
    const partitions = this.#topics.get(topicId);
    if (partitions === undefined) this.#topics.set(topicId, new Set([partitionId]));
    else partitions.add(partitionId);
  }

  remove({ topicId, partitionId }: Place): void {
    const partitions = this.#topics.get(topicId);
    if (partitions === undefined) return;
    partitions.delete(partitionId);
    if (partitions.size === 0) this.#topics.delete(topicId);
  }

  /** All partitions, by topic id and index, so that decisions do not depend on the history of the index. */
  sorted(): Place[] {
    return [...this.#topics.keys()]
      .sort()
      .flatMap(topicId =>
        [...(this.#topics.get(topicId) ?? [])]
          .sort((a, b) => a - b)
          .map((partitionId): Place => ({ topicId, partitionId })),
      );
  }
}

const NOWHERE = new Places();

/** Sets of partitions by broker. */
class PlacesByBroker {
  readonly #brokers = new Map<BrokerId, Places>();

  of(brokerId: BrokerId): Pick<Places, "isEmpty" | "sorted"> {
    return this.#brokers.get(brokerId) ?? NOWHERE;
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
  /** The key −1 has the partitions without a leader. */
  readonly #led = new PlacesByBroker();
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
    return this.#isr.of(brokerId).sorted();
  }

  /** Partitions with the broker among their eligible leader replicas. */
  eligible(brokerId: BrokerId): Place[] {
    return this.#elr.of(brokerId).sorted();
  }

  /** True if the broker leads a partition. */
  leads(brokerId: BrokerId): boolean {
    return !this.#led.of(brokerId).isEmpty;
  }

  /** Partitions without a leader. */
  leaderless(): Place[] {
    return this.#led.of(NO_LEADER).sorted();
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
    if (before?.leader !== after?.leader) {
      this.#led.move(
        place,
        before === undefined ? NO_ONE : [before.leader],
        after === undefined ? NO_ONE : [after.leader],
      );
    }
    if (after !== undefined && isImbalanced(after)) this.#imbalanced.add(place);
    else if (before !== undefined) this.#imbalanced.remove(place);
  }
}
