import type { Tools } from "@samsa/records";
import type { ClusterView } from "../cluster/cluster-view.ts";
import { KafkaError } from "../error/kafka-error.ts";
import { Accumulator, type ProducerParts } from "./accumulator.ts";
import { BrokerStates } from "./broker-states.ts";
import { APPEND, type OutgoingRecord, Outbox, type ProducerEffect, type TransactionAnswer } from "./effects.ts";
import type { ProducerSettings } from "./producer-settings.ts";
import { type ProduceAnswer, Sender } from "./sender.ts";
import type { ProducerState } from "./producer-state.ts";
import { type TransactionFeatures, TransactionManager } from "./transaction-manager.ts";
import type { OperationName } from "./transaction-operation.ts";
import type { GroupMembership, TransactionOffset } from "./transaction-requests.ts";

/** Surroundings of a `ProducerCore`. */
export interface ProducerContext {
  readonly settings: ProducerSettings;
  /** View that changes in place with the metadata. */
  readonly cluster: ClusterView;
  readonly tools: Tools;
  /** Seed of the choices that the producer leaves to chance: partitions and jitter. */
  readonly seed: number;
}

/**
 * Producer without sockets, clock and promises (`KafkaProducer`, `RecordAccumulator`, `Sender`): records, answers and
 * times in, effects out. After any input the caller calls `poll`, at the latest at the end of the turn, and carries out
 * its effects; `poll` is due as well at `nextDeadline`, and when the metadata has changed. Times are monotonic, in ms.
 * `T` stands for those who wait for records.
 */
export class ProducerCore<T> {
  readonly #parts: ProducerParts<T>;
  readonly #accumulator: Accumulator<T>;
  readonly #transactions: TransactionManager<T> | undefined;
  readonly #sender: Sender<T>;
  /** Tokens of the close. */
  #closing: number[] | undefined;
  #isClosed = false;

  constructor({ settings, cluster, tools, seed }: ProducerContext) {
    this.#parts = { settings, cluster, tools, out: new Outbox(), brokers: new BrokerStates(settings) };
    this.#accumulator = new Accumulator(this.#parts, seed);
    this.#transactions = settings.idempotent ? new TransactionManager(this.#parts) : undefined;
    this.#sender = new Sender(this.#parts, this.#accumulator, this.#transactions, seed);
  }

  /** State of the producer id and of transactions; undefined: the producer is not idempotent. */
  get state(): ProducerState | undefined {
    return this.#transactions?.state;
  }

  /** Operation of transactions that the application began and whose outcome it has not taken. */
  get unfinished(): OperationName | undefined {
    return this.#transactions?.unfinished;
  }

  /** Bytes of memory that batches hold. */
  get usedBytes(): number {
    return this.#accumulator.memory.used;
  }

  /** True from an `append` that found no memory until the effect `room`. */
  get isExhausted(): boolean {
    return this.#accumulator.isExhausted;
  }

  /** Batches whose records are not settled. */
  get incompleteBatches(): number {
    return this.#accumulator.incomplete.size;
  }

