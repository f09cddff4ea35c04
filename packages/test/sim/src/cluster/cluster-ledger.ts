import { type BlockCodecs, type Crc32c, fromUtf8, type Uuid } from "@samsa/base";
import { BatchCursor, RecordCursor } from "@samsa/records";
import { anomaliesOf, type Anomaly, type Operation } from "../ledgers/history.ts";
import { Violation } from "../ledgers/rules.ts";

/** Topic of a cluster scenario, as it was created. */
export interface ClusterTopic {
  readonly name: string;
  readonly id: Uuid;
  readonly partitions: number;
  readonly replicas: number;
  /** `min.insync.replicas`. */
  readonly minIsr: number;
  /** `flush.messages` is 1: a replica counts a record only once it is flushed. */
  readonly flushed: boolean;
  /** `unclean.leader.election.enable`: it may lose records at any time. */
  readonly unclean?: boolean;
}

/** Partition of a topic. */
export interface ClusterPlace {
  readonly topic: ClusterTopic;
  readonly partition: number;
}

interface Book {
  readonly place: ClusterPlace;
  readonly sent: Set<string>;
  /** Values that were acknowledged by all replicas in sync, by offset. */
  readonly acked: Map<number, string>;
  readonly read: Map<number, string>;
  /** Offset of every value that was acknowledged by all replicas in sync, whether it may be lost or not. */
  readonly promised: Map<string, number>;
  /** Offset of each value that was acknowledged or read. */
  readonly offsets: Map<string, number>;
  /** Number of losses that Kafka allows so far. */
  losses: number;
  /** Records before this offset may have been deleted. */
  trimmedTo: number;
}

/** True if the topic keeps every acknowledged record when one broker at a time loses what it has not flushed. */
export function isSafe({ replicas, minIsr }: Omit<ClusterTopic, "id">): boolean {
  return replicas === 3 && minIsr === 2;
}

function keyOf({ topic, partition }: ClusterPlace): string {
  return `${topic.id}/${partition}`;
}

function labelOf({ topic, partition }: ClusterPlace): string {
  return `${topic.name}-${partition}`;
}

/** Ledger of the records of a cluster: what was acknowledged and read, and may not change or vanish. */
export class ClusterLedger {
  readonly #books = new Map<string, Book>();
  readonly #tools: { readonly crc32c: Crc32c; readonly codecs: BlockCodecs };
  readonly #history: Operation[] = [];
  /** Topics that may lose records until the cluster is whole again. */
  #loses: ((topic: ClusterTopic) => boolean) | undefined;
  acknowledged = 0;
  served = 0;
  /** Values in partitions that were read through: acknowledged by all replicas in sync, and of these those that are gone. */
  promised = 0;
  lost = 0;

  constructor(tools: { readonly crc32c: Crc32c; readonly codecs: BlockCodecs }) {
    this.#tools = tools;
  }

