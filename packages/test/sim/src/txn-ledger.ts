import { Violation } from "./rules.ts";

/** Where copiers write: every transaction puts its parts, in order, into each partition. */
export const COPY_TOPIC = "txn-out";
export const COPY_PARTITIONS = [0, 1] as const;
export const PARTS = [0, 1] as const;

/** One try to move a group's offset from one number to the next, with all that is written on the way. */
export interface Copy {
  readonly group: string;
  readonly from: number;
  readonly to: number;
  fate: "open" | "committed" | "aborted";
}

interface Line {
  readonly name: string;
  readonly group: string;
  readonly part: number;
}

/** Values of committed transactions, as consumers find them in one partition. */
interface Sequence {
  readonly lines: Line[];
  /** Where each group's next transaction begins. */
  readonly next: Map<string, number>;
}

/** What transactional producers were promised, and what those saw who read what is committed. */
export class TxnLedger {
  readonly #copies = new Map<string, Copy>();
  readonly #sequences = COPY_PARTITIONS.map((): Sequence => ({ lines: [], next: new Map() }));
  /** Transactions that were committed for certain. */
  committed = 0;

  /** Values that were read, in the partition where they are fewest. */
  get read(): number {
    return Math.min(...this.#sequences.map(({ lines }) => lines.length));
  }

  /** The name of a new transaction. */
  begin(group: string, from: number, to: number): string {
    const name = `${group}.${this.#copies.size} ${from}-${to}`;
    this.#copies.set(name, { group, from, to, fate: "open" });
    return name;
  }

  ended(name: string, committed: boolean): void {
    const copy = this.#copy(name);
    const fate = committed ? "committed" : "aborted";
    if (copy.fate !== "open" && copy.fate !== fate) {
      throw new Violation("an aborted record was seen", `${name} was ${copy.fate} and is ${fate}`);
    }
    if (committed && copy.fate === "open") this.committed++;
    copy.fate = fate;
  }

  #copy(name: string): Copy {
    const copy = this.#copies.get(name);
    if (copy === undefined) throw new Violation("a record was made up", `nobody began ${name}`);
    return copy;
  }

  /** A consumer finds a value at its `index`th place among those that count in a partition. */
  found(partition: number, index: number, value: string): void {
    const { lines, next } = this.#sequences[partition];
    const slash = value.lastIndexOf("/");
    const [name, part] = [value.slice(0, slash), Number(value.slice(slash + 1))];
    if (index < lines.length) {
      const { name: before, part: beforePart } = lines[index];
      if (before === name && beforePart === part) return;
      throw new Violation("an offset changed its content", `${COPY_TOPIC}-${partition}: ${before}, then ${value}`);
    }
    const copy = this.#copy(name);
    if (copy.fate === "aborted") throw new Violation("an aborted record was seen", `${value} in ${partition}`);
    const previous = lines.findLast(({ group }) => group === copy.group);
    const isNext = part === 0 ? previous === undefined || previous.part === PARTS.length - 1 : previous?.name === name;
    if (!isNext || (part > 0 && previous?.part !== part - 1)) {
      const detail = `${value} in ${partition} comes after ${previous?.name}/${previous?.part}`;
      throw new Violation("half of a transaction was seen", detail);
    }
    if (part === 0) {
      const wanted = next.get(copy.group) ?? 0;
      if (copy.from !== wanted) {
        const detail = `${value} in ${partition}, where ${copy.group} is at ${wanted}`;
        throw new Violation("a transaction is missing or there twice", detail);
      }
      next.set(copy.group, copy.to);
    }
    copy.fate = "committed";
    lines.push({ name, group: copy.group, part });
  }

  /** No transaction is open any more, and all that counts has been read. */
  closed(offsets: ReadonlyMap<string, number>): void {
    const [first, ...rest] = this.#sequences;
    for (const [group, offset] of offsets) {
      const namesIn = ({ lines }: Sequence) => lines.filter(l => l.group === group).map(l => `${l.name}/${l.part}`);
      for (const other of rest) {
        if (namesIn(other).join() === namesIn(first).join()) continue;
        const detail = `${group} is at ${first.next.get(group)} in one partition and at ${other.next.get(group)}`;
        throw new Violation("half of a transaction was seen", detail);
      }
      const end = first.next.get(group) ?? 0;
      if (Math.max(0, offset) !== end) {
        throw new Violation("half of a transaction was seen", `${group} is at ${offset}, what it wrote at ${end}`);
      }
    }
    const seen = new Set(first.lines.map(({ name }) => name));
    for (const [name, { fate }] of this.#copies) {
      if (fate === "committed" && !seen.has(name)) throw new Violation("a committed transaction is lost", name);
    }
  }
}
