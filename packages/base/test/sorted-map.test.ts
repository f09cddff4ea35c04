import * as fc from "fast-check";
import { expect, test } from "vitest";
import { SortedMap } from "../src/index.ts";

interface Change {
  readonly key: number;
  /** undefined: the key is deleted. */
  readonly value: number | undefined;
}

const change = (most: number): fc.Arbitrary<Change> =>
  fc.record({ key: fc.integer({ min: -most, max: most }), value: fc.option(fc.nat(9), { nil: undefined }) });

/** Sets or deletes every `step`-th key of a range, in either direction. */
const range = fc
  .record({
    from: fc.integer({ min: -3000, max: 3000 }),
    count: fc.nat(3000),
    step: fc.constantFrom(1, 1, 2, 3, 40),
    isDescending: fc.boolean(),
    isSet: fc.boolean(),
  })
  .map(({ from, count, step, isDescending, isSet }) => {
    const changes = Array.from({ length: Math.ceil(count / step) }, (_, i): Change => {
      return { key: from + i * step, value: isSet ? i : undefined };
    });
    return isDescending ? changes.reverse() : changes;
  });

/** Rounds of changes; a round is one edit. Deletions of whole ranges make nodes small enough to be merged. */
const rounds = fc.array(fc.oneof(fc.array(change(3000), { maxLength: 200 }), range, range, range), { maxLength: 25 });

function same(map: SortedMap<number, number>, model: ReadonlyMap<number, number>): void {
  const sorted = [...model].sort(([a], [b]) => a - b);
  expect(map.size).toBe(model.size);
  expect([...map]).toEqual(sorted);
  expect([...map.keys()]).toEqual(sorted.map(([key]) => key));
  expect([...map.values()]).toEqual(sorted.map(([, value]) => value));
  for (let key = -3001; key <= 5001; key += 7) {
    expect(map.get(key)).toBe(model.get(key));
    expect(map.has(key)).toBe(model.has(key));
  }
}

test("each version of a map equals a Map with the same changes, also after later changes", () => {
  fc.assert(
    fc.property(rounds, all => {
      const versions = [{ map: SortedMap.of<number, number>(), model: new Map<number, number>() }];
      for (const changes of all) {
        const { map, model: old } = versions[versions.length - 1];
        const model = new Map(old);
        const edit = map.edit();
        for (const { key, value } of changes) {
          if (value === undefined) expect(edit.delete(key)).toBe(model.delete(key));
          else {
            edit.set(key, value);
            model.set(key, value);
          }
          expect(edit.get(key)).toBe(value);
          expect(edit.size).toBe(model.size);
        }
        versions.push({ map: edit.done(), model });
      }
      for (const { map, model } of versions) same(map, model);
    }),
    { numRuns: 30 },
  );
});

test("strings are sorted, an edit without changes gives the same map, and an edit ends with `done`", () => {
  const map = SortedMap.of<string, number>([
    ["b", 2],
    ["a", 1],
    ["b", 3],
  ]);
  expect([...map]).toEqual([
    ["a", 1],
    ["b", 3],
  ]);
  expect(map.edit().done()).toBe(map);
  const edit = map.edit();
  edit.done();
  expect(() => edit.set("c", 1)).toThrow("an edit that is done changes no more");
  expect(() => edit.delete("a")).toThrow("an edit that is done changes no more");
});
