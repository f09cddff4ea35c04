import { concat, crc32c, utf8, viewOf } from "@samsa/base";
import { BatchCursor, buildBatch, endTxnBatch } from "@samsa/records";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  fileName,
  IndexCache,
  KEEP_ALL,
  type IndexReader,
  type LogConfig,
  type LogEffect,
  LogScanner,
  LogState,
  OFFSET_INDEX_SUFFIX,
  readSnapshot,
  type Segment,
  SNAPSHOT_SUFFIX,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
} from "../src/index.ts";
import { tools } from "./fixture.ts";

const NO_BYTES = new Uint8Array(0);
const CONFIG: LogConfig = {
  ...KEEP_ALL,
  segmentBytes: 600,
  indexIntervalBytes: 100,
  segmentIndexBytes: 1_000_000,
  maxMessageBytes: 1_000_000,
  cleanupPolicy: new Set(["delete"]),
  deleteRetentionMs: 0,
  fileDeleteDelayMs: 0,
};

/** Files of a log, in memory. */
class Files {
  readonly all = new Map<string, Uint8Array>();

  get(name: string): Uint8Array | undefined {
    return this.all.get(name);
  }

  #resize(name: string, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    bytes.set((this.all.get(name) ?? NO_BYTES).subarray(0, size));
    this.all.set(name, bytes);
    return bytes;
  }

  perform(effects: LogEffect[]): void {
    for (const effect of effects.splice(0)) {
      switch (effect.kind) {
        case "write": {
          const size = Math.max(this.get(effect.file)?.length ?? 0, effect.position + effect.bytes.length);
          this.#resize(effect.file, size).set(effect.bytes, effect.position);
          break;
        }
        case "replace":
          this.all.set(effect.file, effect.bytes.slice());
          break;
        case "truncate":
          if ((this.get(effect.file)?.length ?? 0) > effect.size) this.#resize(effect.file, effect.size);
          break;
        case "delete":
        case "remove":
          this.all.delete(effect.file);
          break;
        case "seal":
          break;
        case "allocate":
        case "rename":
          throw new Error(`${effect.kind} is not asked for here`);
      }
    }
  }

  reader(): IndexReader {
    const beside = (segment: Segment, suffix: string) => this.get(fileName(segment.base, suffix)) ?? NO_BYTES;
    const attach = (segment: Segment): void => {
      const isRight = segment.attach(beside(segment, OFFSET_INDEX_SUFFIX), beside(segment, TIME_INDEX_SUFFIX));
      expect(isRight, "the index of a closed segment is right").toBe(true);
    };
    return {
      attach,
      measure(segment) {
        attach(segment);
        segment.firstTimestamp = 1;
      },
      txns: segment => beside(segment, TXN_INDEX_SUFFIX),
    };
  }
}

interface Batch {
  readonly first: number;
  readonly last: number;
  readonly bytes: Uint8Array;
  /** -1: none. */
  readonly producer: number;
  readonly kind: "data" | "commit" | "abort";
}

interface Txn {
  readonly producer: number;
  readonly first: number;
  /** Offset of the marker; -1 while the transaction is open. */
  last: number;
  aborted: boolean;
}

/** Producer ids from this one on are transactional. */
const TRANSACTIONAL = 2;

/** Model of a log: a list of batches, from which everything else is computed each time. */
class Model {
  batches: Batch[] = [];
  start = 0;
  end = 0;

  sequence(producer: number): number {
    const own = this.batches.filter(batch => batch.producer === producer && batch.kind === "data");
    return own.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  txns(): Txn[] {
    const all: Txn[] = [];
    for (const { producer, kind, first } of this.batches) {
      if (producer < TRANSACTIONAL) continue;
      const open = all.find(txn => txn.producer === producer && txn.last < 0);
      if (kind === "data" && open === undefined) all.push({ producer, first, last: -1, aborted: false });
      if (kind === "data" || open === undefined) continue;
      open.last = first;
      open.aborted = kind === "abort";
    }
    return all;
  }
}

/** Runs the same operations on the log and its model. */
class Pair {
  readonly files = new Files();
  readonly model = new Model();
  readonly out: LogEffect[] = [];
  state: LogState;
  highWatermark = 0;
  now = 1000;

