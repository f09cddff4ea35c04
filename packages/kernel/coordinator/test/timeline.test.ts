import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Derived, Timeline, TimelineMap, TimelineValue } from "../src/shard/timeline.ts";

type Step =
  | { readonly do: "batch"; readonly changes: readonly Change[]; readonly isWritten: boolean }
  | { readonly do: "outside"; readonly change: Change }
  | { readonly do: "commit"; readonly batches: number };

/** Sets a key, or deletes it if the value is undefined. */
interface Change {
  readonly key: number;
  readonly value: number | undefined;
}

const change: fc.Arbitrary<Change> = fc.record({
  key: fc.nat({ max: 4 }),
  value: fc.option(fc.nat({ max: 9 }), { nil: undefined }),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("batch"), changes: fc.array(change), isWritten: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("outside"), change }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("commit"), batches: fc.nat({ max: 3 }) }) },
) as fc.Arbitrary<Step>;

function changed(state: ReadonlyMap<number, number>, { key, value }: Change): Map<number, number> {
  const next = new Map(state);
  if (value === undefined) next.delete(key);
  else next.set(key, value);
  return next;
}

function sorted(entries: Iterable<readonly [number, number]>): [number, number][] {
  return [...entries].map(([key, value]): [number, number] => [key, value]).sort(([a], [b]) => a - b);
}

/** A map with its versions, beside copies of the whole map. */
class Duel {
  readonly timeline = new Timeline();
  readonly map = new TimelineMap<number, number>(this.timeline);
  readonly sum = new TimelineValue(this.timeline, 0);
  now: ReadonlyMap<number, number> = new Map();
  /** State at the end of each written batch that is not committed. */
  written: { endOffset: number; state: ReadonlyMap<number, number> }[] = [];
  committed: ReadonlyMap<number, number> = new Map();
  end = 0;

  constructor() {
    this.timeline.start();
  }

  apply(one: Change): void {
    if (one.value === undefined) this.map.delete(one.key);
    else this.map.set(one.key, one.value);
    this.sum.set(sumOf(this.map.values()));
  }

  play(next: Step): void {
    if (next.do === "outside") {
      this.apply(next.change);
      this.now = changed(this.now, next.change);
    } else if (next.do === "commit") {
      for (let i = 0; i < next.batches; i++) {
        const first = this.written.shift();
        if (first === undefined) break;
        this.committed = first.state;
        // An offset within the next batch commits no more.
        this.timeline.committed(first.endOffset + (i % 2));
      }
    } else {
      this.timeline.begin();
      for (const one of next.changes) this.apply(one);
      if (!next.isWritten) return this.timeline.revert();
      for (const one of next.changes) this.now = changed(this.now, one);
      this.end += 2;
      this.timeline.written(this.end);
      this.written.push({ endOffset: this.end, state: this.now });
    }
  }

  check(): void {
    expect(sorted(this.map)).toEqual(sorted(this.now));
    expect(this.map.size).toBe(this.now.size);
    expect(sorted(this.map.entries("committed"))).toEqual(sorted(this.committed));
    expect([...this.map.values("committed")]).toEqual([...this.map.entries("committed")].map(([, value]) => value));
    for (let key = 0; key < 5; key++) {
      expect(this.map.get(key)).toBe(this.now.get(key));
      expect(this.map.get(key, "committed")).toBe(this.committed.get(key));
    }
    expect([this.sum.get(), this.sum.get("committed")]).toEqual([
      sumOf(this.now.values()),
      sumOf(this.committed.values()),
    ]);
  }
}

function sumOf(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

describe("a timeline", () => {
  test("has the latest and the committed state, whatever is written, taken back and committed", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const duel = new Duel();
        for (const next of steps) {
          duel.play(next);
          duel.check();
        }
        duel.play({ do: "batch", changes: [], isWritten: true });
        duel.play({ do: "commit", batches: Infinity });
        duel.check();
        expect(duel.timeline.size, "committed changes cost nothing").toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test("keeps nothing of a load", () => {
    const timeline = new Timeline();
    const map = new TimelineMap<string, number>(timeline);
    map.set("a", 1);
    expect([timeline.size, map.get("a", "committed")]).toEqual([0, 1]);
  });

  test("keeps no versions of what is being made", () => {
    const timeline = new Timeline();
    timeline.start();
    const made = timeline.make(() => {
      const map = new TimelineMap<string, number>(timeline);
      map.set("a", 1);
      return map;
    });
    expect([timeline.size, made.get("a", "committed")]).toEqual([0, 1]);
    expect(() =>
      timeline.make(() => {
        throw new Error("planted");
      }),
    ).toThrow("planted");
    made.set("a", 2);
    expect([timeline.size, made.get("a", "committed")]).toEqual([1, 1]);
  });

  test("does what cannot be taken back once the batch is written", () => {
    const timeline = new Timeline();
    const done: string[] = [];
    timeline.whenWritten(() => done.push("at once"));
    timeline.begin();
    timeline.whenWritten(() => done.push("never"));
    timeline.revert();
    timeline.begin();
    timeline.whenWritten(() => done.push("written"));
    expect(done).toEqual(["at once"]);
    timeline.written(1);
    expect(done).toEqual(["at once", "written"]);
  });

  test("tells those that derive state from what was taken back, once", () => {
    const timeline = new Timeline();
    timeline.start();
    let calls = 0;
    const owner: Derived = { reverted: () => calls++ };
    const [map, other] = [new TimelineMap<number, number>(timeline, owner), new TimelineMap<number, number>(timeline)];
    timeline.begin();
    for (const key of [1, 2]) map.set(key, key);
    timeline.revert();
    timeline.begin();
    other.set(1, 1);
    timeline.revert();
    expect([calls, map.size, other.size]).toEqual([1, 0, 0]);
  });
});
