import type { Env, Timer } from "@samsa/base";

/** A timer that is only ever moved forward. */
export class Alarm {
  readonly #env: Env;
  readonly #ring: () => void;
  #timer: Timer | undefined;
  /** Monotonic time at which it rings; Infinity: not set. */
  #at = Infinity;

  constructor(env: Env, ring: () => void) {
    this.#env = env;
    this.#ring = ring;
  }

  /** Rings at monotonic time `at`, or earlier if it is set to an earlier time. */
  set(at: number): void {
    if (at >= this.#at) return;
    this.#timer?.cancel();
    this.#at = at;
    this.#timer = this.#env.timers.after(Math.max(0, at - this.#env.clock.monotonic()), () => {
      this.#at = Infinity;
      this.#ring();
    });
  }

  /** Cancels it for good. */
  stop(): void {
    this.#timer?.cancel();
    this.#at = -Infinity;
  }
}
