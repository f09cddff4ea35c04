import type { Int64, Uuid } from "@samsa/base";

export interface CommittedOffset {
  /** `ZERO_UUID` if the offset was committed by a version without topic ids. */
  readonly topicId: Uuid;
  readonly offset: Int64;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestamp: number;
  /** Only offsets committed by very old clients carry one (value version 1); -1: none. */
  readonly expireTimestamp: Int64;
}

/** Committed offsets of a group, by topic and partition. */
export type GroupOffsets = ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>;

const NO_OFFSETS: GroupOffsets = new Map();

/** Committed offsets by group id (`OffsetMetadataManager.Offsets`). They stay when a group changes its type. */
export class OffsetTable {
  readonly #groups = new Map<string, Map<string, Map<number, CommittedOffset>>>();

  of(groupId: string): GroupOffsets {
    return this.#groups.get(groupId) ?? NO_OFFSETS;
  }

  set({ groupId, topic, partition }: OffsetPlace, offset: CommittedOffset): void {
    let topics = this.#groups.get(groupId);
    if (topics === undefined) {
      topics = new Map();
      this.#groups.set(groupId, topics);
    }
    let partitions = topics.get(topic);
    if (partitions === undefined) {
      partitions = new Map();
      topics.set(topic, partitions);
    }
    partitions.set(partition, offset);
  }

  drop({ groupId, topic, partition }: OffsetPlace): void {
    const topics = this.#groups.get(groupId);
    const partitions = topics?.get(topic);
    partitions?.delete(partition);
    if (partitions?.size === 0) topics?.delete(topic);
    if (topics?.size === 0) this.#groups.delete(groupId);
  }

  clear(): void {
    this.#groups.clear();
  }
}

/** Key of a committed offset. */
export interface OffsetPlace {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
}
