import type { LeaderEpoch, Offset } from "@samsa/base";
import { partitionKey, type TopicPartition } from "../cluster/cluster-view.ts";
import type { PartitionOffset } from "./offset-effects.ts";
import { OffsetTracker } from "./offset-tracker.ts";

interface Tracked extends TopicPartition {
  readonly tracker: OffsetTracker;
  /** Offset that the group has, as far as is known. */
  committed: Offset;
}

/** Progress of the handlers of a consumer with each of its partitions, and what of that is committed. */
export class TrackedOffsets {
  /** Most records of a partition that handlers may work on at a time. */
  readonly #limit: number;
  readonly #partitions = new Map<string, Tracked>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Begins a partition at `position`, whose record before has that leader epoch; −1: not known. Forgets what was known
   * of it. `isCommitted`: the group has this offset.
   */
  begin(
    { topic, partition }: TopicPartition,
    position: Offset,
    epoch: LeaderEpoch,
    isCommitted: boolean,
  ): OffsetTracker {
    const tracker = new OffsetTracker(position, epoch, this.#limit);
    this.#partitions.set(partitionKey(topic, partition), {
      ...{ topic, partition, tracker },
      committed: isCommitted ? position : -1,
    });
    return tracker;
  }

  /** Undefined: the partition is not tracked. */
  tracker({ topic, partition }: TopicPartition): OffsetTracker | undefined {
    return this.#partitions.get(partitionKey(topic, partition))?.tracker;
  }

  end(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.#partitions.delete(partitionKey(topic, partition));
  }

  /** Offsets to commit: those that differ from what is committed. Undefined: of all partitions. */
  dirty(partitions?: readonly TopicPartition[]): PartitionOffset[] {
    const all = partitions?.flatMap(
      ({ topic, partition }) => this.#partitions.get(partitionKey(topic, partition)) ?? [],
    );
    return [...(all ?? this.#partitions.values())].flatMap(({ topic, partition, tracker, committed }) => {
      const { watermark: offset, epoch: leaderEpoch } = tracker;
      return offset === committed ? [] : [{ topic, partition, offset, leaderEpoch, metadata: "" }];
    });
  }

  committed({ topic, partition, offset }: PartitionOffset): void {
    const tracked = this.#partitions.get(partitionKey(topic, partition));
    if (tracked !== undefined) tracked.committed = offset;
  }
}
