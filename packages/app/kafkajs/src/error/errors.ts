/** Errors of KafkaJS, by its names. Programs tell them apart by `instanceof`, `name`, `type` and `code`. */

/** Facts of an error beside its message. */
export interface KafkaJSErrorMetadata {
  /** The same call may succeed later; true by default. */
  readonly retriable?: boolean;
  readonly cause?: unknown;
  readonly topic?: string;
  readonly partitionId?: number;
}

/** Error of the protocol, as its classes take it. */
export interface ProtocolFacts {
  readonly message: string;
  readonly type: string;
  readonly code: number;
  readonly retriable: boolean;
}

type Told = Error | ProtocolFacts | string;

const textOf = (told: Told): string => (typeof told === "string" ? told : told.message);

/** Any error of the client. */
export class KafkaJSError extends Error {
  override name = "KafkaJSError";
  readonly retriable: boolean;
  /** Part of KafkaJS's errors; no error has one here. */
  readonly helpUrl: string | undefined;

  constructor(told: Told, { retriable = true, cause }: KafkaJSErrorMetadata = {}) {
    super(textOf(told), cause === undefined ? {} : { cause });
    this.retriable = retriable;
  }
}

/** Error after which the same call fails again. */
export class KafkaJSNonRetriableError extends KafkaJSError {
  override name = "KafkaJSNonRetriableError";

  constructor(told: Told, { cause }: KafkaJSErrorMetadata = {}) {
    super(told, { retriable: false, cause });
  }
}

/** Error that a broker has answered with. */
export class KafkaJSProtocolError extends KafkaJSError {
  override name = "KafkaJSProtocolError";
  /** Name of the error as KafkaJS has it: `NOT_LEADER_FOR_PARTITION`, `NOT_COORDINATOR_FOR_GROUP` and so on. */
  readonly type: string;
  /** Kafka's code. */
  readonly code: number;

  constructor(told: Told, { retriable, cause }: KafkaJSErrorMetadata = {}) {
    const facts = typeof told === "object" && "code" in told && "type" in told ? (told as ProtocolFacts) : undefined;
    super(told, { retriable: retriable ?? facts?.retriable ?? false, cause });
    this.type = facts?.type ?? "UNKNOWN";
    this.code = facts?.code ?? -1;
  }
}

/** Offset that the log does not have. */
export class KafkaJSOffsetOutOfRange extends KafkaJSProtocolError {
  override name = "KafkaJSOffsetOutOfRange";
  readonly topic: string;
  readonly partition: number;

  constructor(told: Told, { topic, partition }: { readonly topic: string; readonly partition: number }) {
    super(told);
    this.topic = topic;
    this.partition = partition;
  }
}

/** Member that was told its id and has to join with it. The client does so itself. */
export class KafkaJSMemberIdRequired extends KafkaJSProtocolError {
  override name = "KafkaJSMemberIdRequired";
  readonly memberId: string;

  constructor(told: Told, { memberId }: { readonly memberId: string }) {
    super(told);
    this.memberId = memberId;
  }
}

/** Call that has failed as often as `retry` allows; `cause` is the last error. */
export class KafkaJSNumberOfRetriesExceeded extends KafkaJSNonRetriableError {
  override name = "KafkaJSNumberOfRetriesExceeded";
  readonly retryCount: number;
  readonly retryTime: number;

  constructor(
    told: Error | string,
    { retryCount, retryTime }: { readonly retryCount: number; readonly retryTime: number },
  ) {
    super(told, { cause: told });
    this.retryCount = retryCount;
    this.retryTime = retryTime;
  }
}

/** No connection to a broker. */
export class KafkaJSConnectionError extends KafkaJSError {
  override name = "KafkaJSConnectionError";
  readonly broker: string | undefined;
  readonly code: string | undefined;

  constructor(
    told: Told,
    facts: KafkaJSErrorMetadata & { readonly broker?: string | undefined; readonly code?: string } = {},
  ) {
    super(told, facts);
    this.broker = facts.broker;
    this.code = facts.code;
  }
}

/** Connection that was lost before the answer. */
export class KafkaJSConnectionClosedError extends KafkaJSConnectionError {
  override name = "KafkaJSConnectionClosedError";
  readonly host: string | undefined;
  readonly port: number | undefined;

  constructor(told: Told, facts: KafkaJSErrorMetadata & { readonly host?: string; readonly port?: number } = {}) {
    super(told, { ...facts, broker: facts.host === undefined ? undefined : `${facts.host}:${facts.port}` });
    this.host = facts.host;
    this.port = facts.port;
  }
}

/** Request that a broker has not answered in time. */
export class KafkaJSRequestTimeoutError extends KafkaJSError {
  override name = "KafkaJSRequestTimeoutError";
  readonly broker: string | undefined;

