import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  InFlightBatch,
  InFlightBatches,
  loadedSlot,
  partsOf,
  RecordState,
  runsOf,
  Slot,
  stateOf,
} from "../src/share/in-flight.ts";

const { AVAILABLE, ACQUIRED, ACKNOWLEDGED, ARCHIVING, ARCHIVED } = RecordState;
const slot = (first: number, last = first, state: RecordState = AVAILABLE, count = 0): Slot =>
  new Slot({ first, last }, state, count);
const bounds = ({ first, last }: { readonly first: number; readonly last: number }): readonly number[] => [first, last];

/** Batches that do not overlap, with gaps between them. */
const layouts = fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 4 })), { maxLength: 8 }).map(all => {
  let next = 0;
  return all.map(([gap, size]) => {
    const first = next + gap;
    next = first + size;
    return { first, last: next - 1 };
  });
});

describe("batches in flight", () => {
  test("are found by offset as in a list, in whatever order they came", () => {
    const shuffled = layouts.chain(all =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    );
    fc.assert(
      fc.property(shuffled, fc.nat(30), fc.nat(6), fc.nat(30), ([layout, order], from, more, dropped) => {
        const batches = new InFlightBatches();
        for (const { first, last } of order) batches.add(new InFlightBatch(slot(first, last)));
        let list = layout;
        const to = from + more;
        const compare = (): void => {
          expect(batches.all.map(bounds)).toEqual(list.map(bounds));
          expect(batches.isEmpty).toBe(list.length === 0);
          expect(batches.last?.first).toBe(list.at(-1)?.first);
          expect(batches.floor(from)?.first).toBe(list.findLast(({ first }) => first <= from)?.first);
          expect(batches.beginning(from, to).map(bounds)).toEqual(
            list.filter(({ first }) => first >= from && first <= to).map(bounds),
          );
          expect(batches.overlapping(from, to).map(bounds)).toEqual(
            list.filter(({ first, last }) => first <= to && last >= from).map(bounds),
          );
        };
        compare();
        batches.dropThrough(dropped);
        list = list.filter(({ last }) => last > dropped);
        compare();
      }),
      { numRuns: 500 },
    );
  });

  test("are split into one slot for each record, which goes on with what the batch had", () => {
    const whole = slot(5, 8);
    whole.become(ACQUIRED);
    Object.assign(whole, { deliveryCount: 3, memberId: "m", expiresAt: 77, isRejected: true, lost: true });
    whole.before = { state: ACQUIRED, memberId: "m" };
    const batch = new InFlightBatch(whole);
    expect([...batch.slotsIn(6, 7)]).toEqual([whole]);
    batch.split();
    expect(batch.slots.map(bounds)).toEqual([5, 6, 7, 8].map(offset => [offset, offset]));
    for (const part of batch.slots) {
      expect([part.state, part.deliveryCount, part.memberId, part.expiresAt]).toEqual([ACQUIRED, 3, "m", 77]);
      expect([part.lost, part.isRejected, part.before]).toEqual([true, true, whole.before]);
    }
    const { slots } = batch;
    batch.split();
    expect(batch.slots, "once").toBe(slots);
    expect(partsOf([whole, slot(20)]).map(bounds)).toEqual([5, 6, 7, 8, 20].map(offset => [offset, offset]));
    expect([...batch.slotsIn(6, 7)].map(bounds)).toEqual([
      [6, 6],
      [7, 7],
    ]);
    expect([...batch.slotsIn(0, 5)].map(bounds)).toEqual([[5, 5]]);
    expect([...batch.slotsIn(8, 99)].map(bounds)).toEqual([[8, 8]]);
    expect([...batch.slotsIn(0, 4)]).toEqual([]);
    expect([...batch.slotsIn(9, 20)]).toEqual([]);
  });

  test("know whether they are within a range", () => {
    const batch = new InFlightBatch(slot(5, 8));
    expect([batch.size, batch.isWithin(5, 8), batch.isWithin(0, 9)]).toEqual([4, true, true]);
    expect([batch.isWithin(6, 8), batch.isWithin(5, 7), batch.isWithin(9, 12)]).toEqual([false, false, false]);
  });
});

describe("a slot", () => {
  test("is free or done once its change is durable", () => {
    const states = [AVAILABLE, ACQUIRED, ACKNOWLEDGED, ARCHIVING, ARCHIVED];
    const pending = { state: ACQUIRED, memberId: "m" };
    const told = states.map(state => {
      const one = slot(0, 0, state);
      const settled = [one.free, one.done];
      one.before = pending;
      return [...settled, one.free, one.done];
    });
    expect(told).toEqual([
      [true, false, false, false],
      [false, false, false, false],
      [false, true, false, false],
      [false, false, false, false],
      [false, true, false, false],
    ]);
  });

  test("counts the records that are complete from the start on", () => {
    for (const state of [ACKNOWLEDGED, ARCHIVED]) {
      expect([0, 5, 6, 8, 9].map(start => slot(5, 8, state).completeFrom(start))).toEqual([4, 4, 3, 1, 0]);
    }
    for (const state of [AVAILABLE, ACQUIRED, ARCHIVING]) expect(slot(5, 8, state).completeFrom(0)).toBe(0);
  });

  test("that the log has lost has no holder and no lock", () => {
    const one = slot(1);
    one.become(ACQUIRED);
    Object.assign(one, { memberId: "m", expiresAt: 5 });
    one.archive();
    expect([one.state, one.memberId, one.expiresAt, one.lost]).toEqual([ARCHIVED, "", Infinity, true]);
  });

  test("is loaded as it was stored, but for locks", () => {
    for (const [stored, loaded] of [
      [AVAILABLE, AVAILABLE],
      [ACQUIRED, AVAILABLE],
      [ACKNOWLEDGED, ACKNOWLEDGED],
      [ARCHIVING, ARCHIVING],
      [ARCHIVED, ARCHIVED],
    ]) {
      const state = { firstOffset: 3, lastOffset: 4, deliveryState: stored, deliveryCount: 2 };
      expect(stateOf(loadedSlot(state))).toEqual({ ...state, deliveryState: loaded });
    }
    for (const deliveryState of [5, -1]) {
      const state = { firstOffset: 3, lastOffset: 4, deliveryState, deliveryCount: 2 };
      expect(() => loadedSlot(state)).toThrow(RangeError);
    }
  });
});

test("runs of acquired records have each record once, with its delivery count, in as few runs as there may be", () => {
  const counted = layouts.chain(all =>
    fc.tuple(
      fc.constant(all),
      fc.array(fc.integer({ min: 1, max: 2 }), { minLength: all.length, maxLength: all.length }),
    ),
  );
  fc.assert(
    fc.property(counted, ([layout, counts]) => {
      const slots = layout.map(({ first, last }, at) => slot(first, last, ACQUIRED, counts[at]));
      const runs = runsOf(slots);
      const expand = (all: readonly { readonly first: number; readonly last: number; readonly count: number }[]) =>
        all.flatMap(({ first, last, count }) => Array.from({ length: last - first + 1 }, (_, i) => [first + i, count]));
      expect(
        expand(runs.map(run => ({ first: run.firstOffset, last: run.lastOffset, count: run.deliveryCount }))),
      ).toEqual(expand(layout.map((each, at) => ({ ...each, count: counts[at] }))));
      runs.forEach((run, at) => {
        const next = runs[at + 1];
        const isOne =
          next !== undefined && next.firstOffset === run.lastOffset + 1 && next.deliveryCount === run.deliveryCount;
        expect(isOne).toBe(false);
      });
    }),
    { numRuns: 300 },
  );
});
