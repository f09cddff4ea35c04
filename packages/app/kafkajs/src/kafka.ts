import type { ConsumerOptions, ProducerOptions } from "@samsa/client-runtime";
import type { Security } from "@samsa/wire";
import { KafkaJSAdmin } from "./admin/admin.ts";
import { type Admin, type AdminConfig, adminEvents } from "./admin/types.ts";
import { Cluster, type ConnectionChoices, clusterSettings } from "./cluster/cluster.ts";
import { CommittedOffsets } from "./cluster/committed.ts";
import { assignorsOf, PartitionAssigners } from "./consumer/assigners.ts";
import { KafkaJSConsumer } from "./consumer/consumer.ts";
import type { RunParts } from "./consumer/run.ts";
import { type Consumer, type ConsumerConfig, consumerEvents } from "./consumer/types.ts";
import { KafkaJSNonRetriableError, KafkaJSNotImplemented } from "./error/errors.ts";
import { Emitter } from "./events/emitter.ts";
import { requestEvents } from "./events/network.ts";
import { consoleLog, createLogger, type Logger } from "./log/logger.ts";
import { Partitioners } from "./producer/partitioners.ts";
import { KafkaJSProducer } from "./producer/producer.ts";
import { type Producer, type ProducerConfig, producerEvents } from "./producer/types.ts";
import type { KafkaConfig } from "./settings/config.ts";
import { checkTime, MAX_INT } from "./settings/numbers.ts";
import { budgetOf, type RetryOptions, type RetrySettings, retrySettings } from "./settings/retry.ts";
import { securityFrom } from "./settings/security.ts";
import { logLevel } from "./values/enums.ts";

/** Time in ms after which metadata is asked for again. */
const METADATA_MAX_AGE = 300_000;
/** Sizes in bytes of a producer: KafkaJS knows no limit, so the brokers' limits are to be met first. */
const [MAX_REQUEST, BUFFER, BATCH] = [104_857_600, 134_217_728, 65_536];
/** Longest time in ms that a send waits for memory. */
const MAX_BLOCK = 120_000;

/** Settings of KafkaJS that a client has, by the one who takes them. */
const KNOWN = {
  Kafka: [
    ...["brokers", "ssl", "sasl", "clientId", "connectionTimeout", "authenticationTimeout", "requestTimeout", "retry"],
    ...["enforceRequestTimeout", "logLevel", "logCreator"],
  ],
  producer: [
    ...["createPartitioner", "retry", "metadataMaxAge", "allowAutoTopicCreation", "idempotent", "transactionalId"],
    ...["transactionTimeout", "maxInFlightRequests"],
  ],
  consumer: [
    ...["groupId", "partitionAssigners", "metadataMaxAge", "sessionTimeout", "rebalanceTimeout", "heartbeatInterval"],
    ...["maxBytesPerPartition", "minBytes", "maxBytes", "maxWaitTimeInMs", "retry", "allowAutoTopicCreation", "rackId"],
    ...["maxInFlightRequests", "readUncommitted"],
  ],
  admin: ["retry"],
} as const satisfies Record<string, readonly string[]>;

/** Settings of KafkaJS that the client does not have, with the reason. */
const REFUSED: Readonly<Record<string, string>> = {
  socketFactory: "the client makes its sockets itself",
  reauthenticationThreshold: "sessions are renewed at 85 to 95 % of their lifetime",
};

/** Refuses a setting that would have no effect. */
function checkNames(kind: keyof typeof KNOWN, config: object): void {
  const known: readonly string[] = KNOWN[kind];
  for (const [name, value] of Object.entries(config)) {
    if (value === undefined || known.includes(name)) continue;
    if (Object.hasOwn(REFUSED, name)) throw new KafkaJSNotImplemented(`${name} cannot be given: ${REFUSED[name]}`);
    throw new KafkaJSNonRetriableError(`${kind} has no setting ${name}`);
  }
}

/** Client of one cluster, with KafkaJS's interface. Producers, consumers and admins have connections of their own. */
export class Kafka {
  readonly #config: KafkaConfig;
  readonly #security: Security;
  readonly #logger: Logger;
  readonly #committed = new CommittedOffsets();

  /** Does not connect yet. Throws KafkaJSNonRetriableError for settings that cannot be. */
  constructor(config: KafkaConfig) {
    checkNames("Kafka", config);
    this.#config = config;
    this.#security = securityFrom(config);
    this.#logger = createLogger(config.logLevel ?? logLevel.INFO, config.logCreator ?? consoleLog);
    // Told here rather than by the first producer.
    retrySettings(config.retry);
  }

