import { ConfigError, type Env, messageOf, randomUuid, type Uuid, uuidToBytes, ZERO_UUID } from "@samsa/base";
import type { ConfigImage } from "@samsa/metadata";
import {
  Errors,
  type GetTelemetrySubscriptionsResponse,
  type PushTelemetryRequest,
  type PushTelemetryResponse,
} from "@samsa/protocol";
import { decompress } from "@samsa/records";
import type { Peer, RequestContext } from "../request/request-context.ts";
import { NO_SUBSCRIPTION } from "../request/error-responses.ts";
import {
  type ClientAttributes,
  parseSubscription,
  type Subscribed,
  subscribed,
  type Subscription,
} from "./telemetry-subscriptions.ts";

/** Metrics that a client has pushed. */
export interface TelemetryPush {
  readonly clientInstanceId: Uuid;
  /** Client id; "" if the client sent none. */
  readonly clientId: string;
  /** True for the last push of a client that closes. */
  readonly terminating: boolean;
  /** Interval at which the client should push, in ms. */
  readonly pushIntervalMs: number;
  /** Decompressed protobuf of OTLP's `MetricsData`; empty only if `terminating`. Valid during the call only. */
  readonly metrics: Uint8Array;
}

/** Receiver of client metrics (`ClientTelemetryExporter`). */
export interface TelemetrySink {
  /** Takes a push. Throws if the metrics cannot be parsed; then none of them counts. */
  push(push: TelemetryPush): void;
}

/** Client of a telemetry request. */
export type TelemetryClient = Pick<RequestContext, "clientId" | "peer">;

export interface TelemetryOptions {
  readonly env: Pick<Env, "clock" | "random" | "crypto" | "codecs" | "logger">;
  readonly sink: TelemetrySink;
  /** Value of `telemetry.max.bytes`. */
  readonly maxBytes: number;
}

/** Accepted compression types in Kafka's order of preference: zstd, lz4, gzip, snappy. */
const ACCEPTED_COMPRESSION = [4, 3, 1, 2];
const LAST_COMPRESSION = 4;
const MOST_INSTANCES = 16_384;
const SHORTEST_EXPIRY_MS = 60_000;
const UNHEARD_INTERVALS = 3;

/** Errors after which a client may request its subscription at once. */
const RETRIED: readonly number[] = [Errors.UNKNOWN_SUBSCRIPTION_ID.code, Errors.UNSUPPORTED_COMPRESSION_TYPE.code];

/** Instance of a client (`ClientMetricsInstance`). Times are monotonic, in ms. */
interface Instance {
  readonly attributes: ClientAttributes;
  readonly subscribed: Subscribed;
  /** Version of the subscriptions from which `subscribed` was computed. */
  readonly version: number;
  lastGet: number;
  lastPush: number;
  lastError: number;
  terminating: boolean;
  expires: number;
}

/** True for the two reserved ids that no client has (`Uuid.RESERVED`). */
function isReserved(id: Uuid): boolean {
  return uuidToBytes(id).every((byte, at) => byte <= (at < 15 ? 0 : 1));
}

function attributesOf(id: Uuid, { clientId, peer }: TelemetryClient): ClientAttributes {
  return {
    client_instance_id: id,
    client_id: clientId,
    client_software_name: peer.software.name,
    client_software_version: peer.software.version,
    client_source_address: peer.host,
    client_source_port: String(peer.port),
  };
}

/** Client telemetry (KIP-714, `ClientMetricsManager`): sends subscriptions to clients and takes their pushes. */
export class ClientTelemetry {
  readonly #options: TelemetryOptions;
  /** Instances, least recently used first. */
  readonly #instances = new Map<Uuid, Instance>();
  /** Instance that each connection has created; it is removed with the connection. */
  readonly #madeBy = new WeakMap<Peer, Uuid>();
  readonly #subscriptions = new Map<string, Subscription>();
  #configs: ReadonlyMap<string, ConfigImage> = new Map();
  #version = 0;

  constructor(options: TelemetryOptions) {
    this.#options = options;
  }

  /** Number of known instances. */
  get size(): number {
    return this.#instances.size;
  }

