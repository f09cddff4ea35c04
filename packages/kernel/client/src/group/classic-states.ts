import type { PreviousStates } from "@samsa/base";

/**
 * State of a member with the classic protocol. Kafka's `AbstractCoordinator.MemberState` calls the first two and
 * `STALE` UNJOINED, `JOINING` PREPARING_REBALANCE and `SYNCING` COMPLETING_REBALANCE.
 */
export type ClassicState =
  /** Does not want to be a member. */
  | "UNSUBSCRIBED"
  /** Gives up partitions before it joins. */
  | "PREPARING"
  /** Has sent JoinGroup, or is about to. */
  | "JOINING"
  /** Is in the new generation, and waits for its partitions. */
  | "SYNCING"
  | "STABLE"
  | "LEAVING"
  /** Has left, since its application made no progress. */
  | "STALE"
  | "FATAL";

/** Valid previous states of a member with the classic protocol. */
export const PREVIOUS_CLASSIC_STATES: PreviousStates<ClassicState> = {
  UNSUBSCRIBED: ["LEAVING"],
  PREPARING: ["UNSUBSCRIBED", "PREPARING", "JOINING", "SYNCING", "STABLE", "STALE"],
  JOINING: ["PREPARING", "JOINING", "SYNCING"],
  SYNCING: ["JOINING"],
  STABLE: ["SYNCING"],
  LEAVING: ["PREPARING", "JOINING", "SYNCING", "STABLE", "STALE"],
  STALE: ["PREPARING", "JOINING", "SYNCING", "STABLE"],
  FATAL: ["PREPARING", "JOINING", "SYNCING", "STABLE", "LEAVING", "STALE"],
};