  #book(place: ClusterPlace): Book {
    const key = keyOf(place);
    const known = this.#books.get(key);
    if (known !== undefined) return known;
    const book: Book = {
      place,
      sent: new Set(),
      acked: new Map(),
      promised: new Map(),
      read: new Map(),
      offsets: new Map(),
      losses: 0,
      trimmedTo: 0,
    };
    this.#books.set(key, book);
    return book;
  }

  sent(place: ClusterPlace, values: readonly string[]): void {
    const { sent } = this.#book(place);
    for (const value of values) sent.add(value);
  }

  /** Number of losses of this partition so far: what a client learned before a loss says nothing about the log after. */
  losses(place: ClusterPlace): number {
    return this.#book(place).losses;
  }

  /** Records an acknowledgement; `durable` if all replicas in sync have the records. */
  acked(
    place: ClusterPlace,
    values: readonly string[],
    ack: { readonly process: string; readonly offset: number; readonly durable: boolean },
  ): void {
    const book = this.#book(place);
    this.acknowledged += values.length;
    if (!ack.durable) return;
    if (place.topic.unclean !== true) values.forEach((value, i) => book.promised.set(value, ack.offset + i));
    if (this.isInDoubt(place)) return;
    values.forEach((value, i) => {
      this.#place(book, ack.offset + i, value);
      book.acked.set(ack.offset + i, value);
    });
    this.#history.push({ type: "send", process: ack.process, log: keyOf(place), values, offset: ack.offset });
  }

  /** Checks records that were fetched from `from`; returns the next offset to fetch. */
  fetched(place: ClusterPlace, process: string, from: number, records: readonly Uint8Array[]): number {
    const book = this.#book(place);
    const seen: [number, string][] = [];
    let next = from;
    for (const chunk of records) {
      for (const batch = new BatchCursor(chunk); batch.next(); ) {
        if (!batch.intact(this.#tools.crc32c)) {
          throw new Violation("a damaged batch was served", `${labelOf(place)} at ${batch.baseOffset}`);
        }
        if (batch.lastOffset < from) continue;
        if (batch.baseOffset > next && next >= book.trimmedTo) {
          throw new Violation("offsets have a gap", `${labelOf(place)}: wanted ${next}, got ${batch.baseOffset}`);
        }
        if (!this.isInDoubt(place)) this.#read(book, batch, seen);
        next = batch.lastOffset + 1;
      }
    }
    if (this.isInDoubt(place)) return next;
    const polled = seen.filter(([offset]) => offset >= from);
    this.#history.push({ type: "poll", process, log: keyOf(place), from, records: polled });
    return next;
  }

  #read(book: Book, batch: BatchCursor, seen: [number, string][]): void {
    for (const record = new RecordCursor().open(batch, this.#tools.codecs); record.next(); ) {
      const value = fromUtf8(record.value() ?? new Uint8Array(0));
      if (!book.sent.has(value)) {
        throw new Violation("a record was made up", `${labelOf(book.place)} at ${record.offset}: ${value}`);
      }
      this.#place(book, record.offset, value);
      book.read.set(record.offset, value);
      seen.push([record.offset, value]);
      this.served++;
    }
  }

  /** Checks that each offset has one value, and each value one offset. */
  #place(book: Book, offset: number, value: string): void {
    const known = book.acked.get(offset) ?? book.read.get(offset);
    if (known !== undefined && known !== value) {
      const detail = `${labelOf(book.place)} at ${offset}: was ${known}, is ${value}`;
      throw new Violation("an offset changed its content", detail);
    }
    const place = book.offsets.get(value);
    if (place !== undefined && place !== offset) {
      const detail = `${labelOf(book.place)}: ${value} at ${place} and at ${offset}`;
      throw new Violation("a record is there twice", detail);
    }
    book.offsets.set(value, offset);
  }

  seek(place: ClusterPlace, process: string): void {
    this.#history.push({ type: "seek", process, log: keyOf(place) });
  }

  /** True if the partition may lose what its clients learn now: a replica may serve what a later leader lacks. */
  isInDoubt({ topic }: ClusterPlace): boolean {
    return topic.unclean === true || this.#loses?.(topic) === true;
  }

  /** Takes note of a request to delete the records before an offset. */
  trimmed(place: ClusterPlace, to: number): void {
    const book = this.#book(place);
    book.trimmedTo = Math.max(book.trimmedTo, to);
    this.#history.push({ type: "trim", log: keyOf(place), to });
  }

  /** Offset before which records may have been deleted. */
  trimmedTo(place: ClusterPlace): number {
    return this.#book(place).trimmedTo;
  }

  /** Offset after the last record that is known to be acknowledged or read. */
  endOf(place: ClusterPlace): number {
    const { acked, read } = this.#book(place);
    return 1 + Math.max(-1, ...acked.keys(), ...read.keys());
  }

  /** Forgets the records of topics that may lose some now, until `whole`. */
  mayLose(loses: (topic: ClusterTopic) => boolean): void {
    const before = this.#loses;
    this.#loses = topic => loses(topic) || before?.(topic) === true;
    this.#forget(this.#loses);
  }

  /** Ends `mayLose`: all replicas are in sync. */
  whole(): void {
    if (this.#loses !== undefined) this.#forget(this.#loses);
    this.#loses = undefined;
  }

  #forget(loses: (topic: ClusterTopic) => boolean): void {
    for (const [key, book] of this.#books) {
      if (!loses(book.place.topic)) continue;
      book.losses++;
      for (const known of [book.acked, book.read, book.offsets]) known.clear();
      this.#history.push({ type: "cut", log: key, at: 0 });
    }
  }

  /** Checks a partition that `process` has read from its beginning to `end`. */
  readThrough(place: ClusterPlace, end: number): void {
    const book = this.#book(place);
    for (const [offset, value] of book.acked) {
      if (book.read.get(offset) === value || offset < book.trimmedTo) continue;
      throw new Violation("an acknowledged record is lost", `${labelOf(place)} ${offset}: ${value}; it ends at ${end}`);
    }
    for (const offset of book.read.keys()) {
      if (offset < end) continue;
      throw new Violation("a read record vanished", `${labelOf(place)} at ${offset}; it ends at ${end}`);
    }
    this.#history.push({ type: "read through", log: keyOf(place) });
    this.#countLost(book);
  }

  /** Counts what is gone, where Kafka allows it, too. */
  #countLost({ promised, read, trimmedTo }: Book): void {
    const there = new Set(read.values());
    for (const [value, offset] of promised) {
      if (offset < trimmedTo) continue;
      this.promised++;
      if (!there.has(value)) this.lost++;
    }
  }

  /** First anomaly that the independent check of the history finds. */
  anomaly(): Anomaly | undefined {
    return anomaliesOf(this.#history)[0];
  }
}
