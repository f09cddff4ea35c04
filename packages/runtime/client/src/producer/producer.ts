import { Alarm, type PartitionIndex, type Timer, type Uuid } from "@samsa/base";
import {
  APPEND,
  type Delivery,
  type GroupMembership,
  KafkaError,
  ProducerCore,
  type ProducerEffect,
  type ProducerOptions as CoreOptions,
  producerSettings,
  type ProducerSettings,
  type TransactionOffset,
} from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { type CancelSignal, ended, patiently, type Patience } from "../cluster/deadline.ts";
import { TelemetryReporter } from "../telemetry/telemetry-reporter.ts";
import { BlockedSends } from "./blocked-sends.ts";
import { ProducerCalls } from "./producer-calls.ts";
import type { Acknowledge, BatchResult, LostRecords, ProducerRecord, RecordMetadata } from "./records.ts";
import { BatchTicket, OfferTicket, SendTicket, type Ticket } from "./tickets.ts";

/** Settings of a producer. The timeout of requests is that of its `ClusterClient`. */
export interface ProducerOptions extends Omit<CoreOptions, "requestTimeoutMs"> {
  /** Longest time that a send waits for memory or metadata (`max.block.ms`); 60 s by default. */
  readonly maxBlockMs?: number | undefined;
  /** Called with records that failed and were offered without a callback; by default a warning is logged. */
  readonly onLost?: ((lost: LostRecords) => void) | undefined;
}

/** Options of an operation that waits. */
export interface OperationOptions {
  /** Longest wait, in ms (`default.api.timeout.ms`, `max.block.ms`); that of the client by default. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: CancelSignal | undefined;
}

const DEFAULT_MAX_BLOCK_MS = 60_000;
/** Time after which the metadata is told again that a topic is in use, in ms. */
const USE_EVERY_MS = 1000;
const MAX_SEED = 0x7fffffff;

/**
 * Producer over the connections of a `ClusterClient`: carries out what `ProducerCore` decides. Records that are sent in one
 * turn of the event loop leave together.
 */
export class Producer {
  readonly settings: ProducerSettings;
  readonly #client: ClusterClient;
  readonly #core: ProducerCore<Ticket>;
  readonly #calls: ProducerCalls;
  readonly #telemetry: TelemetryReporter;
  readonly #blocked: BlockedSends;
  readonly #maxBlockMs: number;
  readonly #onLost: (lost: LostRecords) => void;
  readonly #stopObserving: () => void;
  readonly #alarm: Alarm;
  readonly #operations = new Map<number, (error: KafkaError | undefined) => void>();
  /** Errors of topics that `offer` could not use, until its next call. */
  readonly #topicErrors = new Map<string, KafkaError>();
  readonly #lookUps = new Set<string>();
  /** Topics that are in use, and when the metadata was told so. */
  readonly #used = new Map<string, number>();
  /** Records that the accumulator has taken and that have not ended. */
  #taken = 0;
  /** Records of sends that wait for memory or metadata. */
  #waiting = 0;
  #drained: (() => void)[] = [];
  /** The last `offer` was not taken. */
  #isFull = false;
  #isScheduled = false;
  #isClosed = false;
  /** Keeps the process alive while records have no outcome. */
  #held: Timer | undefined;
  #nextToken = 0;

  /** Throws `KafkaError` INVALID_ARGUMENT for settings that cannot be. */
  constructor(client: ClusterClient, options: ProducerOptions = {}) {
    const { maxBlockMs = DEFAULT_MAX_BLOCK_MS, onLost, ...rest } = options;
    const { requestTimeoutMs } = client.settings;
    this.#client = client;
    this.#maxBlockMs = maxBlockMs;
    this.#onLost = onLost ?? (lost => this.#warn(lost));
    this.settings = producerSettings({ ...rest, requestTimeoutMs });
    const { env } = client;
    const seed = Math.floor(env.random.next() * MAX_SEED);
    const tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };
    this.#core = new ProducerCore({ settings: this.settings, cluster: client.metadata, tools, seed });
    this.#calls = new ProducerCalls(client, this.#core, () => this.#schedule());
    const { transactionalId } = this.settings;
    const resource = transactionalId === null ? {} : { transactional_id: transactionalId };
    this.#telemetry = new TelemetryReporter(client, { domain: "producer", resource: () => resource });
    this.#blocked = new BlockedSends(env);
    this.#alarm = new Alarm(env, () => this.#schedule());
    this.#stopObserving = client.observe(() => this.#metadataChanged());
  }

