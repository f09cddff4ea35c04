import { type BlockCodecs, type Crc32c, entryAt, fromUtf8, lastEntry, type Uuid } from "@samsa/base";
import { BatchCursor, type Codec, RecordCursor, type TimestampType } from "@samsa/records";
import { anomaliesOf, type Anomaly, type Operation } from "./history.ts";
import type { Struck } from "../world/decay.ts";
import { type Ending, Violation } from "./rules.ts";
import type { TopicEntry } from "./topic-ledger.ts";

/** Batch as its producer made it. */
export interface SentBatch {
  readonly values: readonly string[];
  readonly timestamps: readonly number[];
  /** Size without compression: an upper bound of its size in the log. */
  readonly bytes: number;
  /** Codec that the log must store; undefined while the settings are unconfirmed. Known on acknowledgement. */
  codec?: Codec | undefined;
  timestampType?: TimestampType | undefined;
}

/** Partition by topic id. */
export interface Place {
  readonly topicId: Uuid;
  readonly partition: number;
}

/** Partition as its clients know it. */
interface Book {
  readonly name: string;
  readonly topic: TopicEntry;
  /** All records before this offset are flushed. */
  durable: number;
  /** Highest end offset reported to any client. */
  end: number;
  /** Highest log start offset reported to any client. */
  start: number;
  /** Reported log start offsets, and when each was reported. */
  starts: { readonly start: number; readonly at: number }[];
  /** Highest offset requested by DeleteRecords; Infinity after a request for -1. */
  deleted: number;
  /** Highest log start offset at the end of any life, reported or not. */
  reached: number;
  /** Moved between directories at some time: a power cut may bring an older copy back. */
  moved: boolean;
  /** Bits of its files were flipped: answers may be incomplete. */
  rotten: boolean;
  /** Offset ranges that the damage may have cost. */
  readonly struck: Struck[];
  readonly batches: SentBatch[];
  /** All values sent, with or without an answer. */
  readonly sent: Map<string, { readonly batch: SentBatch; readonly timestamp: number }>;
  readonly acked: Map<number, string>;
  /** Values that consumers read, by offset. */
  readonly read: Map<number, string>;
  /** Timestamps of records in the log, by offset. */
  readonly times: Map<number, number>;
  /** Leader epochs of batches that were read, by last offset. */
  readonly epochs: Map<number, number>;
  /** Offset at which each value was acknowledged or read. */
  readonly places: Map<string, number>;
}

/** Fetch answer and the state when the fetch was sent. */
export interface Served extends Place {
  readonly process: string;
  readonly fetchOffset: number;
  readonly highWatermark: number;
  readonly logStartOffset: number;
  readonly records: readonly Uint8Array[];
  /** `endOf` when the fetch was sent: the high watermark must not be lower. */
  readonly since: number;
  /** `startOf` when the fetch was sent. */
  readonly startedAt: number;
  /** Receives the values read from a damaged log. */
  readonly seen?: Map<number, string>;
}

/** Result of reading a whole log. */
export interface Extent {
  readonly start: number;
  readonly end: number;
  readonly seen: ReadonlyMap<number, string>;
}

/** Clocks and codecs that a `LogLedger` needs. */
export interface LedgerTools {
  readonly crc32c: Crc32c;
  readonly codecs: BlockCodecs;
  /** Virtual time of the world. */
  readonly now: () => number;
  /** Latest value that the broker's wall clock can have shown. */
  readonly latest: () => number;
  /** True if the broker's wall clock was ever set back. */
  readonly wentBack: () => boolean;
}

/** `log.retention.hours` */
const DEFAULT_RETENTION_MS = 604_800_000;
/** Bytes by which a compressed batch may be larger than the same batch uncompressed, with its index entries. */
const SLACK = 96;

function keyOf({ topicId, partition }: Place): string {
  return `${topicId}/${partition}`;
}

