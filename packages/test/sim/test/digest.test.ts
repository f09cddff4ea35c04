import fc from "fast-check";
import { expect, test } from "vitest";
import { Digest } from "../src/world/digest.ts";

type Step = string | number;

function hashOf(steps: readonly Step[]): string {
  const digest = new Digest();
  for (const step of steps) {
    if (typeof step === "number") digest.number(step);
    else digest.text(step);
  }
  return digest.hash();
}

const step = fc.oneof(fc.string(), fc.integer(), fc.double({ noNaN: true }));

test("histories that differ in one step, or in its place, have other fingerprints", () => {
  fc.assert(
    fc.property(fc.array(step), step, step, fc.array(step), (before, a, b, after) => {
      fc.pre(!Object.is(a, b));
      expect(hashOf([...before, a, ...after])).not.toBe(hashOf([...before, b, ...after]));
      expect(hashOf([...before, a, b, ...after])).not.toBe(hashOf([...before, b, a, ...after]));
      expect(hashOf([...before, a, ...after])).toBe(hashOf([...before, a, ...after]));
    }),
  );
  expect(hashOf(["ab", "c"])).not.toBe(hashOf(["a", "bc"]));
  expect(hashOf([0.1])).not.toBe(hashOf([0.1 + Number.EPSILON / 8]));
  expect(hashOf([])).toMatch(/^[0-9a-f]{16}$/);
});
