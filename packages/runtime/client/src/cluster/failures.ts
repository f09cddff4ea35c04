import { type ClientErrorName, KafkaError } from "@samsa/client-kernel";
import { Errors, type ProtocolError } from "@samsa/protocol";
import { WireError, type WireErrorCode } from "@samsa/wire";

const NAMES = {
  CONNECTION_FAILED: "BROKERS_UNREACHABLE",
  SETUP_TIMED_OUT: "BROKERS_UNREACHABLE",
  API_VERSIONS_REFUSED: "PROTOCOL_VIOLATION",
  MISROUTED: "BROKERS_UNREACHABLE",
  REQUEST_TIMED_OUT: "TIMED_OUT",
  DISCONNECTED: "DISCONNECTED",
  INVALID_RECEIVE: "PROTOCOL_VIOLATION",
  CORRELATION_MISMATCH: "PROTOCOL_VIOLATION",
  CLOSED: "DISCONNECTED",
  TLS_FAILED: "TLS_FAILED",
  TOKEN_UNAVAILABLE: "TOKEN_UNAVAILABLE",
} as const satisfies Partial<Record<WireErrorCode, ClientErrorName>>;

/** Failures for which Kafka has a code. */
const CODES = {
  UNSUPPORTED_VERSION: Errors.UNSUPPORTED_VERSION,
  AUTHENTICATION_FAILED: Errors.SASL_AUTHENTICATION_FAILED,
  UNSUPPORTED_MECHANISM: Errors.UNSUPPORTED_SASL_MECHANISM,
  ILLEGAL_SASL_STATE: Errors.ILLEGAL_SASL_STATE,
} as const satisfies Record<Exclude<WireErrorCode, keyof typeof NAMES>, ProtocolError>;

function isCoded(code: WireErrorCode): code is keyof typeof CODES {
  return Object.hasOwn(CODES, code);
}

/** Failures that the next attempt does not mend: of security (`AuthenticationException`), and servers of the wrong kind. */
const LASTING_FAILURES: ReadonlySet<string> = new Set([
  ...["SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM", "ILLEGAL_SASL_STATE", "TLS_FAILED"],
  ...["MISMATCHED_ENDPOINT_TYPE", "UNSUPPORTED_ENDPOINT_TYPE"],
]);

/** Error of a client for a failure of a connection or of a request. Other errors, which are bugs, stay as they are. */
export function kafkaErrorOf(error: unknown): unknown {
  if (!(error instanceof WireError)) return error;
  const { code, message } = error;
  if (!isCoded(code)) return new KafkaError(NAMES[code], message, { cause: error });
  const known = CODES[code];
  return new KafkaError(known.name, message, { cause: error, error: known });
}

/** True if a broker says that the client's metadata is wrong: its address belongs to another one (KIP-1242). */
export function isMisrouted(error: unknown): boolean {
  return error instanceof WireError && error.code === "MISROUTED";
}

/** True for an error that is told to all who wait for a broker, instead of another attempt. */
export function isLastingFailure(error: unknown): error is KafkaError {
  return error instanceof KafkaError && LASTING_FAILURES.has(error.name);
}
