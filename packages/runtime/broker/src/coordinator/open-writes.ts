import { guardEach, type Offset, type Report } from "@samsa/base";

interface OpenWrite {
  /** Monotonic time at which it fails. */
  readonly deadline: number;
  readonly done: (errorCode: number) => void;
  isOver: boolean;
}

interface Waiting extends OpenWrite {
  /** End of the records that must be committed. */
  readonly offset: Offset;
}

/** Writes of a shard that are not committed, and replies that wait for them (`DeferredEventQueue`). */
export class OpenWrites {
  readonly #report: Report;
  readonly #writes: OpenWrite[] = [];
  /** Replies, in the order of their offsets. */
  readonly #waiting: Waiting[] = [];
  /** Time that is not after any deadline. */
  #next = Infinity;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Time of the next `expire`; Infinity: nothing is open. */
  next(): number {
    return this.#next;
  }

  /**
   * Adds a write, and returns the function that ends it with 0 or an error code. Once the write has ended, or has failed
   * at its deadline, that function does nothing.
   */
  add(deadline: number, done: (errorCode: number) => void): (errorCode: number) => void {
    const write = { deadline, done, isOver: false };
    this.#writes.push(write);
    this.#next = Math.min(this.#next, deadline);
    return errorCode => {
      if (write.isOver) return;
      write.isOver = true;
      removeOver(this.#writes);
      done(errorCode);
    };
  }

  /** Calls `done` with 0 once the records before `offset` are committed, or with an error code. */
  await(offset: Offset, deadline: number, done: (errorCode: number) => void): void {
    this.#waiting.push({ offset, deadline, done, isOver: false });
    this.#next = Math.min(this.#next, deadline);
  }

  /** Ends what waits for records below the high watermark. */
  committed(highWatermark: Offset): void {
    if (this.#waiting.length === 0) return;
    this.#end(
      this.#waiting.filter(({ offset }) => offset <= highWatermark),
      0,
    );
  }

  /** Ends what is beyond its deadline with the error code (`OperationTimeout`); its records stay in the log. */
  expire(now: number, errorCode: number): void {
    if (now < this.#next) return;
    this.#end(
      [...this.#writes, ...this.#waiting].filter(({ deadline }) => deadline <= now),
      errorCode,
    );
    this.#next = Infinity;
    for (const { isOver, deadline } of [...this.#writes, ...this.#waiting]) {
      if (!isOver) this.#next = Math.min(this.#next, deadline);
    }
  }

  #end(due: readonly OpenWrite[], errorCode: number): void {
    const open = due.filter(({ isOver }) => !isOver);
    for (const write of open) write.isOver = true;
    removeOver(this.#writes);
    removeOver(this.#waiting);
    guardEach(open, ({ done }) => done(errorCode), this.#report);
  }

  /** Ends all with the error code. */
  close(errorCode: number): void {
    this.#next = Infinity;
    this.#end([...this.#writes, ...this.#waiting], errorCode);
  }
}

/** Removes what is over from the front. */
function removeOver(writes: OpenWrite[]): void {
  let count = 0;
  while (writes[count]?.isOver === true) count++;
  if (count > 0) writes.splice(0, count);
}
