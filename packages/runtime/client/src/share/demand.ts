/** Time in ms in which handlers should be done with what is fetched: half to double of it is as good. */
const PACE_MS = 1000;
/** Records for each handler that are asked for at first. */
const FIRST = 4;

/**
 * Number of records to fetch for handlers, which follows their pace: with slow ones, others of the group get the records
 * sooner, and with fast ones, a fetch brings many.
 */
export class Demand {
  readonly #least: number;
  readonly #most: number;
  #count: number;
  /** Time at which the records came that are at work; undefined: none have come since the last question. */
  #cameAt: number | undefined;

  /** At least one for each of `concurrency` handlers; at most `most`. */
  constructor(concurrency: number, most: number) {
    this.#least = Math.min(concurrency, most);
    this.#most = most;
    this.#count = Math.min(FIRST * concurrency, most);
  }

  /** Number to ask for, at a time when nothing waits for a handler. */
  next(now: number): number {
    const since = this.#cameAt;
    this.#cameAt = undefined;
    if (since === undefined) return this.#count;
    const lasted = now - since;
    if (lasted < PACE_MS / 2) this.#count = Math.min(2 * this.#count, this.#most);
    else if (lasted > 2 * PACE_MS) this.#count = Math.max(Math.ceil(this.#count / 2), this.#least);
    return this.#count;
  }

  /** Records have come. */
  came(now: number): void {
    this.#cameAt ??= now;
  }
}
