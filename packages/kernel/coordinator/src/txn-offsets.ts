import { Errors, type TxnOffsetCommitRequest } from "@samsa/protocol";
import { commitFault } from "./consumer/consumer-groups.ts";
import type { CommittedOffset } from "./group.ts";
import type { Membership } from "./membership.ts";
import type { AnyGroup } from "./offsets.ts";

/** First version of TxnOffsetCommit with GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH (KIP-1319). */
const EPOCHS_VERSION = 6;

type Topics = TxnOffsetCommitRequest["topics"];

/** TxnOffsetCommit response with the same error code for every partition. */
export function txnCommitError(topics: Topics, errorCode: number) {
  return {
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  };
}

/** Checks that a transaction may commit offsets to the group: 0 or an error code. A missing group may be created. */
export function txnCommitFault(
  membership: Membership,
  group: AnyGroup | undefined,
  request: TxnOffsetCommitRequest,
  version: number,
): number {
  const { memberId, groupInstanceId, generationIdOrMemberEpoch: generation } = request;
  if (group === undefined) {
    if (generation < 0) return 0;
    return (version >= EPOCHS_VERSION ? Errors.GROUP_ID_NOT_FOUND : Errors.ILLEGAL_GENERATION).code;
  }
  if (generation < 0 && group.state === "Empty") return 0;
  // Old producers send no member id and no generation.
  if (generation < 0 && memberId === "" && groupInstanceId === null) return 0;
  if (group.type === "consumer") {
    const partitions = request.topics.flatMap(({ topicId, partitions: of }) =>
      of.map(({ partitionIndex }) => [topicId, partitionIndex] as const),
    );
    // Every version of TxnOffsetCommit knows member epochs; some of OffsetCommit do not.
    const fault = commitFault(group, { memberId, epoch: generation, version: Infinity }, partitions);
    const isStale = fault === Errors.STALE_MEMBER_EPOCH.code;
    return isStale && version < EPOCHS_VERSION ? Errors.ILLEGAL_GENERATION.code : fault;
  }
  const error = membership.validate(group, memberId, groupInstanceId);
  if (error !== 0) return error;
  return generation === group.generation ? 0 : Errors.ILLEGAL_GENERATION.code;
}

interface Entry {
  /** Undefined once a later offset is in force. */
  value: CommittedOffset | undefined;
  /** Order of arrival. */
  readonly position: number;
}

interface Place {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
  readonly byProducer: Map<bigint, Entry>;
}

export interface PlacedOffset {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
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
