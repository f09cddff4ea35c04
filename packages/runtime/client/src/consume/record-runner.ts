import type { Offset } from "@samsa/base";
import { KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { CancelSignal } from "../cluster/deadline.ts";
import type { ConsumedRecord } from "./consumed-record.ts";
import type { BatchStream } from "./record-stream.ts";

/** Handler of a record. The partition may be gone before it ends; then `isLost` of its context is true. */
export type RecordHandler = (record: ConsumedRecord, context: HandlerContext) => void | Promise<void>;

/** Circumstances of a handler. */
export interface HandlerContext {
  /** Attempts so far, this one included. */
  readonly attempt: number;
  /** True once another member may have the partition: what the handler does may be done there, too. */
  readonly isLost: boolean;
}

/** Options of `Consumer.run`. */
export interface RunOptions {
  /** Handlers at a time; 1 by default. */
  readonly concurrency?: number;
  /** Records that are handled one after the other: those of a partition (the default), those of a key, or none. */
  readonly order?: "partition" | "key" | "none";
  /** Attempts for a record; 1 by default. */
  readonly attempts?: number;
  /** Pause before the second attempt, doubled for each further one; 100 ms by default. */
  readonly backoffMs?: number;
  /**
   * Called with a record whose attempts have all failed; once it has resolved, the record counts as processed. By default
   * `run` rejects with the error, and the record comes again.
   */
  readonly failed?: (record: ConsumedRecord, error: unknown) => void | Promise<void>;
  /** Ends `run` once the handlers at work are done. */
  readonly signal?: CancelSignal;
}

/** Keeps account of records that handlers work on, for commits. */
export interface RecordAccount {
  /** A handler begins with a record. Returns its ticket. */
  start(record: ConsumedRecord): number;
  /** The record is processed. */
  finish(place: TopicPartition, ticket: number): void;
}

/** A record on its way through its attempts. */
interface Work {
  readonly record: ConsumedRecord;
  readonly ticket: number;
  readonly lane: string | undefined;
  isLost: boolean;
}

/** Records that are read ahead of the handlers, for each of them. */
const AHEAD = 4;
const BACKOFF_MS = 100;
const MOST_BACKOFF_MS = 60_000;

/**
 * Hands records to handlers, several at a time, those of a lane one after the other. Memory is bounded: reading stops
 * while enough records wait.
 */
export class RecordRunner {
  readonly #stream: BatchStream;
  readonly #handler: RecordHandler;
  readonly #options: RunOptions;
  readonly #account: RecordAccount;
  readonly #pause: (ms: number) => Promise<void>;
  /** Records that wait for a handler, in the order in which they were read. */
  readonly #queue: Work[] = [];
  readonly #busy = new Set<Work>();
  /** First record of each partition that was read and not processed when `run` has ended, by key. */
  readonly unfinished = new Map<string, TopicPartition & { readonly offset: Offset }>();
  /** Lanes of records at work. */
  readonly #lanes = new Set<string>();
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(
    stream: BatchStream,
    handler: RecordHandler,
    options: RunOptions,
    parts: { readonly account: RecordAccount; readonly pause: (ms: number) => Promise<void> },
  ) {
    const { concurrency = 1, attempts = 1 } = options;
    for (const [name, value] of Object.entries({ concurrency, attempts })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new KafkaError("INVALID_ARGUMENT", `${name} is ${value}, but it is a whole number from 1 on`);
      }
    }
    this.#stream = stream;
    this.#handler = handler;
    this.#options = options;
    this.#account = parts.account;
    this.#pause = parts.pause;
  }

  /** True while a handler works on a record of one of these partitions, or one waits for a handler. */
  isBusyWith(partitions: readonly TopicPartition[]): boolean {
    const keys = new Set(partitions.map(({ topic, partition }) => partitionKey(topic, partition)));
    const isOf = ({ record }: Work): boolean => keys.has(partitionKey(record.topic, record.partition));
    return this.#queue.some(isOf) || [...this.#busy].some(isOf);
  }

  /** The partitions are lost: records that wait are dropped, and handlers at work are told. */
  lose(partitions: readonly TopicPartition[]): void {
    const keys = new Set(partitions.map(({ topic, partition }) => partitionKey(topic, partition)));
    const isOf = ({ record }: Work): boolean => keys.has(partitionKey(record.topic, record.partition));
    for (const work of this.#busy) if (isOf(work)) work.isLost = true;
    const kept = this.#queue.filter(work => !isOf(work));
    this.#queue.splice(0, this.#queue.length, ...kept);
    this.#wake?.();
  }

  /** Handles records until the stream is over, the signal aborts, or a handler fails for good. */
  async run(): Promise<void> {
    const { concurrency = 1 } = this.#options;
    try {
      while (!this.#isStopping) {
        const { value: batch, done } = await this.#stream.next();
        if (done === true) break;
        for (const record of batch) {
          while (this.#queue.length >= concurrency * AHEAD && !this.#isStopping) await this.#changed();
          if (this.#isStopping) {
            this.#leave(record);
            break;
          }
          this.#queue.push({ record, ticket: this.#account.start(record), lane: this.#laneOf(record), isLost: false });
          this.#dispatch();
        }
      }
    } catch (error) {
      if (!(error instanceof KafkaError) || error.name !== "ABORTED") throw error;
    } finally {
      if (this.#isStopping) this.#leaveAll();
      while (this.#busy.size > 0 || this.#queue.length > 0) await this.#changed();
      await this.#stream.return();
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  get #isStopping(): boolean {
    return this.#failure !== undefined || this.#options.signal?.aborted === true;
  }

  /** A record that was read comes again. */
  #leave({ topic, partition, offset }: ConsumedRecord): void {
    const key = partitionKey(topic, partition);
    const known = this.unfinished.get(key);
    if (known === undefined || known.offset > offset) this.unfinished.set(key, { topic, partition, offset });
  }

  /** Records that no handler has begun with come again. */
  #leaveAll(): void {
    for (const { record } of this.#queue.splice(0)) this.#leave(record);
  }

  #laneOf({ topic, partition, key }: ConsumedRecord): string | undefined {
    const { order = "partition" } = this.#options;
    if (order === "partition") return partitionKey(topic, partition);
    if (order === "none" || key === null) return undefined;
    return `${topic}/${String.fromCharCode(...key.subarray(0, LONGEST_KEY))}`;
  }

  /** Gives records whose lane is free to handlers. */
  #dispatch(): void {
    const { concurrency = 1 } = this.#options;
    for (let i = 0; i < this.#queue.length && this.#busy.size < concurrency; ) {
      const work = this.#queue[i];
      if (work === undefined) return;
      if (work.lane !== undefined && this.#lanes.has(work.lane)) {
        i++;
        continue;
      }
      this.#queue.splice(i, 1);
      this.#busy.add(work);
      if (work.lane !== undefined) this.#lanes.add(work.lane);
      this.#handle(work).then(
        () => this.#end(work),
        (error: unknown) => {
          this.#failure ??= { error };
          this.#leave(work.record);
          this.#leaveAll();
          this.#end(work);
        },
      );
    }
  }

  #end(work: Work): void {
    this.#busy.delete(work);
    if (work.lane !== undefined) this.#lanes.delete(work.lane);
    this.#dispatch();
    this.#wake?.();
  }

  async #handle(work: Work): Promise<void> {
    const { attempts = 1, backoffMs = BACKOFF_MS, failed } = this.#options;
    const { record, ticket } = work;
    for (let attempt = 1; ; attempt++) {
      try {
        const context = {
          attempt,
          get isLost() {
            return work.isLost;
          },
        };
        await this.#handler(record, context);
        break;
      } catch (error) {
        if (work.isLost) return;
        if (attempt < attempts && this.#options.signal?.aborted !== true) {
          await this.#pause(Math.min(backoffMs * 2 ** (attempt - 1), MOST_BACKOFF_MS));
          continue;
        }
        if (failed === undefined) throw error;
        await failed(record, error);
        break;
      }
    }
    if (!work.isLost) this.#account.finish(record, ticket);
  }

  #changed(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

/** Bytes of a key that name its lane: keys that differ later share one. */
const LONGEST_KEY = 256;
