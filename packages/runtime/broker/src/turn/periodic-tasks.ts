import type { Env, Timer } from "@samsa/base";

/** Tasks that run again and again, each a fixed time after it has ended. */
export class PeriodicTasks {
  readonly #env: Env;
  readonly #timers = new Map<string, Timer>();
  #isClosed = false;

  constructor(env: Env) {
    this.#env = env;
  }

  /** Runs `task` every `ms` milliseconds, first after `firstMs`; an error that it throws is logged. */
  every(name: string, ms: number, task: () => void, firstMs = ms): void {
    const again = (): void => {
      if (this.#isClosed) return;
      try {
        task();
      } catch (error) {
        this.#env.logger.error("a periodic task failed", { task: name, error });
      }
      this.#timers.set(name, this.#env.timers.after(ms, again));
    };
    this.#timers.set(name, this.#env.timers.after(firstMs, again));
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }
}
