import { invariant } from "@samsa/base";

interface Timer {
  readonly key: string;
  /** Monotonic milliseconds. */
  readonly at: number;
  /** Breaks ties: timers of the same time run in the order in which they were scheduled. */
  readonly order: number;
  readonly run: () => void;
  /** Place in the heap; -1 once it is due. */
  place: number;
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/**
 * Timers of a shard, at most one for each key (`CoordinatorTimer`). Memory depends on the number of scheduled keys
 * only: scheduling a key again moves its timer.
 */
export class Timers {
  readonly #byKey = new Map<string, Timer>();
  readonly #heap: Timer[] = [];
  /** Due timers, in the order in which they run. */
  #due: Timer[] = [];
  #order = 0;

  /** Number of scheduled timers. */
  get size(): number {
    return this.#byKey.size;
  }

  /** Runs `run` once, at `at` or later; replaces the key's timer. */
  schedule(key: string, at: number, run: () => void): void {
    this.cancel(key);
    const timer: Timer = { key, at, order: ++this.#order, run, place: this.#heap.length };
    this.#byKey.set(key, timer);
    this.#heap.push(timer);
    this.#rise(timer);
  }

  cancel(key: string): void {
    const timer = this.#byKey.get(key);
    if (timer === undefined) return;
    this.#byKey.delete(key);
    if (timer.place >= 0) this.#take(timer);
  }

  isScheduled(key: string): boolean {
    return this.#byKey.has(key);
  }

  clear(): void {
    this.#byKey.clear();
    this.#heap.length = 0;
    this.#due = [];
  }

  /** Time of the next timer; -Infinity if `tick` stopped early, Infinity if nothing is scheduled. */
  next(): number {
    if (this.#due.length > 0) return -Infinity;
    return this.#heap[0]?.at ?? Infinity;
  }

  /**
   * Runs the timers that were due when the tick began, until `isInterrupted` is true: the rest waits for the next tick.
   * A timer that is scheduled meanwhile runs in a later tick, whatever its time, so that a tick always ends.
   */
  tick(now: number, isInterrupted: () => boolean): void {
    if (this.#due.length === 0) this.#collect(now);
    let done = 0;
    for (const timer of this.#due) {
      done++;
      if (this.#byKey.get(timer.key) !== timer) continue;
      this.#byKey.delete(timer.key);
      timer.run();
      if (isInterrupted()) break;
    }
    this.#due.splice(0, done);
  }

  #collect(now: number): void {
    for (let timer = this.#heap[0]; timer !== undefined && timer.at <= now; timer = this.#heap[0]) {
      this.#take(timer);
      timer.place = -1;
      this.#due.push(timer);
    }
  }

  /** Removes a timer from the heap. */
  #take(timer: Timer): void {
    const { place } = timer;
    invariant(this.#heap[place] === timer, "a timer knows its place");
    const last = this.#heap.pop() as Timer;
    if (last === timer) return;
    this.#put(last, place);
    this.#rise(last);
    this.#sink(last);
  }

  #put(timer: Timer, place: number): void {
    this.#heap[place] = timer;
    timer.place = place;
  }

  #rise(timer: Timer): void {
    while (timer.place > 0) {
      const place = (timer.place - 1) >> 1;
      const parent = this.#heap[place] as Timer;
      if (!isBefore(timer, parent)) return;
      this.#put(parent, timer.place);
      this.#put(timer, place);
    }
  }

  #sink(timer: Timer): void {
    for (;;) {
      const left = 2 * timer.place + 1;
      if (left >= this.#heap.length) return;
      const [first, second] = [this.#heap[left] as Timer, this.#heap[left + 1]];
      const child = second !== undefined && isBefore(second, first) ? second : first;
      if (!isBefore(child, timer)) return;
      const { place } = child;
      this.#put(child, timer.place);
      this.#put(timer, place);
    }
  }
}

/** Key of a timer. Ids may contain any character, so the key includes the length of the group id. */
export function timerKey(kind: string, groupId: string, memberId = ""): string {
  return `${kind} ${groupId.length} ${groupId}${memberId}`;
}
