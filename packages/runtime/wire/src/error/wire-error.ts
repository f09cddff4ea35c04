import { NetworkError } from "@samsa/base";

/** Reason of a `WireError`, with Kafka's exception. */
export type WireErrorCode =
  /** No connection: refused, unreachable, or an unknown host. */
  | "CONNECTION_FAILED"
  /** No secure connection: certificates, versions of TLS, or a side that does not speak it (`SslAuthenticationException`). */
  | "TLS_FAILED"
  /** The credentials are refused, or the server does not know them (`SaslAuthenticationException`). */
  | "AUTHENTICATION_FAILED"
  /** The server does not offer the mechanism (`UnsupportedSaslMechanismException`). */
  | "UNSUPPORTED_MECHANISM"
  /** The server's port is not one for SASL (`IllegalSaslStateException`). */
  | "ILLEGAL_SASL_STATE"
  /** No OAuth token at the moment. */
  | "TOKEN_UNAVAILABLE"
  /** No connection, or no reply to ApiVersions, within the setup timeout. */
  | "SETUP_TIMED_OUT"
  /** The peer does not tell its API versions. */
  | "API_VERSIONS_REFUSED"
  /** The peer is another broker than the expected one, or of another cluster (REBOOTSTRAP_REQUIRED, KIP-1242). */
  | "MISROUTED"
  /** No reply in time (`TimeoutException`). The peer may have acted on the request. */
  | "REQUEST_TIMED_OUT"
  /** The connection was lost (`DisconnectException`). The peer may have acted on the requests in flight. */
  | "DISCONNECTED"
  /** Bytes from the peer that are not a reply of Kafka's protocol (`InvalidReceiveException`, `SchemaException`). */
  | "INVALID_RECEIVE"
  /** A reply to another request than the oldest in flight (`CorrelationIdMismatchException`). */
  | "CORRELATION_MISMATCH"
  /** No version of the API that both sides support can carry the request (`UnsupportedVersionException`). */
  | "UNSUPPORTED_VERSION"
  /** This side has closed the connection. */
  | "CLOSED";

/** Failure of a connection or of a request, as a sentence that names the server. */
export class WireError extends Error {
  readonly code: WireErrorCode;

  constructor(code: WireErrorCode, message: string, cause?: NetworkError) {
    super(message, { cause });
    this.name = "WireError";
    this.code = code;
  }
}

/** True if nothing listens at the endpoint to which a connection was attempted: its process does not run. */
export function isRefused(error: unknown): boolean {
  return error instanceof WireError && error.cause instanceof NetworkError && error.cause.code === "ECONNREFUSED";
}
