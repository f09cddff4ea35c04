/** Something that happens at a time of the world. */
export interface Event<W> {
  /** Virtual time, in milliseconds. */
  readonly at: number;
  /** Number in the order of scheduling. */
  readonly order: number;
  readonly label: string;
  readonly work: W;
}

function isEarlier<W>(a: Event<W>, b: Event<W>): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Events that are to come, ordered by time, then by the order of scheduling. */
export class EventQueue<W> {
  /** Binary heap, earliest event first. */
  readonly #heap: Event<W>[] = [];
  /**
   * List of the events that were scheduled without a delay, a quarter of all: time does not go back, so they are in order
   * as they come. Those from `#taken` on are still to come.
   */
  readonly #soon: Event<W>[] = [];
  #taken = 0;
  #filled = 0;

  /** Adds an event; `isSoon` if its time is now. */
  push(event: Event<W>, isSoon: boolean): void {
    if (isSoon) this.#soon[this.#filled++] = event;
    else this.#raise(event);
  }

  /** The event that comes next; undefined if none is left. */
  next(): Event<W> | undefined {
    const later = this.#heap[0];
    if (this.#taken === this.#filled) return later;
    const soon = this.#soon[this.#taken] as Event<W>;
    return later !== undefined && isEarlier(later, soon) ? later : soon;
  }

  /** Removes and returns the event that comes next. */
  pop(): Event<W> | undefined {
    const event = this.next();
    if (event !== undefined && event === this.#heap[0]) this.#sink();
    else if (event !== undefined && ++this.#taken === this.#filled) {
      this.#taken = 0;
      this.#filled = 0;
    }
    return event;
  }

  #raise(event: Event<W>): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Event<W>;
      if (!isEarlier(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  /** Removes the first event of the heap. */
  #sink(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = at * 2 + 1;
      if (left >= heap.length) break;
      const isRight = left + 1 < heap.length && isEarlier(heap[left + 1] as Event<W>, heap[left] as Event<W>);
      const child = isRight ? left + 1 : left;
      const event = heap[child] as Event<W>;
      if (!isEarlier(event, last)) break;
      heap[at] = event;
      at = child;
    }
    heap[at] = last;
  }
}
