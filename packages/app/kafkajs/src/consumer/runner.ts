import { setImmediate as turn } from "node:timers/promises";
import { partitionKey } from "@samsa/client-kernel";
import type { ConsumedBatch, Consumer as Runtime } from "@samsa/client-runtime";
import { protocolError } from "../error/convert.ts";
import { KafkaJSError, KafkaJSProtocolError } from "../error/errors.ts";
import type { Emitter } from "../events/emitter.ts";
import type { Logger } from "../log/logger.ts";
import type { Offsets } from "../producer/types.ts";
import { offsetOf } from "../values/offset.ts";
import { FetchedBatch, messageOf } from "./batch.ts";
import { type Entry, type OffsetBook, offsetsByTopic } from "./offset-book.ts";
import type { Pauses } from "./pauses.ts";
import { type ConsumerRunConfig, consumerEvents, type KafkaMessage, type TopicPartition } from "./types.ts";

/** Parts of a runner. */
export interface RunnerParts {
  readonly consumer: Runtime;
  readonly config: ConsumerRunConfig;
  readonly book: OffsetBook;
  readonly pauses: Pauses;
  readonly emitter: Emitter;
  readonly logger: Logger;
  /** Commits offsets, or those that are resolved. */
  readonly commit: (offsets?: Offsets) => Promise<void>;
  readonly pause: (place: TopicPartition) => () => void;
  /** Called after a batch that was processed. */
  readonly progressed: () => void;
}

/** Code of REBALANCE_IN_PROGRESS. */
const REBALANCING = 27;
/** Time in ms after which `heartbeat` lets the event loop turn. */
const TURN_AFTER_MS = 10;

const asError = (error: unknown): Error => (error instanceof Error ? error : new KafkaJSError(String(error)));

/** Batch that a handler works on. */
class Work {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the first message. */
  readonly first: number;
  /** Offset after the batch, with what the log has behind its messages for itself. */
  readonly next: number;
  /** Offsets of the partition. */
  readonly entry: Entry;
  /** The program has moved elsewhere in the partition. */
  isMoved = false;
  /** The group takes the partition back. */
  isRevoked = false;
  /** The partition may be another member's by now. */
  isLost = false;
  ended: Promise<void> = Promise.resolve();

  constructor(entry: Entry, first: number, next: number) {
    this.topic = entry.topic;
    this.partition = entry.partition;
    this.entry = entry;
    this.first = first;
    this.next = next;
  }

  /** Marks messages before an offset as processed. */
  resolve(next: number): void {
    if (!this.isStale) this.entry.resolved = next;
  }

  /** The messages are not to be processed any more. */
  get isStale(): boolean {
    return this.isMoved || this.isLost;
  }

  /** No further message is to be processed here. */
  get isOver(): boolean {
    return this.isStale || this.isRevoked;
  }
}

