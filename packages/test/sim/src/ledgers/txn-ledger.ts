import { entryAt } from "@samsa/base";
import { Violation } from "./rules.ts";

/** Topic that copiers write to: every transaction writes its parts, in order, to each partition. */
export const COPY_TOPIC = "txn-out";
/** Partitions of `COPY_TOPIC`. */
export const COPY_PARTITIONS = [0, 1] as const;
/** Parts of a transaction: records that it writes to each partition. */
export const PARTS = [0, 1] as const;

/** Transaction that advances the group's offset from `from` to `to`, with one record per part and partition. */
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

/** Values of committed transactions in one partition, in the order in which consumers read them. */
interface Sequence {
  readonly lines: Line[];
  /** Offset at which each group's next transaction begins. */
  readonly next: Map<string, number>;
}

/** Ledger of transactions: their outcomes as producers were told, and the values that read_committed consumers saw. */
export class TxnLedger {
  readonly #copies = new Map<string, Copy>();
  readonly #sequences = COPY_PARTITIONS.map((): Sequence => ({ lines: [], next: new Map() }));
  /** Transactions whose commit was acknowledged. */
  committed = 0;

  /** Number of values read, in the partition with the fewest. */
  get read(): number {
    return Math.min(...this.#sequences.map(({ lines }) => lines.length));
  }

  /** Opens a transaction and returns its name. */
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

  /** Records that a consumer read `value` as the `index`th committed value of a partition. */
  found(partition: number, index: number, value: string): void {
    const { lines, next } = entryAt(this.#sequences, partition);
    const slash = value.lastIndexOf("/");
    const [name, part] = [value.slice(0, slash), Number(value.slice(slash + 1))];
    const known = lines[index];
    if (known !== undefined) {
      if (known.name === name && known.part === part) return;
      throw new Violation("an offset changed its content", `${COPY_TOPIC}-${partition}: ${known.name}, then ${value}`);
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

  /** Checks the final state: no transaction is open, and all committed records have been read. */
  closed(offsets: ReadonlyMap<string, number>): void {
    const first = entryAt(this.#sequences, 0);
    for (const [group, offset] of offsets) {
      const namesIn = ({ lines }: Sequence) => lines.filter(l => l.group === group).map(l => `${l.name}/${l.part}`);
      for (const other of this.#sequences) {
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
