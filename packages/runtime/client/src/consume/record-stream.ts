import { KafkaError, type TopicPartition } from "@samsa/client-kernel";
import type { CancelSignal } from "../cluster/deadline.ts";
import { LoopStream } from "../cluster/loop-stream.ts";
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
  /** Called with the partition of a batch that the application gets. */
  readonly given: (place: TopicPartition) => void;
  /** Hears of the application's waits for batches. */
  readonly waits: { asked(): void; given(): void };
}

/** Batches of all assigned partitions, by turns. One stream of a consumer is open at a time. */
export class BatchStream extends LoopStream<ConsumedBatch> {
  readonly #runtime: FetchRuntime;
  readonly #options: BatchStreamOptions;
  #batch: ConsumedBatch | undefined;

  /** Calls `closed` when the stream is over, once. */
  constructor(runtime: FetchRuntime, options: BatchStreamOptions, closed: () => void) {
    const { waits, signal } = options;
    super({ loop: runtime.loop, signal, closed, asked: () => waits.asked(), given: () => waits.given() });
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Batch that is there already, with one record at the least; undefined: none, or the stream is over. */
  override poll(): ConsumedBatch | undefined {
    const runtime = this.#runtime;
    this.progressed();
    if (runtime.isClosed) this.close();
    if (this.isOver) return undefined;
    const { isHeld, max, progressed, given } = this.#options;
    progressed();
    try {
      // Records that were read have made room for more.
      runtime.loop.turn();
      runtime.loop.checkHealth();
      for (;;) {
        const taken = runtime.fetcher.take(isHeld);
        if (taken instanceof KafkaError) throw taken;
        if (taken === undefined) {
          runtime.loop.turn();
          return undefined;
        }
        if (!taken.peek()) continue;
        given(taken);
        return (this.#batch = new ConsumedBatch(taken, max));
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  protected override progressed(): void {
    this.#batch?.end();
    this.#batch = undefined;
  }

  /** Partition of the batch that the application works on; undefined: none. */
  get held(): TopicPartition | undefined {
    return this.#batch;
  }

  /** Ends the stream, also while `next` waits. The last batch does not count as processed. */
  override end(): void {
    this.#batch = undefined;
    super.end();
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
