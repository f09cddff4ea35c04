import type { BrokerId, LeaderEpoch, Offset, PartitionIndex } from "@samsa/base";
import type { Apis, Draft, Infer } from "@samsa/protocol";
import type { TopicPartition } from "../cluster/cluster-view.ts";
import type { MetadataEffect } from "../cluster/leader-hint.ts";
import type { ListOffsetsDraft } from "../offsets/list-offsets.ts";
import type { FetchDraft } from "./fetch-session.ts";

/** OffsetForLeaderEpoch request, as encoding takes it. */
export type OffsetForLeaderEpochDraft = Draft<(typeof Apis)["OffsetForLeaderEpoch"]["request"]>;
/** Decoded OffsetForLeaderEpoch response. */
export type OffsetForLeaderEpochAnswer = Infer<(typeof Apis)["OffsetForLeaderEpoch"]["response"]>;

/** Offset that a group has committed. */
export interface CommittedOffset extends TopicPartition {
  readonly offset: Offset;
  /** Leader epoch of the record before the offset; −1: not known. */
  readonly leaderEpoch: LeaderEpoch;
}

/** Reason for which a partition does not go on at its position. */
export type PositionLoss =
  /** The log begins after the position, or ends before it. */
  | "OUT_OF_RANGE"
  /** The log was truncated below the position, by an unclean election. */
  | "TRUNCATED"
  /** The topic was deleted, and one of the same name created. */
  | "RECREATED";

/**
 * Action of a `Fetcher`. The answer to a request comes back as an input with the ticket, or its failure does, exactly
 * once; an answer may come late or after the partition was taken away.
 */
export type FetchEffect =
  /** Sends a Fetch request, at `maxVersion` at most. */
  | {
      readonly type: "fetch";
      readonly ticket: number;
      readonly brokerId: BrokerId;
      readonly request: FetchDraft;
      readonly maxVersion: number | undefined;
    }
  /** Sends a ListOffsets request. */
  | {
      readonly type: "listOffsets";
      readonly ticket: number;
      readonly brokerId: BrokerId;
      readonly request: ListOffsetsDraft;
    }
  /** Sends an OffsetForLeaderEpoch request. */
  | {
      readonly type: "offsetForLeaderEpoch";
      readonly ticket: number;
      readonly brokerId: BrokerId;
      readonly request: OffsetForLeaderEpochDraft;
    }
  /** Asks the group for the offsets that it has committed. */
  | { readonly type: "committedOffsets"; readonly ticket: number; readonly partitions: readonly TopicPartition[] }
  | MetadataEffect
  /** Tells that a partition goes on elsewhere: at `to`, or where the reset policy says if that is undefined. */
  | {
      readonly type: "moved";
      readonly topic: string;
      readonly partition: PartitionIndex;
      readonly from: Offset;
      readonly to: Offset | undefined;
      readonly loss: PositionLoss;
    };
