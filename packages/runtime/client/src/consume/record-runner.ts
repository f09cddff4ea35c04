import type { Offset } from "@samsa/base";
import { KafkaError, partitionKey, partitionKeys, type TopicPartition } from "@samsa/client-kernel";
import { checkWhole } from "../cluster/checks.ts";
import type { CancelSignal } from "../cluster/deadline.ts";
import type { ConsumedBatch, ConsumedRecord } from "./consumed-record.ts";
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
  /** True if no record of the partition may begin before an earlier one is processed: too many have overtaken it. */
  isFull(place: TopicPartition): boolean;
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

/** Runtime that a `RecordRunner` works in. */
export interface RunnerParts {
  readonly account: RecordAccount;
  /** Opens the stream of batches with up to `max` records, without those of partitions that `isHeld` is true for. */
  readonly open: (max: number, isHeld: (place: TopicPartition) => boolean) => BatchStream;
  readonly pause: (ms: number) => Promise<void>;
  /** Called when a handler has ended: a rebalance may wait for it, and the stream for a partition held back. */
  readonly ended: () => void;
}

/** Records that are read ahead of the handlers, for each of them. */
const AHEAD = 16;
const BACKOFF_MS = 100;
const MOST_BACKOFF_MS = 60_000;

/**
 * Hands records to handlers, several at a time, those of a lane one after the other. Memory is bounded: reading stops
 * while enough records wait, and a partition is not read while its lane waits, so that a slow one leaves room for others.
 */
