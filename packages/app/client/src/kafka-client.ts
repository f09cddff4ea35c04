import { type Env, type Logger, messageOf, parseProperties, VERSION } from "@samsa/base";
import { KafkaError, parseOffsetReset } from "@samsa/client-kernel";
import {
  Admin,
  CLUSTER_DEFAULTS,
  ClusterClient,
  Consumer,
  javaSettings,
  type JavaSettings,
  Producer,
  securityOf,
  type SecurityOptions,
  ShareConsumer,
} from "@samsa/client-runtime";
import { nodeEnv } from "@samsa/node";
import { type Endpoint, parseEndpoints, type Security } from "@samsa/wire";
import { unwatchExit, watchExit } from "./exit-notice.ts";
import { TypedConsumer, type TypedConsumerOptions } from "./typed-consumer.ts";
import { TypedShareConsumer, type TypedShareConsumerOptions } from "./typed-share-consumer.ts";
import { compressionOf, TypedProducer, type TypedProducerOptions } from "./typed-producer.ts";

/** Options of a `KafkaClient`. Times are in ms; defaults are Kafka's. */
export interface ClientOptions extends SecurityOptions {
  /** Addresses of some brokers, as `host:port`; one text with commas between them, or several texts. */
  readonly bootstrapServers?: string | readonly string[];
  /** Addresses of some controllers instead: for an `admin` that works while no broker does (KIP-919). */
  readonly bootstrapControllers?: string | readonly string[];
  /**
   * Settings by Java's names: the text of a properties file, or an object. They are also the defaults of the producers and
   * consumers that are made here. Options with names of their own come first.
   */
  readonly properties?: string | Readonly<Record<string, string | number | boolean>>;
  /** `client.id`, which brokers show in logs, metrics and quotas; "samsa-client" by default. */
  readonly clientId?: string;
  /** `request.timeout.ms`; 30 s by default. */
  readonly requestTimeoutMs?: number;
  /** `default.api.timeout.ms`: longest time of a call, with all its attempts; 60 s by default. */
  readonly apiTimeoutMs?: number;
  /** `metadata.max.age.ms`; 5 min by default. */
  readonly metadataMaxAgeMs?: number;
  /** `allow.auto.create.topics`: a broker may create a topic that is asked for; true by default. */
  readonly allowAutoTopicCreation?: boolean;
  /** `enable.metrics.push`: producers and consumers push metrics to brokers that want them (KIP-714); true by default. */
  readonly pushMetrics?: boolean;
  /** Receives warnings and errors that have no caller; `console` by default. */
  readonly logger?: Logger;
}

interface Closable {
  close(): Promise<void>;
}

function told(message: string, fields: object = {}): string {
  const facts = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
  return `samsa: ${[message, ...facts].join(" ")}`;
}

const CONSOLE: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message, fields) => console.warn(told(message, fields)),
  error: (message, fields) => console.error(told(message, fields)),
};

const reporter =
  ({ env }: ClusterClient) =>
  (error: unknown): void =>
    env.logger.error("an interceptor has thrown", { error: String(error) });

function endpointsOf(option: string, servers: string | readonly string[]): Endpoint[] {
  const text = typeof servers === "string" ? servers : servers.join(",");
  const endpoints = parseEndpoints(text);
  if (endpoints !== undefined) return endpoints;
  throw new KafkaError("INVALID_ARGUMENT", `${option} wants host:port, or several of them, not "${text}"`);
}

function noServers(): never {
  throw new KafkaError("INVALID_ARGUMENT", "a client needs bootstrapServers, the addresses of some brokers");
}

function propertiesOf(given: NonNullable<ClientOptions["properties"]>): ReadonlyMap<string, string> {
  if (typeof given !== "string") return new Map(Object.entries(given).map(([name, value]) => [name, String(value)]));
  try {
    return parseProperties(given);
  } catch (error) {
    const reason = messageOf(error);
    throw new KafkaError("INVALID_ARGUMENT", `the properties cannot be read: ${reason}`);
  }
}

type Present<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** Options without those that are undefined. */
function present<T extends object>(given: T): Present<T> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Present<T>;
}

/** Options with defaults for those that are left out or undefined. */
function layered<T extends object>(defaults: object, given: T): T {
  return { ...defaults, ...present(given) } as T;
}

/**
 * Client of one Kafka cluster, Samsa's or another. Producers, consumers and admins are made here; each has connections of
 * its own, which are closed with it, or with the client.
 */
export class KafkaClient implements AsyncDisposable {
  readonly #options: ClientOptions;
  /** Kind and addresses of the servers. */
  readonly #bootstrap: readonly [nodes: "brokers" | "controllers", servers: readonly Endpoint[]];
  /** Shared by all that is made here, as are its tokens. */
  readonly #security: Security;
  readonly #env: Env;
  readonly #defaults: JavaSettings;
  readonly #open = new Set<Closable>();
  #admin: Admin | undefined;
  #isClosed = false;

  /** Does not connect yet. Throws `KafkaError` INVALID_ARGUMENT. */
  constructor(options: string | ClientOptions) {
    this.#options = typeof options === "string" ? { bootstrapServers: options } : options;
    const { bootstrapServers, bootstrapControllers, properties = {} } = this.#options;
    this.#defaults = javaSettings(propertiesOf(properties));
    const { client } = this.#defaults;
    if (bootstrapServers !== undefined && bootstrapControllers !== undefined) {
      throw new KafkaError("INVALID_ARGUMENT", "a client has bootstrapServers or bootstrapControllers, not both");
    }
    if (bootstrapServers !== undefined)
      this.#bootstrap = ["brokers", endpointsOf("bootstrapServers", bootstrapServers)];
    else if (bootstrapControllers !== undefined) {
      this.#bootstrap = ["controllers", endpointsOf("bootstrapControllers", bootstrapControllers)];
    } else this.#bootstrap = [client.nodes ?? "brokers", client.bootstrapServers ?? noServers()];
    this.#security = { ...client.security, ...securityOf(this.#options) };
    this.#env = nodeEnv({ logger: this.#options.logger ?? CONSOLE });
  }

