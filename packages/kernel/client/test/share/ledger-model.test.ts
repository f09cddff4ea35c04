import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KafkaError } from "../../src/index.ts";
import { AcknowledgementSet } from "../../src/share/acknowledgement-set.ts";
import { ShareCommit } from "../../src/share/share-commit.ts";

/** Offsets with their types, each at most once, in the order in which they are acknowledged. */
const acknowledgements = fc
  .uniqueArray(fc.tuple(fc.nat(60), fc.integer({ min: 0, max: 3 })), {
    selector: ([offset]) => offset,
    maxLength: 40,
    size: "max",
  })
  .map(all => all as (readonly [number, number])[]);
/** The same in runs, as gaps are acknowledged. */
const runs = fc
  .array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 2 })), {
    maxLength: 12,
    size: "max",
  })
  .map(all => {
    let next = 0;
    return all.map(([gap, count, type]) => {
      const first = next + gap;
      next = first + count;
      return { first, last: next - 1, type };
    });
  });

/** Offsets and types of batches, one by one. */
function unfolded(batches: ReturnType<AcknowledgementSet["batches"]>): [number, number][] {
  return batches.flatMap(({ firstOffset, lastOffset, acknowledgeTypes }) => {
    const count = lastOffset - firstOffset + 1;
    expect([1, count]).toContain(acknowledgeTypes.length);
    if (acknowledgeTypes.length > 1) expect(new Set(acknowledgeTypes).size, "one type is said once").toBeGreaterThan(1);
    return Array.from({ length: count }, (_, i): [number, number] => [
      firstOffset + i,
      acknowledgeTypes.length === 1 ? acknowledgeTypes[0] : acknowledgeTypes[i],
    ]);
  });
}

const sorted = (all: readonly (readonly [number, number])[]) => all.toSorted(([a], [b]) => a - b);

describe("a set of acknowledgements", () => {
  test("is written with each offset once, in order, in batches that do not touch with one type", () => {
    fc.assert(
      fc.property(acknowledgements, all => {
        const set = new AcknowledgementSet();
        expect(set.isEmpty).toBe(true);
        for (const [offset, type] of all) set.add(offset, offset, type);
        const batches = set.batches();
        expect(unfolded(batches)).toEqual(sorted(all));
        expect([set.size, set.isEmpty]).toEqual([all.length, all.length === 0]);
        batches.forEach((batch, at) => {
          const next = batches[at + 1];
          if (next === undefined || next.firstOffset !== batch.lastOffset + 1) return;
          const isOne = new Set([...batch.acknowledgeTypes, ...next.acknowledgeTypes]).size === 1;
          expect(isOne, "neighbours with one type are one batch").toBe(false);
        });
      }),
      { numRuns: 300 },
    );
  });

  test("writes long runs as one type, and no more types than offsets", () => {
    fc.assert(
      fc.property(runs, all => {
        const set = new AcknowledgementSet();
        for (const { first, last, type } of all) set.add(first, last, type);
        const batches = set.batches();
        const expected = all.flatMap(({ first, last, type }) =>
          Array.from({ length: last - first + 1 }, (_, i): [number, number] => [first + i, type]),
        );
        expect(unfolded(batches)).toEqual(sorted(expected));
        for (const { firstOffset, lastOffset, acknowledgeTypes } of batches) {
          if (acknowledgeTypes.length === 1) continue;
          // A run of eight or more is cheaper on its own.
          let run = 0;
          acknowledgeTypes.forEach((type, at) => {
            run = type === acknowledgeTypes[at - 1] ? run + 1 : 1;
            expect(run).toBeLessThanOrEqual(8);
          });
          expect(acknowledgeTypes.length).toBe(lastOffset - firstOffset + 1);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("takes over another one, with those who wait for it", () => {
    fc.assert(
      fc.property(acknowledgements, fc.nat(40), (all, at) => {
        const [before, after] = [new AcknowledgementSet(), new AcknowledgementSet()];
        for (const [i, [offset, type]] of all.entries()) (i < at ? before : after).add(offset, offset, type);
        const commit = new ShareCommit(1, new Map());
        before.commits.push(commit);
        after.absorb(before);
        expect(unfolded(after.batches())).toEqual(sorted(all));
        expect([after.size, after.commits]).toEqual([all.length, [commit]]);
      }),
      { numRuns: 200 },
    );
  });
});

describe("a commit of acknowledgements", () => {
  const ends = fc.array(fc.tuple(fc.nat(2), fc.boolean()), { maxLength: 12 });

  test("is over with the last end, and tells the last error of each partition, those included that were left", () => {
    fc.assert(
      fc.property(ends, fc.subarray(["t/0", "t/7"]), (all, left) => {
        const failures = new Map(left.map(key => [key, new KafkaError("ABORTED", key)]));
        const commit = new ShareCommit(5, failures);
        all.forEach(() => commit.await());
        expect(commit.isOver).toBe(all.length === 0);
        const expected = new Map<string, string | undefined>(left.map(key => [key, key]));
        all.forEach(([partition, fails], at) => {
          const error = fails ? new KafkaError("TIMED_OUT", `error ${at}`) : undefined;
          expect(commit.settle("t", partition, error)).toBe(at === all.length - 1);
          const key = `t/${partition}`;
          if (fails) expected.set(key, `error ${at}`);
          else if (!expected.has(key)) expected.set(key, undefined);
        });
        const told = new Map([...commit.results].map(([key, error]) => [key, error?.message]));
        expect(told).toEqual(expected);
        expect([commit.token, commit.isOver]).toEqual([5, true]);
      }),
      { numRuns: 300 },
    );
  });
});
