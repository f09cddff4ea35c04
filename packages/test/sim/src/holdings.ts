import { Violation } from "./rules.ts";

/** Somebody who holds partitions as long as it can be sure to. */
export interface Holder {
  readonly name: string;
  holds(partition: number): boolean;
}

/** Who holds the partitions of the group of the consumer protocol: at no time do two. */
export class Holdings {
  readonly #holders: Holder[] = [];
  /** Who has taken a partition last, and when. */
  #taken = new Map<number, { readonly by: Holder; readonly at: number }>();
  readonly #order: () => number;

  /** `order` gives growing numbers: the order of all that clients do. */
  constructor(order: () => number) {
    this.#order = order;
  }

  add(holder: Holder): void {
    this.#holders.push(holder);
  }

  /** What was written may be gone: others may be given the same. */
  forget(): void {
    this.#taken.clear();
  }

  took(holder: Holder, partitions: readonly number[]): void {
    for (const partition of partitions) {
      const other = this.#holders.find(candidate => candidate !== holder && candidate.holds(partition));
      if (other !== undefined) {
        throw new Violation("a partition has two owners", `${partition}: ${other.name} and ${holder.name}`);
      }
      if (this.#taken.get(partition)?.by !== holder) this.#taken.set(partition, { by: holder, at: this.#order() });
    }
  }

  /** A commit was accepted that was sent at `began`: nobody else had taken the partition by then. */
  committed(holder: Holder, partitions: readonly number[], began: number): void {
    for (const partition of partitions) {
      const last = this.#taken.get(partition);
      if (last !== undefined && last.by !== holder && last.at < began) {
        throw new Violation(
          "a late commit was accepted",
          `${partition}: of ${holder.name}, though ${last.by.name} has it`,
        );
      }
    }
  }
}
