import { crc32c } from "@samsa/base";
import { buildBatch, endTxnBatch, NO_SEQUENCE } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type LogEffect, type LogState, readSnapshot, writeSnapshot } from "../src/index.ts";
import { openState, tools } from "./fixture.ts";

const LAST_SEQUENCE = 0x7fffffff;
const EXPIRATION = 50;

/** Batch that a producer has written in its current epoch. */
interface Written {
  readonly sequences: readonly number[];
  readonly first: number;
  readonly last: number;
}

/** All that the log knows of a producer. */
interface Producer {
  epoch: number;
  coordinatorEpoch: number;
  /** Batches of the epoch; a snapshot keeps the last. */
  written: Written[];
  txnFirst: number;
  lastTimestamp: number;
}

interface Txn {
  readonly producer: number;
  readonly first: number;
  /** -1: it is open. */
  last: number;
}

type Step =
  | {
      readonly kind: "data";
      readonly producer: number;
      /** Added to the known epoch. */
      readonly bump: number;
      /** Added to the expected sequence number; undefined: the sequence begins at 0. */
      readonly skip: number | undefined;
      readonly count: number;
      readonly transactional: boolean;
      readonly origin: "client" | "coordinator" | "replication";
    }
  | {
      readonly kind: "mark";
      readonly producer: number;
      readonly bump: number;
      readonly coordinator: number;
      readonly version: number;
      readonly commit: boolean;
    }
  | { readonly kind: "repeat"; readonly producer: number; readonly back: number }
  | { readonly kind: "expire" | "look"; readonly by: number }
  | { readonly kind: "restart" };

const producer = fc.nat(3);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("data" as const),
      producer,
      bump: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 1, -1, 30_000),
      skip: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, -1, 7, undefined),
      count: fc.integer({ min: 1, max: 4 }),
      transactional: fc.boolean(),
      origin: fc.constantFrom("client", "client", "client", "client", "coordinator", "replication"),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("mark" as const),
      producer,
      bump: fc.constantFrom(0, 0, 1, 1, -1),
      coordinator: fc.constantFrom(0, 0, 0, 1, -1),
      version: fc.constantFrom(0, 1, 2),
      commit: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("repeat" as const), producer, back: fc.nat(7) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("expire" as const, "look" as const), by: fc.nat(EXPIRATION) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
);

/** Sequence number `count` after `sequence`; they begin anew at 0 after 2^31 - 1. */
function after(sequence: number, count: number): number {
  let next = sequence;
  for (let i = 0; i < Math.abs(count); i++) {
    if (count > 0) next = next === LAST_SEQUENCE ? 0 : next + 1;
    else next = next === 0 ? LAST_SEQUENCE : next - 1;
  }
  return next;
}

/** First of a producer's last five batches that has these sequence numbers: a follower may hold several. */
function recent({ written }: Producer, sequences: readonly number[]): Written | undefined {
  return written.slice(-5).find(old => old.sequences[0] === sequences[0] && old.sequences.at(-1) === sequences.at(-1));
}

class Pair {
  readonly state: LogState;
  readonly out: LogEffect[] = [];
  producers = new Map<number, Producer>();
  txns: Txn[] = [];
  end = 0;
  now = 1000;
  highWatermark = 0;
  readonly firstSequence: number;

  constructor(firstSequence: number) {
    this.firstSequence = firstSequence;
    this.state = openState();
    this.state.createSegment(0, this.now, this.out);
  }

  run(step: Step): void {
    this.now++;
    switch (step.kind) {
      case "data":
        return this.data(step);
      case "mark":
        return this.mark(step);
      case "repeat": {
        const known = this.producers.get(step.producer);
        const batch = known?.written.at(-1 - step.back);
        if (known === undefined || batch === undefined || batch.sequences[0] === NO_SEQUENCE) return;
        const first = recent(known, batch.sequences);
        // Batches without numbers let any sequence begin anew at 0.
        if (first === undefined && batch.sequences[0] === this.nextSequence(known, known.epoch)) return;
        const added = this.append(step.producer, known.epoch, { batch, transactional: known.txnFirst >= 0 });
        if (first === undefined) expect(added.error, "forgotten").toBe(45);
        else
          expect(added).toMatchObject({ error: 0, duplicate: true, firstOffset: first.first, lastOffset: first.last });
        return;
      }
      case "expire":
        return this.expire(step.by);
      case "look":
        this.highWatermark = Math.max(this.highWatermark, this.end - (step.by % 5));
        return;
      case "restart":
        this.restart();
    }
  }

