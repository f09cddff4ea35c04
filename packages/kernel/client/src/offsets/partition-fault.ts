import { type ErrorName, errorOf } from "@samsa/protocol";

/** Reaction to the error of a partition in a Fetch, ListOffsets or OffsetForLeaderEpoch response. */
export type Fault =
  /** Ask again after a back-off. */
  | "retry"
  /** Ask again after a back-off, and ask for the metadata: another broker may lead the partition now. */
  | "refresh"
  /** The log has no record at the position. */
  | "range"
  /** Tell the application. */
  | "raise";

/** Reactions as in `FetchCollector.handleInitializeErrors` and `OffsetFetcherUtils.handleListOffsetResponse`. */
const FAULTS: Partial<Record<ErrorName, Fault>> = {
  NOT_LEADER_OR_FOLLOWER: "refresh",
  FENCED_LEADER_EPOCH: "refresh",
  REPLICA_NOT_AVAILABLE: "refresh",
  LEADER_NOT_AVAILABLE: "refresh",
  KAFKA_STORAGE_ERROR: "refresh",
  OFFSET_NOT_AVAILABLE: "refresh",
  UNKNOWN_TOPIC_OR_PARTITION: "refresh",
  UNKNOWN_TOPIC_ID: "refresh",
  INCONSISTENT_TOPIC_ID: "refresh",
  // The broker is behind the metadata of this client, and will catch up.
  UNKNOWN_LEADER_EPOCH: "retry",
  UNKNOWN_SERVER_ERROR: "retry",
  OFFSET_OUT_OF_RANGE: "range",
  TOPIC_AUTHORIZATION_FAILED: "raise",
  CORRUPT_MESSAGE: "raise",
};

/** Reaction to an error code, which is not 0. Codes that Kafka's consumers do not know are told if they are final. */
export function faultOf(code: number): Fault {
  const error = errorOf(code);
  return FAULTS[error.name] ?? (error.retriable ? "refresh" : "raise");
}
