interface Wish {
  /** Value that was confirmed last; undefined before. */
  sure: string | undefined;
  /** Values that were asked for without a confirmation: each may still come true. */
  readonly doubtful: string[];
}

/** Ledger of values that clients have asked a cluster for, by key: what is found at the end must be one of them. */
export class Wishes {
  readonly #wishes = new Map<string, Wish>();
  /** Number of confirmations. */
  confirmations = 0;

  /** Takes note of a request; `before` is the value if nobody has asked for one yet, undefined if it is not known. */
  attempted(key: string, value: string, before: string | undefined): void {
    const wish = this.#wishes.get(key) ?? { sure: before, doubtful: [] };
    this.#wishes.set(key, wish);
    wish.doubtful.push(value);
  }

  confirmed(key: string, value: string): void {
    const wish = this.#wishes.get(key);
    if (wish === undefined) return;
    this.confirmations++;
    wish.doubtful.splice(wish.doubtful.indexOf(value), 1);
    wish.sure = value;
  }

  get keys(): readonly string[] {
    return [...this.#wishes.keys()];
  }

  /** Values that may be found now; undefined if any may be. */
  possible(key: string): readonly string[] | undefined {
    const wish = this.#wishes.get(key);
    return wish?.sure === undefined ? undefined : [wish.sure, ...wish.doubtful];
  }
}
