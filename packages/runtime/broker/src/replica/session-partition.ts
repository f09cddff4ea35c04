import type { LeaderEpoch, Offset, PartitionIndex, Uuid } from "@samsa/base";

/** A partition of a session, and the values last sent to the client. */
export interface SessionPartition {
  /** Empty while no topic has this id. */
  topic: string;
  /** Nil if the client names topics (versions below 13). */
  readonly topicId: Uuid;
  readonly partition: PartitionIndex;
  fetchOffset: Offset;
  maxBytes: number;
  currentLeaderEpoch: LeaderEpoch;
  lastFetchedEpoch: LeaderEpoch;
  logStartOffset: Offset;
  /** Values of the last response that carried this partition; -1 before the first. */
  sentHighWatermark: Offset;
  sentLogStartOffset: Offset;
  sentError: boolean;
}