  /** Applies the subscriptions in the metadata. */
  update(configs: ReadonlyMap<string, ConfigImage>): void {
    const before = this.#configs;
    if (configs === before) return;
    this.#configs = configs;
    for (const key of before.keys()) if (!configs.has(key) && this.#subscriptions.delete(key)) this.#version++;
    for (const [key, config] of configs) if (before.get(key) !== config) this.#subscribe(key, config);
  }

  #subscribe(key: string, config: ConfigImage): void {
    try {
      const subscription = parseSubscription(config);
      if (subscription === undefined) {
        if (this.#subscriptions.delete(key)) this.#version++;
        return;
      }
      this.#subscriptions.set(key, subscription);
      this.#version++;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const { name } = config;
      this.#options.env.logger.warn("a subscription to clients' metrics cannot be read", {
        name,
        reason: error.message,
      });
    }
  }

  /** Answers GetTelemetrySubscriptions; a client without an instance id gets one. */
  subscription(asked: Uuid, client: TelemetryClient): GetTelemetrySubscriptionsResponse {
    const id = asked === ZERO_UUID ? this.#newId() : asked;
    const now = this.#now();
    const instance = this.#instance(id, client, now);
    const { subscribed: wanted } = instance;
    const elapsed = now - Math.max(instance.lastGet, instance.lastPush);
    if (elapsed >= wanted.pushIntervalMs) instance.lastGet = now;
    else if (!RETRIED.includes(instance.lastError)) {
      return { ...NO_SUBSCRIPTION, throttleTimeMs: 0, errorCode: Errors.THROTTLING_QUOTA_EXCEEDED.code };
    }
    instance.lastError = 0;
    return {
      throttleTimeMs: 0,
      errorCode: 0,
      clientInstanceId: id,
      subscriptionId: wanted.id,
      acceptedCompressionTypes: [...ACCEPTED_COMPRESSION],
      pushIntervalMs: wanted.pushIntervalMs,
      telemetryMaxBytes: this.#options.maxBytes,
      deltaTemporality: true,
      requestedMetrics: [...wanted.metrics],
    };
  }

  /** Answers PushTelemetry after the sink has taken the push. */
  push(request: PushTelemetryRequest, client: TelemetryClient): PushTelemetryResponse {
    const answer = (errorCode: number): PushTelemetryResponse => ({ throttleTimeMs: 0, errorCode });
    const id = request.clientInstanceId;
    if (isReserved(id)) return answer(Errors.INVALID_REQUEST.code);
    const now = this.#now();
    const instance = this.#instance(id, client, now);
    const fault = this.#fault(request, instance, now);
    // Set for a refused push too, as in Kafka.
    instance.terminating = request.terminating;
    instance.lastError = fault === 0 ? this.#hand(request, instance, client) : fault;
    return answer(instance.lastError);
  }

  #fault(request: PushTelemetryRequest, instance: Instance, now: number): number {
    if (instance.terminating) return Errors.INVALID_REQUEST.code;
    const { subscribed: wanted } = instance;
    // Clients spread their first push after a subscription over time, so it may come before the interval has passed.
    if (instance.lastGet > instance.lastPush || now - instance.lastPush >= wanted.pushIntervalMs) {
      instance.lastPush = now;
    } else if (!request.terminating) return Errors.THROTTLING_QUOTA_EXCEEDED.code;
    if (request.subscriptionId !== wanted.id) return Errors.UNKNOWN_SUBSCRIPTION_ID.code;
    const { compressionType, metrics } = request;
    if (compressionType < 0 || compressionType > LAST_COMPRESSION) return Errors.UNSUPPORTED_COMPRESSION_TYPE.code;
    return metrics.length > this.#options.maxBytes ? Errors.TELEMETRY_TOO_LARGE.code : 0;
  }

  #hand(request: PushTelemetryRequest, { subscribed: wanted }: Instance, client: TelemetryClient): number {
    const { clientInstanceId, terminating, compressionType, metrics } = request;
    const { env, sink, maxBytes } = this.#options;
    if (metrics.length === 0 && !terminating) return 0;
    try {
      const plain = metrics.length === 0 ? metrics : decompress(compressionType, metrics, env.codecs, maxBytes);
      const { pushIntervalMs } = wanted;
      sink.push({ clientInstanceId, clientId: client.clientId, terminating, pushIntervalMs, metrics: plain });
      return 0;
    } catch (error) {
      const reason = messageOf(error);
      env.logger.warn("metrics of a client cannot be read", { clientInstanceId, client: client.clientId, reason });
      return Errors.INVALID_RECORD.code;
    }
  }

  #now(): number {
    return this.#options.env.clock.monotonic();
  }

  #newId(): Uuid {
    const { random } = this.#options.env;
    let id: Uuid;
    do id = randomUuid(length => random.bytes(length));
    while (this.#instances.has(id));
    return id;
  }

  /** Finds an instance and updates its subscription; creates it if it is unknown. */
  #instance(id: Uuid, client: TelemetryClient, now: number): Instance {
    let instance = this.#instances.get(id);
    this.#instances.delete(id);
    if (instance !== undefined && instance.expires <= now) instance = undefined;
    if (instance === undefined || instance.version < this.#version) {
      instance = this.#create(id, instance?.attributes ?? attributesOf(id, client));
      this.#madeBy.set(client.peer, id);
    }
    instance.expires = now + Math.max(SHORTEST_EXPIRY_MS, instance.subscribed.pushIntervalMs * UNHEARD_INTERVALS);
    this.#instances.set(id, instance);
    if (this.#instances.size > MOST_INSTANCES) {
      for (const oldest of this.#instances.keys()) {
        this.#instances.delete(oldest);
        break;
      }
    }
    return instance;
  }

  #create(id: Uuid, attributes: ClientAttributes): Instance {
    return {
      attributes,
      subscribed: subscribed(id, attributes, this.#subscriptions.values(), this.#options.env.crypto.crc32c),
      version: this.#version,
      lastGet: -Infinity,
      lastPush: -Infinity,
      lastError: 0,
      terminating: false,
      expires: Infinity,
    };
  }

  /** Removes the instance that a closed connection has created. */
  disconnected(peer: Peer): void {
    const id = this.#madeBy.get(peer);
    if (id !== undefined) this.#instances.delete(id);
  }

  /** Removes instances that have been silent for too long. */
  expire(): void {
    const now = this.#now();
    for (const [id, instance] of this.#instances) if (instance.expires <= now) this.#instances.delete(id);
  }
}
