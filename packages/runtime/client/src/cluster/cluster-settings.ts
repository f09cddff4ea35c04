import type { MetadataSettings } from "@samsa/client-kernel";
import type { Endpoint, RequestObserver, Security } from "@samsa/wire";

/** Settings of a `ClusterClient`; times are in ms. Names in the comments are Kafka's. */
export interface ClusterSettings extends MetadataSettings {
  /** `bootstrap.servers`, or `bootstrap.controllers` if `nodes` says so; at least one. */
  readonly bootstrapServers: readonly Endpoint[];
  /** Kind of the servers, and of the nodes that requests go to: controllers take those of administration only (KIP-919). */
  readonly nodes: "brokers" | "controllers";
  /** `client.id`. */
  readonly clientId: string;
  /** `security.protocol`, `ssl.*` and `sasl.*`; clear text without authentication by default. */
  readonly security?: Security | undefined;
  /** Name and version of the software, which brokers count (KIP-511). */
  readonly software: { readonly name: string; readonly version: string };
  /** `request.timeout.ms`. */
  readonly requestTimeoutMs: number;
  /** `default.api.timeout.ms`: longest time of a call, with all its attempts. */
  readonly apiTimeoutMs: number;
  /** `max.in.flight.requests.per.connection`. */
  readonly maxInFlight: number;
  /** `allow.auto.create.topics`: a broker may create a topic that is asked for. */
  readonly allowAutoTopicCreation: boolean;
  /** `metadata.cluster.check.enable`: brokers check that a connection is for them, unless there is no rebootstrap (KIP-1242). */
  readonly checkCluster: boolean;
  /** `enable.metrics.push`: metrics go to brokers that subscribe to them (KIP-714). */
  readonly pushMetrics: boolean;
  /** `reconnect.backoff.ms`. */
  readonly reconnectBackoffMs: number;
  /** `reconnect.backoff.max.ms`. */
  readonly reconnectBackoffMaxMs: number;
  /** `socket.connection.setup.timeout.ms`. */
  readonly setupTimeoutMs: number;
  /** `socket.connection.setup.timeout.max.ms`. */
  readonly setupTimeoutMaxMs: number;
  /** `connections.max.idle.ms`. */
  readonly maxIdleConnectionMs: number;
  /** Hears of the requests of all connections; nobody by default. */
  readonly observer?: RequestObserver | undefined;
}

/** Code of controllers in a question about endpoints (`EndpointType.CONTROLLER`). */
export const CONTROLLER_ENDPOINTS = 2;

/** Kafka's defaults of the settings that have one. */
export const CLUSTER_DEFAULTS = {
  nodes: "brokers",
  maxAgeMs: 300_000,
  maxIdleMs: 300_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
  rebootstrapTriggerMs: 300_000,
  requestTimeoutMs: 30_000,
  apiTimeoutMs: 60_000,
  maxInFlight: 5,
  allowAutoTopicCreation: true,
  checkCluster: true,
  pushMetrics: true,
  reconnectBackoffMs: 50,
  reconnectBackoffMaxMs: 1000,
  setupTimeoutMs: 10_000,
  setupTimeoutMaxMs: 30_000,
  maxIdleConnectionMs: 540_000,
} as const satisfies Partial<ClusterSettings>;
