import { entryAt, type Offset } from "@samsa/base";

/** Cancelled waits are removed when they are the majority of at least this many. */
const LEAST_SWEPT = 64;

/** An append that waits until the records before `offset` are safe; it can end only once. */
export class Wait<W> {
  readonly offset: Offset;
  readonly #queue: Waits<W>;
  #item: W | undefined;

  constructor(queue: Waits<W>, offset: Offset, item: W) {
    this.#queue = queue;
    this.offset = offset;
    this.#item = item;
  }

  /** Value that the caller keeps for the append; undefined once the wait is over. */
  get item(): W | undefined {
    return this.#item;
  }

  /** Ends the wait, and returns its item; undefined if it is over already. */
  end(): W | undefined {
    const item = this.#item;
    this.#item = undefined;
    return item;
  }

  /** Ends the wait without an outcome. */
  cancel(): void {
    if (this.end() !== undefined) this.#queue.cancelled();
  }
}

/** Waits for offsets, in their order; waits for the same offset in the order of their appends. */
export class Waits<W> {
  #waits: Wait<W>[] = [];
  #cancelled = 0;

  /** Number of waits that are kept, cancelled ones included. */
  get size(): number {
    return this.#waits.length;
  }

  add(offset: Offset, item: W): Wait<W> {
    const wait = new Wait<W>(this, offset, item);
    // A batch that is a duplicate ends below the batches after it.
    let at = this.#waits.length;
    while (at > 0 && entryAt(this.#waits, at - 1).offset > offset) at--;
    if (at === this.#waits.length) this.#waits.push(wait);
    else this.#waits.splice(at, 0, wait);
    return wait;
  }

  /** Counts a cancelled wait. Cancelled waits do not pile up while the offset stands still. */
  cancelled(): void {
    this.#cancelled++;
    if (this.#cancelled * 2 <= this.#waits.length || this.#waits.length < LEAST_SWEPT) return;
    this.#waits = this.#waits.filter(({ item }) => item !== undefined);
    this.#cancelled = 0;
  }

  /** Ends the waits for offsets up to `offset`, and returns their items in order. */
  upTo(offset: Offset): W[] {
    let count = 0;
    while (count < this.#waits.length && entryAt(this.#waits, count).offset <= offset) count++;
    return this.#end(this.#waits.splice(0, count));
  }

  /** Ends all waits, and returns their items in order. */
  all(): W[] {
    return this.#end(this.#waits.splice(0));
  }

  #end(waits: readonly Wait<W>[]): W[] {
    const items: W[] = [];
    for (const wait of waits) {
      const item = wait.end();
      if (item === undefined) this.#cancelled--;
      else items.push(item);
    }
    return items;
  }
}
