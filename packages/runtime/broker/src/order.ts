import { guard, type Report } from "@samsa/base";

/** Things that become ready in any order and are done in the order in which they came. */
export class Order {
  readonly #report: Report;
  #last: Promise<void> | undefined;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Something is not done yet: what comes now must be put in order too. */
  get busy(): boolean {
    return this.#last !== undefined;
  }

  /**
   * Calls `work` with what `ready` gives, after all that came before. `failed` is called with why there is nothing to
   * work with, or with what `work` has thrown; what comes next has its turn in any case.
   */
  add<T>(ready: Promise<T>, work: (value: T) => void, failed: (error: unknown) => void): void {
    const before = this.#last ?? Promise.resolve();
    // `allSettled`: a failure that comes before its turn is not one that nobody handles.
    const turn = Promise.allSettled([ready, before]).then(([outcome]) => {
      if (this.#last === turn) this.#last = undefined;
      guard(() => {
        if (outcome.status === "rejected") failed(outcome.reason);
        else guard(() => work(outcome.value), failed);
      }, this.#report);
    });
    this.#last = turn;
  }
}
