import { crc32c, sipHash128, utf8 } from "@samsa/base";
import { BatchBuilder, BatchCursor, defaultCompression, endTxnBatch, RecordCursor } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AbortedTxn, BatchFilter, mapKeys, OffsetMap, PassingTxns, type ProducerEntry } from "../src/index.ts";
import { tools } from "./fixture.ts";

const digest = sipHash128(new Uint8Array(16));
const RETENTION = 10;
/** Offset of the first record: far above 2^32. */
const BASE = 2 ** 40 + 3;
/** Producer ids from this one on are transactional. */
const TRANSACTIONAL = 2;

interface Kept {
  readonly offset: number;
  /** null: a record without a key. */
  readonly key: string | null;
  /** null: a tombstone. */
  readonly value: string | null;
}

interface Txn {
  readonly producer: number;
  readonly first: number;
  /** Offset of the marker; -1: it is open. */
  last: number;
  aborted: boolean;
}

/** Batch of the model: the records that are left of it. */
interface Batch {
  readonly first: number;
  readonly last: number;
  readonly producer: number;
  readonly kind: "data" | "marker";
  readonly txn: Txn | undefined;
  records: Kept[];
  /** True if the marker's record is gone. */
  isEmpty: boolean;
  horizon: number | undefined;
  bytes: Uint8Array;
}

type Step =
  | { readonly kind: "data"; readonly producer: number; readonly keys: readonly Kept[]; readonly codec: 0 | 1 }
  | { readonly kind: "mark"; readonly producer: number; readonly commit: boolean }
  | { readonly kind: "gap" }
  | {
      readonly kind: "compact";
      readonly later: number;
      readonly slots: number;
      readonly back: number;
      readonly end: number;
      /** Number of records that are not mapped, because the log starts after them. */
      readonly skip: number;
    };

const producer = fc.constantFrom(-1, -1, -1, 0, 1, 2, 3, 4);
const record = fc.record({
  offset: fc.constant(0),
  key: fc.oneof({ weight: 4, arbitrary: fc.constantFrom("a", "b", "c", "d", "e") }, fc.constant(null)),
  value: fc.oneof({ weight: 2, arbitrary: fc.constantFrom("v", "w") }, fc.constant(null)),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("data" as const),
      producer,
      keys: fc.array(record, { minLength: 1, maxLength: 4 }),
      codec: fc.constantFrom(0 as const, 1 as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("mark" as const),
      producer: fc.integer({ min: TRANSACTIONAL, max: 4 }),
      commit: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "gap" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("compact" as const),
      later: fc.integer({ min: 0, max: RETENTION + 2 }),
      slots: fc.constantFrom(2, 4, 100),
      back: fc.nat(6),
      end: fc.constantFrom(0, 0, 0, 1, 2, 3),
      skip: fc.constantFrom(0, 0, 0, 1, 2),
    }),
  },
);

/** The log start moves beyond a value and its tombstone, of which compaction later removes the tombstone only. */
const DELETED: Step[] = [
  {
    kind: "data",
    producer: -1,
    keys: [
      { offset: 0, key: "b", value: "v" },
      { offset: 0, key: "b", value: null },
      { offset: 0, key: "a", value: "v" },
    ],
    codec: 0,
  },
  { kind: "compact", later: 0, slots: 2, back: 0, end: 0, skip: 2 },
  { kind: "mark", producer: 2, commit: false },
  { kind: "compact", later: RETENTION, slots: 2, back: 0, end: 0, skip: 0 },
];

class Pair {
  batches: Batch[] = [];
  readonly all: (Kept & { readonly txn: Txn | undefined })[] = [];
  readonly txns: Txn[] = [];
  /** Aborted transactions that the index of the compacted log has. */
  index: AbortedTxn[] = [];
  readonly producers = new Map<bigint, ProducerEntry>();
  end = BASE;
  now = 1000;
  cleanedTo = BASE;
  /** Log start offset. */
  start = BASE;

