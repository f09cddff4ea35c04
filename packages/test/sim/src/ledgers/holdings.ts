import { Violation } from "./rules.ts";

/** Group member that owns partitions while its session cannot have expired. */
export interface Holder {
  readonly name: string;
  holds(partition: number): boolean;
}

/** Owners of the partitions of the consumer-protocol group: no partition may have two owners at a time. */
export class Holdings {
  readonly #holders: Holder[] = [];
  /** Last member that took each partition, and when. */
  #taken = new Map<number, { readonly by: Holder; readonly at: number }>();
  /** Members that were given an assignment since the last power cut. */
  readonly #assigned = new Set<Holder>();
  readonly #order: () => number;
  /** A deposed coordinator may let a member keep what its successor has given to another one. */
  deposable = false;

  /** `order` returns increasing numbers: the order of all client operations. */
  constructor(order: () => number) {
    this.#order = order;
  }

  add(holder: Holder): void {
    this.#holders.push(holder);
  }

  /** Forgets all owners: after a power cut assignments may be lost, and other members may get the same partitions. */
  forget(): void {
    this.#taken.clear();
    this.#assigned.clear();
  }

  took(holder: Holder, partitions: readonly number[]): void {
    this.#assigned.add(holder);
    for (const partition of partitions) {
      const other = this.#holders.find(candidate => candidate !== holder && candidate.holds(partition));
      if (other !== undefined && !this.deposable) {
        throw new Violation("a partition has two owners", `${partition}: ${other.name} and ${holder.name}`);
      }
      if (this.#taken.get(partition)?.by !== holder) this.#taken.set(partition, { by: holder, at: this.#order() });
    }
  }

  /** Records an accepted commit, sent at `began`: no other member may have taken the partition before. */
  committed(holder: Holder, partitions: readonly number[], began: number): void {
    // The group may know it by the same epoch of an earlier assignment, which a power cut has brought back.
    if (!this.#assigned.has(holder)) return;
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
