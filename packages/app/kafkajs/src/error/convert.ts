import { KafkaError } from "@samsa/client-kernel";
import { errorOf, type ProtocolError } from "@samsa/protocol";
import {
  KafkaJSConnectionClosedError,
  KafkaJSConnectionError,
  KafkaJSError,
  KafkaJSNonRetriableError,
  KafkaJSProtocolError,
  KafkaJSRequestTimeoutError,
  KafkaJSSASLAuthenticationError,
  KafkaJSServerDoesNotSupportApiKey,
  type ProtocolFacts,
} from "./errors.ts";

/** Names that KafkaJS has kept from before Kafka renamed the errors. */
const OLD_NAMES: Readonly<Record<string, string>> = {
  UNKNOWN_SERVER_ERROR: "UNKNOWN",
  NOT_LEADER_OR_FOLLOWER: "NOT_LEADER_FOR_PARTITION",
  COORDINATOR_LOAD_IN_PROGRESS: "GROUP_LOAD_IN_PROGRESS",
  COORDINATOR_NOT_AVAILABLE: "GROUP_COORDINATOR_NOT_AVAILABLE",
  NOT_COORDINATOR: "NOT_COORDINATOR_FOR_GROUP",
};

const SASL_FAILURES: ReadonlySet<string> = new Set([
  ...["SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM", "ILLEGAL_SASL_STATE"],
]);

function factsOf({ name, code, retriable }: ProtocolError, message: string): ProtocolFacts {
  return { type: OLD_NAMES[name] ?? name, code, retriable, message };
}

/** Error of a code in a broker's answer. `what` says what was refused. */
export function protocolError(code: number, what: string, detail?: string | null): KafkaJSProtocolError {
  const error = errorOf(code);
  const reason = detail === undefined || detail === null || detail === "" ? error.message : detail;
  return new KafkaJSProtocolError(factsOf(error, `${what}: ${reason} (${OLD_NAMES[error.name] ?? error.name})`));
}

function converted(error: KafkaError): KafkaJSError {
  const { name, code, message, retriable, broker } = error;
  if (SASL_FAILURES.has(name)) return new KafkaJSSASLAuthenticationError(message, { cause: error });
  if (code !== undefined) {
    return new KafkaJSProtocolError(factsOf({ ...errorOf(code), retriable }, message), { cause: error });
  }
  switch (name) {
    case "UNSUPPORTED_VERSION":
      return new KafkaJSServerDoesNotSupportApiKey(message, { cause: error });
    case "DISCONNECTED":
      return new KafkaJSConnectionClosedError(message, { cause: error });
    case "BROKERS_UNREACHABLE":
      return new KafkaJSConnectionError(message, { cause: error, broker });
    case "TLS_FAILED":
      return new KafkaJSConnectionError(message, { cause: error, broker, retriable: false });
    case "TIMED_OUT":
    case "DELIVERY_TIMED_OUT":
      return new KafkaJSRequestTimeoutError(message, { cause: error, broker, retriable });
    default:
      return retriable
        ? new KafkaJSError(message, { cause: error })
        : new KafkaJSNonRetriableError(message, { cause: error });
  }
}

/** KafkaJS's error for one of the client below; others, as those of handlers, stay as they are. */
export function kafkaJSError(error: unknown): Error {
  if (error instanceof KafkaError) return converted(error);
  return error instanceof Error ? error : new KafkaJSNonRetriableError(String(error));
}
