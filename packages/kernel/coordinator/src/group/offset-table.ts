import type { Int64, LeaderEpoch, PartitionIndex, Uuid, WireOffset } from "@samsa/base";
import { type Timeline, TimelineMap, type View } from "../shard/timeline.ts";

export interface CommittedOffset {
  /** `ZERO_UUID` if the offset was committed by a version without topic ids. */
  readonly topicId: Uuid;
  readonly offset: WireOffset;
  readonly leaderEpoch: LeaderEpoch;
  readonly metadata: string;
  readonly commitTimestamp: number;
  /** Only offsets committed by very old clients carry one (value version 1); -1: none. */
  readonly expireTimestamp: Int64;
}

type Offsets = TimelineMap<string, TimelineMap<PartitionIndex, CommittedOffset>>;

/** Committed offsets of a group, by topic and partition. */
export type GroupOffsets = Pick<Offsets, "entries" | "get" | "size" | typeof Symbol.iterator>;

/** Committed offsets by group id (`OffsetMetadataManager.Offsets`). They stay when a group changes its type. */
export class OffsetTable {
  readonly #timeline: Timeline;
  readonly #groups: TimelineMap<string, Offsets>;
  readonly #none: Offsets;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
    this.#groups = new TimelineMap(timeline);
    this.#none = new TimelineMap(timeline);
  }

  /** Offsets of the group that has them in `view`. Read its topics and partitions in the same view. */
  of(groupId: string, view: View = "latest"): GroupOffsets {
    return this.#groups.get(groupId, view) ?? this.#none;
  }

  set({ groupId, topic, partition }: OffsetPlace, offset: CommittedOffset): void {
    let topics = this.#groups.get(groupId);
    if (topics === undefined) {
      topics = new TimelineMap(this.#timeline);
      this.#groups.set(groupId, topics);
    }
    let partitions = topics.get(topic);
    if (partitions === undefined) {
      partitions = new TimelineMap(this.#timeline);
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
}

/** Key of a committed offset. */
export interface OffsetPlace {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: PartitionIndex;
}
