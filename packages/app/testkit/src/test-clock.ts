import type { Clock, Timer, Timers } from "@samsa/base";

interface Pending {
  readonly deadline: number;
  readonly callback: () => void;
  real: Timer;
}

/**
 * Clock that a test can move forward, with the timers of a node: what is due then happens at once, sessions that expire
 * and retention included.
 */
export class TestClock implements Clock {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #pending = new Set<Pending>();
  #offset = 0;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  now(): number {
    return this.#clock.now() + this.#offset;
  }

  monotonic(): number {
    return this.#clock.monotonic() + this.#offset;
  }

  get timers(): Timers {
    return {
      after: (delayMs, callback) => this.#after(delayMs, callback),
      soon: callback => this.#timers.soon(callback),
      hold: () => this.#timers.hold(),
    };
  }

  /** Moves the clock forward by `ms`. */
  advance(ms: number): void {
    if (!(ms >= 0 && ms < Infinity)) throw new RangeError(`a clock moves forward: ${ms} ms`);
    this.#offset += ms;
    for (const timer of [...this.#pending].sort((a, b) => a.deadline - b.deadline)) {
      timer.real.cancel();
      this.#arm(timer);
    }
  }

  #after(delayMs: number, callback: () => void): Timer {
    const timer: Pending = { deadline: this.monotonic() + delayMs, callback, real: { cancel: () => undefined } };
    this.#pending.add(timer);
    this.#arm(timer);
    return {
      cancel: () => {
        timer.real.cancel();
        this.#pending.delete(timer);
      },
    };
  }

  #arm(timer: Pending): void {
    timer.real = this.#timers.after(Math.max(0, timer.deadline - this.monotonic()), () => {
      this.#pending.delete(timer);
      timer.callback();
    });
  }
}
