import { Alarm, DeadlineHeap, type Env, guard, type Timer } from "@samsa/base";

/** Cancelled deadlines are removed when they are the majority of at least this many. */
const LEAST_SWEPT = 1024;

interface Deadline extends Timer {
  /** undefined once the deadline has passed or is cancelled. */
  run: (() => void) | undefined;
}

/** Time-outs of requests, in one heap behind one timer (`DelayedOperationPurgatory`). */
export class Deadlines {
  readonly #env: Env;
  readonly #heap = new DeadlineHeap<Deadline>();
  #cancelled = 0;
  readonly #alarm: Alarm;

  constructor(env: Env) {
    this.#env = env;
    this.#alarm = new Alarm(env, () => this.#expire());
  }

  /** Number of deadlines that are kept, cancelled ones included. */
  get size(): number {
    return this.#heap.size;
  }

  /** Number of deadlines that are not cancelled. */
  get pending(): number {
    return this.#heap.size - this.#cancelled;
  }

  /** Calls `run` after `ms`, unless the deadline is cancelled before. */
  after(ms: number, run: () => void): Timer {
    const deadline: Deadline = { run, cancel: () => this.#cancel(deadline) };
    this.#heap.push(this.#env.clock.monotonic() + ms, deadline);
    this.#alarm.setAtLatest(this.#heap.next());
    return deadline;
  }

  #cancel(deadline: Deadline): void {
    if (deadline.run === undefined) return;
    deadline.run = undefined;
    this.#cancelled++;
    // A client may ask for a time-out of days, and be answered at once.
    if (this.#cancelled * 2 <= this.#heap.size || this.#heap.size < LEAST_SWEPT) return;
    this.#heap.filter(({ run }) => run !== undefined);
    this.#cancelled = 0;
  }

  #expire(): void {
    const now = this.#env.clock.monotonic();
    for (let deadline = this.#heap.pop(now); deadline !== undefined; deadline = this.#heap.pop(now)) {
      const { run } = deadline;
      if (run === undefined) {
        this.#cancelled--;
        continue;
      }
      deadline.run = undefined;
      guard(run, error => this.#env.logger.error("the time-out of a request failed", { error }));
    }
    this.#alarm.setAtLatest(this.#heap.next());
  }

  /** Drops all deadlines: the broker stops. */
  close(): void {
    this.#alarm.stop();
    this.#heap.filter(() => false);
  }
}
