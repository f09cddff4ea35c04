export {
  BrokerConnection,
  type CallOptions,
  type ConnectionOptions,
  type RequestOf,
  type ResponseOf,
} from "./broker-connection.ts";
export { BrokerLink, type LinkOptions } from "./broker-link.ts";
export { type Endpoint, endpointText, parseEndpoints } from "./endpoint.ts";
export { type BackoffOptions, ExponentialBackoff } from "./exponential-backoff.ts";
export { FrameChannel, type FrameReceiver } from "./frame-channel.ts";
export { InFlightRequests } from "./in-flight-requests.ts";
export { fallbackVersion, NodeApiVersions } from "./node-api-versions.ts";
export { RawConnection, type RawOptions } from "./raw-connection.ts";
export { WireError, type WireErrorCode } from "./wire-error.ts";
