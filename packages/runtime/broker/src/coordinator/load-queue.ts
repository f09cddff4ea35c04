import type { Env } from "@samsa/base";

/** Result of `Loading.load` when nothing is left to load. */
export const LOADED = -1;

/** State that is loaded from a log, a slice at a time. */
export interface Loading {
  /** Loads about `maxBytes` more; returns the number of bytes read, or `LOADED`. Does not throw. */
  load(maxBytes: number): number;
}

/**
 * Loads the shards of all coordinators, one after the other. A turn of the event loop loads one slice, so that large
 * logs do not keep other clients waiting; the first slice is loaded at once.
 */
export class LoadQueue {
  readonly #env: Env;
  readonly #sliceBytes: number;
  readonly #waiting: Loading[] = [];
  /** Bytes that this turn may still load. */
  #left: number;
  #isScheduled = false;

  constructor(env: Env, sliceBytes: number) {
    this.#env = env;
    this.#sliceBytes = sliceBytes;
    this.#left = sliceBytes;
  }

  /** Loads it at once as far as this turn's slice goes. */
  add(loading: Loading): void {
    this.#waiting.push(loading);
    if (this.#waiting.length === 1) this.#work();
  }

  #work(): void {
    while (this.#left > 0) {
      const [next] = this.#waiting;
      if (next === undefined) break;
      const read = next.load(this.#left);
      if (read === LOADED) this.#waiting.shift();
      else this.#left -= read;
    }
    if (this.#left === this.#sliceBytes || this.#isScheduled) return;
    this.#isScheduled = true;
    this.#env.timers.after(0, this.#next);
  }

  readonly #next = (): void => {
    this.#isScheduled = false;
    this.#left = this.#sliceBytes;
    this.#work();
  };
}
