import { type ClientErrorName, KafkaError } from "@samsa/client-kernel";
import { Errors } from "@samsa/protocol";
import { WireError, type WireErrorCode } from "@samsa/wire";

const NAMES = {
  CONNECTION_FAILED: "BROKERS_UNREACHABLE",
  SETUP_TIMED_OUT: "BROKERS_UNREACHABLE",
  API_VERSIONS_REFUSED: "PROTOCOL_VIOLATION",
  REQUEST_TIMED_OUT: "TIMED_OUT",
  DISCONNECTED: "DISCONNECTED",
  INVALID_RECEIVE: "PROTOCOL_VIOLATION",
  CORRELATION_MISMATCH: "PROTOCOL_VIOLATION",
  CLOSED: "DISCONNECTED",
} as const satisfies Record<Exclude<WireErrorCode, "UNSUPPORTED_VERSION">, ClientErrorName>;

/** Error of a client for a failure of a connection or of a request. Other errors, which are bugs, stay as they are. */
export function kafkaErrorOf(error: unknown): unknown {
  if (!(error instanceof WireError)) return error;
  const { code, message } = error;
  if (code !== "UNSUPPORTED_VERSION") return new KafkaError(NAMES[code], message, { cause: error });
  return new KafkaError("UNSUPPORTED_VERSION", message, { cause: error, error: Errors.UNSUPPORTED_VERSION });
}
