import { buildBatch } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cleanable, groupSegments, KEEP_ALL, type LogConfig, LogState, type Segment } from "../src/index.ts";
import { openState, tools } from "./fixture.ts";

const NOW = 10_000;

interface Facts {
  /** Timestamps of the batches of each segment. */
  readonly segments: readonly (readonly { readonly time: number; readonly gap: number }[])[];
  readonly base: number;
  readonly config: Partial<LogConfig>;
}

const facts: fc.Arbitrary<Facts> = fc.record({
  segments: fc.array(
    fc.array(
      fc.record({
        time: fc.oneof(fc.integer({ min: NOW - 400, max: NOW }), fc.constantFrom(-1, 0)),
        gap: fc.constantFrom(0, 0, 0, 5, 2 ** 29),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    { minLength: 1, maxLength: 8, size: "max" },
  ),
  base: fc.constantFrom(0, 3, 2 ** 40),
  config: fc.record({
    minCompactionLagMs: fc.constantFrom(0, 1, 100, 300),
    maxCompactionLagMs: fc.constantFrom(1, 200, Infinity),
    segmentBytes: fc.constantFrom(200, 500, 1 << 20),
    segmentIndexBytes: fc.constantFrom(16, 48, 1 << 20),
    indexIntervalBytes: fc.constantFrom(0, 4096),
  }),
});

/** Log with these segments; the last is active, and all of them are in memory. */
function logOf({ segments, base, config }: Facts): LogState {
  const state = openState({ indexIntervalBytes: config.indexIntervalBytes ?? 0 }, { base });
  state.createSegment(base, NOW, []);
  for (const [i, batches] of segments.entries()) {
    if (i > 0) state.roll(NOW, []);
    for (const { time, gap } of batches) {
      const options = { baseOffset: state.endOffset + gap, leaderEpoch: 0 };
      state.appendVerbatim(buildBatch([{ timestamp: time, key: null, value: null }], options, tools), NOW, []);
    }
  }
  state.config = { ...KEEP_ALL, ...config };
  return state;
}

/** Newest timestamp of the records, or that of the last change if no record has one. */
function largest(times: readonly { readonly time: number }[]): number {
  const newest = Math.max(...times.map(({ time }) => time));
  return newest >= 0 ? newest : NOW;
}

describe("the part of a log that may be compacted", () => {
  test("is all that is closed, decided and old enough, and nothing else", () => {
    fc.assert(
      fc.property(facts, fc.nat(), fc.nat(), fc.integer({ min: -2, max: 2 }), (of, stableAt, cleanedAt, beside) => {
        const state = logOf(of);
        const { minCompactionLagMs, maxCompactionLagMs } = state.config;
        const bases = state.segments.map(({ base }) => base);
        const offsets = [...bases, state.endOffset];
        const stableOffset = Math.min(state.endOffset, offsets[stableAt % offsets.length] + Math.max(0, beside));
        const cleanedTo = offsets[cleanedAt % offsets.length] + beside;
        const found = cleanable(state, { cleanedTo, stableOffset, now: NOW });
        const isKnown = cleanedTo >= state.startOffset && cleanedTo <= state.endOffset;
        expect(found.firstDirty).toBe(isKnown ? cleanedTo : state.startOffset);
        const { firstDirty, firstUncleanable } = found;
        // Logs may have been split by the reach of their indexes: the batches of each segment count, by its offsets.
        const closed = bases
          .slice(0, -1)
          .map((base, i) => ({ base, next: bases[i + 1], size: state.segments[i].size }));
        const times = segmentTimes(state, of);
        const isYoung = (i: number): boolean => minCompactionLagMs > 0 && largest(times[i]) > NOW - minCompactionLagMs;
        expect(bases, "whole segments").toContain(firstUncleanable);
        for (const [i, { base, next }] of closed.entries()) {
          if (next <= firstDirty) continue;
          if (base < firstUncleanable && base >= firstDirty) {
            expect([next <= stableOffset, isYoung(i)], `segment ${base} may be compacted`).toEqual([true, false]);
          }
          if (base === firstUncleanable) expect(next > stableOffset || isYoung(i), `${base} may not`).toBe(true);
        }
        const dirty = closed.filter(({ base, next }) => next > firstDirty && base < firstUncleanable);
        const sum = (all: readonly { size: number }[]): number => all.reduce((total, { size }) => total + size, 0);
        expect(found.dirtyBytes).toBe(sum(dirty));
        expect(found.cleanBytes).toBe(sum(state.segments.filter(({ base }) => base < firstDirty)));
        expect(found.ratio).toBe(dirty.length === 0 ? 0 : sum(dirty) / (sum(dirty) + found.cleanBytes));
        const waits = closed.some(({ next }, i) => {
          const [{ time }] = times[i];
          return next > firstDirty && time > 0 && time < NOW - maxCompactionLagMs;
        });
        expect(found.overdue).toBe(waits);
      }),
      { numRuns: 400 },
    );
  });

  test("is grouped into as few segments as fit, in order", () => {
    fc.assert(
      fc.property(facts, fc.nat(), (of, endAt) => {
        const state = logOf(of);
        const { segmentBytes, segmentIndexBytes } = state.config;
        const end = state.segments[endAt % state.segments.length].base + 1;
        const groups = groupSegments(state, end);
        const all = state.segments.filter(segment => segment !== state.active && segment.base < end);
        expect(groups.flat()).toEqual(all);
        const fits = (group: readonly Segment[]): boolean => {
          const last = (state.after(group.at(-1) as Segment)?.base ?? state.endOffset) - 1;
          const total = (of: (segment: Segment) => number): number => group.reduce((sum, next) => sum + of(next), 0);
          return (
            total(({ size }) => size) <= segmentBytes &&
            total(segment => segment.ready().offsets.count * 8) <= segmentIndexBytes &&
            total(segment => segment.ready().times.count * 12) <= segmentIndexBytes &&
            last - group[0].base < 2 ** 31
          );
        };
        for (const [i, group] of groups.entries()) {
          expect(group.length === 1 || fits(group), "a group fits into a segment").toBe(true);
          const next = groups[i + 1]?.[0] as Segment | undefined;
          if (next !== undefined) expect(fits([...group, next]), "the next segment does not").toBe(false);
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** Timestamps of the batches that are in each segment. */
function segmentTimes(state: LogState, { segments, base }: Facts): { readonly time: number }[][] {
  const times: { readonly time: number }[][] = state.segments.map(() => []);
  let offset = base;
  for (const { time, gap } of segments.flat()) {
    offset += gap;
    times[state.indexOf(offset++)].push({ time });
  }
  return times;
}
