import { entryAt, type Uuid } from "@samsa/base";
import { Violation } from "./rules.ts";
import { ODD_TOPIC, TABLES } from "./topic-names.ts";
import { COPY_TOPIC } from "./txn-ledger.ts";

/** Topics that other clients or the broker create, not the admin. */
const OTHERS: ReadonlySet<string> = new Set([
  "__consumer_offsets",
  "__transaction_state",
  "__share_group_state",
  COPY_TOPIC,
  ODD_TOPIC,
  ...TABLES,
]);

/** Topic as the clients of a scenario know it. */
export class TopicEntry {
  readonly name: string;
  /** `flush.messages` is 1 for good: every acknowledged append is flushed. */
  readonly flushed: boolean;
  /** Topic id; undefined until the creation is confirmed. */
  id: Uuid | undefined;
  state: "maybe created" | "there" | "maybe deleted" | "gone" = "maybe created";
  /** Possible partition counts: the confirmed one first, then one of an unanswered request. */
  counts: number[];
  /** Possible values of each setting: the confirmed one first, then those of unanswered requests; "" is unset. */
  readonly #settings = new Map<string, string[]>();
  /** All values that each setting may ever have had. */
  readonly #ever = new Map<string, Set<string>>();
  /** Number of attempted changes. */
  changes = 0;

  constructor(name: string, partitions: number, settings: ReadonlyMap<string, string>) {
    this.name = name;
    this.flushed = settings.get("flush.messages") === "1";
    this.counts = [partitions];
    for (const [setting, value] of settings) {
      this.#settings.set(setting, [value]);
      this.#ever.set(setting, new Set([value]));
    }
  }

  /** Confirmed number of partitions. */
  get partitions(): number {
    return entryAt(this.counts, 0);
  }

  values(setting: string): readonly string[] {
    return this.#settings.get(setting) ?? [""];
  }

  /** Confirmed value of a setting; undefined while a change is unanswered. */
  certain(setting: string): string | undefined {
    const values = this.values(setting);
    return values.length === 1 ? values[0] : undefined;
  }

  /** Lowest limit that a setting may ever have had; Infinity if it was never set or always unlimited (-1). */
  lowestEver(setting: string): number {
    const numbers = [...(this.#ever.get(setting) ?? [])].filter(value => value !== "").map(Number);
    return Math.min(Infinity, ...numbers.filter(value => value >= 0));
  }

  attempted(setting: string, value: string): void {
    this.changes++;
    this.#settings.set(setting, [...this.values(setting), value]);
    this.#ever.set(setting, (this.#ever.get(setting) ?? new Set()).add(value));
  }

  settled(setting: string, value: string): void {
    this.#settings.set(setting, [value]);
  }
}

/** Ledger of topics: the broker's promises to the admin. */
export class TopicLedger {
  readonly entries: TopicEntry[] = [];

  add(entry: TopicEntry): TopicEntry {
    this.entries.push(entry);
    return entry;
  }

  /** Topics that clients may use. */
  usable(): (TopicEntry & { readonly id: Uuid })[] {
    return this.entries.filter((entry): entry is TopicEntry & { id: Uuid } => isUsable(entry));
  }

  /** Checks the topics that a restarted broker lists, and settles unanswered creations and deletions by them. */
  audited(found: ReadonlyMap<string, { readonly id: Uuid; readonly partitions: number }>): void {
    const last = new Map(this.entries.map(entry => [entry.name, entry]));
    for (const entry of this.entries) {
      const { name, id, state, counts } = entry;
      const now = found.get(name);
      if (id !== undefined && state === "gone" && now?.id === id)
        throw new Violation("a deleted topic came back", name);
      const intact = now !== undefined && now.id === id && counts.includes(now.partitions);
      if (state === "there" && !intact) {
        throw new Violation("a topic is lost", `${name} (${id}, ${counts.join()}) is now ${JSON.stringify(now)}`);
      }
      if (state === "maybe deleted") {
        if (now !== undefined && now.id !== id) throw new Violation("a topic is lost", `${name} is another`);
        entry.state = now === undefined ? "gone" : "there";
      }
      if (state === "maybe created" && last.get(name) === entry) {
        entry.state = now === undefined ? "gone" : "there";
        entry.id = now?.id;
      }
      if (entry.state === "there" && now !== undefined) entry.counts = [now.partitions];
    }
    for (const [name, { id }] of found) {
      if (!OTHERS.has(name) && !this.entries.some(entry => entry.id === id)) {
        throw new Violation("a deleted topic came back", `${name} (${id}) was never created`);
      }
    }
  }

  /** Checks settings; `found` has the topic-level values by setting name. */
  settingsAudited(entry: TopicEntry, found: ReadonlyMap<string, string>): void {
    for (const [setting, value] of found) {
      const possible = entry.values(setting);
      if (!possible.includes(value)) {
        const detail = `${setting} of ${entry.name} is "${value}", none of ${JSON.stringify(possible)}`;
        throw new Violation("a setting is lost", detail);
      }
      entry.settled(setting, value);
    }
  }
}

function isUsable(entry: TopicEntry): boolean {
  return entry.state === "there" && entry.id !== undefined;
}