  constructor(told: Told, facts: KafkaJSErrorMetadata & { readonly broker?: string | undefined } = {}) {
    super(told, facts);
    this.broker = facts.broker;
  }
}

/** No metadata of the cluster yet. */
export class KafkaJSMetadataNotLoaded extends KafkaJSError {
  override name = "KafkaJSMetadataNotLoaded";
}

/** No metadata of a topic yet. */
export class KafkaJSTopicMetadataNotLoaded extends KafkaJSMetadataNotLoaded {
  override name = "KafkaJSTopicMetadataNotLoaded";
  readonly topic: string | undefined;

  constructor(told: Told, { topic }: { readonly topic?: string } = {}) {
    super(told);
    this.topic = topic;
  }
}

/** Assignment with partitions that the metadata does not have. */
export class KafkaJSStaleTopicMetadataAssignment extends KafkaJSError {
  override name = "KafkaJSStaleTopicMetadataAssignment";
}

/** Groups that could not be deleted. */
export class KafkaJSDeleteGroupsError extends KafkaJSError {
  override name = "KafkaJSDeleteGroupsError";
  readonly groups: readonly { readonly groupId: string; readonly errorCode: number; readonly error: KafkaJSError }[];

  constructor(told: Told, groups: KafkaJSDeleteGroupsError["groups"] = []) {
    super(told);
    this.groups = groups;
  }
}

/** Records that could not be deleted. Retriable if the errors of all partitions are. */
export class KafkaJSDeleteTopicRecordsError extends KafkaJSError {
  override name = "KafkaJSDeleteTopicRecordsError";
  readonly partitions: readonly { readonly partition: number; readonly offset: string; readonly error: KafkaJSError }[];

  constructor({
    partitions,
  }: { readonly topic?: string; readonly partitions: KafkaJSDeleteTopicRecordsError["partitions"] }) {
    super("Error while deleting records", { retriable: partitions.every(({ error }) => error.retriable) });
    this.partitions = partitions;
  }
}

/** API that the broker does not have, or not in a version that the client has. */
export class KafkaJSServerDoesNotSupportApiKey extends KafkaJSNonRetriableError {
  override name = "KafkaJSServerDoesNotSupportApiKey";
}

/** Broker that the metadata does not have. */
export class KafkaJSBrokerNotFound extends KafkaJSError {
  override name = "KafkaJSBrokerNotFound";
}

/** Record that is cut short. */
export class KafkaJSPartialMessageError extends KafkaJSNonRetriableError {
  override name = "KafkaJSPartialMessageError";
}

/** Broker that refuses the credentials. */
export class KafkaJSSASLAuthenticationError extends KafkaJSNonRetriableError {
  override name = "KafkaJSSASLAuthenticationError";
}

/** Group without a coordinator. */
export class KafkaJSGroupCoordinatorNotFound extends KafkaJSNonRetriableError {
  override name = "KafkaJSGroupCoordinatorNotFound";
}

/** Feature that the client does not have. */
export class KafkaJSNotImplemented extends KafkaJSNonRetriableError {
  override name = "KafkaJSNotImplemented";
}

/** Wait whose time is over. */
export class KafkaJSTimeout extends KafkaJSNonRetriableError {
  override name = "KafkaJSTimeout";
}

/** Wait for a lock whose time is over. */
export class KafkaJSLockTimeout extends KafkaJSTimeout {
  override name = "KafkaJSLockTimeout";
}

/** Records of a format before Kafka 0.11. */
export class KafkaJSUnsupportedMagicByteInMessageSet extends KafkaJSNonRetriableError {
  override name = "KafkaJSUnsupportedMagicByteInMessageSet";
}

/** Topic that could not be created. */
export class KafkaJSCreateTopicError extends KafkaJSProtocolError {
  override name = "KafkaJSCreateTopicError";
  readonly topic: string;

  constructor(told: Told, topic: string) {
    super(told);
    this.topic = topic;
  }
}

/** Partition that could not be reassigned. */
export class KafkaJSAlterPartitionReassignmentsError extends KafkaJSProtocolError {
  override name = "KafkaJSAlterPartitionReassignmentsError";
  readonly topic: string | undefined;
  readonly partition: number | undefined;

  constructor(told: Told, topic?: string, partition?: number) {
    super(told);
    this.topic = topic;
    this.partition = partition;
  }
}

/** Several errors of one call. */
export class KafkaJSAggregateError extends Error {
  override name = "KafkaJSAggregateError";
  readonly errors: readonly Error[];

  constructor(message: Error | string, errors: readonly Error[]) {
    super(textOf(message));
    this.errors = errors;
  }
}

/** Cluster of which no broker can be reached. */
export class KafkaJSNoBrokerAvailableError extends KafkaJSError {
  override name = "KafkaJSNoBrokerAvailableError";

  constructor() {
    super("No broker available");
  }
}
