import { invariant } from "./assert.ts";

/** Bounds of a delay that doubles with each failure. */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Largest part of the delay that chance adds or takes away, 0 to 1. */
  readonly jitter: number;
}

/** Delay that doubles with each failure up to a limit, with jitter (`ExponentialBackoff`). */
export class ExponentialBackoff {
  readonly #options: BackoffOptions;

  constructor(options: BackoffOptions) {
    invariant(options.initialMs >= 0 && options.maxMs >= 0, "delays are not negative");
    invariant(options.jitter >= 0 && options.jitter <= 1, "jitter is a part of the delay");
    this.#options = options;
  }

  /** Delay in ms after `failures` failures before the last one. `chance` is a number in [0, 1), from `Env.random`. */
  delayMs(failures: number, chance: number): number {
    const { initialMs, maxMs, jitter } = this.#options;
    // As in Kafka, a fixed delay has no jitter, and jitter does not exceed the limit.
    if (initialMs >= maxMs) return maxMs;
    const delay = Math.min(initialMs * 2 ** failures, maxMs);
    return Math.min(Math.floor(delay * (1 - jitter + 2 * jitter * chance)), maxMs);
  }
}
