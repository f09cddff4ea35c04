import { KafkaError } from "@samsa/client-kernel";
import { abortedError, type CancelSignal } from "../cluster/deadline.ts";
import type { AcknowledgementMode } from "./share-settings.ts";
import type { ShareRecord } from "./share-record.ts";
import type { ShareRuntime } from "./share-runtime.ts";

/** Parts of a `ShareStream`. */
export interface ShareStreamOptions {
  readonly mode: AcknowledgementMode;
  /** Records to ask for when there are none. */
  readonly count: number;
  readonly signal: CancelSignal | undefined;
}

/**
 * Records, one by one. With implicit acknowledgement, a record that the application has not acknowledged itself is
 * accepted when the next one is asked for, and released if the loop is left.
 */
export class ShareStream implements AsyncIterableIterator<ShareRecord> {
  readonly #runtime: ShareRuntime;
  readonly #options: ShareStreamOptions;
  readonly #closed: () => void;
  #current: ShareRecord | undefined;
  #isOver = false;
  #isWaiting = false;

  /** Calls `closed` when the stream is over, once. */
  constructor(runtime: ShareRuntime, options: ShareStreamOptions, closed: () => void) {
    this.#runtime = runtime;
    this.#options = options;
    this.#closed = closed;
  }

  /** Next record. Rejects with a `KafkaError`, after which the stream is over. */
  next(): Promise<IteratorResult<ShareRecord, undefined>> {
    if (this.#isWaiting) {
      return Promise.reject(new KafkaError("ILLEGAL_STATE", "the next record is asked for twice at a time"));
    }
    try {
      this.accept();
      const record = this.#poll();
      return record === undefined ? this.#wait() : Promise.resolve({ value: record, done: false });
    } catch (error) {
      this.#close();
      return Promise.reject(error);
    }
  }

  /** Accepts the record that the application has, if that is implied. */
  accept(): void {
    const current = this.#current;
    this.#current = undefined;
    if (this.#options.mode === "implicit" && current?.isHeld === true) this.#runtime.acknowledge(current, "accept");
  }

  #poll(): ShareRecord | undefined {
    if (this.#runtime.isClosing) this.#close();
    if (this.#isOver) return undefined;
    const { signal } = this.#options;
    if (signal?.aborted === true) throw abortedError(signal);
    const record = this.#runtime.take();
    if (record === undefined) this.#runtime.want(this.#options.count);
    return (this.#current = record);
  }

  async #wait(): Promise<IteratorResult<ShareRecord, undefined>> {
    this.#isWaiting = true;
    try {
      for (;;) {
        if (this.#isOver) return { value: undefined, done: true };
        await this.#runtime.changed({ deadline: Infinity, signal: this.#options.signal });
        const record = this.#poll();
        if (record !== undefined) return { value: record, done: false };
      }
    } catch (error) {
      this.#close();
      throw error;
    } finally {
      this.#isWaiting = false;
    }
  }

  /** Ends the stream, also while `next` waits. */
  end(): void {
    const current = this.#current;
    this.#current = undefined;
    if (this.#options.mode === "implicit" && current?.isHeld === true) this.#runtime.acknowledge(current, "release");
    this.#close();
    if (this.#isWaiting) this.#runtime.turn();
  }

  /** `end`, for a loop that is left; perhaps with an error. */
  return(): Promise<IteratorResult<ShareRecord, undefined>> {
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