/** Ledger of logs: acknowledged and served records, and the rules that follow from them. */
export class LogLedger {
  readonly history: Operation[] = [];
  readonly #books = new Map<string, Book>();
  readonly #tools: LedgerTools;
  acknowledged = 0;
  served = 0;

  constructor(tools: LedgerTools) {
    this.#tools = tools;
  }

  opened(topicId: Uuid, topic: TopicEntry): void {
    for (let partition = 0; partition < Math.max(...topic.counts); partition++) {
      const key = keyOf({ topicId, partition });
      if (this.#books.has(key)) continue;
      this.#books.set(key, {
        name: `${topic.name}-${partition} (${topicId})`,
        topic,
        durable: 0,
        end: 0,
        start: 0,
        starts: [],
        deleted: 0,
        reached: 0,
        moved: false,
        rotten: false,
        struck: [],
        batches: [],
        sent: new Map(),
        acked: new Map(),
        read: new Map(),
        times: new Map(),
        epochs: new Map(),
        places: new Map(),
      });
    }
  }

  #book(place: Place): Book {
    const book = this.#books.get(keyOf(place));
    if (book === undefined) throw new Error(`no book of ${keyOf(place)}`);
    return book;
  }

  sent(place: Place, batch: SentBatch): void {
    const book = this.#book(place);
    book.batches.push(batch);
    batch.values.forEach((value, i) => book.sent.set(value, { batch, timestamp: entryAt(batch.timestamps, i) }));
  }

  /** Lowest end offset that a request sent now may see. */
  endOf(place: Place): number {
    return this.#book(place).end;
  }

  startOf(place: Place): number {
    return this.#book(place).start;
  }

  /** Offset below which records may have been deleted, and may have come back after a crash in part. */
  deletedTo(place: Place): number {
    const { deleted, reached } = this.#book(place);
    return Math.max(deleted, reached);
  }

  moving(place: Place): void {
    this.#book(place).moved = true;
  }

  /** Forgets unflushed records of moved logs, after a power cut. */
  powerCut(): void {
    for (const [log, book] of this.#books) {
      if (!book.moved) continue;
      const { durable } = book;
      for (const known of [book.acked, book.read, book.times, book.epochs]) {
        for (const offset of known.keys()) if (offset >= durable) known.delete(offset);
      }
      for (const [value, offset] of book.places) if (offset >= durable) book.places.delete(value);
      this.history.push({ type: "cut", log, at: durable });
    }
  }

  isRotten(place: Place): boolean {
    return this.#book(place).rotten;
  }

  /** Offset at which a value was acknowledged or read. */
  placeOf(place: Place, value: string): number | undefined {
    return this.#book(place).places.get(value);
  }

  rot(struck: Struck): void {
    const { topic, partition, from, to } = struck;
    for (const book of this.#books.values()) {
      if (!book.name.startsWith(`${topic}-${partition} `)) continue;
      book.rotten = true;
      book.struck.push(struck);
      for (const known of [book.acked, book.read, book.times, book.epochs]) {
        for (const offset of known.keys()) if (offset >= from && offset < to) known.delete(offset);
      }
      if (to === Infinity) book.durable = Math.min(book.durable, from);
    }
  }

  /** Next offset for a reader that finds no intact batch at `offset`; undefined if there should be one. */
  beyondDamage(place: Place, offset: number): number | undefined {
    const ends = this.#book(place).struck.flatMap(({ from, to }) => (offset >= from && offset < to ? [to] : []));
    // Recovery has truncated a log whose damage reached its end, and later records were appended: take the nearest end.
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /**
   * Records an acknowledged batch; `since` is `endOf` when it was first sent. A late acknowledgement comes from a life
   * that has ended meanwhile, and its files may have been damaged since.
   */
  acked(
    place: Place,
    batch: SentBatch,
    ack: {
      readonly process: string;
      readonly offset: number;
      readonly since: number;
      readonly flushed: boolean;
      readonly isLate: boolean;
    },
  ): void {
    const book = this.#book(place);
    const { offset, since } = ack;
    const isStruck = (at: number): boolean =>
      book.struck.some(({ from, to, isHidden }) => (ack.isLate || isHidden) && at >= from && at < to);
    const end = offset + batch.values.length;
    if (!book.rotten && offset < since) {
      throw new Violation("the end went back", `${book.name}: an append after ${since} got ${offset}`);
    }
    batch.values.forEach((value, i) => {
      this.#place(book, offset + i, value);
      if (!isStruck(offset + i)) book.acked.set(offset + i, value);
      this.acknowledged++;
    });
    book.end = Math.max(book.end, end);
    if (ack.flushed) book.durable = Math.max(book.durable, end);
    this.history.push({ type: "send", process: ack.process, log: keyOf(place), values: batch.values, offset });
  }

  /** Checks a fetch answer; returns the next offset to fetch. */
  fetched(served: Served): number {
    const book = this.#book(served);
    const { fetchOffset, highWatermark, logStartOffset } = served;
    if (book.rotten) return this.#fetchedRotten(book, served);
    if (highWatermark < served.since) {
      throw new Violation("the end went back", `${book.name}: it was ${served.since} and is ${highWatermark}`);
    }
    book.end = Math.max(book.end, highWatermark);
    if (fetchOffset < logStartOffset) {
      throw new Violation("records before the start were served", `${book.name}: ${fetchOffset} < ${logStartOffset}`);
    }
    this.started(served, logStartOffset, served.startedAt);
    const seen: [number, string][] = [];
    let expected = -1;
    let appendTime = -1;
    for (const chunk of served.records) {
      const batch = new BatchCursor(chunk);
      let end = 0;
      while (batch.next()) {
        end = batch.end;
        if (!batch.intact(this.#tools.crc32c)) {
          throw new Violation(
            "a damaged batch was served",
            `${book.name} at ${batch.baseOffset}: its checksum is wrong`,
          );
        }
        const { baseOffset, lastOffset } = batch;
        const fits = expected < 0 && baseOffset <= fetchOffset && lastOffset >= fetchOffset;
        if (!fits && baseOffset !== expected) {
          const wanted = expected < 0 ? fetchOffset : expected;
          throw new Violation(
            "offsets have a gap",
            `${book.name}: wanted ${wanted}, got ${baseOffset} to ${lastOffset}`,
          );
        }
        if (lastOffset >= highWatermark) {
          throw new Violation("a record was made up", `${book.name}: ${lastOffset} is not below ${highWatermark}`);
        }
        if (batch.timestampType === "LogAppendTime") {
          if (batch.maxTimestamp < appendTime && !this.#tools.wentBack()) {
            throw new Violation("append times go back", `${book.name} at ${baseOffset}`);
          }
          appendTime = Number(batch.maxTimestamp);
        }
        this.#readBatch(book, batch, seen);
        expected = lastOffset + 1;
      }
      if (end !== chunk.length) {
        throw new Violation("a damaged batch was served", `${book.name}: ${chunk.length - end} bytes are no batch`);
      }
    }
    const records = seen.filter(([offset]) => offset >= fetchOffset);
    this.history.push({ type: "poll", process: served.process, log: keyOf(served), from: fetchOffset, records });
    return expected < 0 ? fetchOffset : expected;
  }

  /** Checks a fetch answer of a damaged log: records may be missing, but intact ones must be as they were sent. */
  #fetchedRotten(book: Book, served: Served): number {
    let next = served.fetchOffset;
    for (const chunk of served.records) {
      const batch = new BatchCursor(chunk);
      while (batch.next()) {
        if (!batch.intact(this.#tools.crc32c)) return next;
        const found: [number, string][] = [];
        this.#readBatch(book, batch, found);
        for (const [offset, value] of found) served.seen?.set(offset, value);
        next = Math.max(next, batch.lastOffset + 1);
      }
    }
    return next;
  }

  #readBatch(book: Book, batch: BatchCursor, seen: [number, string][]): void {
    const record = new RecordCursor().open(batch, this.#tools.codecs);
    let next = batch.baseOffset;
    book.epochs.set(batch.lastOffset, batch.leaderEpoch);
    while (record.next()) {
      if (record.offset !== next++) throw new Violation("offsets have a gap", `${book.name} in a batch at ${next - 1}`);
      const value = fromUtf8(record.value() ?? new Uint8Array(0));
      const facts = book.sent.get(value);
      if (facts === undefined) {
        const detail = `${book.name} at ${record.offset}: nobody sent ${value.slice(0, 20)}`;
        throw new Violation("a record was made up", detail);
      }
      this.#judgeForm(book, batch, facts.batch);
      if (batch.timestampType === "CreateTime" && record.timestamp !== facts.timestamp) {
        const detail = `${book.name} at ${record.offset}: its time was ${facts.timestamp} and is ${record.timestamp}`;
        throw new Violation("an offset changed its content", detail);
      }
      this.#place(book, record.offset, value);
      book.read.set(record.offset, value);
      book.times.set(record.offset, Number(record.timestamp));
      seen.push([record.offset, value]);
      this.served++;
    }
  }

  #judgeForm(book: Book, batch: BatchCursor, { codec, timestampType }: SentBatch): void {
    if (codec !== undefined && batch.codec !== codec) {
      throw new Violation("a setting is not obeyed", `${book.name}: codec ${batch.codec} instead of ${codec}`);
    }
    if (timestampType !== undefined && batch.timestampType !== timestampType) {
      throw new Violation("a setting is not obeyed", `${book.name}: ${batch.timestampType}, not ${timestampType}`);
    }
  }

  /** Checks that each value has one offset and each offset one value. */
  #place(book: Book, offset: number, value: string): void {
    if (book.rotten) return;
    const known = book.acked.get(offset) ?? book.read.get(offset);
    if (known !== undefined && known !== value) {
      throw new Violation("an offset changed its content", `${book.name} at ${offset}: was ${known}, is ${value}`);
    }
    const place = book.places.get(value);
    if (place !== undefined && place !== offset) {
      throw new Violation("a record is there twice", `${book.name}: ${value} at ${place} and at ${offset}`);
    }
    book.places.set(value, offset);
  }

  /** Records a DeleteRecords request for records before `offset`; -1 for all. */
  deleting(place: Place, offset: number): void {
    const book = this.#book(place);
    book.deleted = offset < 0 ? Infinity : Math.max(book.deleted, offset);
  }

  /** Records a reported log start offset; `since` is `startOf` when the request was sent. */
  started(place: Place, start: number, since: number): void {
    const book = this.#book(place);
    if (book.rotten) return;
    if (start < since) throw new Violation("the start went back", `${book.name}: it was ${since} and is ${start}`);
    if (start <= book.start) return;
    const { topic } = book;
    const age = Math.min(DEFAULT_RETENTION_MS, topic.lowestEver("retention.ms"));
    const size = topic.lowestEver("retention.bytes");
    for (let offset = book.start; offset < start; offset++) {
      if (offset < book.deleted) continue;
      const time = book.times.get(offset);
      const value = book.acked.get(offset) ?? book.read.get(offset);
      if (value === undefined) continue;
      // The timestamp of an unread record is unknown, so retention may have deleted it.
      const mayBeOld = this.#tools.latest() - (time ?? -Infinity) > age;
      if (!mayBeOld && this.#mostAfter(book, offset) < size) {
        throw new Violation("retention took what it should keep", `${book.name} at ${offset}; it starts at ${start}`);
      }
    }
    book.start = start;
    book.starts.push({ start, at: this.#tools.now() });
    this.history.push({ type: "trim", log: keyOf(place), to: start });
  }

  /** Upper bound of the bytes behind the record at `offset`. */
  #mostAfter(book: Book, offset: number): number {
    let bytes = 0;
    for (const batch of book.batches) {
      const place = book.places.get(lastEntry(batch.values));
      if (place === undefined || place > offset) bytes += batch.bytes + SLACK;
    }
    return bytes;
  }

  /** Yields the records read from the log at and after `start`, with their timestamps. */
  *known(place: Place, start: number): IterableIterator<{ readonly offset: number; readonly time: number }> {
    const book = this.#book(place);
    for (const [offset, time] of book.times) if (offset >= start && book.read.has(offset)) yield { offset, time };
  }

  /** Yields the leader epochs of batches read from the log, with their last offsets, at and after `start`. */
  *epochs(place: Place, start: number): IterableIterator<{ readonly offset: number; readonly epoch: number }> {
    for (const [offset, epoch] of this.#book(place).epochs) if (offset >= start) yield { offset, epoch };
  }

  /** Leader epoch of the batch that ends before `position`; -1 if it was never read. */
  epochBefore(place: Place, position: number): number {
    return this.#book(place).epochs.get(position - 1) ?? -1;
  }

  /** Checks a log that was read to its end after a restart, and forgets records that were allowed to be lost. */
  audited(place: Place, found: Extent, ending: Ending): void {
    const book = this.#book(place);
    const { start, end } = found;
    if (book.rotten) return this.#auditedRotten(book, found, ending);
    const survives = ending !== "power";
    for (const [offset, value] of book.acked) {
      if (offset < start) {
        book.acked.delete(offset);
        continue;
      }
      if (offset < end) {
        if (book.read.get(offset) === value) continue;
        throw new Violation("an acknowledged record is lost", `${book.name} ${offset}`);
      }
      if (survives || offset < book.durable) {
        const why = survives ? `a ${ending}` : "a power cut, though flushed";
        const detail = `${book.name} at ${offset}, after ${why}; it ends at ${end}`;
        throw new Violation("an acknowledged record is lost", detail);
      }
      book.acked.delete(offset);
    }
    for (const offset of book.read.keys()) {
      if (offset >= start && offset < end) continue;
      if (offset >= end && (survives || offset < book.durable)) {
        const detail = `${book.name} at ${offset} after a ${ending}; it ends at ${end}`;
        throw new Violation("a read record vanished", detail);
      }
      book.read.delete(offset);
      book.times.delete(offset);
    }
    for (const [value, offset] of book.places) if (offset >= end) book.places.delete(value);
    for (const offset of book.epochs.keys()) if (offset >= end) book.epochs.delete(offset);
    this.history.push({ type: "cut", log: keyOf(place), at: end }, { type: "read through", log: keyOf(place) });
    book.end = end;
    if (ending === "stop") book.durable = end;
  }

  /** Checks that damage costs no records outside the damaged ranges. */
  #auditedRotten(book: Book, { start, seen }: Extent, ending: Ending): void {
    for (const [offset, value] of book.acked) {
      if (offset < start || (ending === "power" && offset >= book.durable)) book.acked.delete(offset);
      else if (seen.get(offset) !== value) {
        const struck = book.struck.map(({ from, to }) => `${from} to ${to}`).join();
        const detail = `${book.name} at ${offset} after a ${ending}, though the damage is in ${struck}`;
        throw new Violation("an acknowledged record is lost", detail);
      }
    }
  }

  /** First anomaly that the independent check of the history finds, without damaged logs; else undefined. */
  anomaly(): Anomaly | undefined {
    const rotten = new Set([...this.#books].filter(([, { rotten: is }]) => is).map(([key]) => key));
    return anomaliesOf(this.history.filter(({ log }) => !rotten.has(log)))[0];
  }

  /**
   * Forgets the log start offsets reported after `settled`, at the end of a life: deleted records before them may come
   * back. `starts` are the log start offsets at the end.
   */
  forgetStarts(settled: number, starts: Iterable<readonly [place: Place, start: number]>): void {
    for (const [place, start] of starts) {
      const book = this.#books.get(keyOf(place));
      if (book !== undefined) book.reached = Math.max(book.reached, start);
    }
    for (const book of this.#books.values()) {
      book.starts = book.starts.filter(({ at }) => at <= settled);
      book.start = book.starts.at(-1)?.start ?? 0;
    }
  }
}
