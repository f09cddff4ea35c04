import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { ignored } from "@samsa/base";
import { byTopic, KafkaError, partitionKey } from "@samsa/client-kernel";
import {
  type ClusterClient,
  Consumer as Runtime,
  type ConsumerObserver,
  type ConsumerOptions,
  type ConsumerParts,
  type GroupSettings,
  type JoinedGeneration,
} from "@samsa/client-runtime";
import type { Cluster } from "../cluster/cluster.ts";
import type { CommittedOffsets } from "../cluster/committed.ts";
import { KafkaJSError } from "../error/errors.ts";
import type { Emitter } from "../events/emitter.ts";
import type { Logger } from "../log/logger.ts";
import { Attempts } from "../settings/retry.ts";
import { offsetOf, type Place } from "../values/offset.ts";
import { OffsetBook, offsetsByTopic } from "./offset-book.ts";
import { Pauses, type TopicSelection } from "./pauses.ts";
import { Runner } from "./runner.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { type ConsumerRunConfig, consumerEvents, type TopicPartition } from "./types.ts";

/** Parts of a run that belong to the consumer. */
export interface RunParts {
  readonly cluster: Cluster;
  readonly logger: Logger;
  readonly emitter: Emitter;
  readonly committed: CommittedOffsets;
  readonly subscriptions: Subscriptions;
  readonly group: Partial<GroupSettings> & Pick<GroupSettings, "groupId" | "rebalanceTimeoutMs">;
  readonly options: ConsumerOptions;
  /** Time in ms after which patterns are matched again. */
  readonly metadataMaxAge: number;
}

/** Offset to commit, with its metadata. */
export interface Commit extends Place {
  readonly metadata?: string;
}

/** Errors of a commit by a member whose partitions have gone to another one: that one goes on at what is committed. */
const OUTDATED: readonly string[] = [
  "COMMIT_FAILED",
  "ILLEGAL_GENERATION",
  "UNKNOWN_MEMBER_ID",
  "REBALANCE_IN_PROGRESS",
];
/** Most seeks that wait for their partitions. */
const MOST_SEEKS = 10_000;

/** Membership of a consumer in its group, from `run` to `stop` or a crash. */
export class Run {
  readonly #parts: RunParts;
  readonly #config: ConsumerRunConfig;
  readonly #book = new OffsetBook();
  readonly #pauses = new Pauses();
  /** Places to go on at, of partitions that are not assigned yet; −2 and −1 are the ends of the log. */
  readonly #seeks = new Map<string, Place>();
  #consumer: Runtime | undefined;
  #runner: Runner | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Undefined: the member has joined. */
  #joined: (() => void) | undefined;
  /** Monotonic time in ms at which the join, or the last rebalance, began. */
  #joinsSince = performance.now();
  #generation: JoinedGeneration = { leaderId: "", protocol: "" };
  readonly #abort = new AbortController();

  /** `joined` is called once the member has its partitions. */
  constructor(parts: RunParts, config: ConsumerRunConfig, joined: () => void) {
    this.#parts = parts;
    this.#config = config;
    this.#joined = joined;
  }

