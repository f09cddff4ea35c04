import type { PartitionIndex, Uuid, WireOffset } from "@samsa/base";

/** Partitions whose state the share coordinator must initialize. */
export interface Initialization {
  readonly groupId: string;
  readonly stateEpoch: number;
  readonly topics: readonly {
    readonly topicId: Uuid;
    readonly partitions: readonly PartitionIndex[];
    readonly startOffset: WireOffset;
  }[];
}
