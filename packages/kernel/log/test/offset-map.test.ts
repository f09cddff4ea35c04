import { sipHash128, utf8 } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OffsetMap } from "../src/index.ts";

const ENTRY_BYTES = 24;
/** Puts all keys into one of three slots, so that most searches pass other keys. */
const clustered = (key: Uint8Array, into: Uint32Array): void => {
  into.set([key[0] % 3, 7, key.length, key.reduce((sum, byte) => sum * 256 + byte, 0)]);
};

describe("an offset map", () => {
  test("is a map of last offsets with a bound, however its keys fall", () => {
    const puts = fc.array(fc.tuple(fc.nat(40), fc.constantFrom(0, 1, 5, 2 ** 31, 2 ** 32)), {
      maxLength: 120,
      size: "max",
    });
    fc.assert(
      fc.property(puts, fc.integer({ min: 1, max: 40 }), fc.constantFrom(0.1, 0.5, 1), (history, slots, load) => {
        const map = new OffsetMap(slots * ENTRY_BYTES, load, clustered);
        // At least one key, and at least one free slot.
        const most = Math.max(1, Math.min(Math.max(2, slots) - 1, Math.floor(Math.max(2, slots) * load)));
        const model = new Map<number, number>();
        let offset = 0;
        for (const [id, step] of history) {
          const key = utf8(`${id}`);
          const fits = model.has(id) || model.size < most;
          expect(map.put(key, offset), `key ${id} of ${model.size}, at most ${most}`).toBe(fits);
          if (fits) model.set(id, offset);
          expect(map.size).toBe(model.size);
          for (let other = 0; other <= 40; other++) {
            expect(map.get(utf8(`${other}`)), `key ${other}`).toBe(model.get(other) ?? -1);
          }
          offset += step;
        }
      }),
    );
  });

  test("keeps all keys as it grows, and offsets up to 2^53 - 1", () => {
    const map = new OffsetMap(5000 * ENTRY_BYTES, 0.9, sipHash128(new Uint8Array(16)));
    const at = (i: number): number => (i % 2 === 0 ? i : Number.MAX_SAFE_INTEGER - 10_000 + i);
    for (let i = 0; i < 4500; i++) expect(map.put(utf8(`key ${i}`), at(i))).toBe(true);
    expect([map.put(utf8("another"), 1), map.size]).toEqual([false, 4500]);
    for (let i = 0; i < 4500; i++) expect(map.get(utf8(`key ${i}`))).toBe(at(i));
    expect(map.put(utf8("key 7"), Number.MAX_SAFE_INTEGER)).toBe(true);
    expect([map.get(utf8("key 7")), map.get(utf8("key 8")), map.get(utf8("another"))]).toEqual([
      Number.MAX_SAFE_INTEGER,
      8,
      -1,
    ]);
    map.latestOffset = 9;
    map.clear();
    expect([map.size, map.latestOffset, map.get(utf8("key 8")), map.get(utf8("key 7"))]).toEqual([0, -1, -1, -1]);
    expect([map.put(utf8("key 8"), 0), map.get(utf8("key 8"))]).toEqual([true, 0]);
  });
});