  #open(producer: number): Txn | undefined {
    return this.txns.find(txn => txn.producer === producer && txn.last < 0);
  }

  #note(producer: number, last: number | undefined): void {
    if (producer < 0) return;
    const rest = { producerId: BigInt(producer), epoch: 0, coordinatorEpoch: 0, lastTimestamp: 0, txnFirstOffset: -1 };
    const batches = this.producers.get(rest.producerId)?.batches ?? [];
    const batch = { lastSequence: 0, lastOffset: last ?? -1, offsetDelta: 0, timestamp: 0 };
    this.producers.set(rest.producerId, { ...rest, batches: last === undefined ? batches : [batch] });
  }

  data({ producer, keys, codec }: Step & { kind: "data" }): void {
    const transactional = producer >= TRANSACTIONAL;
    const first = this.end;
    let txn = this.#open(producer);
    if (transactional && txn === undefined) {
      txn = { producer, first, last: -1, aborted: false };
      this.txns.push(txn);
    }
    const of = producer < 0 ? {} : { producerId: BigInt(producer), producerEpoch: 0, baseSequence: 0 };
    const compression = defaultCompression(codec);
    const builder = new BatchBuilder({ baseOffset: first, leaderEpoch: 3, compression, transactional, ...of }, tools);
    const records = keys.map(({ key, value }) => ({ key, value, offset: this.end++ }));
    for (const { key, value, offset } of records) {
      builder.append({
        timestamp: offset - BASE,
        key: key === null ? null : utf8(key),
        value: value === null ? null : utf8(value),
        headers: [{ key: "h", value: utf8(`${offset}`) }],
      });
    }
    const last = this.end - 1;
    this.#note(producer, last);
    for (const each of records) this.all.push({ ...each, txn });
    const bytes = builder.build();
    this.batches.push({
      first,
      last,
      producer,
      kind: "data",
      txn,
      records,
      isEmpty: false,
      horizon: undefined,
      bytes,
    });
  }

  mark({ producer, commit }: Step & { kind: "mark" }): void {
    const txn = this.#open(producer);
    const first = this.end++;
    const marker = { producerId: BigInt(producer), producerEpoch: 0, timestamp: 5, coordinatorEpoch: 0, commit };
    const bytes = endTxnBatch(marker, tools);
    new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, BigInt(first));
    this.#note(producer, undefined);
    if (txn !== undefined) {
      txn.last = first;
      txn.aborted = !commit;
    }
    if (txn?.aborted === true) {
      const open = this.txns.filter(({ last }) => last < 0).map(other => other.first);
      const lastStableOffset = Math.min(first + 1, ...open);
      this.index.push({ producerId: BigInt(producer), firstOffset: txn.first, lastOffset: first, lastStableOffset });
    }
    this.batches.push({
      first,
      last: first,
      producer,
      kind: "marker",
      txn,
      records: [],
      isEmpty: false,
      horizon: undefined,
      bytes,
    });
  }

  /** Compacts the decided batches, but for the `end` newest. */
  compact({ later, slots, back, end, skip }: Step & { kind: "compact" }): void {
    this.now += later;
    const stable = Math.min(this.end, ...this.txns.filter(({ last }) => last < 0).map(({ first }) => first));
    const decided = this.batches.filter(({ last }) => last < stable);
    const range = decided.slice(0, Math.max(0, decided.length - end));
    const from = Math.min(this.cleanedTo + skip, this.end);
    if (skip > 0) this.start = from;
    const map = this.#map(range, { from, slots, back });
    this.cleanedTo = Math.max(this.cleanedTo, map.latestOffset + 1);
    const txns = new PassingTxns(tools);
    // Segments name the transactions that overlap them: some are named twice.
    const half = range[range.length >> 1]?.first ?? 0;
    txns.add(this.index.filter(({ firstOffset }) => firstOffset < half));
    const retained: AbortedTxn[] = [];
    const filter = new BatchFilter({
      map,
      txns,
      producers: this.producers,
      highWatermark: this.end,
      deleteRetentionMs: RETENTION,
      now: this.now,
      tools,
      retained: txn => retained.push(txn),
    });
    const left: Batch[] = [];
    const passed = new Set(range.flatMap(({ kind, txn }) => (kind === "data" && txn !== undefined ? [txn] : [])));
    const cursor = new BatchCursor();
    for (const batch of range) {
      if (batch.first === half) txns.add(this.index.filter(({ lastOffset }) => lastOffset >= half));
      cursor.reset(batch.bytes).next();
      const bytes = filter.filter(cursor);
      const wanted = this.#filtered(batch, map, passed);
      expect(bytes !== undefined, `the batch at ${batch.first - BASE} stays`).toBe(wanted !== undefined);
      if (bytes === undefined || wanted === undefined) continue;
      wanted.bytes = bytes.slice();
      checkBatch(wanted, batch);
      left.push(wanted);
    }
    const wanted = this.index.filter(
      ({ lastOffset }) =>
        range.some(({ first }) => first === lastOffset) && [...passed].some(({ last }) => last === lastOffset),
    );
    expect(retained, "aborted transactions that stay in the index").toEqual(wanted);
    const cut = range.at(-1)?.last ?? -1;
    this.index = [...wanted, ...this.index.filter(({ lastOffset }) => lastOffset > cut)];
    this.batches = [...left, ...this.batches.slice(range.length)];
  }

  /** Fills the map from the batch of the first dirty offset, or one of those before it, as far as there is room. */
  #map(range: readonly Batch[], { from, slots, back }: { from: number; slots: number; back: number }): OffsetMap {
    const map = new OffsetMap(slots * 24, 1, digest);
    const txns = new PassingTxns(tools);
    const dirty = range.findIndex(({ last }) => last >= from);
    if (dirty < 0) return map;
    const begin = Math.max(0, dirty - back);
    txns.add(this.index.filter(({ lastOffset }) => lastOffset >= range[begin].first));
    const model = new Map<string, number>();
    let latest = -1;
    const cursor = new BatchCursor();
    for (const batch of range.slice(begin)) {
      cursor.reset(batch.bytes).next();
      const keys = batch.txn?.aborted === true || batch.last < from ? [] : batch.records;
      const fresh = keys.filter(({ key, offset }) => key !== null && offset >= from);
      const known = new Set([...model.keys(), ...fresh.map(({ key }) => key)]);
      const fits = known.size <= Math.max(1, slots - 1);
      expect(mapKeys(cursor, from, map, txns, tools), "the map has room").toBe(fits);
      if (!fits) break;
      for (const { key, offset } of fresh) model.set(key as string, offset);
      if (batch.last >= from) latest = batch.last;
    }
    expect(map.latestOffset).toBe(latest);
    // A batch that does not fit leaves some of its keys.
    for (const [key, offset] of model) expect(map.get(utf8(key))).toBeGreaterThanOrEqual(offset);
    if (latest === range.at(-1)?.last) {
      expect([map.size, ...[...model.keys()].map(key => map.get(utf8(key)))]).toEqual([model.size, ...model.values()]);
    }
    return map;
  }

  /** Rest of a batch that the rules leave; undefined: none. */
  #filtered(batch: Batch, map: OffsetMap, passed: ReadonlySet<Txn>): Batch | undefined {
    if (batch.last > map.latestOffset) return { ...batch };
    const own = this.producers.get(BigInt(batch.producer));
    const last = own?.batches.at(-1);
    const isLast = own !== undefined && (last === undefined ? batch.kind === "marker" : last.lastOffset === batch.last);
    const stays = isLast || batch.last + 1 === this.end;
    const isUnneeded = batch.kind === "marker" && (batch.isEmpty || batch.txn === undefined || !passed.has(batch.txn));
    if (batch.kind === "marker") {
      const isOver = isUnneeded && batch.horizon !== undefined && batch.horizon <= this.now;
      if (!isOver && !batch.isEmpty) {
        return { ...batch, horizon: batch.horizon ?? (isUnneeded ? this.now + RETENTION : undefined) };
      }
      return stays ? { ...batch, isEmpty: true, horizon: undefined } : undefined;
    }
    const isGone = ({ key, value, offset }: Kept): boolean =>
      key === null ||
      offset < map.get(utf8(key)) ||
      (value === null && batch.horizon !== undefined && batch.horizon <= this.now);
    const records = batch.txn?.aborted === true ? [] : batch.records.filter(each => !isGone(each));
    if (records.length === 0) return stays ? { ...batch, records, horizon: undefined } : undefined;
    const begins = batch.horizon === undefined && records.some(({ value }) => value === null);
    return { ...batch, records, horizon: begins ? this.now + RETENTION : batch.horizon };
  }

  /**
   * Readers of committed records find the last value of each key from the log start on, as if nothing had been compacted:
   * before it, a value may outlast the tombstone that follows it.
   */
  checkValues(): void {
    const lasts = (records: readonly (Kept & { readonly txn: Txn | undefined })[]): Map<string, string | null> => {
      const values = new Map<string, string | null>();
      for (const { key, value, offset, txn } of records) {
        if (offset < this.start || key === null || (txn !== undefined && (txn.last < 0 || txn.aborted))) continue;
        values.set(key, value);
      }
      return new Map([...values].filter(([, value]) => value !== null));
    };
    const left = this.batches.flatMap(({ records, txn }) => records.map(each => ({ ...each, txn })));
    expect(lasts(left)).toEqual(lasts(this.all));
    for (const [i, { first }] of this.batches.entries()) {
      if (i > 0) expect(first, "offsets grow").toBeGreaterThan(this.batches[i - 1].last);
    }
  }
}

