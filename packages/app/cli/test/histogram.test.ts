import fc from "fast-check";
import { expect, test } from "vitest";
import { Histogram } from "../src/bench/histogram.ts";

test("quantiles are those of the sorted values, up to a thousandth", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, share) => {
        const histogram = new Histogram();
        for (const value of values) histogram.add(value);
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(share * values.length)) - 1];
        const found = histogram.quantile(share);
        expect(found).toBeGreaterThanOrEqual(exact);
        expect(found).toBeLessThanOrEqual(exact * 1.001);
        expect(histogram.max).toBe(sorted.at(-1));
        expect(histogram.count).toBe(values.length);
      },
    ),
  );
});

test("powers of two and their neighbours have buckets that hold them", () => {
  for (let power = 1; power < 42; power++) {
    for (const value of [2 ** power - 1, 2 ** power, 2 ** power + 1]) {
      const histogram = new Histogram();
      histogram.add(value);
      histogram.add(2 ** 42);
      const found = histogram.quantile(0.5);
      expect(found).toBeGreaterThanOrEqual(value);
      expect(found).toBeLessThanOrEqual(value * 1.001);
    }
  }
});

test("a histogram is empty at first, and after it is cleared", () => {
  const histogram = new Histogram();
  histogram.add(5, 3);
  expect([histogram.mean, histogram.count, histogram.quantile(1)]).toEqual([5, 3, 5]);
  histogram.clear();
  expect([histogram.mean, histogram.count, histogram.max, histogram.quantile(0.5)]).toEqual([0, 0, 0, 0]);
});
