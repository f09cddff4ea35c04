import { messageOf, VERSION } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import { CLUSTER_DEFAULTS, ClusterClient, type ClusterSettings } from "@samsa/client-runtime";
import { nodeEnv } from "@samsa/node";
import { type Endpoint, parseEndpoints, type RequestObserver, type Security } from "@samsa/wire";
import { kafkaJSError } from "../error/convert.ts";
import { KafkaJSError, KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded } from "../error/errors.ts";
import type { Logger } from "../log/logger.ts";
import type { KafkaConfig } from "../settings/config.ts";
import { checkTime, MAX_INT } from "../settings/numbers.ts";
import { Attempts, budgetOf, lastDelayOf, type RetrySettings } from "../settings/retry.ts";

/** Settings of the connections of one producer, consumer or admin. */
export interface ClusterParts {
  readonly brokers: KafkaConfig["brokers"];
  readonly retry: RetrySettings;
  /** Settings of the client below; the addresses are found when it connects. */
  readonly settings: Omit<ClusterSettings, "bootstrapServers" | "software">;
  readonly logger: Logger;
}

const CONNECTION_TIMEOUT = 1000;
const AUTHENTICATION_TIMEOUT = 10_000;
const REQUEST_TIMEOUT = 30_000;

const NUMBERS = ["connectionTimeout", "authenticationTimeout", "requestTimeout"] as const;

/** Settings of connections that differ between producers, consumers and admins. */
export interface ConnectionChoices {
  readonly retry: RetrySettings;
  readonly metadataMaxAge?: number | undefined;
  readonly allowAutoTopicCreation?: boolean | undefined;
  readonly maxInFlightRequests?: number | null | undefined;
  readonly observer: RequestObserver;
}

/** Settings of the client below for those of KafkaJS. */
export function clusterSettings(
  config: KafkaConfig,
  security: Security,
  choices: ConnectionChoices,
): ClusterParts["settings"] {
  for (const name of NUMBERS) checkTime(name, config[name]);
  checkTime("metadataMaxAge", choices.metadataMaxAge);
  const { connectionTimeout = CONNECTION_TIMEOUT, authenticationTimeout = AUTHENTICATION_TIMEOUT } = config;
  const { requestTimeout = REQUEST_TIMEOUT, enforceRequestTimeout = true, clientId = "kafkajs" } = config;
  const { observer, retry, metadataMaxAge, allowAutoTopicCreation = true, maxInFlightRequests } = choices;
  const setupTimeoutMs = connectionTimeout + (security.sasl === undefined ? 0 : authenticationTimeout);
  return {
    ...CLUSTER_DEFAULTS,
    ...{ clientId, security, observer, allowAutoTopicCreation, setupTimeoutMs, setupTimeoutMaxMs: setupTimeoutMs },
    requestTimeoutMs: enforceRequestTimeout ? requestTimeout : MAX_INT,
    // The time that the attempts of KafkaJS wait, and some for the last of them.
    apiTimeoutMs: Math.min(MAX_INT, budgetOf(retry) + connectionTimeout),
    retryBackoffMs: Math.min(MAX_INT, Math.max(1, Math.ceil(retry.initialRetryTime))),
    retryBackoffMaxMs: Math.min(MAX_INT, Math.max(1, Math.ceil(retry.maxRetryTime))),
    ...(metadataMaxAge === undefined ? {} : { maxAgeMs: metadataMaxAge }),
    ...(maxInFlightRequests === undefined || maxInFlightRequests === null ? {} : { maxInFlight: maxInFlightRequests }),
  };
}

function endpointsOf(brokers: readonly string[]): Endpoint[] {
  if (!Array.isArray(brokers) || brokers.length === 0) {
    throw new KafkaJSNonRetriableError("brokers is a list with the address of one broker at the least, as host:port");
  }
  const endpoints = parseEndpoints(brokers.join(","));
  if (endpoints !== undefined) return endpoints;
  throw new KafkaJSNonRetriableError(`brokers are addresses as host:port, not ${JSON.stringify(brokers)}`);
}