/** Compares the bytes of a batch with the model's batch; `before`: the batch that was compacted. */
function checkBatch(wanted: Batch, before: Batch): void {
  const batch = new BatchCursor(wanted.bytes);
  expect([batch.next(), batch.end, batch.intact(crc32c)]).toEqual([true, wanted.bytes.length, true]);
  const old = new BatchCursor(before.bytes);
  old.next();
  for (const field of [
    "baseOffset",
    "lastOffset",
    "leaderEpoch",
    "producerId",
    "producerEpoch",
    "baseSequence",
    "isTransactional",
    "isControl",
    "timestampType",
  ] as const) {
    expect(batch[field], field).toBe(old[field]);
  }
  const isEmpty = wanted.kind === "marker" ? wanted.isEmpty : wanted.records.length === 0;
  if (isEmpty) expect([batch.count, batch.codec, batch.maxTimestamp]).toEqual([0, 0, old.maxTimestamp]);
  expect(batch.hasDeleteHorizon ? batch.baseTimestamp : undefined, "horizon").toBe(wanted.horizon);
  const record = new RecordCursor().open(batch, tools.codecs);
  const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : new TextDecoder().decode(bytes));
  if (wanted.kind === "marker") {
    expect(batch.count).toBe(wanted.isEmpty ? 0 : 1);
    if (record.next()) expect(record.timestamp).toBe(5);
    return;
  }
  if (!isEmpty) expect(batch.codec).toBe(old.codec);
  for (const { offset, key, value } of wanted.records) {
    expect(record.next()).toBe(true);
    expect([record.offset, text(record.key()), text(record.value())]).toEqual([offset, key, value]);
    expect([record.timestamp, record.headers()]).toEqual([offset - BASE, [{ key: "h", value: utf8(`${offset}`) }]]);
  }
  expect(record.next(), "no more records").toBe(false);
  if (wanted.records.length > 0) {
    expect(batch.maxTimestamp).toBe(
      batch.count === old.count ? old.maxTimestamp : (wanted.records.at(-1) as Kept).offset - BASE,
    );
  }
}