export class RecordRunner {
  readonly #stream: BatchStream;
  readonly #handler: RecordHandler;
  readonly #options: RunOptions;
  readonly #parts: RunnerParts;
  /** Records whose lane is free, in the order in which they were read. */
  #ready: Work[] = [];
  /** Records that wait for an earlier one of their lane; a lane without an entry is free. */
  readonly #lanes = new Map<string, Work[]>();
  /** Number of records in `#ready` and `#lanes`. */
  #waiting = 0;
  readonly #busy = new Set<Work>();
  /** Batch that was read last. */
  #batch: ConsumedBatch | undefined;
  #isEnded = false;
  /** First record of each partition that was read and not processed when `run` has ended, by key. */
  readonly unfinished = new Map<string, TopicPartition & { readonly offset: Offset }>();
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(handler: RecordHandler, options: RunOptions, parts: RunnerParts) {
    const { concurrency = 1, attempts = 1, order = "partition" } = options;
    checkWhole("concurrency", concurrency, 1);
    checkWhole("attempts", attempts, 1);
    this.#handler = handler;
    this.#options = options;
    this.#parts = parts;
    const waits = ({ topic, partition }: TopicPartition): boolean =>
      (this.#lanes.get(partitionKey(topic, partition))?.length ?? 0) > 0;
    this.#stream = parts.open(AHEAD, order === "partition" ? waits : () => false);
  }

  /** True while a handler works on a record of one of these partitions, or one waits for a handler. */
  isBusyWith(partitions: readonly TopicPartition[]): boolean {
    const isOf = worksOn(partitions);
    const queues = [this.#ready, ...this.#lanes.values()];
    return [...this.#busy].some(isOf) || queues.some(queue => queue.some(isOf));
  }

  /** The partitions are lost: records that wait are dropped, and handlers at work are told. */
  lose(partitions: readonly TopicPartition[]): void {
    const isOf = worksOn(partitions);
    for (const work of this.#busy) if (isOf(work)) work.isLost = true;
    for (const [lane, queue] of this.#lanes) {
      const kept = queue.filter(work => !isOf(work));
      this.#waiting -= queue.length - kept.length;
      this.#lanes.set(lane, kept);
    }
    const ready = this.#ready;
    this.#ready = ready.filter(work => !isOf(work));
    this.#waiting -= ready.length - this.#ready.length;
    for (const work of ready) if (isOf(work)) this.#free(work.lane);
    this.#wake?.();
  }

  /** Handles records until the stream is over, the signal aborts, or a handler fails for good. */
  async run(): Promise<void> {
    try {
      while (!this.#isStopping) {
        const { value: batch, done } = await this.#stream.next();
        if (done === true) break;
        this.#batch = batch;
        await this.#read(batch);
      }
    } catch (error) {
      if (!(error instanceof KafkaError) || error.name !== "ABORTED") throw error;
    } finally {
      if (this.#isStopping) this.#leaveAll();
      while (this.#busy.size > 0 || this.#waiting > 0) await this.#changed();
      // Records that were read are processed, but for those that are unfinished.
      this.#batch?.settle();
      await this.#stream.return();
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Ends `run` once the handlers at work are done. */
  end(): void {
    this.#isEnded = true;
    this.#stream.end();
    this.#wake?.();
  }

  /** Reads a batch as far as there is room. Records of a partition that is lost meanwhile are not read. */
  async #read(batch: ConsumedBatch): Promise<void> {
    const most = (this.#options.concurrency ?? 1) * AHEAD;
    const { account } = this.#parts;
    for (;;) {
      while ((this.#waiting >= most || account.isFull(batch)) && !this.#isStopping) await this.#changed();
      const record = this.#isStopping ? undefined : batch.next();
      if (record === undefined) return;
      const lane = this.#laneOf(record);
      this.#enqueue({ record, ticket: account.start(record), lane, isLost: false });
      this.#dispatch();
    }
  }

  get #isStopping(): boolean {
    return this.#failure !== undefined || this.#isAsked;
  }

  /** The application wants `run` to end. */
  get #isAsked(): boolean {
    return this.#isEnded || this.#options.signal?.aborted === true;
  }

  /** A record that was read comes again. */
  #leave({ topic, partition, offset }: ConsumedRecord): void {
    const key = partitionKey(topic, partition);
    const known = this.unfinished.get(key);
    if (known === undefined || known.offset > offset) this.unfinished.set(key, { topic, partition, offset });
  }

  /** Records that no handler has begun with come again. */
  #leaveAll(): void {
    for (const queue of [this.#ready, ...this.#lanes.values()]) {
      for (const { record } of queue.splice(0)) this.#leave(record);
    }
    this.#waiting = 0;
  }

  #laneOf({ topic, partition, key }: ConsumedRecord): string | undefined {
    const { order = "partition" } = this.#options;
    if (order === "partition") return partitionKey(topic, partition);
    if (order === "none" || key === null) return undefined;
    return `${topic}/${String.fromCharCode(...key.subarray(0, LONGEST_KEY))}`;
  }

  #enqueue(work: Work): void {
    this.#waiting++;
    const queue = work.lane === undefined ? undefined : this.#lanes.get(work.lane);
    if (queue !== undefined) {
      queue.push(work);
      return;
    }
    if (work.lane !== undefined) this.#lanes.set(work.lane, []);
    this.#ready.push(work);
  }

  /** The first record of a lane is done: it is the turn of the next one. */
  #free(lane: string | undefined): void {
    if (lane === undefined) return;
    const next = this.#lanes.get(lane)?.shift();
    if (next === undefined) this.#lanes.delete(lane);
    else this.#ready.push(next);
  }

  /** Gives records whose lane is free to handlers. */
  #dispatch(): void {
    const { concurrency = 1 } = this.#options;
    while (this.#busy.size < concurrency) {
      const work = this.#ready.shift();
      if (work === undefined) return;
      this.#waiting--;
      this.#busy.add(work);
      this.#handle(work).then(
        () => this.#end(work),
        (error: unknown) => this.#fail(work, error),
      );
    }
  }

  #end(work: Work): void {
    this.#busy.delete(work);
    this.#free(work.lane);
    this.#dispatch();
    this.#wake?.();
    this.#parts.ended();
  }

  /** Ends the stream: `run` may wait for records that never come. */
  #fail(work: Work, error: unknown): void {
    this.#failure ??= { error };
    this.#leave(work.record);
    this.#leaveAll();
    this.#stream.end();
    this.#end(work);
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
        if (attempt < attempts && !this.#isAsked) {
          await this.#parts.pause(Math.min(backoffMs * 2 ** (attempt - 1), MOST_BACKOFF_MS));
          continue;
        }
        if (failed === undefined) throw error;
        await failed(record, error);
        break;
      }
    }
    if (!work.isLost) this.#parts.account.finish(record, ticket);
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

function worksOn(partitions: readonly TopicPartition[]): (work: Work) => boolean {
  const keys = partitionKeys(partitions);
  return ({ record }) => keys.has(partitionKey(record.topic, record.partition));
}