function checkLife(life: AbortSignal): void {
  if (life.aborted) throw new KafkaJSNonRetriableError("The client was disconnected while it connected");
}

/** Connections of one producer, consumer or admin, which can be opened again after they were closed. */
export class Cluster {
  readonly #parts: ClusterParts;
  #client: ClusterClient | undefined;
  /** Client that does not have a connection yet. */
  #opening: ClusterClient | undefined;
  #connecting: Promise<ClusterClient> | undefined;
  /** Aborted by `disconnect`, which ends the attempts to connect. */
  #life = new AbortController();

  constructor(parts: ClusterParts) {
    this.#parts = parts;
  }

  get retry(): RetrySettings {
    return this.#parts.retry;
  }

  /** Open client. Throws if there is none. */
  get client(): ClusterClient {
    if (this.#client === undefined) throw new KafkaJSError("The client is disconnected");
    return this.#client;
  }

  /** Connects to a broker, with the attempts that `retry` allows. Resolves at once if that is done. */
  connect(): Promise<ClusterClient> {
    if (this.#client !== undefined) return Promise.resolve(this.#client);
    if (this.#connecting !== undefined) return this.#connecting;
    const connecting = this.#connect(this.#life.signal).finally(() => {
      if (this.#connecting === connecting) this.#connecting = undefined;
    });
    this.#connecting = connecting;
    return connecting;
  }

  async #connect(life: AbortSignal): Promise<ClusterClient> {
    const attempts = new Attempts(this.#parts.retry, Math.random);
    for (;;) {
      try {
        const client = await this.#open(life);
        await client.connect();
        checkLife(life);
        this.#opening = undefined;
        return (this.#client = client);
      } catch (error) {
        checkLife(life);
        this.#opening?.close();
        const failure = kafkaJSError(error);
        this.#parts.logger.namespace("Connection").error(`Connection error: ${failure.message}`);
        if (failure instanceof KafkaJSError && !failure.retriable) throw failure;
        await attempts.next(failure, life).catch((last: unknown) => {
          checkLife(life);
          throw last;
        });
      }
    }
  }

  async #open(life: AbortSignal): Promise<ClusterClient> {
    const { brokers, logger, settings } = this.#parts;
    const found = typeof brokers === "function" ? await this.#found(brokers) : brokers;
    checkLife(life);
    this.#opening = new ClusterClient(nodeEnv({ logger: logger.namespace("Client") }), {
      ...settings,
      bootstrapServers: endpointsOf(found),
      software: { name: "samsa-kafkajs", version: VERSION },
    });
    return this.#opening;
  }

  async #found(brokers: () => readonly string[] | Promise<readonly string[]>): Promise<readonly string[]> {
    try {
      return await brokers();
    } catch (error) {
      const reason = messageOf(error);
      throw new KafkaJSError(`Failed to connect: brokers() has failed: ${reason}`, { cause: error });
    }
  }

  /** Closes all connections, and ends an attempt to connect. */
  disconnect(): void {
    this.#life.abort();
    this.#life = new AbortController();
    this.#client?.close();
    this.#opening?.close();
    this.#client = undefined;
    this.#opening = undefined;
    this.#connecting = undefined;
  }

  /** Runs a call of the client below, and connects before if that is not done. Errors are KafkaJS's. */
  async call<T>(work: (client: ClusterClient) => Promise<T>): Promise<T> {
    const client = await this.connect();
    try {
      return await work(client);
    } catch (error) {
      throw this.finalError(error);
    }
  }

  /** Error of a call that the client below has repeated for as long as `retry` allows. */
  finalError(error: unknown): Error {
    const failure = kafkaJSError(error);
    if (!(error instanceof KafkaError && failure instanceof KafkaJSError && failure.retriable)) return failure;
    const { retry } = this.#parts;
    return new KafkaJSNumberOfRetriesExceeded(failure, { retryCount: retry.retries, retryTime: lastDelayOf(retry) });
  }
}
