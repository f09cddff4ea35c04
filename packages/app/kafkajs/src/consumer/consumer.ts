import { kafkaJSError } from "../error/convert.ts";
import { KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded } from "../error/errors.ts";
import type { Logger } from "../log/logger.ts";
import type { RetryOptions } from "../settings/retry.ts";
import { checkPartition, checkTopic, offsetOf } from "../values/offset.ts";
import { describeGroup } from "./group-description.ts";
import { checkSelections } from "./pauses.ts";
import { type Commit, Run, type RunParts } from "./run.ts";
import { Subscriptions } from "./subscriptions.ts";
import {
  type Consumer,
  consumerEvents,
  type ConsumerRunConfig,
  type ConsumerSubscribeTopic,
  type ConsumerSubscribeTopics,
  type GroupDescription,
  type TopicPartitionOffsetAndMetadata,
} from "./types.ts";

/** Parts of a consumer. */
export interface ConsumerParts extends Omit<RunParts, "subscriptions"> {
  readonly restartOnFailure: RetryOptions["restartOnFailure"];
}

/** Special offsets of `seek`: the beginning and the end of a log. */
const ENDS: readonly number[] = [-2, -1];

function checkRunConfig(config: ConsumerRunConfig): void {
  const { partitionsConsumedConcurrently: concurrency, autoCommitInterval, autoCommitThreshold } = config;
  if (concurrency !== undefined && !(Number.isInteger(concurrency) && concurrency >= 1)) {
    throw new KafkaJSNonRetriableError(
      `partitionsConsumedConcurrently is a whole number from 1 on, not ${String(concurrency)}`,
    );
  }
  for (const [name, value] of Object.entries({ autoCommitInterval, autoCommitThreshold })) {
    if (value === undefined || value === null || (typeof value === "number" && value >= 0)) continue;
    throw new KafkaJSNonRetriableError(`${name} is a number that is not negative, not ${String(value)}`);
  }
  for (const [name, handler] of Object.entries({ eachMessage: config.eachMessage, eachBatch: config.eachBatch })) {
    if (handler === undefined || handler === null || typeof handler === "function") continue;
    throw new KafkaJSNonRetriableError(`${name} is a function, not ${typeof handler}`);
  }
}

function commitOf({ topic, partition, offset, metadata = null }: TopicPartitionOffsetAndMetadata): Commit {
  checkTopic(topic);
  checkPartition(partition);
  const commit = offsetOf(offset);
  if (commit < 0) throw new KafkaJSNonRetriableError("Offset must not be a negative number");
  if (metadata !== null && typeof metadata !== "string") {
    throw new KafkaJSNonRetriableError(
      `Invalid offset metadata, expected string or null, received ${String(metadata)}`,
    );
  }
  return { topic, partition, offset: commit, ...(metadata === null ? {} : { metadata }) };
}