  producer(config: ProducerConfig = {}): Producer {
    checkNames("producer", config);
    const { createPartitioner = Partitioners.DefaultPartitioner, idempotent = false, transactionalId } = config;
    if (transactionalId === "") throw new KafkaJSNonRetriableError("transactionalId is a text that is not empty");
    const retries = config.retry?.retries ?? this.#config.retry?.retries ?? (idempotent ? MAX_INT : undefined);
    const retry = this.#retry(config.retry, retries === undefined ? undefined : { retries });
    const logger = this.#logger.namespace("Producer");
    if (idempotent && retry.retries < 1) {
      throw new KafkaJSNonRetriableError("Idempotent producer must allow retries to protect against transient errors");
    }
    const emitter = new Emitter("producer", producerEvents, logger);
    const cluster = this.#cluster({ ...choicesOf(config), retry, observer: requestEvents(producerEvents, emitter) });
    return new KafkaJSProducer({
      ...{ cluster, logger, emitter, committed: this.#committed, idempotent, transactionalId },
      partitioner: createPartitioner(),
      options: producerOptions(config, retry, this.#config.requestTimeout),
    });
  }

  consumer(config: ConsumerConfig): Consumer {
    checkNames("consumer", config ?? {});
    const { groupId, retry: given, metadataMaxAge = METADATA_MAX_AGE } = config ?? {};
    if (typeof groupId !== "string" || groupId === "") {
      throw new KafkaJSNonRetriableError("Consumer groupId must be a non-empty string.");
    }
    const logger = this.#logger.namespace("Consumer");
    const retry = this.#retry(given);
    const emitter = new Emitter("consumer", consumerEvents, logger);
    const cluster = this.#cluster({ ...choicesOf(config), retry, observer: requestEvents(consumerEvents, emitter) });
    return new KafkaJSConsumer({
      ...{ cluster, logger, emitter, committed: this.#committed, metadataMaxAge },
      group: groupSettings(config),
      options: consumerOptions(config),
      restartOnFailure: given?.restartOnFailure ?? this.#config.retry?.restartOnFailure,
    });
  }

  admin(config: AdminConfig = {}): Admin {
    checkNames("admin", config);
    const logger = this.#logger.namespace("Admin");
    const retry = this.#retry(config.retry);
    const emitter = new Emitter("admin", adminEvents, logger);
    const observer = requestEvents(adminEvents, emitter);
    const cluster = this.#cluster({ retry, allowAutoTopicCreation: false, observer });
    return new KafkaJSAdmin({ cluster, logger, emitter });
  }

  logger(): Logger {
    return this.#logger;
  }

  #retry(...given: readonly (RetryOptions | undefined)[]): RetrySettings {
    return retrySettings(this.#config.retry, ...given);
  }

  #cluster(choices: ConnectionChoices): Cluster {
    const settings = clusterSettings(this.#config, this.#security, choices);
    return new Cluster({ brokers: this.#config.brokers, retry: choices.retry, settings, logger: this.#logger });
  }
}

function choicesOf({ metadataMaxAge, allowAutoTopicCreation, maxInFlightRequests }: ProducerConfig | ConsumerConfig) {
  return { metadataMaxAge, allowAutoTopicCreation, maxInFlightRequests };
}

/** Settings of the producers below. */
function producerOptions(
  { transactionTimeout, maxInFlightRequests }: ProducerConfig,
  retry: RetrySettings,
  requestTimeout = 30_000,
): ProducerOptions {
  const whole = (value: number): number => Math.min(MAX_INT, Math.max(1, Math.ceil(value)));
  const attempts = (retry.retries + 1) * requestTimeout;
  return {
    ...{ maxRequestBytes: MAX_REQUEST, bufferBytes: BUFFER, batchBytes: BATCH, maxBlockMs: MAX_BLOCK },
    retries: Math.min(MAX_INT, Math.floor(retry.retries)),
    retryBackoffMs: whole(retry.initialRetryTime),
    retryBackoffMaxMs: whole(retry.maxRetryTime),
    deliveryTimeoutMs: whole(budgetOf(retry) + attempts + 1000),
    ...(transactionTimeout === undefined ? {} : { transactionTimeoutMs: transactionTimeout }),
    ...(maxInFlightRequests === undefined || maxInFlightRequests === null ? {} : { maxInFlight: maxInFlightRequests }),
  };
}

function consumerOptions(config: ConsumerConfig): ConsumerOptions {
  const { maxBytesPerPartition = 1_048_576, minBytes = 1, maxBytes = 10_485_760, maxWaitTimeInMs = 5000 } = config;
  const { readUncommitted = false, rackId = "" } = config;
  return {
    ...{ maxPartitionBytes: maxBytesPerPartition, minBytes, maxBytes, maxWaitMs: maxWaitTimeInMs, rackId },
    isolation: readUncommitted ? "read_uncommitted" : "read_committed",
  };
}

function groupSettings(config: ConsumerConfig): RunParts["group"] {
  const { groupId, sessionTimeout = 30_000, rebalanceTimeout = 60_000, heartbeatInterval = 3000 } = config;
  for (const [name, value] of Object.entries({ sessionTimeout, rebalanceTimeout, heartbeatInterval })) {
    checkTime(name, value);
  }
  if (heartbeatInterval >= sessionTimeout) {
    throw new KafkaJSNonRetriableError(
      `Consumer heartbeatInterval (${heartbeatInterval}) must be lower than sessionTimeout (${sessionTimeout}). It is recommended to set heartbeatInterval to approximately a third of the sessionTimeout.`,
    );
  }
  return {
    // The settings are those of the classic protocol, and tools of KafkaJS read groups of it only.
    ...{
      groupId,
      protocol: "classic",
      assignors: assignorsOf(config.partitionAssigners ?? [PartitionAssigners.roundRobin]),
    },
    ...{
      sessionTimeoutMs: sessionTimeout,
      rebalanceTimeoutMs: rebalanceTimeout,
      heartbeatIntervalMs: heartbeatInterval,
    },
  };
}