describe("compaction", () => {
  test("keeps the last value of each key, and what producers and transactions need", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), steps => {
        const pair = new Pair();
        for (const next of steps) {
          if (next.kind === "data") pair.data(next);
          else if (next.kind === "mark") pair.mark(next);
          else if (next.kind === "gap") pair.end += 2 ** 33;
          else pair.compact(next);
          pair.checkValues();
        }
      }),
      { numRuns: 200, examples: [[DELETED]] },
    );
  });

  test("leaves one record per key in the end, and no tombstone, idle marker or aborted record", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: "max" }), steps => {
        const pair = new Pair();
        for (const next of steps) {
          if (next.kind === "data") pair.data(next);
          else if (next.kind === "mark") pair.mark(next);
        }
        for (let id = TRANSACTIONAL; id <= 4; id++) pair.mark({ kind: "mark", producer: id, commit: id % 2 === 0 });
        // The producers are forgotten, and another batch has taken the place at the high watermark.
        const whole = { kind: "compact", later: RETENTION + 1, slots: 100, back: 100, end: 1, skip: 0 } as const;
        for (let pass = 0; pass < 4; pass++) {
          pair.data({ kind: "data", producer: -1, keys: [{ offset: 0, key: "end", value: "v" }], codec: 0 });
          pair.producers.clear();
          pair.compact(whole);
        }
        const left = pair.batches.slice(0, -1);
        const live = new Set(left.flatMap(({ kind, txn }) => (kind === "data" && txn !== undefined ? [txn] : [])));
        const needed = ({ txn }: Batch): boolean => txn !== undefined && live.has(txn);
        expect(left.filter(batch => batch.kind === "marker" && !needed(batch))).toEqual([]);
        expect(left.filter(({ txn }) => txn?.aborted === true)).toEqual([]);
        const keys = left.flatMap(({ records }) => records.map(({ key }) => key));
        expect(keys.filter((key, i) => keys.indexOf(key) !== i && key !== "end")).toEqual([]);
        expect(left.flatMap(({ records }) => records).filter(({ value }) => value === null)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