  constructor() {
    this.state = this.#open();
    this.state.createSegment(0, this.now, this.out);
    this.files.perform(this.out);
  }

  #open(): LogState {
    // The limit is so small that indexes are read again and again.
    const cache = new IndexCache(200);
    return new LogState({ tools, config: CONFIG, draw: () => 0, cache, reader: this.files.reader() });
  }

  append(producer: number, count: number): void {
    const { state, model } = this;
    const records = Array.from({ length: count }, () => ({ timestamp: this.now++, key: null, value: utf8("value") }));
    const bytes = buildBatch(records, this.#of(producer), tools);
    const added = state.append(bytes, { origin: "client", now: this.now, leaderEpoch: 0 }, this.out);
    const last = model.end + count - 1;
    expect([added.error, added.firstOffset, added.lastOffset]).toEqual([0, model.end, last]);
    model.batches.push({ first: model.end, last, bytes: bytes.slice(), producer, kind: "data" });
    model.end += count;
  }

  #of(producer: number, skip = 0) {
    if (producer < 0) return {};
    const baseSequence = this.model.sequence(producer) + skip;
    return { producerId: BigInt(producer), producerEpoch: 0, baseSequence, transactional: producer >= TRANSACTIONAL };
  }

  /** Appends a batch that skips sequence numbers, and one that repeats the last. */
  misbehave(producer: number): void {
    const { state, model } = this;
    const request = { origin: "client", now: this.now, leaderEpoch: 0 } as const;
    const record = { timestamp: this.now, key: null, value: null };
    const known = state.producers.entries.get(BigInt(producer))?.batches.at(-1);
    if (known === undefined) return;
    const early = state.append(buildBatch([record], this.#of(producer, 3), tools), request, this.out);
    expect([early.error, state.endOffset]).toEqual([45, model.end]);
    const last = model.batches.findLast(batch => batch.producer === producer && batch.kind === "data") as Batch;
    const again = state.append(last.bytes.slice(), request, this.out);
    expect([again.error, again.duplicate, again.firstOffset, again.lastOffset]).toEqual([
      0,
      true,
      last.first,
      last.last,
    ]);
    expect(state.endOffset).toBe(model.end);
  }

  mark(producer: number, commit: boolean): void {
    const { state, model } = this;
    const marker = { producerId: BigInt(producer), producerEpoch: 0, timestamp: this.now, coordinatorEpoch: 0, commit };
    const bytes = endTxnBatch(marker, tools);
    expect(state.append(bytes, { origin: "coordinator", now: this.now, leaderEpoch: 0 }, this.out).error).toBe(0);
    const kind = commit ? "commit" : "abort";
    model.batches.push({ first: model.end, last: model.end, bytes: bytes.slice(), producer, kind });
    model.end++;
  }

  /** Truncates before the batch that is `back` from the end. */
  truncate(back: number): void {
    const { state, model } = this;
    const at = Math.max(0, model.batches.length - 1 - back);
    const cut = model.batches[at];
    if (cut === undefined || cut.first < Math.max(model.start, state.segments[0].base)) return;
    const segment = state.segmentOf(cut.first) as Segment;
    const before = model.batches.filter(({ first }) => first >= segment.base && first < cut.first);
    const position = before.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.files.perform(this.out);
    state.truncateTo(cut.first, position, this.out);
    this.files.perform(this.out);
    model.batches = model.batches.slice(0, at);
    model.end = cut.first;
    this.highWatermark = Math.min(this.highWatermark, model.end);
    this.#loadProducers(state);
  }

  /** Loads producer state from the newest decided snapshot and the batches after it. */
  #loadProducers(state: LogState): void {
    const decided = Math.min(state.endOffset, this.highWatermark);
    const from = state.snapshots.filter(offset => offset <= decided).at(-1) ?? -1;
    const snapshot = this.files.get(fileName(from, SNAPSHOT_SUFFIX));
    if (snapshot === undefined) state.producers.clear();
    else state.producers.load(readSnapshot(snapshot, crc32c), from);
    for (const segment of state.segments) this.#scan(state, segment, { rebuild: false, from: Math.max(0, from) });
    state.producers.endOffset = state.endOffset;
  }

  #scan(state: LogState, segment: Segment, { rebuild, from }: { rebuild: boolean; from: number }): LogScanner {
    const bytes = this.files.get(segment.file) ?? NO_BYTES;
    const scanner = new LogScanner({
      tools,
      segment,
      producers: state.producers,
      epochs: undefined,
      indexIntervalBytes: CONFIG.indexIntervalBytes,
      fileSize: bytes.length,
      rebuild,
      producersFrom: from,
      expected: segment.base,
    });
    for (let at = 0; at < bytes.length; at += 77) scanner.feed(bytes.subarray(at, at + 77));
    expect([scanner.fault, scanner.validBytes]).toEqual([undefined, bytes.length]);
    return scanner;
  }

