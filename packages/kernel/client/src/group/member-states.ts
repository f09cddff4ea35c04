import type { PreviousStates } from "@samsa/base";

/** State of a member whose coordinator assigns the partitions (Kafka's `MemberState`). */
export type MemberState =
  /** Does not want to be a member. */
  | "UNSUBSCRIBED"
  /** Sends heartbeats to join, and has no assignment yet. */
  | "JOINING"
  /** Exchanges its partitions for those that it was assigned. */
  | "RECONCILING"
  /** Has done so, and is about to tell the coordinator. */
  | "ACKNOWLEDGING"
  | "STABLE"
  /** Is no member any more, and joins again once its handlers have ended. */
  | "FENCED"
  /** Gives up its partitions before it leaves. */
  | "PREPARE_LEAVING"
  /** Is about to tell the coordinator that it leaves. */
  | "LEAVING"
  | "FATAL"
  /** Has left, since its application made no progress. */
  | "STALE";

/** Valid previous states of a member, as in Kafka's `MemberState`. */
export const PREVIOUS_MEMBER_STATES: PreviousStates<MemberState> = {
  UNSUBSCRIBED: ["PREPARE_LEAVING", "LEAVING", "FENCED"],
  JOINING: ["FENCED", "UNSUBSCRIBED", "STALE"],
  RECONCILING: ["STABLE", "JOINING", "ACKNOWLEDGING", "RECONCILING"],
  ACKNOWLEDGING: ["RECONCILING"],
  STABLE: ["JOINING", "ACKNOWLEDGING", "RECONCILING"],
  FENCED: ["JOINING", "STABLE", "RECONCILING", "ACKNOWLEDGING", "PREPARE_LEAVING", "LEAVING"],
  PREPARE_LEAVING: ["JOINING", "STABLE", "RECONCILING", "ACKNOWLEDGING", "UNSUBSCRIBED"],
  LEAVING: ["PREPARE_LEAVING"],
  FATAL: ["JOINING", "STABLE", "RECONCILING", "ACKNOWLEDGING", "PREPARE_LEAVING", "LEAVING", "UNSUBSCRIBED"],
  STALE: ["LEAVING"],
};