/** Hands batches to a handler, each partition's one after the other, until it is stopped or a handler fails. */
export class Runner {
  readonly #parts: RunnerParts;
  readonly #concurrency: number;
  readonly #works = new Map<string, Work>();
  #isRunning = true;
  #failure: Error | undefined;
  #stream: ReturnType<Runtime["batches"]> | undefined;
  #wake: (() => void) | undefined;
  #lastCommit = performance.now();
  #lastTurn = performance.now();

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#concurrency = parts.config.partitionsConsumedConcurrently ?? 1;
  }

  /** Resolves once it is stopped and all handlers have ended. Rejects with the first error. */
  async run(): Promise<void> {
    const isHeld = ({ topic, partition }: TopicPartition): boolean => this.#works.has(partitionKey(topic, partition));
    const stream = this.#parts.consumer.batches({ max: Number.MAX_SAFE_INTEGER, isHeld });
    this.#stream = stream;
    try {
      while (this.#isRunning && this.#failure === undefined) {
        if (this.#works.size >= this.#concurrency) {
          await new Promise<void>(resolve => (this.#wake = resolve));
          continue;
        }
        const { value, done } = await stream.next();
        if (done === true) break;
        if (this.#isRunning && this.#failure === undefined) this.#begin(value);
      }
    } catch (error) {
      this.#failure ??= asError(error);
    } finally {
      stream.end();
      this.#stream = undefined;
      await Promise.all([...this.#works.values()].map(({ ended }) => ended));
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined && this.#isRunning) throw failure;
  }

  /** Begins no more batches, and lets handlers of messages end after the one that they have. */
  stop(): void {
    this.#isRunning = false;
    this.#stream?.end();
    this.#awake();
  }

  /** Ends the run with an error, unless it has one. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#stream?.end();
    this.#awake();
  }

  /** The program has moved elsewhere in a partition. */
  moved({ topic, partition }: TopicPartition): void {
    const work = this.#works.get(partitionKey(topic, partition));
    if (work !== undefined) work.isMoved = true;
  }

  /** The group takes partitions back. */
  revoking(partitions: readonly TopicPartition[]): void {
    for (const work of this.#worksOn(partitions)) work.isRevoked = true;
  }

  /** Partitions may be another member's by now. */
  lost(partitions: readonly TopicPartition[]): void {
    for (const work of this.#worksOn(partitions)) work.isLost = true;
  }

  /** Waits for the handlers that work on partitions. */
  async finished(partitions: readonly TopicPartition[]): Promise<void> {
    await Promise.all(this.#worksOn(partitions).map(({ ended }) => ended));
  }

  #worksOn(partitions: readonly TopicPartition[]): Work[] {
    return partitions.flatMap(({ topic, partition }) => this.#works.get(partitionKey(topic, partition)) ?? []);
  }

  #awake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #begin(fetched: ConsumedBatch): void {
    const { consumer, book } = this.#parts;
    const { topic, partition } = fetched;
    const messages: KafkaMessage[] = [];
    fetched.forEach(record => messages.push(messageOf(record)));
    const [head] = messages;
    // The partition was paused, or moved elsewhere, since the stream gave it out.
    if (head === undefined) return;
    const { position: next, highWatermark } = consumer.status(topic, partition);
    const batch = new FetchedBatch({ topic, partition, messages, next, highWatermark });
    const first = Number(head.offset);
    const work = new Work(book.handed({ topic, partition, offset: first }), first, next);
    const key = partitionKey(topic, partition);
    this.#works.set(key, work);
    work.ended = this.#process(batch, work).then(
      () => this.#ended(key, work),
      (error: unknown) => this.#ended(key, work, error),
    );
  }

  /** Takes the end of a batch; goes back to what is not resolved of it. */
  #ended(key: string, work: Work, error?: unknown): void {
    this.#works.delete(key);
    const next = work.entry.resolved ?? work.first;
    if (!work.isOver && next < work.next) this.#rewind(work, next);
    const isRebalance = error instanceof KafkaJSProtocolError && error.code === REBALANCING;
    if (error !== undefined && !isRebalance) this.fail(asError(error));
    else this.#awake();
    // The partition was held, and may have more.
    this.#parts.consumer.wake();
  }

  #rewind({ topic, partition }: Work, next: number): void {
    try {
      this.#parts.consumer.seek(topic, partition, next);
    } catch (error) {
      // The group has taken the partition back meanwhile: its next member begins at what is committed.
      this.#parts.logger.debug("A partition was not assigned any more", { topic, partition, error: String(error) });
    }
  }

  async #process(batch: FetchedBatch, work: Work): Promise<void> {
    const { emitter, config, progressed } = this.#parts;
    const begunAt = performance.now();
    const { facts } = batch;
    emitter.emit(consumerEvents.START_BATCH_PROCESS, facts);
    if (config.eachMessage !== undefined) await this.#eachMessage(config.eachMessage, batch, work);
    else if (config.eachBatch !== undefined) await this.#eachBatch(config.eachBatch, batch, work);
    else work.resolve(work.next);
    emitter.emit(consumerEvents.END_BATCH_PROCESS, { ...facts, duration: Math.round(performance.now() - begunAt) });
    if (this.#commits(work)) await this.#commit();
    progressed();
  }

  async #eachMessage(
    handler: NonNullable<ConsumerRunConfig["eachMessage"]>,
    batch: FetchedBatch,
    work: Work,
  ): Promise<void> {
    const { topic, partition, messages } = batch;
    const { pauses, pause } = this.#parts;
    const rest = {
      topic,
      partition,
      heartbeat: () => this.#heartbeat(work, () => work.isLost),
      pause: () => pause(work),
    };
    for (const [i, message] of messages.entries()) {
      if (!this.#isRunning || work.isOver || pauses.isPaused(work)) return;
      try {
        await handler({ ...rest, message });
      } catch (error) {
        await this.#failed("eachMessage", work, message.offset, error);
      }
      work.resolve(i === messages.length - 1 ? work.next : Number(message.offset) + 1);
      if (this.#commits(work) && this.#isCommitDue) await this.#commit();
    }
  }

  async #eachBatch(
    handler: NonNullable<ConsumerRunConfig["eachBatch"]>,
    batch: FetchedBatch,
    work: Work,
  ): Promise<void> {
    const { book, commit, config, pause } = this.#parts;
    const lastMessage = batch.messages[batch.messages.length - 1]?.offset;
    try {
      await handler({
        batch,
        // Control records behind the last message are resolved with it.
        resolveOffset: offset => work.resolve(String(offset) === lastMessage ? work.next : offsetOf(offset) + 1),
        // Messages that are not resolved go to the next member.
        heartbeat: () => this.#heartbeat(work, () => work.isRevoked || work.isLost),
        pause: () => pause(work),
        commitOffsetsIfNecessary: async offsets => {
          if (offsets !== undefined) await commit(offsets);
          else if (this.#isCommitDue) await this.#commit();
        },
        uncommittedOffsets: () => ({ topics: offsetsByTopic(book.uncommitted()) }),
        isRunning: () => this.#isRunning,
        isStale: () => work.isStale,
      });
    } catch (error) {
      await this.#failed("eachBatch", work, batch.firstOffset(), error);
    }
    if (config.eachBatchAutoResolve !== false) work.resolve(work.next);
  }

  /** Logs the error of a handler, commits what was resolved before, and throws it. */
  async #failed(what: string, work: Work, offset: string | null, error: unknown): Promise<never> {
    const { topic, partition } = work;
    if (!(error instanceof KafkaJSError)) {
      const stack = error instanceof Error ? error.stack : undefined;
      this.#parts.logger.error(`Error when calling ${what}`, { topic, partition, offset, stack, error });
    }
    try {
      if (this.#commits(work)) await this.#commit();
    } catch (second) {
      this.#parts.logger.error("Offsets were not committed", { topic, partition, error: String(second) });
    }
    throw error;
  }

  async #heartbeat(work: Work, isOver: () => boolean): Promise<void> {
    const now = performance.now();
    if (now - this.#lastTurn >= TURN_AFTER_MS) {
      this.#lastTurn = now;
      await turn();
    }
    if (isOver()) throw protocolError(REBALANCING, `${work.topic}-${work.partition}`);
  }

  /** True if what is resolved in a batch is committed without a word of the program. */
  #commits(work: Work): boolean {
    return this.#parts.config.autoCommit !== false && !work.isLost;
  }

  /** True if `autoCommitInterval` or `autoCommitThreshold` asks for a commit within a batch. */
  get #isCommitDue(): boolean {
    const { book, config } = this.#parts;
    const { autoCommitInterval: interval, autoCommitThreshold: threshold } = config;
    if (typeof interval === "number" && performance.now() >= this.#lastCommit + interval) return true;
    return typeof threshold === "number" && book.uncommittedCount >= threshold;
  }

  async #commit(): Promise<void> {
    this.#lastCommit = performance.now();
    await this.#parts.commit();
  }
}