  append(
    id: number,
    producerEpoch: number,
    {
      batch,
      transactional,
      origin = "client",
    }: { batch: Pick<Written, "sequences">; transactional: boolean; origin?: "client" | "coordinator" | "replication" },
  ) {
    const records = batch.sequences.map(() => ({ timestamp: this.now, key: null, value: null }));
    const options = { producerId: BigInt(id), producerEpoch, baseSequence: batch.sequences[0], transactional };
    return this.state.append(buildBatch(records, options, tools), { origin, now: this.now, leaderEpoch: 0 }, this.out);
  }

  nextSequence(known: Producer | undefined, epoch: number): number {
    if (known === undefined) return this.firstSequence;
    const last = known.written.at(-1)?.sequences.at(-1) ?? NO_SEQUENCE;
    return last === NO_SEQUENCE || epoch !== known.epoch ? 0 : after(last, 1);
  }

  data({ producer: id, bump, skip, count, transactional, origin }: Step & { kind: "data" }): void {
    const known = this.producers.get(id);
    const epoch = Math.min(32767, Math.max(0, (known?.epoch ?? 0) + bump));
    const next = this.nextSequence(known, epoch);
    const first = origin === "coordinator" ? NO_SEQUENCE : skip === undefined ? 0 : after(next, skip);
    const sequences = Array.from({ length: count }, (_, i) => (first === NO_SEQUENCE ? first : after(first, i)));
    const isRepeat = known?.epoch === epoch && recent(known, sequences) !== undefined;
    if (isRepeat && origin === "client") return;
    let error = 0;
    if (known !== undefined && origin !== "replication") {
      if (epoch < known.epoch) error = 47;
      else if (origin === "client" && first !== next) error = 45;
      else if (known.txnFirst >= 0 && !transactional) error = 48;
    }
    const added = this.append(id, epoch, { batch: { sequences }, transactional, origin });
    expect([added.error, added.duplicate], "data").toEqual([error, false]);
    if (error !== 0) return;
    const entry = this.entry(id, epoch);
    entry.written.push({ sequences, first: this.end, last: this.end + count - 1 });
    entry.lastTimestamp = this.now;
    if (transactional && entry.txnFirst < 0) {
      entry.txnFirst = this.end;
      this.txns.push({ producer: id, first: this.end, last: -1 });
    }
    this.end += count;
  }

  mark({ producer: id, bump, coordinator, version, commit }: Step & { kind: "mark" }): void {
    const known = this.producers.get(id);
    const epoch = Math.min(32767, Math.max(0, (known?.epoch ?? 0) + bump));
    const coordinatorEpoch = Math.max(0, (known?.coordinatorEpoch ?? 0) + coordinator);
    const marker = { producerId: BigInt(id), producerEpoch: epoch, timestamp: this.now, coordinatorEpoch, commit };
    let error = 0;
    if (known !== undefined) {
      // Version 2 ends a transaction in a new epoch, but a marker may be repeated.
      const isRepeat = epoch === known.epoch && (known.txnFirst < 0 || epoch === 32767);
      if (epoch < known.epoch || (version === 2 && epoch === known.epoch && !isRepeat)) error = 47;
      else if (coordinatorEpoch < known.coordinatorEpoch) error = 52;
    }
    const request = { origin: "coordinator", now: this.now, leaderEpoch: 0, transactionVersion: version } as const;
    expect(this.state.append(endTxnBatch(marker, tools), request, this.out).error, "marker").toBe(error);
    if (error !== 0) return;
    const entry = this.entry(id, epoch);
    entry.coordinatorEpoch = coordinatorEpoch;
    entry.lastTimestamp = this.now;
    entry.txnFirst = -1;
    const open = this.txns.find(txn => txn.producer === id && txn.last < 0);
    if (open !== undefined) open.last = this.end;
    this.end++;
  }

  entry(id: number, epoch: number): Producer {
    let known = this.producers.get(id);
    if (known === undefined) {
      known = { epoch, coordinatorEpoch: -1, written: [], txnFirst: -1, lastTimestamp: -1 };
      this.producers.set(id, known);
    }
    if (known.epoch !== epoch) known.written = [];
    known.epoch = epoch;
    return known;
  }

  expire(by: number): void {
    this.now += by;
    const gone = [...this.producers].filter(
      ([, { txnFirst, lastTimestamp }]) => txnFirst < 0 && this.now - lastTimestamp >= EXPIRATION,
    );
    for (const [id] of gone) this.producers.delete(id);
    expect(this.state.producers.expire(this.now, EXPIRATION)).toBe(gone.length);
  }

