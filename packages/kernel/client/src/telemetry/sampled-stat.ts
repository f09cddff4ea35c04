/** Length of a window in ms (`metrics.sample.window.ms`). Two windows are kept (`metrics.num.samples`). */
const WINDOW_MS = 30_000;

interface Window {
  since: number;
  count: number;
  sum: number;
  max: number;
}

function empty(since: number): Window {
  return { since, count: 0, sum: 0, max: -Infinity };
}

/** Measured values of the last 30 to 60 s (`SampledStat`). Times are monotonic, in ms. */
export class SampledStat {
  #older: Window;
  #current: Window;

  constructor(now: number) {
    this.#older = empty(now);
    this.#current = empty(now);
  }

  record(value: number, now: number): void {
    this.#move(now);
    const window = this.#current;
    window.count++;
    window.sum += value;
    if (value > window.max) window.max = value;
  }

  /** Mean of the values; undefined without one. */
  average(now: number): number | undefined {
    this.#move(now);
    const count = this.#older.count + this.#current.count;
    return count === 0 ? undefined : (this.#older.sum + this.#current.sum) / count;
  }

  /** Largest value; undefined without one. */
  max(now: number): number | undefined {
    this.#move(now);
    const max = Math.max(this.#older.max, this.#current.max);
    return max === -Infinity ? undefined : max;
  }

  /** Sum of the values in a second, over one window at the least. */
  rate(now: number): number {
    this.#move(now);
    const seconds = Math.max(now - this.#older.since, WINDOW_MS) / 1000;
    return (this.#older.sum + this.#current.sum) / seconds;
  }

  #move(now: number): void {
    const age = now - this.#current.since;
    if (age < WINDOW_MS) return;
    const isRecent = age < 2 * WINDOW_MS;
    this.#older = isRecent ? this.#current : empty(now - WINDOW_MS);
    this.#current = empty(isRecent ? this.#current.since + WINDOW_MS : now);
  }
}
