import { errorOf, type ErrorName } from "@samsa/protocol";

/** Reaction of a member to an error code. */
export type Reaction =
  /** The same request again, after the backoff. */
  | "retry"
  /** The coordinator is another broker, or not there; again, after the backoff. */
  | "findCoordinator"
  /** The group rebalances: join. */
  | "rejoin"
  /** The coordinator wants the member to join with the id that it answers. */
  | "takeMemberId"
  /** The generation is over: lose the partitions and join with the same id. */
  | "loseGeneration"
  /** The coordinator does not know the member: lose the partitions and join as a new one. */
  | "loseMembership"
  /** Tell the application, and go on. */
  | "report"
  /** Tell the application, and stop. */
  | "fatal";

/** Reactions by the name of the error. Others: `retry` if Kafka calls the error retriable, else `fatal`. */
export type FaultTable = Readonly<Partial<Record<ErrorName, Reaction>>>;

const COORDINATOR: FaultTable = {
  COORDINATOR_LOAD_IN_PROGRESS: "retry",
  COORDINATOR_NOT_AVAILABLE: "findCoordinator",
  NOT_COORDINATOR: "findCoordinator",
};

/** Errors of JoinGroup (`AbstractCoordinator.JoinGroupResponseHandler`). */
export const JOIN_FAULTS: FaultTable = {
  ...COORDINATOR,
  MEMBER_ID_REQUIRED: "takeMemberId",
  UNKNOWN_MEMBER_ID: "loseMembership",
  ILLEGAL_GENERATION: "loseGeneration",
  REBALANCE_IN_PROGRESS: "rejoin",
};

/** Errors of SyncGroup. */
export const SYNC_FAULTS: FaultTable = {
  ...COORDINATOR,
  COORDINATOR_LOAD_IN_PROGRESS: "rejoin",
  UNKNOWN_MEMBER_ID: "loseMembership",
  ILLEGAL_GENERATION: "loseGeneration",
  REBALANCE_IN_PROGRESS: "rejoin",
};

/** Errors of Heartbeat with the classic protocol. */
export const HEARTBEAT_FAULTS: FaultTable = {
  ...COORDINATOR,
  UNKNOWN_MEMBER_ID: "loseMembership",
  ILLEGAL_GENERATION: "loseGeneration",
  REBALANCE_IN_PROGRESS: "rejoin",
};

/** Errors of ConsumerGroupHeartbeat and ShareGroupHeartbeat (`AbstractHeartbeatRequestManager`). */
export const MEMBER_EPOCH_FAULTS: FaultTable = {
  ...COORDINATOR,
  FENCED_MEMBER_EPOCH: "loseMembership",
  UNKNOWN_MEMBER_ID: "loseMembership",
  TOPIC_AUTHORIZATION_FAILED: "report",
};

/** Reaction to an error code other than 0. */
export function reactionTo(code: number, faults: FaultTable): Reaction {
  const error = errorOf(code);
  return faults[error.name] ?? (error.retriable ? "retry" : "fatal");
}
