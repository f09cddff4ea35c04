import type { Int64 } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AbortedTxn, fitsIndex, OffsetIndex, TimeIndex, TxnIndex } from "../src/index.ts";

/** Base offsets at which sums in 32 bits, or with rounding, go wrong. */
const bases = fc.constantFrom(0, 7, 2 ** 31 - 1, 2 ** 32 + 5, 2 ** 53 - 2 ** 31 - 3);

/** File of an index, to which the entries go that the index has not written. */
class IndexFile {
  bytes = new Uint8Array(0);

  take(index: OffsetIndex | TimeIndex | TxnIndex): void {
    const fresh = index.takeUnwritten();
    if (fresh === undefined) return;
    expect(fresh.position, "entries follow those in the file").toBe(this.bytes.length);
    const grown = new Uint8Array(fresh.position + fresh.bytes.length);
    grown.set(this.bytes);
    grown.set(fresh.bytes, fresh.position);
    this.bytes = grown;
  }

  cut(index: OffsetIndex | TimeIndex | TxnIndex): void {
    expect(index.written * index.entrySize).toBeLessThanOrEqual(this.bytes.length);
    this.bytes = this.bytes.slice(0, index.written * index.entrySize);
  }
}

type Step =
  | { readonly kind: "add"; readonly offset: number; readonly step: number }
  | { readonly kind: "truncate"; readonly back: number }
  | { readonly kind: "write" | "reopen" };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        kind: fc.constant("add" as const),
        offset: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 2 ** 26 })),
        step: fc.oneof(fc.integer({ min: -2, max: 3 }), fc.constant(2 ** 40)),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("truncate" as const), back: fc.nat(12) }) },
    { weight: 2, arbitrary: fc.constantFrom({ kind: "write" as const }, { kind: "reopen" as const }) },
  ),
  { maxLength: 60, size: "max" },
);

/** Offsets before, at and after each of `known`, within what the index can be asked for. */
function around(known: readonly number[]): number[] {
  return known.flatMap(offset => [offset - 1, offset, offset + 1]).filter(Number.isSafeInteger);
}

describe("an index of offsets", () => {
  test("finds what a search through all entries finds, after truncations and from its file", () => {
    fc.assert(
      fc.property(bases, steps, (base, history) => {
        const file = new IndexFile();
        let index = new OffsetIndex(base);
        let entries: { offset: number; position: number }[] = [];
        for (const step of history) {
          if (step.kind === "add") {
            const last = entries.at(-1) ?? { offset: base, position: -1 };
            const entry = {
              offset: last.offset + step.offset,
              position: last.position + Math.abs(step.step % 1000) + 1,
            };
            if (!fitsIndex(base, entry.offset)) continue;
            index.append(entry.offset, entry.position);
            entries.push(entry);
          } else if (step.kind === "truncate") {
            const offset = (entries.at(-1 - step.back)?.offset ?? base + 1) - (step.back % 2);
            index.truncate(offset);
            file.cut(index);
            entries = entries.filter(entry => entry.offset < offset);
          } else {
            file.take(index);
            if (step.kind === "reopen") index = new OffsetIndex(base, file.bytes.slice());
          }
          expect(index.count).toBe(entries.length);
          for (const offset of around([base, ...entries.map(entry => entry.offset)])) {
            const found = entries.findLast(entry => entry.offset <= offset);
            expect(index.lookup(offset), `position of ${offset}`).toBe(found?.position ?? 0);
          }
          const end = (entries.at(-1)?.position ?? 0) + 1;
          expect([index.sane(end), index.sane(end - 1)]).toEqual([true, entries.length === 0]);
        }
      }),
    );
  });

  test("is not taken for one if its entries do not grow", () => {
    const index = (...entries: [number, number][]): boolean => {
      const made = new OffsetIndex(10);
      for (const [offset, position] of entries) made.append(offset, position);
      return made.sane(100);
    };
    expect([index([11, 0], [12, 9]), index([11, 99])]).toEqual([true, true]);
    for (const bad of [
      [
        [11, 5],
        [11, 6],
      ],
      [
        [12, 5],
        [11, 6],
      ],
      [
        [11, 5],
        [12, 5],
      ],
      [[11, 100]],
      [[10, 5]],
      [
        [9, 5],
        [12, 6],
      ],
    ] as [number, number][][]) {
      expect(index(...bad), JSON.stringify(bad)).toBe(false);
    }
    expect(new OffsetIndex(10, new Uint8Array(16)).sane(100)).toBe(false);
  });

  test("can hold offsets up to 2^31 - 1 above its base", () => {
    fc.assert(
      fc.property(bases, fc.integer({ min: -1, max: 1 }), (base, around) => {
        expect(fitsIndex(base, base + around)).toBe(around >= 0);
        expect(fitsIndex(base, base + 2 ** 31 - 1 + around)).toBe(around <= 0);
        const index = new OffsetIndex(base);
        index.append(base + 2 ** 31 - 1, 2 ** 31 - 1);
        expect([index.offsetAt(0), index.positionAt(0)]).toEqual([base + 2 ** 31 - 1, 2 ** 31 - 1]);
      }),
    );
  });
});

