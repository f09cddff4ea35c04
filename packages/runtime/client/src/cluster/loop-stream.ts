import { KafkaError } from "@samsa/client-kernel";
import { abortedError, type CancelSignal } from "./deadline.ts";
import type { EffectLoop } from "./effect-loop.ts";

/** Parts of a stream that do not depend on its values. */
export interface LoopStreamParts {
  readonly loop: Pick<EffectLoop<never>, "changed" | "wake">;
  readonly signal: CancelSignal | undefined;
  /** Called when the stream is over, once. */
  readonly closed: () => void;
  /** Called when the application asks for a value, and when it gets one. */
  readonly asked?: () => void;
  readonly given?: () => void;
}

/** Values that the turns of a loop bring, one after the other. It is over after an error. */
export abstract class LoopStream<T> implements AsyncIterableIterator<T> {
  readonly #parts: LoopStreamParts;
  #isOver = false;
  #isWaiting = false;

  constructor(parts: LoopStreamParts) {
    this.#parts = parts;
  }

  /** Value that is there already; undefined: none, or the stream is over. */
  abstract poll(): T | undefined;

  /** The application asks for the next value: it is done with the one before. */
  protected abstract progressed(): void;

  protected get isOver(): boolean {
    return this.#isOver;
  }

  /** Next value. Rejects with a `KafkaError`, after which the stream is over. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#isWaiting) {
      return Promise.reject(new KafkaError("ILLEGAL_STATE", "the next value is asked for twice at a time"));
    }
    this.#parts.asked?.();
    try {
      this.progressed();
      const value = this.#poll();
      if (value === undefined) return this.#wait();
      this.#parts.given?.();
      return Promise.resolve({ value, done: false });
    } catch (error) {
      this.close();
      return Promise.reject(error);
    }
  }

  /** Ends the stream, also while `next` waits. */
  end(): void {
    this.close();
    if (this.#isWaiting) this.#parts.loop.wake();
  }

  /** `end`, for a loop that is left; perhaps with an error. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Makes the stream over. */
  protected close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#parts.closed();
  }

  #poll(): T | undefined {
    const { signal } = this.#parts;
    if (signal?.aborted === true && !this.#isOver) throw abortedError(signal);
    return this.poll();
  }

  async #wait(): Promise<IteratorResult<T, undefined>> {
    const { loop, signal } = this.#parts;
    this.#isWaiting = true;
    try {
      while (!this.#isOver) {
        await loop.changed({ deadline: Infinity, signal });
        const value = this.#poll();
        if (value === undefined) continue;
        this.#parts.given?.();
        return { value, done: false };
      }
      return { value: undefined, done: true };
    } catch (error) {
      this.close();
      throw error;
    } finally {
      this.#isWaiting = false;
    }
  }
}
