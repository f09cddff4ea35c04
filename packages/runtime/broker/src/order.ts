/** Things that become ready in any order and are done in the order in which they came. */
export class Order {
  #last: Promise<void> | undefined;

  /** Something is not done yet: what comes now must be put in order too. */
  get busy(): boolean {
    return this.#last !== undefined;
  }

  /** Calls `work` with what `ready` gives, or `failed`, after all that came before. Neither may throw. */
  add<T>(ready: Promise<T>, work: (value: T) => void, failed: (error: unknown) => void): void {
    const before = this.#last ?? Promise.resolve();
    // `allSettled`: a failure that comes before its turn is not one that nobody handles.
    const turn = Promise.allSettled([ready, before]).then(([outcome]) => {
      if (this.#last === turn) this.#last = undefined;
      if (outcome.status === "fulfilled") work(outcome.value);
      else failed(outcome.reason);
    });
    this.#last = turn;
  }
}
