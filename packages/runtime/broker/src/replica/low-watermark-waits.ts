import type { Offset, Timer } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import type { Deadlines } from "./deadlines.ts";

interface LowWatermarkWait {
  readonly offset: Offset;
  readonly done: (errorCode: number, lowWatermark: Offset) => void;
  readonly timer: Timer;
}

/** Deletions of records that wait for all replicas to delete them, too (`DelayedDeleteRecords`). */
export class LowWatermarkWaits {
  readonly #deadlines: Deadlines;
  /** Undefined before the first wait. */
  #waits: Set<LowWatermarkWait> | undefined;

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  get size(): number {
    return this.#waits?.size ?? 0;
  }

  /** Calls `done` once: when the low watermark has reached `offset`, or with an error. */
  add(offset: Offset, timeoutMs: number, done: LowWatermarkWait["done"]): void {
    const timer = this.#deadlines.after(timeoutMs, () => this.#end(wait, Errors.REQUEST_TIMED_OUT.code, -1));
    const wait: LowWatermarkWait = { offset, done, timer };
    this.#waits ??= new Set();
    this.#waits.add(wait);
  }

  #end(wait: LowWatermarkWait, errorCode: number, lowWatermark: Offset): void {
    this.#waits?.delete(wait);
    wait.timer.cancel();
    wait.done(errorCode, lowWatermark);
  }

  reached(lowWatermark: Offset): void {
    for (const wait of [...(this.#waits ?? [])]) if (wait.offset <= lowWatermark) this.#end(wait, 0, lowWatermark);
  }

  failed(errorCode: number): void {
    for (const wait of [...(this.#waits ?? [])]) this.#end(wait, errorCode, -1);
  }
}
