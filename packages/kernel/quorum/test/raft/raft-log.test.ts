import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogEnd } from "../../src/raft/messages.ts";
import { RaftLog } from "../../src/raft/raft-log.ts";

const same = (a: LogEnd, b: LogEnd): boolean => a.offset === b.offset && a.epoch === b.epoch;

/** A log as the epoch of each of its records. */
class Model {
  epochs: number[] = [];
  start: LogEnd = { offset: 0, epoch: 0 };
  snapshot: LogEnd = { offset: 0, epoch: 0 };
  durable = 0;

  get endOffset(): number {
    return this.start.offset + this.epochs.length;
  }

  get end(): LogEnd {
    return { offset: this.endOffset, epoch: this.epochs.at(-1) ?? this.start.epoch };
  }

  /** Epoch of the record before `offset`. */
  epochBefore(offset: number): number {
    return this.epochs[offset - 1 - this.start.offset] ?? this.start.epoch;
  }

  endForEpoch(epoch: number): LogEnd {
    const after = this.epochs.findIndex(each => each > epoch);
    const count = after < 0 ? this.epochs.length : after;
    if (count > 0) return { offset: this.start.offset + count, epoch: this.epochs[count - 1] };
    return this.start.epoch <= epoch ? this.start : { offset: 0, epoch: 0 };
  }

  /** True if the log holds the records of a follower that ends there, as far as it knows. */
  has({ offset, epoch }: LogEnd): boolean {
    if (offset === 0) return true;
    if (offset < this.start.offset || offset > this.endOffset) return false;
    return this.epochBefore(offset) === epoch;
  }
}

type Step =
  | { readonly do: "append"; readonly count: number; readonly later: number }
  | { readonly do: "truncate" | "snapshot" | "trim" | "flush"; readonly share: number }
  | { readonly do: "restart"; readonly ahead: number; readonly later: number };

const share = fc.double({ min: 0, max: 1, noNaN: true });
const append = fc.record({
  do: fc.constant("append" as const),
  count: fc.integer({ min: 1, max: 4 }),
  later: fc.nat(2),
});
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    append,
    append,
    fc.record({ do: fc.constantFrom("truncate", "snapshot", "trim", "flush"), share }),
    fc.record({ do: fc.constant("restart" as const), ahead: fc.nat(3), later: fc.nat(2) }),
  ),
  { maxLength: 30, size: "max" },
);

function play(log: RaftLog, model: Model, step: Step): void {
  const within = (low: number, part: number): number => low + Math.round((model.endOffset - low) * part);
  switch (step.do) {
    case "append": {
      const epoch = Math.max(1, model.end.epoch + step.later);
      const baseOffset = model.endOffset;
      log.append({ epoch, baseOffset, endOffset: baseOffset + step.count });
      for (let i = 0; i < step.count; i++) model.epochs.push(epoch);
      break;
    }
    case "truncate": {
      const offset = within(Math.max(model.start.offset, model.snapshot.offset), step.share);
      const before = log.generation;
      log.truncate(offset);
      expect(log.generation).toBe(before + 1);
      // A flush that began before says nothing.
      log.flushed(before, model.endOffset);
      model.epochs.length = offset - model.start.offset;
      model.durable = Math.min(model.durable, offset);
      break;
    }
    case "snapshot": {
      const offset = within(model.start.offset, step.share);
      const id = { offset, epoch: model.epochBefore(offset) };
      log.snapshotted(id);
      if (offset > model.snapshot.offset) model.snapshot = id;
      break;
    }
    case "trim": {
      const offset = Math.round(model.snapshot.offset * step.share);
      const start = { offset, epoch: model.epochBefore(offset) };
      log.trim(start);
      if (offset <= model.start.offset) break;
      model.epochs.splice(0, offset - model.start.offset);
      model.start = start;
      break;
    }
    case "flush": {
      const offset = within(model.durable, step.share);
      log.flushed(log.generation, offset);
      model.durable = Math.max(model.durable, offset);
      break;
    }
    case "restart":
      model.start = { offset: model.endOffset + step.ahead, epoch: Math.max(1, model.end.epoch + step.later) };
      model.snapshot = model.start;
      model.epochs = [];
      model.durable = model.start.offset;
      log.restart(model.start);
      break;
  }
}

