import { errorOf, type ErrorName } from "@samsa/protocol";

/** Reaction to an error code of a request about offsets. */
export type OffsetReaction =
  /** The same request again, after the backoff. */
  | "retry"
  /** The coordinator is another broker, or not there; again, after the backoff. */
  | "findCoordinator"
  /** The epoch of the member has changed; again, with the one that its next heartbeat brings. */
  | "refreshEpoch"
  /** The coordinator does not know the member, or not any more. */
  | "notMember"
  | "fail";

type OffsetFaults = Readonly<Partial<Record<ErrorName, OffsetReaction>>>;

/** Errors of OffsetCommit and OffsetFetch. Others: `retry` if Kafka calls the error retriable, else `fail`. */
const FAULTS: OffsetFaults = {
  COORDINATOR_NOT_AVAILABLE: "findCoordinator",
  NOT_COORDINATOR: "findCoordinator",
  REQUEST_TIMED_OUT: "findCoordinator",
  COORDINATOR_LOAD_IN_PROGRESS: "retry",
  UNKNOWN_TOPIC_OR_PARTITION: "retry",
  UNKNOWN_TOPIC_ID: "retry",
  UNSTABLE_OFFSET_COMMIT: "retry",
  REBALANCE_IN_PROGRESS: "retry",
  STALE_MEMBER_EPOCH: "refreshEpoch",
  ILLEGAL_GENERATION: "notMember",
  UNKNOWN_MEMBER_ID: "notMember",
  FENCED_INSTANCE_ID: "notMember",
  GROUP_ID_NOT_FOUND: "notMember",
};

export function offsetReactionTo(code: number): OffsetReaction {
  const error = errorOf(code);
  return FAULTS[error.name] ?? (error.retriable ? "retry" : "fail");
}
