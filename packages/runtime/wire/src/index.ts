export {
  BrokerConnection,
  type CallOptions,
  type ConnectionOptions,
  type ExpectedNode,
  type RequestFor,
  type RequestOf,
  type ResponseOf,
} from "./broker-connection.ts";
export { BrokerLink, type Introduction, type LinkOptions } from "./broker-link.ts";
export { type Endpoint, endpointText, parseEndpoints } from "./endpoint.ts";
export { type FrameReceiver } from "./frame-channel.ts";
export { NodeApiVersions } from "./node-api-versions.ts";
export { RawConnection, type RawOptions } from "./raw-connection.ts";
export type { RequestObserver, SentRequest } from "./request-observer.ts";
export type { Assertion, SignedAssertion } from "./sasl/assertions.ts";
export { BEARER_SETTINGS, bearerCredentials, flagOf, JWT_RETRIEVERS } from "./sasl/bearer-settings.ts";
export { BearerTokens, type TokenSource } from "./sasl/bearer-tokens.ts";
export {
  type AssertedCredentials,
  assertedCredentials,
  type ClientCredentials,
  clientCredentials,
} from "./sasl/client-credentials.ts";
export { fileText } from "./sasl/text-file.ts";
export { type SaslCredentials, type Security } from "./sasl/credentials.ts";
export { isRefused, WireError, type WireErrorCode } from "./error/wire-error.ts";
export { jaasTls, TLS_SETTINGS, type TlsLookup, tlsClientSettings, tlsSettings } from "./tls/tls-settings.ts";
