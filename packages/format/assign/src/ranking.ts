import { compareText } from "./partition.ts";

/** Members from the one with the fewest partitions to the one with the most; equal ones by id. */
export class Ranking {
  readonly #sizeOf: (memberId: string) => number;
  #ids: string[];

  constructor(memberIds: Iterable<string>, sizeOf: (memberId: string) => number) {
    this.#sizeOf = sizeOf;
    this.#ids = [...memberIds].sort((a, b) => this.#compare(a, b));
  }

  get ids(): readonly string[] {
    return this.#ids;
  }

  get least(): number {
    const [id] = this.#ids;
    return id === undefined ? 0 : this.#sizeOf(id);
  }

  get most(): number {
    const id = this.#ids.at(-1);
    return id === undefined ? 0 : this.#sizeOf(id);
  }

  /** Removes a member. Call it before the member's number of partitions changes, and `add` after that. */
  remove(memberId: string): void {
    const at = this.#place(memberId);
    if (this.#ids[at] === memberId) this.#ids.splice(at, 1);
  }

  add(memberId: string): void {
    this.#ids.splice(this.#place(memberId), 0, memberId);
  }

  /** Index of the first member that does not rank below this one. */
  #place(memberId: string): number {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.#ids[middle] ?? "", memberId) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(a: string, b: string): number {
    return this.#sizeOf(a) - this.#sizeOf(b) || compareText(a, b);
  }
}