  /**
   * Joins the group and hands out batches. Resolves once it is stopped; rejects with the error after which there is no
   * other attempt.
   */
  async run(): Promise<void> {
    const { cluster, committed, group, subscriptions } = this.#parts;
    // A stop does not wait for brokers that cannot be reached.
    const stopped = once(this.#abort.signal, "abort").then(() => undefined);
    const client = await Promise.race([this.#connected(), stopped]);
    if (client === undefined || this.#abort.signal.aborted) return;
    const consumer = new Runtime(client, this.#options(), this.#consumerParts());
    this.#consumer = consumer;
    const forget = committed.add(group.groupId, this.#book);
    const attempts = new Attempts(cluster.retry, Math.random);
    const runner = this.#newRunner(consumer, attempts);
    this.#runner = runner;
    try {
      await this.#subscribe(consumer);
      if (subscriptions.hasPatterns) this.#matchLater(consumer);
      await this.#work(runner, attempts);
    } finally {
      clearTimeout(this.#timer);
      forget();
      await this.#leave(consumer);
    }
  }

  /** Client, after the patterns were matched. */
  async #connected(): Promise<ClusterClient> {
    const { cluster, subscriptions } = this.#parts;
    const client = await cluster.connect();
    if (subscriptions.hasPatterns) await subscriptions.match(client);
    return client;
  }

  async #subscribe(consumer: Runtime): Promise<void> {
    const { topics } = this.#parts.subscriptions;
    if (topics.length > 0) await consumer.subscribe(topics);
    // Patterns that match nothing yet: the member joins once they do.
    else this.#join([]);
  }

  /** Runs the handlers, again after errors that may pass. */
  async #work(runner: Runner, attempts: Attempts): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        await runner.run();
        return;
      } catch (error) {
        const failure = this.#parts.cluster.finalError(error);
        this.#parts.logger.debug(`Error while consuming, trying again: ${failure.message}`);
        try {
          await attempts.next(failure, this.#abort.signal);
        } catch (final) {
          if (this.#abort.signal.aborted) return;
          throw final;
        }
      }
    }
  }

  /** Lets handlers end after the message that they have, commits, and leaves. `run` resolves after that. */
  stop(): void {
    this.#abort.abort();
    this.#runner?.stop();
  }

  async #leave(consumer: Runtime): Promise<void> {
    try {
      await consumer.close();
    } catch (error) {
      this.#parts.logger.warn(`The group was not left: ${String(error)}`);
    }
  }

  #newRunner(consumer: Runtime, attempts: Attempts): Runner {
    const { emitter, logger } = this.#parts;
    const pause = ({ topic, partition }: TopicPartition): (() => void) => {
      const selection = [{ topic, partitions: [partition] }];
      this.pause(selection);
      return () => this.resume(selection);
    };
    return new Runner({
      ...{ consumer, config: this.#config, book: this.#book, pauses: this.#pauses, emitter, logger, pause },
      commit: async offsets => {
        if (offsets === undefined) return this.#commitResolved();
        const commits = offsets.topics.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, offset }) => ({ topic, partition, offset: offsetOf(offset) })),
        );
        return this.commit(commits);
      },
      progressed: () => attempts.reset(),
    });
  }

  #options(): ConsumerOptions {
    const { options, subscriptions } = this.#parts;
    return { ...options, reset: subscriptions.commonBeginning === true ? "earliest" : "latest" };
  }

  // Group

  #consumerParts(): ConsumerParts {
    const { emitter, group } = this.#parts;
    return {
      group: { ...group, autoCommit: false },
      observer: this.#observer(),
      listener: {
        revoking: partitions => {
          this.#joinsSince = performance.now();
          emitter.emit(consumerEvents.REBALANCING, {
            groupId: group.groupId,
            memberId: this.#consumer?.memberId ?? "",
          });
          this.#runner?.revoking(partitions);
        },
        revoked: partitions => this.#revoked(partitions),
        lost: partitions => {
          this.#runner?.lost(partitions);
          for (const { topic, partition } of partitions) this.#book.end(topic, partition);
        },
        assigned: partitions => this.#assigned(partitions),
        settled: partitions => this.#join(partitions),
      },
    };
  }

  /** Tells of heartbeats and of fetches by events. */
  #observer(): ConsumerObserver {
    const { emitter, group } = this.#parts;
    const { HEARTBEAT, FETCH_START, FETCH } = consumerEvents;
    return {
      get isListening() {
        return emitter.hears(HEARTBEAT, FETCH_START, FETCH);
      },
      heartbeat: () => {
        if (this.#consumer === undefined) return;
        const { memberId, generationId: groupGenerationId } = this.#consumer.groupMembership;
        emitter.emit(HEARTBEAT, { groupId: group.groupId, memberId, groupGenerationId });
      },
      joined: generation => {
        this.#generation = generation;
      },
      fetchStarted: nodeId => emitter.emit(FETCH_START, { nodeId }),
      fetchEnded: (nodeId, durationMs, numberOfBatches) => {
        emitter.emit(FETCH, { numberOfBatches, duration: Math.round(durationMs), nodeId });
      },
    };
  }

  async #revoked(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#finished(partitions);
    const keys = new Set(partitions.map(({ topic, partition }) => partitionKey(topic, partition)));
    try {
      if (this.#config.autoCommit !== false) await this.#commitResolved(keys);
    } finally {
      for (const { topic, partition } of partitions) this.#book.end(topic, partition);
    }
  }

  /** Waits for the handlers of partitions as long as the group waits, which then gives them to other members. */
  async #finished(partitions: readonly TopicPartition[]): Promise<void> {
    const runner = this.#runner;
    if (runner === undefined) return;
    const left = this.#joinsSince + this.#parts.group.rebalanceTimeoutMs - performance.now();
    const done = new AbortController();
    const late = sleep(Math.max(0, left), undefined, { signal: done.signal }).then(
      () => runner.lost(partitions),
      ignored("the handlers have ended in time"),
    );
    await Promise.race([runner.finished(partitions), late]);
    done.abort();
  }

  async #assigned(partitions: readonly TopicPartition[]): Promise<void> {
    for (const { topic, partition } of partitions) this.#book.begin(topic, partition);
    const consumer = this.#consumer;
    if (consumer === undefined) return;
    const paused = partitions.filter(place => this.#pauses.isPaused(place));
    if (paused.length > 0) consumer.pause(paused);
    await this.#beginMixed(consumer, partitions);
    for (const { topic, partition } of partitions) {
      const wanted = this.#seeks.get(partitionKey(topic, partition));
      if (wanted !== undefined) this.#seekNow(consumer, wanted);
    }
  }

  /** Begins at the beginning in topics that want so, if others do not: the client below has one rule for all. */
  async #beginMixed(consumer: Runtime, partitions: readonly TopicPartition[]): Promise<void> {
    const { subscriptions } = this.#parts;
    if (subscriptions.commonBeginning !== undefined) return;
    const early = partitions.filter(({ topic }) => subscriptions.fromBeginning(topic));
    if (early.length === 0) return;
    const committed = await this.#committed(consumer, early);
    const known = new Set(committed.map(({ topic, partition }) => partitionKey(topic, partition)));
    for (const { topic, partition } of early) {
      if (!known.has(partitionKey(topic, partition))) consumer.seek(topic, partition, "beginning");
    }
  }

  /**
   * Offsets that the group has committed, however long that takes: without them the partitions would begin at the wrong
   * place. An error that stays ends the run.
   */
  async #committed(consumer: Runtime, partitions: readonly TopicPartition[]): Promise<readonly TopicPartition[]> {
    for (;;) {
      try {
        return await consumer.committed(partitions);
      } catch (error) {
        if (error instanceof KafkaError && error.retriable && !this.#abort.signal.aborted) continue;
        this.#runner?.fail(error instanceof Error ? error : new KafkaJSError(String(error)));
        return partitions;
      }
    }
  }

  #join(partitions: readonly TopicPartition[]): void {
    const { emitter, group, logger } = this.#parts;
    const memberId = this.#consumer?.memberId;
    if (memberId !== undefined) {
      const memberAssignment = Object.fromEntries(
        [...byTopic(partitions)].map(([topic, all]) => [topic, all.map(({ partition }) => partition)]),
      );
      const { groupId } = group;
      const duration = Math.round(performance.now() - this.#joinsSince);
      const { leaderId, protocol: groupProtocol } = this.#generation;
      const isLeader = leaderId === memberId;
      const payload = { duration, groupId, memberId, leaderId, isLeader, memberAssignment, groupProtocol };
      logger.info("Consumer has joined the group", payload);
      emitter.emit(consumerEvents.GROUP_JOIN, payload);
    }
    // Seeks of partitions that went to other members have no meaning here.
    this.#seeks.clear();
    this.#joined?.();
    this.#joined = undefined;
  }

  /** Matches patterns again and again, and subscribes to topics that are new. */
  #matchLater(consumer: Runtime): void {
    const { cluster, metadataMaxAge, subscriptions, logger } = this.#parts;
    const again = async (): Promise<void> => {
      try {
        if (await subscriptions.match(cluster.client)) await consumer.subscribe(subscriptions.topics);
      } catch (error) {
        logger.warn(`The topics of patterns could not be looked up: ${String(error)}`);
      }
      if (!this.#abort.signal.aborted) this.#matchLater(consumer);
    };
    this.#timer = setTimeout(() => {
      again().catch((error: unknown) => logger.error(`Patterns are not matched any more: ${String(error)}`));
    }, metadataMaxAge);
  }

  // Offsets

  /** Commits what is resolved, of all partitions or of some. */
  async #commitResolved(among?: ReadonlySet<string>): Promise<void> {
    try {
      await this.commit(this.#book.uncommitted(among));
    } catch (error) {
      const cause = error instanceof KafkaJSError ? error.cause : undefined;
      if (!(cause instanceof KafkaError) || !OUTDATED.includes(cause.name)) throw error;
      this.#parts.logger.warn(`Offsets were not committed, since the group is rebalancing: ${cause.message}`);
    }
  }

  /** Commits offsets. */
  async commit(commits: readonly Commit[]): Promise<void> {
    if (commits.length === 0) return;
    const { cluster, emitter, group } = this.#parts;
    const consumer = this.#consumer;
    if (consumer === undefined) throw new KafkaJSError("The consumer has not joined its group yet");
    try {
      await consumer.commit(commits);
    } catch (error) {
      throw cluster.finalError(error);
    }
    for (const place of commits) this.#book.committed(place);
    const { memberId = "", generation: groupGenerationId } = consumer;
    emitter.emit(consumerEvents.COMMIT_OFFSETS, {
      ...{ groupId: group.groupId, memberId, groupGenerationId, topics: offsetsByTopic(commits) },
    });
  }

  // Positions

  /** Goes on at an offset; −2 and −1 are the ends of the log. Waits for the partition before the first join. */
  seek(place: Place): void {
    const { topic, partition } = place;
    const consumer = this.#consumer;
    if (consumer !== undefined && this.#isAssigned(place)) return this.#seekNow(consumer, place);
    const isEarly = this.#joined !== undefined && this.#seeks.size < MOST_SEEKS;
    if (isEarly) this.#seeks.set(partitionKey(topic, partition), place);
  }

  #seekNow(consumer: Runtime, place: Place): void {
    const { topic, partition, offset } = place;
    this.#runner?.moved(place);
    this.#book.moved(place);
    consumer.seek(topic, partition, offset === -2 ? "beginning" : offset === -1 ? "end" : offset);
  }

  #isAssigned({ topic, partition }: TopicPartition): boolean {
    return this.assignment.some(place => place.topic === topic && place.partition === partition);
  }

  get assignment(): readonly TopicPartition[] {
    return this.#consumer?.assignment() ?? [];
  }

  pause(selections: readonly TopicSelection[]): void {
    this.#pauses.pause(selections);
    const paused = this.assignment.filter(place => this.#pauses.isPaused(place));
    if (paused.length > 0) this.#consumer?.pause(paused);
  }

  resume(selections: readonly TopicSelection[]): void {
    const { assignment } = this;
    const before = assignment.filter(place => this.#pauses.isPaused(place));
    this.#pauses.resume(selections, assignment);
    const resumed = before.filter(place => !this.#pauses.isPaused(place));
    if (resumed.length > 0) this.#consumer?.resume(resumed);
  }

  paused(): ReturnType<Pauses["among"]> {
    return this.#pauses.among(this.assignment);
  }
}
