import { KafkaError, type TopicPartition } from "@samsa/client-kernel";
import type { CancelSignal } from "../cluster/deadline.ts";
import { ConsumedBatch, type ConsumedRecord } from "./consumed-record.ts";
import type { FetchRuntime } from "./fetch-runtime.ts";

/** Options of a stream. */
export interface StreamOptions {
  /** Most records of a batch; `maxPollRecords` by default. */
  readonly max?: number;
  /** Ends the stream with an error when it aborts. */
  readonly signal?: CancelSignal;
  /** Partitions that are passed over as long as this is true. `Consumer.wake` looks again. */
  readonly isHeld?: (place: TopicPartition) => boolean;
}

/** Parts of a `BatchStream`. */
export interface BatchStreamOptions {
  readonly max: number;
  readonly signal: CancelSignal | undefined;
  /** Partitions that are passed over as long as this is true. */
  readonly isHeld: (place: TopicPartition) => boolean;
  /** Called when the application asks for records. */
  readonly progressed: () => void;
}

/** Batches of all assigned partitions, by turns. One stream of a consumer is open at a time. */
export class BatchStream implements AsyncIterableIterator<ConsumedBatch> {
  readonly #runtime: FetchRuntime;
  readonly #max: number;
  readonly #signal: CancelSignal | undefined;
  readonly #isHeld: (place: TopicPartition) => boolean;
  readonly #progressed: () => void;
  readonly #closed: () => void;
  #batch: ConsumedBatch | undefined;
  #isOver = false;
  #isWaiting = false;

  /** Calls `closed` when the stream is over, once. */
  constructor(runtime: FetchRuntime, options: BatchStreamOptions, closed: () => void) {
    this.#runtime = runtime;
    this.#progressed = options.progressed;
    this.#max = options.max;
    this.#signal = options.signal;
    this.#isHeld = options.isHeld;
    this.#closed = closed;
  }

  /** Next batch, which has one record at the least. Rejects with a `KafkaError`, after which the stream is over. */
  async next(): Promise<IteratorResult<ConsumedBatch, undefined>> {
    if (this.#isWaiting) throw new KafkaError("ILLEGAL_STATE", "the next batch is asked for twice at a time");
    this.#isWaiting = true;
    try {
      for (;;) {
        const batch = this.poll();
        if (batch !== undefined) return { value: batch, done: false };
        if (this.#isOver) return { value: undefined, done: true };
        await this.#runtime.changed({ deadline: Infinity, signal: this.#signal });
      }
    } catch (error) {
      this.#close();
      throw error;
    } finally {
      this.#isWaiting = false;
    }
  }

  /** Batch that is there already; undefined: none, or the stream is over. Throws as `next` rejects. */
  poll(): ConsumedBatch | undefined {
    const runtime = this.#runtime;
    this.#batch?.end();
    this.#batch = undefined;
    if (runtime.isClosed) this.#close();
    if (this.#isOver) return undefined;
    this.#progressed();
    try {
      // Records that were read have made room for more.
      runtime.turn();
      runtime.checkHealth();
      for (;;) {
        const taken = runtime.fetcher.take(this.#isHeld);
        if (taken instanceof KafkaError) throw taken;
        if (taken === undefined) {
          runtime.turn();
          return undefined;
        }
        if (taken.peek()) return (this.#batch = new ConsumedBatch(taken, this.#max));
      }
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  /** Partition of the batch that the application works on; undefined: none. */
  get held(): TopicPartition | undefined {
    return this.#batch;
  }

  /** Ends the stream, also while `next` waits. The last batch does not count as processed. */
  end(): void {
    this.#batch = undefined;
    this.#close();
    if (this.#isWaiting) this.#runtime.turn();
  }

  /** `end`, for a loop that is left; perhaps with an error. */
  return(): Promise<IteratorResult<ConsumedBatch, undefined>> {
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#closed();
  }
}

/** Records of all assigned partitions, one by one. A record counts as processed when the next one is asked for. */
export class RecordStream implements AsyncIterableIterator<ConsumedRecord> {
  readonly #batches: BatchStream;
  #batch: ConsumedBatch | undefined;

  constructor(batches: BatchStream) {
    this.#batches = batches;
  }

  /** Next record. Rejects as `BatchStream.next` does. */
  next(): Promise<IteratorResult<ConsumedRecord, undefined>> {
    this.#batch?.settle();
    const record = this.#batch?.next();
    return record === undefined ? this.#nextOfBatch() : Promise.resolve({ value: record, done: false });
  }

  async #nextOfBatch(): Promise<IteratorResult<ConsumedRecord, undefined>> {
    for (;;) {
      const { value, done } = await this.#batches.next();
      if (done === true) return { value: undefined, done: true };
      this.#batch = value;
      const record = value.next();
      if (record !== undefined) return { value: record, done: false };
    }
  }

  /** Ends the stream. The last record does not count as processed. */
  async return(): Promise<IteratorResult<ConsumedRecord, undefined>> {
    this.#batch = undefined;
    await this.#batches.return();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
