import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ExponentialBackoff } from "../src/exponential-backoff.ts";

describe("exponential backoff", () => {
  test("doubles up to its limit", () => {
    const backoff = new ExponentialBackoff({ initialMs: 50, maxMs: 1000, jitter: 0.2 });
    expect([0, 1, 2, 3, 4, 5, 99].map(failures => backoff.delayMs(failures, 0.5))).toEqual([
      ...[50, 100, 200, 400, 800, 1000, 1000],
    ]);
    expect([0, 0.999_999].map(chance => backoff.delayMs(0, chance))).toEqual([40, 59]);
    expect(backoff.delayMs(9, 0.9)).toBe(1000);
  });

  test("stays within the jitter, and never exceeds the limit", () => {
    const whole = fc.integer({ min: 0, max: 100_000 });
    const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const check = (initialMs: number, maxMs: number, jitter: number, failures: number, chance: number): void => {
      const delay = new ExponentialBackoff({ initialMs, maxMs, jitter }).delayMs(failures, chance);
      let plain = Math.min(initialMs, maxMs);
      for (let i = 0; i < failures; i++) plain = Math.min(plain * 2, maxMs);
      expect(delay).toBeLessThanOrEqual(maxMs);
      expect(delay).toBeGreaterThanOrEqual(Math.floor(plain * (1 - jitter)));
      expect(delay).toBeLessThanOrEqual(plain * (1 + jitter));
    };
    const jitters = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(fc.property(whole, whole, jitters, fc.nat(40), chances, check));
  });
});