  /** Administration of the cluster: Java's `Admin`, the same with each call. Closed with the client. */
  admin(): Admin {
    return (this.#admin ??= this.#newAdmin());
  }

  #newAdmin(): Admin {
    const cluster = this.#cluster("admin");
    this.#open.add({
      close: () => {
        cluster.close();
        return Promise.resolve();
      },
    });
    return new Admin(cluster);
  }

  /** A producer. Keys and values are texts or bytes unless serdes are given. */
  producer<K = string | Uint8Array, V = string | Uint8Array>(
    options: TypedProducerOptions<K, V> = {},
  ): TypedProducer<K, V> {
    const { key, value, compression, interceptors = [], ...given } = options;
    const settings = {
      ...layered(this.#defaults.producer, given),
      compression: compressionOf(compression ?? this.#defaults.producer.compression ?? "none"),
    };
    const cluster = this.#cluster("producer");
    const inner = new Producer(cluster, settings);
    const { logger } = cluster.env;
    const producer = new TypedProducer(inner, {
      ...{ serdes: { key, value }, interceptors, report: reporter(cluster) },
      lost: (topic, error) => {
        if (given.onLost !== undefined) given.onLost({ topic, partition: -1, count: 1, error });
        else logger.warn("a record was not written", { topic, error: error.message });
      },
      closed: () => {
        unwatchExit(inner);
        this.#ended(producer, cluster);
      },
    });
    watchExit(inner, cluster.settings.clientId);
    this.#open.add(producer);
    return producer;
  }

  /** A consumer: a member of a group, or one that assigns partitions to itself. Keys and values are bytes without serdes. */
  consumer<K = Uint8Array, V = Uint8Array>(options: TypedConsumerOptions<K, V> = {}): TypedConsumer<K, V> {
    const { key, value, group, listener, reset, interceptors = [], ...given } = options;
    const settings = {
      ...layered(this.#defaults.consumer, given),
      ...(reset === undefined ? {} : { reset: typeof reset === "string" ? parseOffsetReset(reset) : reset }),
    };
    const cluster = this.#cluster("consumer");
    const member = this.#memberOf(group);
    const inner = new Consumer(cluster, settings, present({ group: member, listener }));
    const closed = (): void => this.#ended(consumer, cluster);
    const report = reporter(cluster);
    const consumer = new TypedConsumer(inner, { serdes: { key, value }, interceptors, report, closed });
    this.#open.add(consumer);
    return consumer;
  }

  /**
   * A member of a share group (KIP-932): each record goes to one member, and comes again until one accepts it. Keys and
   * values are bytes without serdes.
   */
  shareConsumer<K = Uint8Array, V = Uint8Array>(
    options: TypedShareConsumerOptions<K, V> = {},
  ): TypedShareConsumer<K, V> {
    const { key, value, acknowledged, unreadable, interceptors = [], ...given } = options;
    const { groupId = "", ...settings } = layered(this.#defaults.share, given);
    const cluster = this.#cluster("share-consumer");
    const inner = new ShareConsumer(cluster, { groupId, ...settings }, present({ acknowledged, unreadable }));
    const closed = (): void => this.#ended(consumer, cluster);
    const report = reporter(cluster);
    const consumer = new TypedShareConsumer(inner, { serdes: { key, value }, interceptors, report, closed });
    this.#open.add(consumer);
    return consumer;
  }

  /** Closes all that was made here: producers deliver what was sent, consumers commit and leave their groups. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#open].map(open => open.close()));
    this.#open.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #ended(closed: Closable, cluster: ClusterClient): void {
    this.#open.delete(closed);
    cluster.close();
  }

  /** Settings of a member of a group; undefined without a group. */
  #memberOf(group: TypedConsumerOptions<never, never>["group"]) {
    const defaults = this.#defaults.group;
    const own = typeof group === "string" ? { groupId: group } : group;
    const { groupId } = { ...defaults, ...own };
    return groupId === undefined ? undefined : { ...defaults, ...own, groupId };
  }

  #cluster(kind: string): ClusterClient {
    if (this.#isClosed) throw new KafkaError("CLOSED", "the client is closed");
    const { client } = this.#defaults;
    const [nodes, bootstrapServers] = this.#bootstrap;
    if (nodes === "controllers" && kind !== "admin") {
      throw new KafkaError("INVALID_ARGUMENT", `a ${kind} needs brokers, and bootstrapControllers are controllers`);
    }
    const { clientId = client.clientId ?? `samsa-client-${kind}`, metadataMaxAgeMs, ...given } = this.#options;
    const { requestTimeoutMs, apiTimeoutMs, allowAutoTopicCreation, pushMetrics } = given;
    return new ClusterClient(this.#env, {
      ...CLUSTER_DEFAULTS,
      ...client,
      ...present({ requestTimeoutMs, apiTimeoutMs, allowAutoTopicCreation, pushMetrics, maxAgeMs: metadataMaxAgeMs }),
      ...{ nodes, bootstrapServers },
      clientId,
      security: this.#security,
      software: { name: "samsa-client", version: VERSION },
    });
  }
}