  deleteRecords(back: number): void {
    const offset = Math.max(this.model.start, Math.min(this.highWatermark, this.model.end - back));
    this.state.raiseStart(offset);
    this.model.start = Math.max(this.model.start, offset);
  }

  /** Deletes segments below the log start offset, or beyond `retentionBytes`. */
  retain(retentionBytes: number): void {
    const { state, model } = this;
    state.config = { ...CONFIG, retentionBytes };
    const bases = state.segments.map(({ base }) => base);
    const count = state.expired(this.now, this.highWatermark);
    for (let i = 0; i < count; i++) expect(bases[i + 1] ?? model.end).toBeLessThanOrEqual(this.highWatermark);
    state.dropOldest(count, this.now, this.out);
    const [{ base }] = state.segments;
    expect(base).toBe(bases[count] ?? model.end);
    model.start = Math.max(model.start, base);
  }

  /** Simulates a crash: all state is rebuilt from the files. */
  reload(): void {
    this.files.perform(this.out);
    const { state: old } = this;
    const state = this.#open();
    for (const { base, file } of old.segments) {
      state.openSegment(base, this.files.get(file)?.length ?? 0, { created: 0, modified: 0 });
    }
    state.snapshots = [...old.snapshots];
    state.producers.snapshotOffset = old.snapshots.at(-1) ?? -1;
    const from = state.segments[0].base;
    const snapshot = this.files.get(fileName(from, SNAPSHOT_SUFFIX));
    if (snapshot !== undefined) state.producers.load(readSnapshot(snapshot, crc32c), from);
    for (const segment of state.segments) {
      for (const suffix of [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX]) {
        this.files.all.delete(fileName(segment.base, suffix));
      }
      state.endOffset = this.#scan(state, segment, { rebuild: true, from }).nextOffset;
      segment.writeIndexes(true, this.out);
    }
    state.startOffset = this.model.start;
    state.producers.endOffset = state.endOffset;
    this.state = state;
    this.files.perform(this.out);
  }

  check(): void {
    const { state, model, files } = this;
    files.perform(this.out);
    expect([state.startOffset, state.endOffset]).toEqual([model.start, model.end]);
    this.#checkFiles();
    for (const { producerId, batches, txnFirstOffset } of state.producers.entries.values()) {
      const producer = Number(producerId);
      const last = model.batches.findLast(batch => batch.producer === producer && batch.kind === "data");
      expect(batches.at(-1)?.lastOffset ?? -1, `producer ${producer}`).toBe(last?.last ?? -1);
      const open = model.txns().find(txn => txn.producer === producer && txn.last < 0);
      expect(txnFirstOffset).toBe(open?.first ?? -1);
    }
    this.#checkTxns();
  }

