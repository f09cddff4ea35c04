import type { CommittedOffset, OffsetPlace } from "./offset-table.ts";

interface Entry {
  /** Undefined once a later offset is in force. */
  value: CommittedOffset | undefined;
  /** Order of arrival. */
  readonly position: number;
}

interface Place extends OffsetPlace {
  readonly byProducer: Map<bigint, Entry>;
}

export interface PlacedOffset extends OffsetPlace {
  readonly value: CommittedOffset;
}

/** Offsets of open transactions (`OffsetMetadataManager`, `openTransactions`). */
export class PendingOffsets {
  readonly #groups = new Map<string, Map<string, Place>>();
  readonly #producers = new Map<bigint, Set<Place>>();
  #positions = 0;

  /** True if an open transaction has offsets of the group. */
  has(groupId: string): boolean {
    return this.#groups.has(groupId);
  }

  hasPartition(groupId: string, topic: string, partition: number): boolean {
    return this.#groups.get(groupId)?.has(keyOf(topic, partition)) === true;
  }

  /** Partitions of the group with pending offsets, and those offsets that may still take effect. */
  *of(
    groupId: string,
  ): IterableIterator<{ readonly topic: string; readonly partition: number; readonly values: CommittedOffset[] }> {
    for (const { topic, partition, byProducer } of this.#groups.get(groupId)?.values() ?? []) {
      const values = [...byProducer.values()].flatMap(({ value }) => (value === undefined ? [] : [value]));
      yield { topic, partition, values };
    }
  }

  /** Groups with pending offsets of the producer. */
  *groupsOf(producerId: bigint): IterableIterator<string> {
    for (const { groupId } of this.#producers.get(producerId) ?? []) yield groupId;
  }

  add({ groupId, topic, partition, value }: PlacedOffset, producerId: bigint): void {
    const places = this.#groups.get(groupId) ?? new Map<string, Place>();
    this.#groups.set(groupId, places);
    const key = keyOf(topic, partition);
    const place = places.get(key) ?? { groupId, topic, partition, byProducer: new Map<bigint, Entry>() };
    places.set(key, place);
    place.byProducer.set(producerId, { value, position: ++this.#positions });
    this.#producers.set(producerId, (this.#producers.get(producerId) ?? new Set()).add(place));
  }

  /** Voids the pending offsets of a partition after a commit without a transaction; their transactions stay open. */
  overtake(groupId: string, topic: string, partition: number): void {
    const place = this.#groups.get(groupId)?.get(keyOf(topic, partition));
    for (const entry of place?.byProducer.values() ?? []) entry.value = undefined;
  }

  /** Drops the pending offsets of a partition after the tombstone of its offset. */
  drop(groupId: string, topic: string, partition: number): void {
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
  end(producerId: bigint, committed: boolean): PlacedOffset[] {
    const places = this.#producers.get(producerId) ?? [];
    this.#producers.delete(producerId);
    const result: PlacedOffset[] = [];
    for (const place of places) {
      const { groupId, topic, partition, byProducer } = place;
      const entry = byProducer.get(producerId);
      byProducer.delete(producerId);
      if (byProducer.size === 0) this.#remove(place);
      if (!committed || entry?.value === undefined) continue;
      result.push({ groupId, topic, partition, value: entry.value });
      for (const other of byProducer.values()) if (other.position < entry.position) other.value = undefined;
    }
    return result;
  }

  #remove({ groupId, topic, partition }: Place): void {
    const places = this.#groups.get(groupId);
    places?.delete(keyOf(topic, partition));
    if (places?.size === 0) this.#groups.delete(groupId);
  }
}

function keyOf(topic: string, partition: number): string {
  return `${partition}/${topic}`;
}
