import { Errors, type TxnOffsetCommitRequest } from "@samsa/protocol";
import { commitFault } from "./consumer/consumer-groups.ts";
import type { CommittedOffset } from "./group.ts";
import type { Membership } from "./membership.ts";
import type { AnyGroup } from "./offsets.ts";

/** First version of TxnOffsetCommit that tells of a missing group and of an old epoch as such (KIP-1319). */
const EPOCHS_VERSION = 6;

type Topics = TxnOffsetCommitRequest["topics"];

/** The same answer for every partition of a commit. */
export function txnCommitError(topics: Topics, errorCode: number) {
  return {
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  };
}

/** Why a group does not take offsets in a transaction; 0 when it does. A group that is not there may be made. */
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
  // Producers of old know nothing of groups but their names.
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
  /** undefined once an offset that came later is in force. */
  value: CommittedOffset | undefined;
  /** Later ones have higher numbers. */
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

/** Offsets that are part of transactions which are still open (`OffsetMetadataManager`, `openTransactions`). */
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

  /** Partitions of the group with offsets of open transactions, and those offsets as far as they may still count. */
  *of(
    groupId: string,
  ): IterableIterator<{ readonly topic: string; readonly partition: number; readonly values: CommittedOffset[] }> {
    for (const { topic, partition, byProducer } of this.#groups.get(groupId)?.values() ?? []) {
      const values = [...byProducer.values()].flatMap(({ value }) => (value === undefined ? [] : [value]));
      yield { topic, partition, values };
    }
  }

  /** Groups in which the producer has something open. */
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

  /** An offset has been committed without a transaction: those that came before it are void, though still open. */
  overtake(groupId: string, topic: string, partition: number): void {
    const place = this.#groups.get(groupId)?.get(keyOf(topic, partition));
    for (const entry of place?.byProducer.values() ?? []) entry.value = undefined;
  }

  /** The partition's offset has been erased, and whatever was open with it. */
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

  /** A producer's transaction has ended: what is committed with it. */
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