  /** Writes a snapshot and loads it: of each producer, the last batch remains. */
  restart(): void {
    const bytes = writeSnapshot(this.state.producers.entries.values(), crc32c);
    this.state.producers.load(readSnapshot(bytes, crc32c), this.end);
    for (const entry of this.producers.values()) entry.written.splice(0, entry.written.length - 1);
    // Whoever loads a snapshot applies all decided batches first.
    this.txns = this.txns.filter(({ last }) => last < 0);
    expect(writeSnapshot(this.state.producers.entries.values(), crc32c)).toEqual(bytes);
  }

  check(): void {
    const { producers } = this.state;
    expect([this.state.endOffset, producers.endOffset]).toEqual([this.end, this.end]);
    const found = [...producers.entries.values()].map(entry => ({
      id: Number(entry.producerId),
      epoch: entry.epoch,
      coordinatorEpoch: entry.coordinatorEpoch,
      txnFirst: entry.txnFirstOffset,
      lastTimestamp: entry.lastTimestamp,
      batches: entry.batches.map(({ lastOffset, offsetDelta, lastSequence }) => [
        lastOffset - offsetDelta,
        lastOffset,
        lastSequence,
      ]),
    }));
    const wanted = [...this.producers].map(([id, { written, ...entry }]) => ({
      id,
      ...entry,
      batches: written.slice(-5).map(({ first, last, sequences }) => [first, last, sequences.at(-1)]),
    }));
    expect(found.sort((a, b) => a.id - b.id)).toEqual(wanted.sort((a, b) => a.id - b.id));
    const open = this.txns.filter(({ last }) => last < 0);
    const undecided = this.txns.filter(({ last }) => last < 0 || last >= this.highWatermark);
    expect(producers.firstOpenOffset).toBe(open[0]?.first ?? -1);
    expect(producers.firstUndecided(this.highWatermark)).toBe(undecided[0]?.first ?? -1);
    expect(producers.undecided.kept).toBeLessThan(100);
  }
}

describe("producers", () => {
  test("are what the history of their batches and markers says", () => {
    const firsts = fc.constantFrom(0, 17, LAST_SEQUENCE - 3, LAST_SEQUENCE);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: "max" }), firsts, (steps, firstSequence) => {
        const pair = new Pair(firstSequence);
        for (const next of steps) {
          pair.run(next);
          pair.check();
        }
      }),
      { numRuns: 150 },
    );
  });

  test("come back from a snapshot with all numbers of their width, and no damaged snapshot is taken", () => {
    const int64 = fc.constantFrom(-1, 0, 2 ** 31, 2 ** 53 - 1);
    const entry = fc.record({
      producerId: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      epoch: fc.integer({ min: 0, max: 32767 }),
      coordinatorEpoch: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
      lastTimestamp: int64,
      txnFirstOffset: int64,
      batch: fc.option(
        fc.record({
          lastSequence: fc.integer({ min: -1, max: LAST_SEQUENCE }),
          lastOffset: fc.constantFrom(0, 2 ** 32, 2 ** 53 - 1),
          offsetDelta: fc.nat(LAST_SEQUENCE),
        }),
      ),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (all, at, flip) => {
        const entries = all.map(({ batch, ...rest }) => ({
          ...rest,
          batches: batch === null ? [] : [{ ...batch, timestamp: rest.lastTimestamp }],
        }));
        const bytes = writeSnapshot(entries, crc32c);
        expect(readSnapshot(bytes, crc32c)).toEqual(entries);
        const place = at % bytes.length;
        expect(() => readSnapshot(bytes.with(place, bytes[place] ^ flip), crc32c)).toThrow();
        expect(() => readSnapshot(bytes.subarray(0, place), crc32c)).toThrow();
      }),
    );
  });

  test("of which no batch is left are written as Kafka reads them", () => {
    const rest = { producerId: 5n, epoch: 3, coordinatorEpoch: 2, lastTimestamp: 9, txnFirstOffset: -1 };
    const bytes = writeSnapshot([{ ...rest, batches: [] }], crc32c);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    expect([view.getInt16(0), view.getInt32(6), view.getBigInt64(10), view.getInt16(18)]).toEqual([1, 1, 5n, 3]);
    // The last sequence, the last offset and the offset delta are those of no batch.
    expect([view.getInt32(20), view.getBigInt64(24), view.getInt32(32)]).toEqual([-1, -1n, 0]);
    expect([view.getBigInt64(36), view.getInt32(44), view.getBigInt64(48)]).toEqual([9n, 2, -1n]);
    expect(bytes.length).toBe(56);
  });
});
