import { ConfigError, type Env, randomUuid, type Uuid, uuidToBytes, ZERO_UUID } from "@samsa/base";
import type { ConfigImage } from "@samsa/metadata";
import {
  Errors,
  type GetTelemetrySubscriptionsResponse,
  type PushTelemetryRequest,
  type PushTelemetryResponse,
} from "@samsa/protocol";
import { decompress } from "@samsa/records";
import type { Peer, RequestContext } from "./requests.ts";
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
  /** "" when the client gave none. */
  readonly clientId: string;
  /** The client says goodbye. */
  readonly terminating: boolean;
  /** How often it has been asked to push. */
  readonly pushIntervalMs: number;
  /** OTLP's `MetricsData` in protobuf, decompressed; empty only when terminating. For the time of the call only. */
  readonly metrics: Uint8Array;
}

/** Where the metrics of clients go (`ClientTelemetryExporter`). */
export interface TelemetrySink {
  /** Throws when the metrics cannot be read; nothing of them counts then. */
  push(push: TelemetryPush): void;
}

/** Who a request for telemetry comes from. */
export type TelemetryClient = Pick<RequestContext, "clientId" | "peer">;

export interface TelemetryOptions {
  readonly env: Pick<Env, "clock" | "random" | "crypto" | "codecs" | "logger">;
  readonly sink: TelemetrySink;
  /** `telemetry.max.bytes`. */
  readonly maxBytes: number;
}

/** zstd, lz4, gzip, snappy: what Kafka likes best comes first. */
const ACCEPTED_COMPRESSION = [4, 3, 1, 2];
const LAST_COMPRESSION = 4;
const MOST_INSTANCES = 16_384;
const SHORTEST_EXPIRY_MS = 60_000;
const UNHEARD_INTERVALS = 3;

/** After these a client may ask for its subscription at once. */
const RETRIED: readonly number[] = [Errors.UNKNOWN_SUBSCRIPTION_ID.code, Errors.UNSUPPORTED_COMPRESSION_TYPE.code];

/** One instance of a client (`ClientMetricsInstance`). Times are of the clock that does not go back. */
interface Instance {
  readonly attributes: ClientAttributes;
  readonly subscribed: Subscribed;
  /** Of the subscriptions that `subscribed` was made of. */
  readonly version: number;
  lastGet: number;
  lastPush: number;
  lastError: number;
  terminating: boolean;
  expires: number;
}

/** Whether `id` is one of the two that no client has (`Uuid.RESERVED`). */
function isReserved(id: Uuid): boolean {
  const bytes = uuidToBytes(id);
  return bytes.subarray(0, 15).every(byte => byte === 0) && bytes[15] <= 1;
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

/** Clients that push their metrics: what each is asked for, and what is taken of it (KIP-714, `ClientMetricsManager`). */
export class ClientTelemetry {
  readonly #options: TelemetryOptions;
  /** The least recently used first. */
  readonly #instances = new Map<Uuid, Instance>();
  /** The instance that each connection has made known; it goes with its connection. */
  readonly #madeBy = new WeakMap<Peer, Uuid>();
  readonly #subscriptions = new Map<string, Subscription>();
  #configs: ReadonlyMap<string, ConfigImage> = new Map();
  #version = 0;

  constructor(options: TelemetryOptions) {
    this.#options = options;
  }

  /** How many instances are known. */
  get size(): number {
    return this.#instances.size;
  }

  /** Takes what the metadata says. */
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

  /** Answers GetTelemetrySubscriptions; an instance without an id gets one. */
  subscription(asked: Uuid, client: TelemetryClient): GetTelemetrySubscriptionsResponse {
    const id = asked === ZERO_UUID ? this.#newId() : asked;
    const now = this.#now();
    const instance = this.#instance(id, client, now);
    const { subscribed: wanted } = instance;
    const elapsed = now - Math.max(instance.lastGet, instance.lastPush);
    if (elapsed >= wanted.pushIntervalMs) instance.lastGet = now;
    else if (!RETRIED.includes(instance.lastError)) {
      return {
        throttleTimeMs: 0,
        errorCode: Errors.THROTTLING_QUOTA_EXCEEDED.code,
        clientInstanceId: ZERO_UUID,
        subscriptionId: 0,
        acceptedCompressionTypes: [],
        pushIntervalMs: 0,
        telemetryMaxBytes: 0,
        deltaTemporality: false,
        requestedMetrics: [],
      };
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

  /** Answers PushTelemetry, after the sink has seen what is pushed. */
  push(request: PushTelemetryRequest, client: TelemetryClient): PushTelemetryResponse {
    const answer = (errorCode: number): PushTelemetryResponse => ({ throttleTimeMs: 0, errorCode });
    const id = request.clientInstanceId;
    if (isReserved(id)) return answer(Errors.INVALID_REQUEST.code);
    const now = this.#now();
    const instance = this.#instance(id, client, now);
    const fault = this.#fault(request, instance, now);
    // Also of a push that is refused, as in Kafka.
    instance.terminating = request.terminating;
    instance.lastError = fault === 0 ? this.#hand(request, instance, client) : fault;
    return answer(instance.lastError);
  }

  #fault(request: PushTelemetryRequest, instance: Instance, now: number): number {
    if (instance.terminating) return Errors.INVALID_REQUEST.code;
    const { subscribed: wanted } = instance;
    // The first push after the subscription was got comes early or late: clients spread theirs over time.
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
      const reason = error instanceof Error ? error.message : String(error);
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

  /** The instance, as the subscriptions are now; a new one when it is not known. */
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

  /** A connection has ended. */
  disconnected(peer: Peer): void {
    const id = this.#madeBy.get(peer);
    if (id !== undefined) this.#instances.delete(id);
  }

  /** Forgets instances that have not been heard of for long. */
  expire(): void {
    const now = this.#now();
    for (const [id, instance] of this.#instances) if (instance.expires <= now) this.#instances.delete(id);
  }
}