describe("a log of epochs", () => {
  test("answers as a list of records does", () => {
    fc.assert(
      fc.property(steps, all => {
        const log = new RaftLog({ epochs: [], endOffset: 0 });
        const model = new Model();
        for (const step of all) {
          play(log, model, step);
          expect([log.startOffset, log.endOffset, log.flushedTo]).toEqual([
            model.start.offset,
            model.endOffset,
            model.durable,
          ]);
          expect([log.end, log.snapshot]).toEqual([model.end, model.snapshot]);
          for (let epoch = 0; epoch <= model.end.epoch + 1; epoch++) {
            expect(log.endForEpoch(epoch)).toEqual(model.endForEpoch(epoch));
          }
        }
        // A follower is in place exactly if this log has its last record; else it learns where to go.
        for (let offset = 0; offset <= model.endOffset + 1; offset++) {
          for (let epoch = 0; epoch <= model.end.epoch + 1; epoch++) {
            const misplaced = log.misplaced({ offset, epoch });
            if (offset === 0) {
              expect(misplaced).toEqual(model.snapshot.offset > 0 ? { snapshot: model.snapshot } : undefined);
              continue;
            }
            if (offset === model.start.offset && epoch !== model.start.epoch) {
              expect(misplaced, "nothing in the log tells where both agree").toEqual({ snapshot: model.snapshot });
              continue;
            }
            const isRight =
              model.has({ offset, epoch }) ||
              // An epoch of this log that ends later: the follower has a beginning of it.
              (offset >= model.start.offset && same(model.endForEpoch(epoch), { offset, epoch }));
            if (isRight) expect(misplaced).toBeUndefined();
            else if (misplaced !== undefined && "diverging" in misplaced) {
              expect(misplaced.diverging).toEqual(model.endForEpoch(epoch));
            } else if (misplaced !== undefined) {
              expect(misplaced).toEqual({ snapshot: model.snapshot });
              expect(model.start.offset).toBeGreaterThan(0);
              expect(offset < model.start.offset || epoch <= model.start.epoch || offset === model.start.offset).toBe(
                true,
              );
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test("is restored from where its epochs begin", () => {
    fc.assert(
      fc.property(steps, append, (all, more) => {
        const log = new RaftLog({ epochs: [], endOffset: 0 });
        const model = new Model();
        for (const step of all) play(log, model, step);
        const epochs = model.epochs.flatMap((epoch, at) =>
          epoch === model.epochs[at - 1] ? [] : [{ epoch, startOffset: model.start.offset + at }],
        );
        const { endOffset, start, snapshot } = model;
        const restored = new RaftLog({ epochs, endOffset, start, snapshot });
        expect([restored.end, restored.snapshot, restored.flushedTo]).toEqual([model.end, snapshot, endOffset]);
        play(restored, model, more);
        for (let epoch = 0; epoch <= model.end.epoch + 1; epoch++) {
          expect(restored.endForEpoch(epoch)).toEqual(model.endForEpoch(epoch));
        }
      }),
      { numRuns: 100 },
    );
  });

  test("is appended to at its end, in epochs that do not decrease", () => {
    const log = new RaftLog({ epochs: [], endOffset: 0 });
    log.append({ epoch: 3, baseOffset: 0, endOffset: 2 });
    expect(() => log.append({ epoch: 3, baseOffset: 1, endOffset: 3 })).toThrow("at the end of the log");
    expect(() => log.append({ epoch: 3, baseOffset: 3, endOffset: 4 })).toThrow("at the end of the log");
    expect(() => log.append({ epoch: 3, baseOffset: 2, endOffset: 2 })).toThrow("at the end of the log");
    expect(() => log.append({ epoch: 2, baseOffset: 2, endOffset: 3 })).toThrow("epochs of the log do not decrease");
    const later = new RaftLog({
      epochs: [],
      endOffset: 5,
      start: { offset: 5, epoch: 4 },
      snapshot: { offset: 5, epoch: 4 },
    });
    expect(() => later.append({ epoch: 3, baseOffset: 5, endOffset: 6 })).toThrow("epochs of the log do not decrease");
  });
});

/** A record is told apart by its epoch and its place, as Raft has it. */
type Records = number[];

const shapeOf = (records: Records): RaftLog => {
  const log = new RaftLog({ epochs: [], endOffset: 0 });
  records.forEach((epoch, at) => log.append({ epoch, baseOffset: at, endOffset: at + 1 }));
  return log;
};

const commonPrefix = (a: Records, b: Records): number => {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
};

test("a follower finds the place up to which both logs are the same, and loses nothing before it", () => {
  const replicas = 4;
  const turns = fc.array(
    fc.record({
      leader: fc.nat(replicas - 1),
      written: fc.integer({ min: 0, max: 3 }),
      copies: fc.array(fc.tuple(fc.nat(replicas - 1), fc.nat(4)), { maxLength: 3 }),
    }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(turns, all => {
      const logs: Records[] = Array.from({ length: replicas }, () => []);
      // Each epoch has one leader; whom it reaches before the next one is chance.
      all.forEach(({ leader, written, copies }, at) => {
        const own = logs[leader];
        for (let i = 0; i < written; i++) own.push(at + 1);
        for (const [follower, count] of copies) {
          if (follower === leader) continue;
          const other = logs[follower];
          const common = commonPrefix(own, other);
          const leads = shapeOf(own);
          const follows = shapeOf(other);
          for (let rounds = 0; ; rounds++) {
            expect(rounds).toBeLessThanOrEqual(at + 1);
            const misplaced = leads.misplaced(follows.end);
            if (misplaced === undefined) break;
            if (!("diverging" in misplaced)) throw new Error("there is no snapshot");
            const offset = follows.commonEnd(misplaced.diverging);
            expect(offset).toBeLessThan(follows.endOffset);
            expect(offset).toBeGreaterThanOrEqual(common);
            follows.truncate(offset);
          }
          expect(follows.endOffset).toBe(common);
          other.length = common;
          other.push(...own.slice(common, common + count));
        }
      });
    }),
    { numRuns: 500 },
  );
});
