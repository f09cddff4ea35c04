import { guard, type Report } from "@samsa/base";

/** Runs tasks in the order of their arrival although they become ready in any order. */
export class Order {
  readonly #report: Report;
  #last: Promise<void> | undefined;

  constructor(report: Report) {
    this.#report = report;
  }

  /** True while a task is pending: a new one must be added here too. */
  get busy(): boolean {
    return this.#last !== undefined;
  }

  /**
   * Calls `work` with the result of `ready`, after all earlier tasks. `failed` is called if `ready` rejects or `work`
   * throws; the next task runs in either case.
   */
  add<T>(ready: Promise<T>, work: (value: T) => void, failed: (error: unknown) => void): void {
    const before = this.#last ?? Promise.resolve();
    // `allSettled` handles a rejection that comes before the task's turn.
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
