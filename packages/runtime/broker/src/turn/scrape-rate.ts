/** Least time over which a rate is measured, in ms. */
const LEAST_MS = 30_000;

/** Rate of a counter per second, over the last 30 to 60 s as long as it is read that often. */
export class ScrapeRate {
  #older: { readonly count: number; readonly at: number };
  #newer: { readonly count: number; readonly at: number };

  /** `now`: monotonic time from which the counter counts, in ms. */
  constructor(now: number) {
    this.#older = { count: 0, at: now };
    this.#newer = this.#older;
  }

  /** Reads the rate at monotonic time `now`. */
  read(count: number, now: number): number {
    if (now - this.#newer.at >= LEAST_MS) {
      this.#older = this.#newer;
      this.#newer = { count, at: now };
    }
    const { count: before, at } = this.#older;
    return now > at ? ((count - before) * 1000) / (now - at) : 0;
  }
}