  /**
   * Appends a record. Returns its partition, or `APPEND.NO_ROOM` or `APPEND.UNKNOWN`, or why it can never be sent now.
   * `ticket` comes back with the end of the batch, together with `index`, the record's place in its call.
   */
  append(record: OutgoingRecord, now: number, ticket?: T, index = 0): number | KafkaError {
    const refusal = this.#transactions?.refusalOfRecord();
    if (refusal !== undefined) return refusal;
    if (this.#closing !== undefined || this.#isClosed) return this.#closedError();
    const invalid = this.#accumulator.refusalOf(record);
    if (invalid !== undefined) {
      this.#transactions?.sendFailed(invalid);
      return invalid;
    }
    const topic = this.#accumulator.topicQueues(record.topic);
    const queue = topic === undefined ? undefined : this.#accumulator.queueFor(topic, record, now);
    if (topic === undefined || queue === undefined) return APPEND.UNKNOWN;
    const partition = this.#accumulator.append(topic, queue, record, now);
    if (partition < 0) return partition;
    if (ticket !== undefined) queue.waiting[queue.waiting.length - 1]?.assign(ticket, index);
    this.#transactions?.join(queue);
    return partition;
  }

  /** Takes the failure of a send that never got as far as `append`: a transaction that lacks it can only be aborted. */
  sendFailed(error: KafkaError): void {
    this.#transactions?.sendFailed(error);
  }

  /** Sends what may leave now, gives up what has taken too long, and returns the effects of all inputs since. */
  poll(now: number): readonly ProducerEffect<T>[] {
    this.#sender.poll(now);
    if (this.#closing !== undefined) this.#close(now);
    return this.#parts.out.take();
  }

  /** Time of the next `poll`, unless an input comes first; Infinity: none. */
  nextDeadline(): number {
    return this.#sender.deadline;
  }

  /** Takes the response to a Produce request; undefined if it has none, with acks of 0. */
  answered(id: number, response: ProduceAnswer | undefined, now: number): void {
    this.#sender.answered(id, response, now);
  }

  /** Takes the failure of a Produce request. */
  failed(id: number, error: KafkaError, now: number): void {
    this.#sender.failed(id, error, now);
  }

  /** Takes the response to a request of idempotence or transactions. */
  transactionAnswered(id: number, answer: TransactionAnswer, now: number): void {
    this.#transactions?.answered(id, answer, now);
  }

  /** Takes the failure of a request of idempotence or transactions, or of the search for its coordinator. */
  transactionFailed(id: number, error: KafkaError, now: number): void {
    this.#transactions?.failed(id, error, now);
  }

  /** Takes news of the features of the cluster. */
  learn(features: TransactionFeatures): void {
    this.#transactions?.learn(features);
  }

  /** Settles `token` once all records that were appended so far are settled. */
  flush(token: number): void {
    this.#accumulator.flush(token);
  }

  // Transactions: each returns why the operation is not possible, or nothing; then its token is settled.

  initTransactions(token: number): KafkaError | undefined {
    return this.#ofTransactions(transactions => transactions.initTransactions(token));
  }

  /** Takes effect at once. */
  beginTransaction(): KafkaError | undefined {
    return this.#ofTransactions(transactions => transactions.beginTransaction());
  }

  commitTransaction(token: number): KafkaError | undefined {
    return this.#ofTransactions(transactions => transactions.commitTransaction(token));
  }

  abortTransaction(token: number): KafkaError | undefined {
    return this.#ofTransactions(transactions => transactions.abortTransaction(token));
  }

  sendOffsets(token: number, offsets: readonly TransactionOffset[], group: GroupMembership): KafkaError | undefined {
    return this.#ofTransactions(transactions => transactions.sendOffsets(token, offsets, group));
  }

  /** The caller waits for `token` no longer; the operation goes on, and the same call again takes its outcome. */
  abandon(token: number): void {
    this.#transactions?.abandon(token);
  }

  #ofTransactions(work: (transactions: TransactionManager<T>) => KafkaError | undefined): KafkaError | undefined {
    if (this.#closing !== undefined || this.#isClosed) return this.#closedError();
    if (this.#transactions !== undefined) return work(this.#transactions);
    return new KafkaError("ILLEGAL_STATE", "a producer without a transactional id has no transactions");
  }

  // Close

  /** Takes no more records, sends those that there are, aborts an open transaction, and then settles `token`. */
  close(token: number): void {
    if (this.#isClosed) return this.#parts.out.settle(token);
    this.#sender.isClosing = true;
    this.#closing ??= [];
    this.#closing.push(token);
  }

  /** Gives up everything at once, with CLOSED. */
  forceClose(): void {
    if (this.#isClosed) return;
    const error = this.#closedError();
    this.#sender.abortAll(error);
    this.#transactions?.close(error);
    this.#finish();
  }

  #close(now: number): void {
    if (this.#accumulator.incomplete.size > 0) return;
    const transactions = this.#transactions;
    if (transactions?.isInTransaction === true) {
      if (transactions.isCompleting) return;
      // A token of nobody: only the state matters.
      const refusal = transactions.abortTransaction(NOBODY);
      if (refusal === undefined) {
        this.#sender.poll(now);
        if (transactions.isCompleting) return;
      }
    }
    transactions?.close(this.#closedError());
    this.#finish();
  }

  #finish(): void {
    this.#isClosed = true;
    const tokens = this.#closing ?? [];
    this.#closing = undefined;
    for (const token of tokens) this.#parts.out.settle(token);
  }

  #closedError(): KafkaError {
    return new KafkaError("CLOSED", "the producer is closed");
  }
}

const NOBODY = -1;
