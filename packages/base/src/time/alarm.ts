/** Clock and timers: the part of `Env` that an alarm needs. */
interface Time {
  readonly clock: { monotonic(): number };
  readonly timers: { after(ms: number, run: () => void): { cancel(): void } };
}

/** Timer for the next of several deadlines, which is set again whenever that changes. Times are monotonic, in ms. */
export class Alarm {
  readonly #env: Time;
  readonly #ring: () => void;
  #timer: { cancel(): void } | undefined;
  /** Time for which the timer is set; Infinity: it is not; -Infinity: it never will be again. */
  #at = Infinity;

  /** Calls `ring` at the time that was set last. */
  constructor(env: Time, ring: () => void) {
    this.#env = env;
    this.#ring = ring;
  }

  /** Rings at a time, or soon if it is over, and at no other. Infinity: never. */
  set(at: number): void {
    if (at === this.#at || this.#at === -Infinity) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#at = at;
    if (at === Infinity) return;
    const { clock, timers } = this.#env;
    this.#timer = timers.after(Math.max(0, at - clock.monotonic()), () => {
      this.#at = Infinity;
      this.#ring();
    });
  }

  /** Rings at a time, or earlier if it is set to an earlier one. */
  setAtLatest(at: number): void {
    if (at < this.#at) this.set(at);
  }

  /** Does not ring until the next `set`. */
  cancel(): void {
    this.set(Infinity);
  }

  /** Ends the alarm for good. */
  stop(): void {
    this.#timer?.cancel();
    this.#at = -Infinity;
  }
}
