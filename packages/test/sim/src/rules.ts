import { type BlockCodecs, type Crc32c, fromUtf8, type Uuid } from "@samsa/base";
import { BatchCursor, RecordCursor } from "@samsa/records";

/** Something happened that must never happen. */
export class Violation extends Error {
  readonly rule: Rule;
  constructor(rule: Rule, detail: string) {
    super(`${rule}: ${detail}`);
    this.name = "Violation";
    this.rule = rule;
  }
}

export type Rule =
  | "an acknowledged record is lost"
  | "an offset changed its content"
  | "offsets have a gap"
  | "a damaged batch was served"
  | "a record was made up"
  | "a record is there twice"
  | "a read record vanished"
  | "a committed offset is lost"
  | "a topic is lost"
  | "a deleted topic came back"
  | "a setting is lost"
  | "a good request was refused"
  | "the broker does not start"
  | "no progress after healing";

/** How the broker's life ended: what a process leaves behind, or only what was flushed. */
export type Ending = "stop" | "kill" | "power";

/** One partition as its clients know it. */
interface Book {
  /** Every acknowledged append is on the device. */
  readonly flushed: boolean;
  /** Everything before this offset was flushed by a clean stop. */
  durable: number;
  /** Values that were sent, whatever became of them. */
  readonly sent: Set<string>;
  readonly acked: Map<number, string>;
  /** What consumers were given, by offset. */
  readonly read: Map<number, string>;
  /** Where each value was acknowledged or read. */
  readonly places: Map<string, number>;
}

export interface Served {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly highWatermark: number;
  readonly records: readonly Uint8Array[];
}

export interface LedgerTools {
  readonly crc32c: Crc32c;
  readonly codecs: BlockCodecs;
}

/** What clients of a log were promised and shown, and the rules that follow from it. */
export class LogLedger {
  readonly #books = new Map<string, Book>();
  readonly #tools: LedgerTools;
  acknowledged = 0;
  served = 0;

  constructor(tools: LedgerTools) {
    this.#tools = tools;
  }

  opened(topicId: Uuid, partitions: number, flushed: boolean): void {
    for (let i = 0; i < partitions; i++) {
      const key = `${topicId}/${i}`;
      if (this.#books.has(key)) continue;
      const nothing = { sent: new Set<string>(), acked: new Map(), read: new Map(), places: new Map() };
      this.#books.set(key, { flushed, durable: 0, ...nothing });
    }
  }

  sent(topicId: Uuid, partition: number, values: readonly string[]): void {
    for (const value of values) this.#book(topicId, partition).sent.add(value);
  }

  acked(topicId: Uuid, partition: number, baseOffset: number, values: readonly string[]): void {
    const book = this.#book(topicId, partition);
    values.forEach((value, i) => {
      this.#place(book, `${topicId}/${partition}`, baseOffset + i, value);
      book.acked.set(baseOffset + i, value);
      this.acknowledged++;
    });
  }

  /** Judges an answer to a fetch; returns the offset to go on from. */
  fetched(served: Served): number {
    const where = `${served.topicId}/${served.partition}`;
    const book = this.#book(served.topicId, served.partition);
    let expected = -1;
    for (const chunk of served.records) {
      const batch = new BatchCursor(chunk);
      let end = 0;
      while (batch.next()) {
        end = batch.end;
        if (!batch.intact(this.#tools.crc32c)) {
          throw new Violation("a damaged batch was served", `${where} at ${batch.baseOffset}: its checksum is wrong`);
        }
        const { baseOffset, lastOffset } = batch;
        const fits = expected < 0 ? baseOffset <= served.fetchOffset && lastOffset >= served.fetchOffset : false;
        if (!fits && baseOffset !== expected) {
          const wanted = expected < 0 ? served.fetchOffset : expected;
          throw new Violation("offsets have a gap", `${where}: wanted ${wanted}, got ${baseOffset} to ${lastOffset}`);
        }
        if (lastOffset >= served.highWatermark) {
          throw new Violation("a record was made up", `${where}: ${lastOffset} is not below ${served.highWatermark}`);
        }
        this.#readBatch(book, where, batch);
        expected = lastOffset + 1;
      }
      if (end !== chunk.length) {
        throw new Violation("a damaged batch was served", `${where}: ${chunk.length - end} bytes are no batch`);
      }
    }
    return expected < 0 ? served.fetchOffset : expected;
  }

  #readBatch(book: Book, where: string, batch: BatchCursor): void {
    const record = new RecordCursor().open(batch, this.#tools.codecs);
    let next = batch.baseOffset;
    while (record.next()) {
      if (record.offset !== next++) throw new Violation("offsets have a gap", `${where} within a batch at ${next - 1}`);
      const value = fromUtf8(record.value() ?? new Uint8Array(0));
      if (!book.sent.has(value)) {
        throw new Violation("a record was made up", `${where} at ${record.offset}: nobody sent ${value.slice(0, 20)}`);
      }
      this.#place(book, where, record.offset, value);
      book.read.set(record.offset, value);
      this.served++;
    }
  }

  /** A value has one place, and a place one value. */
  #place(book: Book, where: string, offset: number, value: string): void {
    const known = book.acked.get(offset) ?? book.read.get(offset);
    if (known !== undefined && known !== value) {
      throw new Violation("an offset changed its content", `${where} at ${offset}: was ${known}, is ${value}`);
    }
    const place = book.places.get(value);
    if (place !== undefined && place !== offset) {
      throw new Violation("a record is there twice", `${where}: ${value} at ${place} and at ${offset}`);
    }
    book.places.set(value, offset);
  }

  /** The log has been read to its end after the broker came back. What was not promised to survive is forgotten. */
  audited(where: { readonly topicId: Uuid; readonly partition: number }, end: number, ending: Ending): void {
    const book = this.#book(where.topicId, where.partition);
    const name = `${where.topicId}/${where.partition}`;
    const survives = ending !== "power";
    for (const [offset, value] of book.acked) {
      if (offset < end) {
        if (book.read.get(offset) !== value) throw new Violation("an acknowledged record is lost", `${name} ${offset}`);
        continue;
      }
      if (survives || book.flushed || offset < book.durable) {
        const why = survives ? `a ${ending}` : "a power cut, though flushed";
        throw new Violation("an acknowledged record is lost", `${name} at ${offset}, after ${why}; it ends at ${end}`);
      }
      book.acked.delete(offset);
    }
    for (const offset of book.read.keys()) {
      if (offset < end) continue;
      if (survives || offset < book.durable)
        throw new Violation("a read record vanished", `${name} at ${offset} after a ${ending}; end ${end}`);
      book.read.delete(offset);
    }
    for (const [value, offset] of book.places) if (offset >= end) book.places.delete(value);
    if (ending === "stop") book.durable = end;
  }

  #book(topicId: Uuid, partition: number): Book {
    const book = this.#books.get(`${topicId}/${partition}`);
    if (book === undefined) throw new Error(`no book of ${topicId}/${partition}`);
    return book;
  }
}

