import { type ErrorName, errorOf, type ProtocolError } from "@samsa/protocol";

/** Errors that a client finds itself; Kafka's Java client has an exception without a code for each. */
const CLIENT_ERRORS = {
  /** No answer or no progress within the time that the caller allows (`TimeoutException`). */
  TIMED_OUT: { retriable: true },
  /** The connection was lost before the answer (`DisconnectException`). The broker may have acted on the request. */
  DISCONNECTED: { retriable: true },
  /** No connection to any broker that is known. */
  BROKERS_UNREACHABLE: { retriable: true },
  /** No secure connection: certificates, or a side that does not speak TLS (`SslAuthenticationException`). */
  TLS_FAILED: { retriable: false },
  /** No OAuth token at the moment, so no connection. */
  TOKEN_UNAVAILABLE: { retriable: true },
  /** A peer that does not speak Kafka's protocol, or whose answer is malformed. */
  PROTOCOL_VIOLATION: { retriable: false },
  /** The caller has given up, through an `AbortSignal`. */
  ABORTED: { retriable: false },
  /** The client, the producer or the consumer is closed. */
  CLOSED: { retriable: false },
  /** The call is not possible in the present state (`IllegalStateException`). */
  ILLEGAL_STATE: { retriable: false },
  /** An argument or a setting that cannot be (`IllegalArgumentException`, `ConfigException`). */
  INVALID_ARGUMENT: { retriable: false },
  /** A key or a value that its serde cannot write or read (`SerializationException`). */
  SERIALIZATION_FAILED: { retriable: false },
  /** The record is larger than the producer allows (`RecordTooLargeException`). */
  RECORD_TOO_LARGE: { retriable: false },
  /** No room in the producer's memory in time (`BufferExhaustedException`). */
  BUFFER_EXHAUSTED: { retriable: true },
  /** The record was not acknowledged within its delivery timeout (`TimeoutException`). It may have been written. */
  DELIVERY_TIMED_OUT: { retriable: false },
  /** Another record of the same batch was refused (KIP-467). */
  BATCH_REFUSED: { retriable: false },
  /** The transaction was aborted before the record was sent (`TransactionAbortedException`). */
  TRANSACTION_ABORTED: { retriable: false },
  /** The position is behind a truncation of the log (`LogTruncationException`). */
  LOG_TRUNCATED: { retriable: false },
  /** A partition without a committed offset, and no reset policy (`NoOffsetForPartitionException`). */
  NO_OFFSET: { retriable: false },
  /** The member is no longer part of its group, so its offsets were not committed (`CommitFailedException`). */
  COMMIT_FAILED: { retriable: false },
} as const satisfies Record<string, { readonly retriable: boolean }>;

/** Name of an error that a client finds itself. */
export type ClientErrorName = keyof typeof CLIENT_ERRORS;

/** Facts of an error beside its message. */
export interface ErrorFacts {
  /** Address of the broker that the error is about, as `host:port`. */
  readonly broker?: string;
  /** The transaction can only be aborted; the producer can be used afterwards (KIP-1050). */
  readonly abortable?: boolean;
  /** The producer or the consumer cannot be used any more. */
  readonly fatal?: boolean;
  /** Sentence of the broker, as it has sent it. */
  readonly detail?: string;
  readonly cause?: unknown;
}

/** The one error of Samsa's clients: a sentence, and facts that a program can act on. */
export class KafkaError extends Error {
  /** Kafka's name of the error, or the client's own. */
  override readonly name: ErrorName | ClientErrorName;
  /** Kafka's error code; undefined for the client's own errors. */
  readonly code: number | undefined;
  /** The same call may succeed later. */
  readonly retriable: boolean;
  readonly abortable: boolean;
  readonly fatal: boolean;
  readonly broker: string | undefined;
  /** Sentence of the broker alone, as it has sent it; undefined: it has sent none. */
  readonly detail: string | undefined;

  constructor(name: ErrorName | ClientErrorName, message: string, facts: ErrorFacts & { error?: ProtocolError } = {}) {
    super(facts.broker === undefined ? message : `${message} (broker ${facts.broker})`, { cause: facts.cause });
    const { error } = facts;
    this.name = name;
    this.code = error?.code;
    this.retriable = error?.retriable ?? (isClientErrorName(name) && CLIENT_ERRORS[name].retriable);
    this.abortable = facts.abortable === true;
    this.fatal = facts.fatal === true;
    this.broker = facts.broker;
    this.detail = facts.detail;
  }

  /** Error of a broker's answer. `what` says what was refused, as in "topic orders". */
  static of(code: number, what: string, detail?: string | null, facts: ErrorFacts = {}): KafkaError {
    const error = errorOf(code);
    const sent = detail === undefined || detail === null || detail === "" ? undefined : detail;
    const message = `${what}: ${sent ?? error.message} (${error.name})`;
    return new KafkaError(error.name, message, { ...facts, ...(sent === undefined ? {} : { detail: sent }), error });
  }
}

function isClientErrorName(name: string): name is ClientErrorName {
  return Object.hasOwn(CLIENT_ERRORS, name);
}
