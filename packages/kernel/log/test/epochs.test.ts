import fc from "fast-check";
import { expect, test } from "vitest";
import { EpochCache, type EpochStart, readEpochs, writeEpochs } from "../src/index.ts";

/** Model: the epoch of each record, one by one; -1 for records whose epoch was forgotten. */
class Model {
  start = 0;
  epochs: number[] = [];
  /** Epoch that has begun and has no records yet. */
  begun: number | undefined;

  get end(): number {
    return this.epochs.length;
  }

  get latest(): number {
    return this.begun ?? this.epochs.at(-1) ?? -1;
  }

  entries(): EpochStart[] {
    const all: EpochStart[] = [];
    const note = (epoch: number, startOffset: number): void => {
      if (epoch >= 0 && epoch !== all.at(-1)?.epoch) all.push({ epoch, startOffset });
    };
    for (let offset = this.start; offset < this.end; offset++) note(this.epochs[offset], offset);
    // An emptied log still knows the epoch of its last record.
    if (this.start === this.end && this.begun === undefined) note(this.epochs.at(-1) ?? -1, this.end);
    note(this.begun ?? -1, this.end);
    return all;
  }

  /** First offset whose epoch is above `epoch`; undefined: none. */
  above(epoch: number): number | undefined {
    return this.entries().find(entry => entry.epoch > epoch)?.startOffset;
  }
}

type Step =
  | { readonly kind: "append"; readonly count: number; readonly raise: number }
  | { readonly kind: "begin"; readonly raise: number }
  | { readonly kind: "end" | "start"; readonly back: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      count: fc.integer({ min: 1, max: 3 }),
      raise: fc.constantFrom(0, 0, 1, 3),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("begin" as const), raise: fc.nat(2) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("end" as const, "start" as const), back: fc.nat(6) }),
  },
);

function apply(model: Model, cache: EpochCache, step: Step): void {
  switch (step.kind) {
    case "append": {
      const epoch = Math.max(0, model.latest) + step.raise;
      for (let i = 0; i < step.count; i++) {
        cache.assign(epoch, model.end);
        model.begun = undefined;
        model.epochs.push(epoch);
      }
      return;
    }
    case "begin": {
      const epoch = Math.max(0, model.latest) + step.raise;
      cache.begin(epoch, model.end);
      if (epoch !== model.latest) model.begun = epoch;
      return;
    }
    case "end": {
      const offset = Math.max(model.start, model.end - step.back);
      cache.truncateFromEnd(offset);
      model.begun = undefined;
      model.epochs.length = offset;
      if (offset === model.start) model.epochs.fill(-1);
      return;
    }
    case "start":
      model.start = Math.max(model.start, model.end - step.back);
      cache.truncateFromStart(model.start);
  }
}

test("epochs are those of a list of the records' epochs, and their file lacks nothing", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: "max" }), steps => {
      const model = new Model();
      const cache = new EpochCache();
      let file = writeEpochs([]);
      for (const next of steps) {
        apply(model, cache, next);
        const entries = model.entries();
        expect(cache.entries).toEqual(entries);
        expect(cache.latest).toBe(entries.at(-1)?.epoch ?? -1);
        for (let offset = model.start; offset < model.end; offset++) {
          expect(cache.epochAt(offset), `epoch at ${offset}`).toBe(model.epochs[offset]);
        }
        expect(cache.epochAt(model.start - 1)).toBe(-1);
        for (let epoch = 0; epoch <= model.latest + 1; epoch++) {
          const known = entries.findLast(entry => entry.epoch <= epoch)?.epoch ?? epoch;
          const end = epoch === cache.latest ? model.end : model.above(epoch);
          const wanted = end === undefined ? { epoch: -1, endOffset: -1 } : { epoch: known, endOffset: end };
          expect(cache.endOffsetFor(epoch, model.end), `end of ${epoch}`).toEqual(wanted);
        }
        if (cache.dirty) {
          cache.dirty = false;
          if (next.kind !== "begin") file = writeEpochs(cache.entries);
        }
        // An epoch without records may be missing in the file, or be one that never had any.
        const held = (all: readonly EpochStart[]) => all.filter(({ startOffset }) => startOffset < model.end);
        expect(held(readEpochs(file))).toEqual(held(entries));
      }
    }),
    { numRuns: 100 },
  );
});

test("an epoch that contradicts the known ones replaces them", () => {
  const cache = new EpochCache();
  for (const [epoch, offset] of [
    [1, 0],
    [3, 10],
    [5, 20],
  ])
    cache.assign(epoch, offset);
  cache.assign(4, 15);
  expect(cache.entries).toEqual([
    { epoch: 1, startOffset: 0 },
    { epoch: 3, startOffset: 10 },
    { epoch: 4, startOffset: 15 },
  ]);
  cache.assign(6, 10);
  expect(cache.entries).toEqual([
    { epoch: 1, startOffset: 0 },
    { epoch: 6, startOffset: 10 },
  ]);
  cache.assign(-1, 30);
  cache.begin(-1, 30);
  expect(cache.latest).toBe(6);
  cache.assign(2 ** 31 - 1, 2 ** 53 - 1);
  expect(readEpochs(writeEpochs(cache.entries))).toEqual(cache.entries);
});
