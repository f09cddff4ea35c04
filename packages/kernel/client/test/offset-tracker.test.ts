import { InvariantError } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OffsetTracker } from "../src/index.ts";

/** A record as the dumb model keeps it. */
interface Known {
  readonly offset: number;
  readonly epoch: number;
  readonly ticket: number;
  isDone: boolean;
}

const LIMIT = 40;

type Step =
  | { readonly type: "start"; readonly gap: number; readonly epoch: number }
  | { readonly type: "finish"; readonly which: number }
  | { readonly type: "skip"; readonly by: number };

const steps = fc.array(
  fc.oneof(
    { weight: 60, arbitrary: fc.record({ type: fc.constant("start"), gap: fc.nat(3), epoch: fc.nat(3) }) },
    { weight: 30, arbitrary: fc.record({ type: fc.constant("finish"), which: fc.nat(200) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("skip"), by: fc.integer({ min: -2, max: 5 }) }) },
  ) as fc.Arbitrary<Step>,
  { maxLength: 400, size: "max" },
);

describe("a tracker", () => {
  test("commits up to the first record that is not done, in whatever order they end", () => {
    fc.assert(
      fc.property(steps, steps => {
        const tracker = new OffsetTracker(100, 7, LIMIT);
        const records: Known[] = [];
        let position = 100;
        for (const step of steps) {
          const pending = records.slice(records.findIndex(({ isDone }) => !isDone));
          const size = records.some(({ isDone }) => !isDone) ? pending.length : 0;
          if (step.type === "start") {
            expect(tracker.isFull).toBe(size >= LIMIT);
            if (size >= LIMIT) {
              expect(() => tracker.start(position, 0)).toThrow(InvariantError);
              continue;
            }
            const offset = position + step.gap;
            records.push({ offset, epoch: step.epoch, ticket: tracker.start(offset, step.epoch), isDone: false });
            position = offset + 1;
          } else if (step.type === "skip") {
            tracker.skipTo(position + step.by);
            position += Math.max(step.by, 0);
          } else if (records.length > 0) {
            const record = records[step.which % records.length];
            tracker.finish(record.ticket);
            record.isDone = true;
          }
          const first = records.find(({ isDone }) => !isDone);
          expect(tracker.watermark).toBe(first?.offset ?? position);
          const before = first === undefined ? records.at(-1) : records[records.indexOf(first) - 1];
          expect(tracker.epoch).toBe(before?.epoch ?? 7);
          expect(tracker.position).toBe(position);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("hands records out in their order only", () => {
    const tracker = new OffsetTracker(5, -1, 3);
    expect(() => tracker.start(4, 0)).toThrow(InvariantError);
    tracker.finish(tracker.start(5, 0));
    tracker.finish(99);
    expect([tracker.watermark, tracker.size]).toEqual([6, 0]);
  });
});
