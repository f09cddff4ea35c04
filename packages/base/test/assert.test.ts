import { expect, test } from "vitest";
import { concat, entryAt, InvariantError, joined, lastEntry, specOf } from "../src/index.ts";

test("an entry is one that the list has", () => {
  expect(entryAt(["a", "b"], 1)).toBe("b");
  expect(entryAt([undefined], 0)).toBeUndefined();
  expect(entryAt(Uint8Array.of(7), 0)).toBe(7);
  for (const index of [-1, 2, Number.NaN]) expect(() => entryAt(["a", "b"], index)).toThrow(InvariantError);
  expect(lastEntry(["a", "b"])).toBe("b");
  expect(() => lastEntry([])).toThrow("entry -1 of 0");
});

test("a single chunk is joined without a copy", () => {
  const chunk = Uint8Array.of(1, 2);
  expect(joined([chunk])).toBe(chunk);
  expect(joined([])).toEqual(new Uint8Array(0));
  expect(joined([chunk, chunk])).toEqual(concat([chunk, chunk]));
});

test("a setting that is asked for is declared", () => {
  const spec = { type: "int", default: "1", doc: "" } as const;
  expect(specOf({ size: spec }, "size")).toBe(spec);
  expect(() => specOf({ size: spec }, "width")).toThrow(InvariantError);
});
