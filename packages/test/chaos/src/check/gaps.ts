/** Longest time between two events in a row, since a mark. */
export class Gaps {
  readonly #now: () => number;
  #last: number;
  #longest = 0;

  /** `now` is a monotonic clock in ms. */
  constructor(now: () => number) {
    this.#now = now;
    this.#last = now();
  }

  /** Begins anew: the time before does not count. */
  mark(): void {
    this.#last = this.#now();
    this.#longest = 0;
  }

  event(): void {
    this.#longest = this.longest;
    this.#last = this.#now();
  }

  /** Longest gap since the mark in ms, the one that still lasts included. */
  get longest(): number {
    return Math.max(this.#longest, this.#now() - this.#last);
  }
}
