import { KafkaError } from "@samsa/client-kernel";
import { pascalCase } from "./text.ts";

type Row = readonly [sentence: string, className?: string];

/**
 * Sentences that Kafka's tools print about an error if the broker sends none, and classes of exceptions whose names are
 * not those of the errors (`org.apache.kafka.common.protocol.Errors`). Scripts look for both.
 */
const ERRORS: Readonly<Record<string, Row>> = {
  UNKNOWN_SERVER_ERROR: [
    "The server experienced an unexpected error when processing the request.",
    "UnknownServerException",
  ],
  OFFSET_OUT_OF_RANGE: ["The requested offset is not within the range of offsets maintained by the server."],
  UNKNOWN_TOPIC_OR_PARTITION: ["This server does not host this topic-partition."],
  LEADER_NOT_AVAILABLE: [
    "There is no leader for this topic-partition as we are in the middle of a leadership election.",
  ],
  REQUEST_TIMED_OUT: ["The request timed out.", "TimeoutException"],
  MESSAGE_TOO_LARGE: [
    "The request included a message larger than the max message size the server will accept.",
    "RecordTooLargeException",
  ],
  COORDINATOR_LOAD_IN_PROGRESS: ["The coordinator is loading and hence can't process requests."],
  COORDINATOR_NOT_AVAILABLE: ["The coordinator is not available."],
  NOT_COORDINATOR: ["This is not the correct coordinator."],
  INVALID_TOPIC_EXCEPTION: [
    "The request attempted to perform an operation on an invalid topic.",
    "InvalidTopicException",
  ],
  NOT_ENOUGH_REPLICAS: ["Messages are rejected since there are fewer in-sync replicas than required."],
  INVALID_GROUP_ID: ["The group id is invalid."],
  UNKNOWN_MEMBER_ID: ["The coordinator is not aware of this member."],
  REBALANCE_IN_PROGRESS: ["The group is rebalancing, so a rejoin is needed."],
  TOPIC_AUTHORIZATION_FAILED: ["Topic authorization failed.", "TopicAuthorizationException"],
  GROUP_AUTHORIZATION_FAILED: ["Group authorization failed.", "GroupAuthorizationException"],
  CLUSTER_AUTHORIZATION_FAILED: ["Cluster authorization failed.", "ClusterAuthorizationException"],
  UNSUPPORTED_VERSION: ["The version of API is not supported."],
  TOPIC_ALREADY_EXISTS: ["Topic with this name already exists.", "TopicExistsException"],
  INVALID_PARTITIONS: ["Number of partitions is below 1."],
  INVALID_REPLICATION_FACTOR: ["Replication factor is below 1 or larger than the number of available brokers."],
  INVALID_REPLICA_ASSIGNMENT: ["Replica assignment is invalid."],
  INVALID_CONFIG: ["Configuration is invalid.", "InvalidConfigurationException"],
  NOT_CONTROLLER: ["This is not the correct controller for this cluster."],
  INVALID_REQUEST: [
    "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details.",
  ],
  POLICY_VIOLATION: ["Request parameters do not satisfy the configured policy."],
  INVALID_PRODUCER_EPOCH: ["Producer attempted to produce with an old epoch."],
  INVALID_TXN_STATE: ["The producer attempted a transactional operation in an invalid state."],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [
    "Transactional Id authorization failed.",
    "TransactionalIdAuthorizationException",
  ],
  SECURITY_DISABLED: ["Security features are disabled."],
  KAFKA_STORAGE_ERROR: ["Disk error when trying to access log file on the disk.", "KafkaStorageException"],
  LOG_DIR_NOT_FOUND: ["The user-specified log directory is not found in the broker config."],
  SASL_AUTHENTICATION_FAILED: ["SASL Authentication failed.", "SaslAuthenticationException"],
  REASSIGNMENT_IN_PROGRESS: ["A partition reassignment is in progress."],
  NON_EMPTY_GROUP: ["The group is not empty.", "GroupNotEmptyException"],
  GROUP_ID_NOT_FOUND: ["The group id does not exist."],
  TOPIC_DELETION_DISABLED: ["Topic deletion is disabled."],
  PREFERRED_LEADER_NOT_AVAILABLE: ["The preferred leader was not available."],
  ELIGIBLE_LEADERS_NOT_AVAILABLE: ["Eligible topic partition leaders are not available."],
  ELECTION_NOT_NEEDED: ["Leader election not needed for topic partition."],
  NO_REASSIGNMENT_IN_PROGRESS: ["No partition reassignment is in progress."],
  GROUP_SUBSCRIBED_TO_TOPIC: [
    "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it.",
  ],
  THROTTLING_QUOTA_EXCEEDED: ["The throttling quota has been exceeded."],
  RESOURCE_NOT_FOUND: ["A request illegally referred to a resource that does not exist."],
  DUPLICATE_RESOURCE: ["A request illegally referred to the same resource twice."],
  UNACCEPTABLE_CREDENTIAL: ["Requested credential would not meet criteria for acceptability."],
  INVALID_UPDATE_VERSION: ["The given update version was invalid."],
  FEATURE_UPDATE_FAILED: ["Unable to update finalized features due to an unexpected server error."],
  UNKNOWN_TOPIC_ID: ["This server does not host this topic ID."],
  BROKER_ID_NOT_REGISTERED: ["The given broker ID was not registered."],
  TRANSACTIONAL_ID_NOT_FOUND: ["The transactionalId could not be found."],
  DUPLICATE_VOTER: ["The voter is already part of the set of voters."],
  VOTER_NOT_FOUND: ["The voter is not part of the set of voters."],
  TIMED_OUT: ["Timed out waiting for a node assignment.", "TimeoutException"],
  BROKERS_UNREACHABLE: ["Timed out waiting for a node assignment.", "TimeoutException"],
  DISCONNECTED: ["The server disconnected before a response was received.", "DisconnectException"],
  TLS_FAILED: ["SSL handshake failed", "SslAuthenticationException"],
};

/** Message of the exception that Java's client has for an error: the broker's sentence, else Kafka's. */
export function javaMessage(error: unknown): string {
  if (!(error instanceof KafkaError)) return error instanceof Error ? error.message : String(error);
  return error.detail ?? ERRORS[error.name]?.[0] ?? error.message;
}

/** Kafka's sentence about an error, whatever the broker has said. */
export function sentenceOf(error: KafkaError): string {
  return ERRORS[error.name]?.[0] ?? error.message;
}

/** Simple name of Java's exception. */
export function javaClass({ name }: KafkaError): string {
  return ERRORS[name]?.[1] ?? `${pascalCase(name)}Exception`;
}

/** `toString` of Java's exception: its class and its message. */
export function javaText(error: unknown): string {
  if (!(error instanceof KafkaError)) return `java.lang.RuntimeException: ${javaMessage(error)}`;
  return `org.apache.kafka.common.errors.${javaClass(error)}: ${javaMessage(error)}`;
}

/** Message of the `ExecutionException` in which futures wrap an error. */
export function wrappedText(error: unknown): string {
  return `java.util.concurrent.ExecutionException: ${javaText(error)}`;
}
