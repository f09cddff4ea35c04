import type { PartitionIndex, ProducerId } from "@samsa/base";
import type { CommittedOffset, OffsetPlace } from "./offset-table.ts";
import { type Timeline, TimelineMap } from "../shard/timeline.ts";

interface Entry {
  /** Undefined once a later offset is in force. */
  readonly value: CommittedOffset | undefined;
  /** Order of arrival. */
  readonly position: number;
}

interface Place extends OffsetPlace {
  readonly byProducer: TimelineMap<ProducerId, Entry>;
}

export interface PlacedOffset extends OffsetPlace {
  readonly value: CommittedOffset;
}

/** Offsets of open transactions (`OffsetMetadataManager`, `openTransactions`). */
export class PendingOffsets {
  readonly #timeline: Timeline;
  readonly #groups: TimelineMap<string, TimelineMap<string, Place>>;
  readonly #producers: TimelineMap<ProducerId, TimelineMap<Place, true>>;
  #positions = 0;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
    this.#groups = new TimelineMap(timeline);
    this.#producers = new TimelineMap(timeline);
  }

  /** True if an open transaction has offsets of the group. */
  has(groupId: string): boolean {
    return this.#groups.has(groupId);
  }

  hasPartition(groupId: string, topic: string, partition: PartitionIndex): boolean {
    return this.#groups.get(groupId)?.has(keyOf(topic, partition)) === true;
  }

  /** Partitions of the group with pending offsets, and those offsets that may still take effect. */
  *of(groupId: string): IterableIterator<{
    readonly topic: string;
    readonly partition: PartitionIndex;
    readonly values: CommittedOffset[];
  }> {
    for (const { topic, partition, byProducer } of this.#groups.get(groupId)?.values() ?? []) {
      const values = [...byProducer.values()].flatMap(({ value }) => (value === undefined ? [] : [value]));
      yield { topic, partition, values };
    }
  }

  add({ groupId, topic, partition, value }: PlacedOffset, producerId: ProducerId): void {
    let places = this.#groups.get(groupId);
    if (places === undefined) {
      places = new TimelineMap(this.#timeline);
      this.#groups.set(groupId, places);
    }
    const key = keyOf(topic, partition);
    let place = places.get(key);
    if (place === undefined) {
      place = { groupId, topic, partition, byProducer: new TimelineMap(this.#timeline) };
      places.set(key, place);
    }
    place.byProducer.set(producerId, { value, position: ++this.#positions });
    let own = this.#producers.get(producerId);
    if (own === undefined) {
      own = new TimelineMap(this.#timeline);
      this.#producers.set(producerId, own);
    }
    if (!own.has(place)) own.set(place, true);
  }

  /** Voids the pending offsets of a partition after a commit without a transaction; their transactions stay open. */
  overtake(groupId: string, topic: string, partition: PartitionIndex): void {
    const place = this.#groups.get(groupId)?.get(keyOf(topic, partition));
    if (place !== undefined) voidBefore(place, Infinity);
  }

  /** Drops the pending offsets of a partition after the tombstone of its offset. */
  drop(groupId: string, topic: string, partition: PartitionIndex): void {
    const place = this.#groups.get(groupId)?.get(keyOf(topic, partition));
    if (place === undefined) return;
    for (const producerId of place.byProducer.keys()) {
      const places = this.#producers.get(producerId);
      places?.delete(place);
      if (places?.size === 0) this.#producers.delete(producerId);
    }
    this.#remove(place);
  }

  /** Ends a producer's transaction; returns the offsets that it commits. */
  end(producerId: ProducerId, committed: boolean): PlacedOffset[] {
    const places = this.#producers.get(producerId)?.keys() ?? [];
    this.#producers.delete(producerId);
    const result: PlacedOffset[] = [];
    for (const place of places) {
      const { groupId, topic, partition, byProducer } = place;
      const entry = byProducer.get(producerId);
      byProducer.delete(producerId);
      if (byProducer.size === 0) this.#remove(place);
      if (!committed || entry?.value === undefined) continue;
      result.push({ groupId, topic, partition, value: entry.value });
      voidBefore(place, entry.position);
    }
    return result;
  }

  #remove({ groupId, topic, partition }: Place): void {
    const places = this.#groups.get(groupId);
    places?.delete(keyOf(topic, partition));
    if (places?.size === 0) this.#groups.delete(groupId);
  }
}

/** Voids the pending offsets of a partition that came before `position`. */
function voidBefore({ byProducer }: Place, position: number): void {
  for (const [producerId, entry] of byProducer) {
    if (entry.value === undefined || entry.position >= position) continue;
    byProducer.set(producerId, { ...entry, value: undefined });
  }
}

function keyOf(topic: string, partition: PartitionIndex): string {
  return `${partition}/${topic}`;
}
