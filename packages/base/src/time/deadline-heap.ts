/** Priority queue of items by time, earliest first. */
export class DeadlineHeap<T> {
  readonly #times: number[] = [];
  readonly #items: T[] = [];

  get size(): number {
    return this.#times.length;
  }

  /** Earliest time; Infinity if empty. */
  next(): number {
    return this.#times.length === 0 ? Infinity : (this.#times[0] as number);
  }

  push(time: number, item: T): void {
    let at = this.#times.length;
    this.#times.push(time);
    this.#items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((this.#times[parent] as number) <= time) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** Removes and returns the earliest item if its time is at or before `now`. */
  pop(now: number): T | undefined {
    if (this.next() > now) return undefined;
    const item = this.#items[0];
    const time = this.#times.pop() as number;
    const last = this.#items.pop() as T;
    const size = this.#times.length;
    if (size > 0) {
      this.#times[0] = time;
      this.#items[0] = last;
      this.#sink(size);
    }
    return item;
  }

  /** Removes the items for which `isKept` is false. */
  filter(isKept: (item: T) => boolean): void {
    const times = this.#times.splice(0);
    const items = this.#items.splice(0);
    items.forEach((item, i) => {
      if (isKept(item)) this.push(times[i] as number, item);
    });
  }

  #sink(size: number): void {
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < size && (this.#times[child] as number) < (this.#times[least] as number)) least = child;
      }
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #swap(a: number, b: number): void {
    [this.#times[a], this.#times[b]] = [this.#times[b] as number, this.#times[a] as number];
    [this.#items[a], this.#items[b]] = [this.#items[b] as T, this.#items[a] as T];
  }
}