  #checkFiles(): void {
    const { state, model, files } = this;
    const { segments } = state;
    const held = concat(segments.map(({ file }) => files.get(file) ?? NO_BYTES));
    const kept = model.batches.filter(({ first }) => first >= segments[0].base);
    expect(held.length).toBe(kept.reduce((sum, { bytes }) => sum + bytes.length, 0));
    const batch = new BatchCursor(held);
    for (const { first, last } of kept) {
      expect(batch.next()).toBe(true);
      expect([batch.baseOffset, batch.lastOffset, batch.intact(crc32c)]).toEqual([first, last, true]);
      // The index points to the batch or to an earlier one.
      const segment = state.segmentOf(first) as Segment;
      const position = state.loaded(segment).ready().offsets.lookup(first);
      const bytes = files.get(segment.file) ?? NO_BYTES;
      expect(Number(viewOf(bytes).getBigInt64(position))).toBeLessThanOrEqual(first);
    }
    const ends = [...segments.slice(1).map(({ base }) => base), model.end];
    segments.forEach((segment, i) => {
      const own = kept.filter(({ first }) => first >= segment.base && first < ends[i]);
      expect(own.at(-1)?.last ?? segment.base - 1, "segments meet").toBe(ends[i] - 1);
    });
  }

  #checkTxns(): void {
    const { state, model } = this;
    const txns = model.txns();
    const undecided = txns.filter(({ last }) => last < 0 || last >= this.highWatermark);
    expect(state.producers.firstUndecided(this.highWatermark)).toBe(undecided[0]?.first ?? -1);
    const [{ base }] = state.segments;
    for (let from = model.start; from < model.end; from += 3) {
      const upTo = Math.min(model.end, from + 5);
      const found = state
        .abortedIn(from, upTo)
        .map(({ producerId, firstOffset, lastOffset }) => [Number(producerId), firstOffset, lastOffset]);
      const wanted = txns
        .filter(({ aborted, first, last }) => aborted && last >= Math.max(base, from) && first < upTo)
        .sort((a, b) => a.last - b.last)
        .map(({ producer, first, last }) => [producer, first, last]);
      expect(found, `aborted in [${from}, ${upTo})`).toEqual(wanted);
    }
  }
}

type Step = (pair: Pair) => void;

const producer = fc.integer({ min: -1, max: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.tuple(producer, fc.integer({ min: 1, max: 3 })).map(
      ([id, count]): Step =>
        pair =>
          pair.append(id, count),
    ),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(fc.integer({ min: TRANSACTIONAL, max: 4 }), fc.boolean()).map(
      ([id, commit]): Step =>
        pair =>
          pair.mark(id, commit),
    ),
  },
  {
    weight: 2,
    arbitrary: producer.map(
      (id): Step =>
        pair =>
          pair.misbehave(id),
    ),
  },
  { weight: 2, arbitrary: fc.constant<Step>(pair => pair.state.roll(pair.now, pair.out)) },
  {
    weight: 1,
    arbitrary: fc.nat(12).map(
      (back): Step =>
        pair =>
          pair.truncate(back),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(12).map(
      (back): Step =>
        pair =>
          pair.deleteRecords(back),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(-1, 0, 500, 1500).map(
      (most): Step =>
        pair =>
          pair.retain(most),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Step>(pair => pair.reload()) },
  {
    weight: 3,
    arbitrary: fc.nat(6).map(
      (back): Step =>
        pair => {
          pair.highWatermark = Math.max(pair.highWatermark, pair.model.end - back);
        },
    ),
  },
);

test("a log is a list of batches, whatever happens to it", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: "max" }), steps => {
      const pair = new Pair();
      for (const next of steps) {
        next(pair);
        pair.check();
      }
    }),
    { numRuns: 200 },
  );
});