  get #now(): number {
    return this.#client.env.clock.monotonic();
  }

  /** Records that were given to the producer and have not ended: their outcome is unknown. */
  get unsent(): number {
    return this.#taken + this.#waiting;
  }

  /**
   * Id of the producer in the cluster's telemetry (KIP-714). Waits until a broker gives it; rejects with ILLEGAL_STATE if
   * there is no telemetry.
   */
  clientInstanceId(options: OperationOptions = {}): Promise<Uuid> {
    return this.#telemetry.clientInstanceId(this.#client.patience(options));
  }

  // Records

  /**
   * Sends a record. Resolves with its place once it is acknowledged. Rejects with a `KafkaError`: among others
   * DELIVERY_TIMED_OUT (the record may have been written), BUFFER_EXHAUSTED (no memory, or no metadata, within
   * `maxBlockMs`) and RECORD_TOO_LARGE.
   */
  send(
    record: ProducerRecord,
    { signal }: { readonly signal?: CancelSignal | undefined } = {},
  ): Promise<RecordMetadata> {
    const timestamp = record.timestamp ?? this.#client.env.clock.now();
    const ticket = new SendTicket(timestamp);
    const attempt = (): boolean => this.#append(record, timestamp, ticket, 0);
    try {
      if (this.#blocked.has(record.topic) || !attempt()) {
        this.#waiting++;
        this.#block(record.topic, signal, () => this.#passed(attempt())).catch((error: unknown) => {
          this.#waiting--;
          this.#sendFailed(error);
          ticket.fail(error);
        });
      }
    } catch (error) {
      ticket.fail(error);
    }
    return ticket.promise;
  }

  /**
   * Sends records with one promise, which costs much less than one for each. It resolves when all have ended; errors are
   * part of the result.
   */
  sendBatch(
    records: readonly ProducerRecord[],
    { signal }: { readonly signal?: CancelSignal | undefined } = {},
  ): Promise<BatchResult> {
    const ticket = new BatchTicket(records.length);
    const now = this.#client.env.clock.now();
    // Records of one topic keep their order; those of a topic that waits do not hold up the others.
    const later = new Map<string, number[]>();
    for (const [index, record] of records.entries()) {
      const waiting = later.get(record.topic);
      if (waiting !== undefined) waiting.push(index);
      else if (this.#blocked.has(record.topic) || !this.#appendOf(record, now, ticket, index)) {
        later.set(record.topic, [index]);
      }
    }
    for (const [topic, indices] of later) this.#appendLater(topic, { records, indices, now, ticket, signal });
    return ticket.promise;
  }

  /** Counts a record that waits no longer if it `isTaken`. */
  #passed(isTaken: boolean): boolean {
    if (isTaken) this.#waiting--;
    return isTaken;
  }

  /** `#append` of a record of a batch, whose error is part of the result. */
  #appendOf(record: ProducerRecord, now: number, ticket: BatchTicket, index: number): boolean {
    try {
      return this.#append(record, record.timestamp ?? now, ticket, index);
    } catch (error) {
      ticket.fail(index, kafkaError(error));
      return true;
    }
  }

  #appendLater(
    topic: string,
    {
      records,
      indices,
      now,
      ticket,
      signal,
    }: {
      readonly records: readonly ProducerRecord[];
      readonly indices: readonly number[];
      readonly now: number;
      readonly ticket: BatchTicket;
      readonly signal: CancelSignal | undefined;
    },
  ): void {
    let next = 0;
    this.#waiting += indices.length;
    const attempt = (): boolean => {
      for (; next < indices.length; next++) {
        const index = indices[next] as number;
        if (!this.#passed(this.#appendOf(records[index] as ProducerRecord, now, ticket, index))) return false;
      }
      return true;
    };
    this.#block(topic, signal, attempt).catch((error: unknown) => {
      this.#sendFailed(error);
      this.#waiting -= indices.length - next;
      for (; next < indices.length; next++) ticket.fail(indices[next] as number, kafkaError(error));
    });
  }

  /**
   * Sends a record without a promise, if there is memory and the metadata of its topic is known; false: not now, `drained`
   * tells when to try again. Throws `KafkaError` for a record that can never be sent. `acknowledge` is called with the
   * end of the record.
   */
  offer(record: ProducerRecord, acknowledge?: Acknowledge): boolean {
    if (this.#topicErrors.size > 0) this.#throwTopicError(record.topic);
    const timestamp = record.timestamp ?? this.#client.env.clock.now();
    const ticket = acknowledge === undefined ? undefined : new OfferTicket(timestamp, acknowledge, this.#report);
    const isTaken = !this.#blocked.has(record.topic) && this.#append(record, timestamp, ticket, 0);
    if (!isTaken) {
      this.#isFull = true;
      if (this.#client.metadata.topic(record.topic) === undefined) this.#lookUp(record.topic);
    }
    return isTaken;
  }

  #throwTopicError(topic: string): void {
    const error = this.#topicErrors.get(topic);
    if (error === undefined) return;
    this.#topicErrors.delete(topic);
    throw error;
  }

  /** Resolves when `offer` may take a record again: at once if it has taken the last one. */
  drained(): Promise<void> {
    if (!this.#isFull || this.#isClosed) return Promise.resolve();
    return new Promise(resolve => this.#drained.push(resolve));
  }

  readonly #report = (error: unknown): void => {
    this.#client.env.logger.error("code that a producer calls has thrown", { error: String(error) });
  };

  /** Appends a record; false if there is no memory or no metadata. Throws the error of a record that cannot be sent. */
  #append(record: ProducerRecord, timestamp: number, ticket: Ticket | undefined, index: number): boolean {
    const { topic, partition, key = null, value, headers, compression } = record;
    const now = this.#now;
    const result = this.#core.append(
      { topic, partition, key, value, headers, timestamp, compression },
      now,
      ticket,
      index,
    );
    if (typeof result !== "number") throw result;
    this.#schedule();
    if (result === APPEND.UNKNOWN) {
      this.#checkPartition(topic, partition);
      return false;
    }
    this.#use(topic, now);
    if (result < 0) return false;
    this.#taken++;
    return true;
  }

  /** Throws for a partition that no topic can have. Others may be added to the topic at any time. */
  #checkPartition(topic: string, partition: PartitionIndex | undefined): void {
    if (partition === undefined || (Number.isInteger(partition) && partition >= 0)) return;
    const error = new KafkaError("INVALID_ARGUMENT", `topic ${topic} has no partition ${String(partition)}`);
    this.#sendFailed(error);
    throw error;
  }

  /** Keeps the topic in the metadata. */
  #use(topic: string, now: number): void {
    if ((this.#used.get(topic) ?? -Infinity) > now - USE_EVERY_MS) return;
    this.#used.set(topic, now);
    this.#client.metadata.use(topic, now);
  }

  /** A transaction that lacks a record can only be aborted. */
  #sendFailed(error: unknown): void {
    this.#core.sendFailed(kafkaError(error));
  }

  /** Waits for memory, or for the metadata of a topic, and then goes on with a send. */
  #block(topic: string, signal: CancelSignal | undefined, attempt: () => boolean): Promise<void> {
    const patience = { deadline: this.#now + this.#maxBlockMs, signal };
    const wait = this.#blocked.wait(topic, patience, () => this.#lateError(topic), attempt);
    if (this.#client.metadata.topic(topic) === undefined) this.#lookUp(topic);
    // The partition that a record names may be new.
    else if (!this.#core.isExhausted) this.#client.refresh();
    return wait;
  }

  #lateError(topic: string): KafkaError {
    const { metadata, failure } = this.#client;
    const code = metadata.topicError(topic);
    if (code !== 0) return KafkaError.of(code, `topic ${topic}`);
    const within = `within ${this.#maxBlockMs} ms`;
    if (this.#core.isExhausted) {
      return new KafkaError("BUFFER_EXHAUSTED", `the producer had no memory for a record ${within}`);
    }
    const count = metadata.topic(topic)?.partitions.length;
    const why = count === undefined ? "not known" : `known with ${count} partitions only`;
    const reason = failure === undefined ? "" : `: ${failure}`;
    return new KafkaError("TIMED_OUT", `topic ${topic} was ${why} ${within}${reason}`);
  }

  /** Asks for a topic, once at a time. */
  #lookUp(topic: string): void {
    if (this.#lookUps.has(topic)) return;
    this.#lookUps.add(topic);
    this.#client.topic(topic, this.#client.patience({ timeoutMs: this.#maxBlockMs })).then(
      () => this.#lookedUp(topic),
      (error: unknown) => this.#lookedUp(topic, error),
    );
  }

  #lookedUp(topic: string, error?: unknown): void {
    this.#lookUps.delete(topic);
    if (error !== undefined) {
      // Errors of a few topics are kept: perhaps nobody offers to them again.
      if (this.#topicErrors.size > 100) this.#topicErrors.clear();
      if (!this.#blocked.has(topic)) this.#topicErrors.set(topic, kafkaError(error));
      this.#blocked.fail(error, topic);
    }
    this.#metadataChanged();
    this.#release();
  }

  #metadataChanged(): void {
    this.#blocked.retry();
    this.#schedule();
  }

  /** Ends the waits of `drained`. */
  #release(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }

  // Turns

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#client.env.timers.soon(() => {
      this.#isScheduled = false;
      this.#poll();
    });
  }

  #poll(): void {
    for (const effect of this.#effects()) {
      try {
        this.#do(effect);
      } catch (error) {
        this.#client.env.logger.error("an effect of the producer failed", { error: String(error) });
      }
    }
    this.#setTimer();
  }

  #effects(): readonly ProducerEffect<Ticket>[] {
    try {
      return this.#core.poll(this.#now);
    } catch (error) {
      // A bug: rather no producer than one that does not know what it has sent.
      this.#client.env.logger.error("the producer ends, because of a mistake in it", { error: String(error) });
      this.#core.forceClose();
      return this.#core.poll(this.#now);
    }
  }

  #setTimer(): void {
    if (this.#taken > 0) this.#held ??= this.#client.env.timers.hold();
    else {
      this.#held?.cancel();
      this.#held = undefined;
    }
    this.#alarm.set(this.#isClosed ? Infinity : this.#core.nextDeadline());
  }

  #do(effect: ProducerEffect<Ticket>): void {
    switch (effect.type) {
      case "delivered":
        this.#taken -= effect.count;
        for (const run of effect.runs) run.ticket.ended(effect, run);
        if (effect.failure !== undefined) this.#lost(effect, effect.failure.error);
        return;
      case "produce":
        for (const ms of effect.queuedMs) this.#telemetry.metrics.queued(ms, this.#now);
        this.#calls.produce(effect).catch(this.#report);
        return;
      case "transaction":
        this.#calls.transaction(effect).catch(this.#report);
        return;
      case "findCoordinator":
        return this.#client.forgetCoordinator(effect.coordinator.type, effect.coordinator.key);
      case "refreshMetadata":
        for (const topic of effect.topics) this.#client.metadata.use(topic, this.#now);
        return this.#client.refresh();
      case "leaders":
        return this.#client.heed(effect);
      case "room":
        this.#blocked.retry();
        return this.#release();
      case "settled":
        this.#operations.get(effect.token)?.(effect.error);
        return;
    }
  }

  #lost({ topic, partition, count, runs }: Delivery<Ticket>, error: KafkaError): void {
    const awaited = runs.reduce((sum, run) => sum + run.count, 0);
    if (awaited < count) this.#onLost({ topic, partition, count: count - awaited, error });
  }

  #warn({ topic, partition, count, error }: LostRecords): void {
    this.#client.env.logger.warn("records were not written", { topic, partition, count, error: error.message });
  }

  // Operations

  /** Sends all records at once. Resolves when those sent so far have ended, whatever their end is. */
  async flush(options: OperationOptions = {}): Promise<void> {
    const patience = this.#client.patience(options);
    await this.#untilPassed("flush", patience);
    await this.#operate("flush", patience, token => {
      this.#core.flush(token);
      return undefined;
    });
  }

  /**
   * Gets the producer id of the transactional id, and ends the transaction that another producer with it has left open. To
   * be called once, before the first transaction.
   */
  async initTransactions(options: OperationOptions = {}): Promise<void> {
    const patience = this.#client.patience(options);
    await this.#client.ready(patience);
    await this.#operate("initTransactions", patience, token => this.#core.initTransactions(token));
  }

  /** Begins a transaction. Throws a `KafkaError` if that is not possible now. */
  beginTransaction(): void {
    const refusal = this.#core.beginTransaction();
    if (refusal !== undefined) throw refusal;
  }

  /**
   * Commits the transaction, with all its records and offsets. After TIMED_OUT the outcome is unknown: the same call is to
   * be repeated. After an error with `abortable` the transaction is to be aborted.
   */
  async commitTransaction(options: OperationOptions = {}): Promise<void> {
    const patience = this.#client.patience(options);
    await this.#untilPassed("commitTransaction", patience);
    await this.#operate("commitTransaction", patience, token => this.#core.commitTransaction(token));
  }

  /** Aborts the transaction. Records that have not left are rejected. */
  abortTransaction(options: OperationOptions = {}): Promise<void> {
    if (this.#core.state === "IN_TRANSACTION" || this.#core.state === "ABORTABLE_ERROR") {
      this.#blocked.fail(new KafkaError("TRANSACTION_ABORTED", "the transaction was aborted"));
    }
    return this.#operate("abortTransaction", this.#client.patience(options), token =>
      this.#core.abortTransaction(token),
    );
  }

  /** Makes offsets of a consumer part of the transaction. */
  sendOffsets(
    offsets: readonly TransactionOffset[],
    group: GroupMembership,
    options: OperationOptions = {},
  ): Promise<void> {
    const patience = this.#client.patience(options);
    return this.#operate("sendOffsetsToTransaction", patience, token => this.#core.sendOffsets(token, offsets, group));
  }

  /**
   * Runs `work` in a transaction: commits it when `work` has resolved, and aborts it when `work` or the commit fails. Rejects
   * with that error, or with that of the abort if the producer can go on no more, as when it is fenced. The end of an
   * earlier transaction that has not come in its time is waited for first.
   */
  async transaction<R>(work: (producer: this) => Promise<R>): Promise<R> {
    const unfinished = this.#core.unfinished;
    if (unfinished === "commitTransaction") await this.commitTransaction();
    else if (unfinished === "abortTransaction") await this.abortTransaction();
    this.beginTransaction();
    try {
      const result = await work(this);
      await this.commitTransaction();
      return result;
    } catch (error) {
      throw (await this.#abortAfter(error)) ?? error;
    }
  }

  /** Returns the error of an abort after which the producer cannot be used any more. */
  async #abortAfter(error: unknown): Promise<KafkaError | undefined> {
    const isOver =
      error instanceof KafkaError && (error.fatal || error.name === "TIMED_OUT" || error.name === "CLOSED");
    // After a fatal error there is nothing to abort; after a timeout of the commit its outcome is not known.
    if (isOver && this.#core.state !== "IN_TRANSACTION" && this.#core.state !== "ABORTABLE_ERROR") return undefined;
    try {
      await this.abortTransaction();
    } catch (second) {
      if (second instanceof KafkaError && second.fatal) return second;
      this.#client.env.logger.warn("a transaction was not aborted", { error: String(second) });
    }
    return undefined;
  }

  /** Waits for sends that wait for memory or metadata. */
  #untilPassed(name: string, patience: Patience): Promise<void> {
    return ended(this.#client.env, patience, () => lateError(name), this.#blocked.passed());
  }

  #operate(name: string, patience: Patience, start: (token: number) => KafkaError | undefined): Promise<void> {
    const token = this.#nextToken++;
    return patiently<void>(
      this.#client.env,
      patience,
      () => lateError(name),
      (resolve, reject) => {
        this.#operations.set(token, error => (error === undefined ? resolve() : reject(error)));
        const refusal = start(token);
        if (refusal !== undefined) reject(refusal);
        else this.#schedule();
        return () => {
          this.#operations.delete(token);
          this.#core.abandon(token);
        };
      },
    );
  }

  /**
   * Closes the producer: what was sent is still delivered, and an open transaction aborted, for as long as the timeout
   * allows; the rest is rejected with CLOSED. The client stays open.
   */
  async close(options: OperationOptions = {}): Promise<void> {
    if (this.#isClosed) return;
    this.#blocked.fail(new KafkaError("CLOSED", "the producer is closed"));
    try {
      await this.#operate("close", this.#client.patience(options), token => {
        this.#core.close(token);
        return undefined;
      });
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.#core.forceClose();
    }
    this.#isClosed = true;
    this.#stopObserving();
    this.#poll();
    this.#isFull = true;
    this.#release();
    await this.#telemetry.close();
  }
}

function lateError(name: string): KafkaError {
  return new KafkaError("TIMED_OUT", `${name} has not ended in time; it may be repeated`);
}

function kafkaError(error: unknown): KafkaError {
  if (error instanceof KafkaError) return error;
  return new KafkaError("INVALID_ARGUMENT", "the record cannot be sent", { cause: error });
}
