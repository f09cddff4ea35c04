import { KafkaError, partitionKey } from "@samsa/client-kernel";
import {
  Consumer as Runtime,
  type ConsumerOptions,
  type ConsumerParts,
  type GroupSettings,
} from "@samsa/client-runtime";
import type { Cluster } from "../cluster/cluster.ts";
import type { CommittedOffsets } from "../cluster/committed.ts";
import { KafkaJSError } from "../error/errors.ts";
import type { Emitter } from "../events/emitter.ts";
import type { Logger } from "../log/logger.ts";
import type { Offsets } from "../producer/types.ts";
import { Attempts } from "../settings/retry.ts";
import { offsetOf } from "../values/offset.ts";
import { OffsetBook } from "./offset-book.ts";
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
  readonly group: Partial<GroupSettings> & Pick<GroupSettings, "groupId">;
  readonly options: ConsumerOptions;
  /** Time in ms after which patterns are matched again. */
  readonly metadataMaxAge: number;
}

/** Offset to commit, with its metadata. */
export interface Commit extends TopicPartition {
  readonly offset: number;
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
  readonly #seeks = new Map<string, TopicPartition & { readonly offset: number }>();
  #consumer: Runtime | undefined;
  #runner: Runner | undefined;
  #forget: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #joined: (() => void) | undefined;
  #joinsSince = Date.now();
  #hasJoined = false;
  readonly #abort = new AbortController();

  constructor(parts: RunParts, config: ConsumerRunConfig) {
    this.#parts = parts;
    this.#config = config;
  }

  /**
   * Joins the group and hands out batches. `joined` is called once the member has its partitions. Resolves once it is
   * stopped; rejects with the error after which there is no other attempt.
   */
  async run(joined: () => void): Promise<void> {
    const { cluster, subscriptions } = this.#parts;
    this.#joined = joined;
    const client = await cluster.connect();
    if (subscriptions.hasPatterns) await subscriptions.match(client);
    if (this.#abort.signal.aborted) return;
    const consumer = new Runtime(client, this.#options(), this.#consumerParts());
    this.#consumer = consumer;
    this.#forget = this.#parts.committed.add(this.#parts.group.groupId, this.#book);
    const attempts = new Attempts(cluster.retry, Math.random);
    const runner = this.#newRunner(consumer, attempts);
    this.#runner = runner;
    try {
      await this.#subscribe(consumer);
      if (subscriptions.hasPatterns) this.#matchLater(consumer);
      await this.#work(runner, attempts);
    } finally {
      clearTimeout(this.#timer);
      this.#forget();
      await this.#leave(consumer);
    }
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
        const failure = error instanceof KafkaError ? this.#parts.cluster.finalError(error) : (error as Error);
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
      commit: offsets => (offsets === undefined ? this.#commitResolved() : this.#commitGiven(offsets)),
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
      listener: {
        revoking: partitions => {
          this.#joinsSince = Date.now();
          emitter.emit(consumerEvents.REBALANCING, { groupId: group.groupId, memberId: this.#memberId });
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

  async #revoked(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#runner?.finished(partitions);
    const keys = new Set(partitions.map(({ topic, partition }) => partitionKey(topic, partition)));
    try {
      if (this.#config.autoCommit !== false) await this.#commitResolved(keys);
    } finally {
      for (const { topic, partition } of partitions) this.#book.end(topic, partition);
    }
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
    const memberAssignment: Record<string, number[]> = {};
    for (const { topic, partition } of partitions) (memberAssignment[topic] ??= []).push(partition);
    if (this.#consumer?.memberId !== undefined) {
      const { groupId } = group;
      const payload = { duration: Date.now() - this.#joinsSince, groupId, memberId: this.#memberId, memberAssignment };
      logger.info("Consumer has joined the group", payload);
      emitter.emit(consumerEvents.GROUP_JOIN, payload);
    }
    this.#hasJoined = true;
    // Seeks of partitions that went to other members have no meaning here.
    this.#seeks.clear();
    this.#joined?.();
    this.#joined = undefined;
  }

  get #memberId(): string {
    return this.#consumer?.memberId ?? "";
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

  #commitGiven({ topics }: Offsets): Promise<void> {
    return this.commit(
      topics.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset }) => ({ topic, partition, offset: offsetOf(offset) })),
      ),
    );
  }

  /** Commits what is resolved, of all partitions or of some. */
  async #commitResolved(among?: ReadonlySet<string>): Promise<void> {
    const offsets = this.#book.uncommitted(among);
    try {
      await this.#commitGiven(offsets);
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
    const topics = new Map<string, { topic: string; partitions: { partition: number; offset: string }[] }>();
    for (const { topic, partition, offset } of commits) {
      this.#book.committed(topic, partition, String(offset));
      const found = topics.get(topic) ?? { topic, partitions: [] };
      found.partitions.push({ partition, offset: String(offset) });
      topics.set(topic, found);
    }
    const { memberId = "", generation: groupGenerationId } = consumer;
    const payload = { groupId: group.groupId, memberId, groupGenerationId, topics: [...topics.values()] };
    emitter.emit(consumerEvents.COMMIT_OFFSETS, payload);
  }

  // Positions

  /** Goes on at an offset; −2 and −1 are the ends of the log. Waits for the partition before the first join. */
  seek(place: TopicPartition & { readonly offset: number }): void {
    const { topic, partition } = place;
    const consumer = this.#consumer;
    if (consumer !== undefined && this.#isAssigned(place)) this.#seekNow(consumer, place);
    else if (!this.#hasJoined && this.#seeks.size < MOST_SEEKS) this.#seeks.set(partitionKey(topic, partition), place);
  }

  #seekNow(consumer: Runtime, { topic, partition, offset }: TopicPartition & { readonly offset: number }): void {
    const place = { topic, partition };
    this.#runner?.moved(place);
    this.#book.moved(topic, partition, offset);
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