describe("an index of times", () => {
  test("keeps rising timestamps, and finds what a search through them finds", () => {
    const starts = fc.constantFrom<Int64>(0, 1_700_000_000_000, 2 ** 53 - 3, 2n ** 60n);
    fc.assert(
      fc.property(bases, starts, steps, (base, start, history) => {
        const file = new IndexFile();
        let index = new TimeIndex(base);
        let entries: { timestamp: bigint; offset: number }[] = [];
        let offset = base;
        let timestamp = BigInt(start);
        for (const step of history) {
          if (step.kind === "add") {
            offset += step.offset % 5;
            timestamp += BigInt(step.step);
            index.append(Number.isSafeInteger(Number(timestamp)) ? Number(timestamp) : timestamp, offset);
            if (timestamp > (entries.at(-1)?.timestamp ?? -1n)) entries.push({ timestamp, offset });
          } else if (step.kind === "truncate") {
            offset = Math.max(base, (entries.at(-1 - step.back)?.offset ?? base + 1) - (step.back % 2));
            index.truncate(offset);
            file.cut(index);
            entries = entries.filter(entry => entry.offset < offset);
          } else {
            file.take(index);
            if (step.kind === "reopen") index = new TimeIndex(base, file.bytes.slice());
          }
          expect([index.count, index.sane()]).toEqual([entries.length, true]);
          expect(BigInt(index.lastTimestamp)).toBe(entries.at(-1)?.timestamp ?? -1n);
          expect(index.lastOffset).toBe(entries.at(-1)?.offset ?? base);
          for (const known of entries) {
            for (const wanted of [known.timestamp - 1n, known.timestamp, known.timestamp + 1n]) {
              const found = entries.findLast(entry => entry.timestamp <= wanted);
              expect(index.lookup(wanted), `offset of ${wanted}`).toBe(found?.offset ?? base);
            }
          }
        }
      }),
    );
  });

  test("takes no entry whose offset or time goes back, and is not taken for one that has them", () => {
    const index = new TimeIndex(10);
    for (const [timestamp, offset] of [
      [5, 12],
      [5, 13],
      [4, 14],
      [6, 11],
      [7, 12],
    ])
      index.append(timestamp, offset);
    expect([index.count, index.lastTimestamp, index.lastOffset]).toEqual([2, 7, 12]);
    const bad = new TimeIndex(10);
    bad.append(5, 12);
    bad.append(6, 13);
    const bytes = bad.takeUnwritten()?.bytes as Uint8Array;
    expect(new TimeIndex(10, bytes).sane()).toBe(true);
    expect(new TimeIndex(10, bytes.with(12 + 7, 5)).sane(), "equal times").toBe(false);
    expect(new TimeIndex(10, bytes.with(12 + 11, 1)).sane(), "an offset that goes back").toBe(false);
    expect(new TimeIndex(10, bytes.with(0, 0x80)).sane(), "a negative time").toBe(false);
    expect(new TimeIndex(10, new Uint8Array(24)).sane(), "zeros").toBe(false);
  });
});

describe("indexes of aborted transactions", () => {
  /** Moves of producers: each begins its transaction, goes on with it, or ends it. */
  const moves = fc.array(
    fc.record({
      producer: fc.nat(4),
      end: fc.constantFrom("no", "commit", "abort", "abort"),
      roll: fc.integer({ min: 0, max: 9 }).map(n => n === 0),
      gap: fc.constantFrom(0, 0, 1, 2 ** 33),
    }),
    { maxLength: 60, size: "max" },
  );

  test("name the transactions that overlap a range, and end the search as soon as they may", () => {
    fc.assert(
      fc.property(moves, fc.nat(30), (history, cut) => {
        const segments = [new TxnIndex()];
        const aborted: (AbortedTxn & { segment: number })[] = [];
        const open = new Map<number, number>();
        let offset = 0;
        for (const { producer, end, roll, gap } of history) {
          if (roll) segments.push(new TxnIndex());
          offset += gap;
          const at = offset++;
          const firstOffset = open.get(producer);
          if (firstOffset === undefined) open.set(producer, at);
          if (firstOffset === undefined || end === "no") continue;
          open.delete(producer);
          if (end === "commit") continue;
          const lastStableOffset = Math.min(at + 1, ...open.values());
          const txn = { producerId: BigInt(producer) << 40n, firstOffset, lastOffset: at, lastStableOffset };
          (segments.at(-1) as TxnIndex).append(txn);
          aborted.push({ ...txn, segment: segments.length - 1 });
        }
        const check = (known: readonly AbortedTxn[], indexes: readonly TxnIndex[]): void => {
          const marks = known.flatMap(({ firstOffset, lastOffset }) => [firstOffset, lastOffset, lastOffset + 1]);
          for (const from of marks) {
            for (const to of marks.filter(mark => mark > from)) {
              const found: AbortedTxn[] = [];
              indexes.some(index => index.collect(from, to, found));
              const wanted = known.filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to);
              expect(found, `aborted in [${from}, ${to})`).toEqual(wanted);
            }
          }
        };
        const plain = aborted.map(({ segment: _, ...txn }) => txn);
        check(plain, segments);
        const reopened = segments.map(index => new TxnIndex(index.takeUnwritten()?.bytes));
        check(plain, reopened);
        // Truncate the last segment that has entries.
        const last = aborted.at(-1);
        const from = aborted[Math.max(0, aborted.length - 1 - cut)];
        if (last === undefined || from.segment !== last.segment) return;
        const index = reopened[last.segment];
        index.truncate(from.lastOffset);
        check(
          plain.filter(({ lastOffset }) => lastOffset < from.lastOffset),
          reopened,
        );
        index.append(plain[plain.length - 1]);
        const { lastOffset } = index.at(index.count - 1);
        expect([lastOffset, index.takeUnwritten()?.bytes.length]).toEqual([last.lastOffset, 34]);
      }),
      { numRuns: 60 },
    );
  });
});
