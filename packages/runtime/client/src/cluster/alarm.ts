import type { Env, Timer } from "@samsa/base";

/** Timer for the next of several deadlines, which is set again whenever that changes. */
export class Alarm {
  readonly #env: Env;
  readonly #ring: () => void;
  #timer: Timer | undefined;
  /** Monotonic time for which the timer is set; Infinity: it is not. */
  #at = Infinity;

  /** Calls `ring` at the time that was set last. */
  constructor(env: Env, ring: () => void) {
    this.#env = env;
    this.#ring = ring;
  }

  /** Rings at a monotonic time in ms, or soon if it is over, and at no other. Infinity: never. */
  set(at: number): void {
    if (at === this.#at) return;
    this.#at = at;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (at === Infinity) return;
    const { clock, timers } = this.#env;
    this.#timer = timers.after(Math.max(0, at - clock.monotonic()), () => {
      this.#at = Infinity;
      this.#ring();
    });
  }

  /** Does not ring until the next `set`. */
  cancel(): void {
    this.set(Infinity);
  }
}