export interface TopicEntry {
  readonly name: string;
  readonly partitions: number;
  readonly flushed: boolean;
  /** undefined until the creation is known to have happened. */
  id: Uuid | undefined;
  state: "maybe created" | "there" | "maybe deleted" | "gone";
  /** Values of the setting that the admin changes: the one that is in force, then those that may be. */
  settings: string[];
}

/** What the admin was promised about topics. */
export class TopicLedger {
  readonly entries: TopicEntry[] = [];

  add(entry: Pick<TopicEntry, "name" | "partitions" | "flushed">): TopicEntry {
    const added: TopicEntry = { ...entry, id: undefined, state: "maybe created", settings: [""] };
    this.entries.push(added);
    return added;
  }

  /** Topics that clients may use. */
  usable(): TopicEntry[] {
    return this.entries.filter(({ state }) => state === "there");
  }

  /** Judges what a broker that has come back says there is. Doubts are settled by it. */
  audited(found: ReadonlyMap<string, { readonly id: Uuid; readonly partitions: number }>): void {
    const last = new Map(this.entries.map(entry => [entry.name, entry]));
    for (const entry of this.entries) {
      const { name, id, state } = entry;
      const now = found.get(name);
      if (id !== undefined && state === "gone" && now?.id === id)
        throw new Violation("a deleted topic came back", name);
      if (state === "there" && (now?.id !== id || now?.partitions !== entry.partitions)) {
        throw new Violation("a topic is lost", `${name} (${id}) is now ${JSON.stringify(now)}`);
      }
      if (state === "maybe deleted") {
        if (now !== undefined && now.id !== id) throw new Violation("a topic is lost", `${name} is another`);
        entry.state = now === undefined ? "gone" : "there";
      }
      if (state === "maybe created" && last.get(name) === entry) {
        entry.state = now === undefined ? "gone" : "there";
        entry.id = now?.id;
      }
    }
    for (const [name, { id }] of found) {
      if (name !== "__consumer_offsets" && !this.entries.some(entry => entry.id === id)) {
        throw new Violation("a deleted topic came back", `${name} (${id}) was never created`);
      }
    }
  }

  settingAudited(entry: TopicEntry, value: string): void {
    if (!entry.settings.includes(value)) {
      throw new Violation("a setting is lost", `${entry.name}: ${value} is none of ${entry.settings.join(", ")}`);
    }
    entry.settings = [value];
  }
}

/** What members of a group were promised about one partition's committed offset. */
export class OffsetLedger {
  /** In the order in which they were sent. */
  #attempts: number[] = [];
  #acked = -1;
  commits = 0;

  attempted(offset: number): void {
    this.#attempts.push(offset);
  }

  acked(offset: number): void {
    this.#acked = offset;
    this.commits++;
  }

  audited(offset: number, ending: Ending): void {
    const since = this.#attempts.lastIndexOf(this.#acked);
    const allowed = ending === "power" || since < 0 ? [-1, ...this.#attempts] : this.#attempts.slice(since);
    if (!allowed.includes(offset)) {
      throw new Violation(
        "a committed offset is lost",
        `after a ${ending} it is ${offset}, not ${allowed.join(" or ")}`,
      );
    }
    // What came before stays possible: none of it need be on the device.
    this.#attempts = this.#attempts.slice(0, this.#attempts.lastIndexOf(offset) + 1);
    this.#acked = offset;
  }
}