/** Consumer with KafkaJS's methods. */
export class KafkaJSConsumer implements Consumer {
  readonly events = consumerEvents;
  readonly on: Consumer["on"];
  readonly #parts: ConsumerParts;
  readonly #subscriptions = new Subscriptions();
  #run: Run | undefined;
  /** Resolves when the present run has ended, however it ends. */
  #ended: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  /** Grows with each `run` and `stop`: a run that crashes begins again only if neither has come after it. */
  #life = 0;
  #restart: NodeJS.Timeout | undefined;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
    this.on = (name, listener) => parts.emitter.on(name, listener);
  }

  readonly logger = (): Logger => this.#parts.logger;

  readonly connect = async (): Promise<void> => {
    await this.#parts.cluster.connect();
    this.#parts.emitter.emit(this.events.CONNECT, null);
  };

  readonly disconnect = async (): Promise<void> => {
    await this.stop();
    this.#parts.cluster.disconnect();
    this.#parts.emitter.emit(this.events.DISCONNECT, null);
  };

  readonly stop = (): Promise<void> => {
    this.#stopping ??= this.#stop().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  };

  async #stop(): Promise<void> {
    this.#life++;
    clearTimeout(this.#restart);
    const run = this.#run;
    if (run !== undefined) {
      run.stop();
      await this.#ended;
      this.#parts.emitter.emit(this.events.STOP, null);
    }
    this.#parts.logger.info("Stopped", { groupId: this.#parts.group.groupId });
  }

  readonly subscribe = async (subscription: ConsumerSubscribeTopics | ConsumerSubscribeTopic): Promise<void> => {
    if (this.#run !== undefined) {
      throw new KafkaJSNonRetriableError("Cannot subscribe to topic while consumer is running");
    }
    const named = this.#subscriptions.add(subscription);
    await this.#parts.cluster.call(client => Promise.all(named.map(topic => client.topic(topic, client.patience()))));
  };

  readonly run = async (config: ConsumerRunConfig = {}): Promise<void> => {
    checkRunConfig(config);
    if (this.#run !== undefined) {
      this.#parts.logger.warn("consumer#run was called, but the consumer is already running", {
        groupId: this.#parts.group.groupId,
      });
      return;
    }
    if (this.#subscriptions.isEmpty) {
      throw new KafkaJSNonRetriableError(
        "The consumer subscribes to no topic: consumer#subscribe must be called first",
      );
    }
    clearTimeout(this.#restart);
    await this.#start(config, ++this.#life);
  };

  /** Resolves once the member has joined its group, or the run has ended. */
  #start(config: ConsumerRunConfig, life: number): Promise<void> {
    const { logger, group } = this.#parts;
    logger.info("Starting", { groupId: group.groupId });
    return new Promise(resolve => {
      const run = new Run({ ...this.#parts, subscriptions: this.#subscriptions }, config, resolve);
      this.#run = run;
      this.#ended = run.run().then(
        () => this.#forget(run),
        (error: unknown) => {
          this.#forget(run);
          return this.#crashed(kafkaJSError(error), config, life);
        },
      );
      this.#ended.then(resolve, (error: unknown) => {
        logger.error(`A crash could not be told: ${String(error)}`, { groupId: group.groupId });
        resolve();
      });
    });
  }

  #forget(run: Run): void {
    if (this.#run === run) this.#run = undefined;
  }

  /** Tells of a crash, and begins again after a while if that may help. */
  async #crashed(error: Error, config: ConsumerRunConfig, life: number): Promise<void> {
    const { cluster, emitter, group, logger } = this.#parts;
    const { groupId } = group;
    logger.error(`Crash: ${error.name}: ${error.message}`, { groupId, stack: error.stack });
    cluster.disconnect();
    emitter.emit(this.events.STOP, null);
    emitter.emit(this.events.DISCONNECT, null);
    const restart = life === this.#life && (await this.#mayRestart(error)) && life === this.#life;
    emitter.emit(this.events.CRASH, { error, groupId, restart });
    // A listener may have stopped the consumer.
    if (!restart || life !== this.#life) return;
    const retryTime =
      error instanceof KafkaJSNumberOfRetriesExceeded ? error.retryTime : cluster.retry.initialRetryTime;
    logger.error(`Restarting the consumer in ${retryTime}ms`, { groupId, retryTime });
    this.#restart = setTimeout(() => {
      this.#start(config, life).catch((failure: unknown) =>
        logger.error(`The consumer does not start: ${String(failure)}`),
      );
    }, retryTime);
  }

  async #mayRestart(error: Error): Promise<boolean> {
    if (!(error instanceof KafkaJSNumberOfRetriesExceeded) && !isRetriableAtHeart(error)) return false;
    const { restartOnFailure, logger, group } = this.#parts;
    if (restartOnFailure === undefined) return true;
    try {
      return await restartOnFailure(error);
    } catch (failure) {
      const reason = failure instanceof Error ? failure.message : String(failure);
      logger.error('Caught error when invoking user-provided "restartOnFailure" callback. Defaulting to restarting.', {
        error: reason,
        cause: error.message,
        groupId: group.groupId,
      });
      return true;
    }
  }

  readonly commitOffsets = async (topicPartitions: readonly TopicPartitionOffsetAndMetadata[] = []): Promise<void> => {
    const commits = topicPartitions.map(commitOf);
    await this.#running().commit(commits);
  };

  readonly seek: Consumer["seek"] = ({ topic, partition, offset }) => {
    checkTopic(topic);
    checkPartition(partition);
    const place = offsetOf(offset);
    if (place < 0 && !ENDS.includes(place)) throw new KafkaJSNonRetriableError("Offset must not be a negative number");
    this.#running().seek({ topic, partition, offset: place });
  };

  readonly describeGroup = async (): Promise<GroupDescription> =>
    this.#parts.cluster.call(client => describeGroup(client, this.#parts.group.groupId));

  readonly pause: Consumer["pause"] = topics => {
    checkSelections("pause", topics);
    this.#running().pause(topics);
  };

  readonly paused: Consumer["paused"] = () => this.#run?.paused() ?? [];

  readonly resume: Consumer["resume"] = topics => {
    checkSelections("resume", topics);
    this.#running().resume(topics);
  };

  #running(): Run {
    if (this.#run !== undefined) return this.#run;
    throw new KafkaJSNonRetriableError("Consumer group was not initialized, consumer#run must be called first");
  }
}

/** True if the first cause of an error is retriable. */
function isRetriableAtHeart(error: Error): boolean {
  let first: unknown = error;
  while (first instanceof Error && first.cause !== undefined && first.cause !== null) first = first.cause;
  return typeof first === "object" && first !== null && "retriable" in first && first.retriable === true;
}
