import { ZERO_UUID } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Leadership } from "../../src/raft/leadership.ts";
import type { ReplicaKey } from "../../src/raft/messages.ts";
import { directoryOf, keyOf } from "./replica.ts";

const FETCH_TIMEOUT = 2000;
const START = 10;

const leaderOf = (voters: readonly number[], self = 1): Leadership =>
  new Leadership({
    self: keyOf(self),
    epoch: 3,
    startOffset: START,
    voters: voters.map(keyOf),
    fetchTimeoutMs: FETCH_TIMEOUT,
    now: 0,
  });

/** Knowledge of each replica, in plain maps. */
class Model {
  voters: readonly number[];
  ownEnd = -1;
  highWatermark = -1;
  readonly ends = new Map<number, number>();
  readonly fetchedAt = new Map<number, number>();

  constructor(voters: readonly number[]) {
    this.voters = voters;
  }

  /** Raises the high watermark to the best offset that more than half of the voters have. */
  advance(): boolean {
    const endOf = (id: number): number => (id === 1 ? this.ownEnd : (this.ends.get(id) ?? -1));
    const offsets = [this.ownEnd, ...this.ends.values()].filter(
      offset => this.voters.filter(id => endOf(id) >= offset).length > this.voters.length / 2,
    );
    const best = Math.max(-1, ...offsets);
    if (best <= START || best <= this.highWatermark) return false;
    this.highWatermark = best;
    return true;
  }
}

type Step =
  | { readonly do: "flush"; readonly by: number }
  | { readonly do: "fetch"; readonly id: number; readonly behind: number }
  | { readonly do: "voters"; readonly ids: readonly number[] };

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("flush" as const), by: fc.nat(3) }),
    fc.record({ do: fc.constant("fetch" as const), id: fc.integer({ min: 1, max: 6 }), behind: fc.nat(4) }),
    fc.record({ do: fc.constant("fetch" as const), id: fc.integer({ min: 2, max: 4 }), behind: fc.nat(2) }),
    fc.record({
      do: fc.constant("voters" as const),
      ids: fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 }),
    }),
  ),
  { maxLength: 40, size: "max" },
);

describe("a leader's view of its followers", () => {
  test("has the high watermark where more than half of the voters are", () => {
    fc.assert(
      fc.property(fc.constantFrom([1], [1, 2], [1, 2, 3], [1, 2, 3, 4, 5]), steps, (voters, all) => {
        const leader = leaderOf(voters);
        const model = new Model(voters);
        let now = 0;
        let logEnd = START;
        for (const step of all) {
          now += 7;
          if (step.do === "flush") {
            logEnd += step.by;
            model.ownEnd = logEnd;
            expect(leader.flushed(logEnd)).toBe(model.advance());
          } else if (step.do === "fetch") {
            const offset = Math.max(0, logEnd - step.behind);
            const hasRisen = leader.fetched(keyOf(step.id), offset, { now, ownEnd: logEnd });
            if (step.id !== 1) {
              model.ends.set(step.id, offset);
              model.fetchedAt.set(step.id, now);
            }
            expect(hasRisen).toBe(step.id !== 1 && model.voters.includes(step.id) && model.advance());
          } else {
            model.voters = step.ids;
            expect(leader.setVoters(step.ids.map(keyOf), now)).toBe(model.advance());
          }
          expect(leader.highWatermark).toBe(model.highWatermark);
          for (const id of [2, 3, 4, 5, 6]) {
            const isOfVoter = model.voters.includes(id);
            const progress = isOfVoter
              ? leader.progressOf(keyOf(id))
              : leader.observers(now).find(({ key }) => key.id === id);
            expect(progress?.endOffset).toBe(model.ends.get(id));
            expect(progress?.lastFetch).toBe(model.fetchedAt.get(id));
            // A voter is no observer.
            expect(leader.observers(now).some(({ key }) => key.id === id)).toBe(!isOfVoter && model.ends.has(id));
          }
          const others = model.voters.filter(id => id !== 1);
          const endOf = (id: number): number => model.ends.get(id) ?? -1;
          expect(leader.successors.map(({ id }) => id)).toEqual(
            others.toSorted((a, b) => endOf(b) - endOf(a) || a - b),
          );
          expect(leader.isAlone).toBe(others.length === 0);
          const silent = others.filter(id => now - (model.fetchedAt.get(id) ?? -Infinity) >= FETCH_TIMEOUT / 2);
          expect(leader.unheard(now).map(({ id }) => id)).toEqual(silent);
        }
      }),
      { numRuns: 120 },
    );
  });

  test("resigns unless more than half of the voters fetch within one and a half fetch time-outs", () => {
    const leader = leaderOf([1, 2, 3, 4, 5]);
    const fetch = (id: number, now: number): boolean => leader.fetched(keyOf(id), 0, { now, ownEnd: START });
    expect(leader.resignAt).toBe(3000);
    fetch(2, 100);
    fetch(2, 200);
    fetch(9, 300);
    expect(leader.resignAt, "one voter twice, and an observer").toBe(3000);
    fetch(3, 400);
    expect(leader.resignAt).toBe(3400);
    fetch(3, 500);
    expect(leader.resignAt, "the count begins anew").toBe(3400);
    leader.heard(keyOf(4), 600);
    expect(leader.resignAt, "a snapshot is a sign, too").toBe(3600);
    leader.heard({ id: 2, directoryId: directoryOf(99) }, 700);
    leader.heard(keyOf(1), 700);
    leader.heard(keyOf(5), 700);
    expect(leader.resignAt, "another disk is no voter, nor does the leader count itself").toBe(3600);
  });

  test("a leader that is removed needs a majority of the others", () => {
    const leader = leaderOf([1, 2, 3, 4]);
    leader.setVoters([2, 3, 4].map(keyOf), 1000);
    expect(leader.resignAt, "new voters get the time of a first election").toBe(4000);
    expect(leader.beginAt).toBe(1000);
    leader.heard(keyOf(2), 2000);
    expect(leader.resignAt).toBe(4000);
    leader.heard(keyOf(3), 2500);
    expect(leader.resignAt).toBe(5500);
    // Removed voters do not stay in the count.
    leader.heard(keyOf(4), 2600);
    leader.setVoters([2, 3].map(keyOf), 2700);
    leader.heard(keyOf(2), 2800);
    expect(leader.resignAt).toBe(5700);
  });

  test("the only voter never resigns, unless it is another", () => {
    expect(leaderOf([1]).resignAt).toBe(Infinity);
    expect(leaderOf([2]).resignAt).toBe(3000);
  });

  test("a replica is caught up once it had what the log had at its fetch before", () => {
    const leader = leaderOf([1, 2, 3]);
    const key = keyOf(4);
    const fetch = (offset: number, ownEnd: number, now: number): boolean =>
      leader.fetched(key, offset, { now, ownEnd });
    expect(leader.isCaughtUp(key, 0), "it has not fetched").toBe(false);
    fetch(5, 10, 100);
    expect(leader.isCaughtUp(key, 100)).toBe(false);
    fetch(9, 12, 200);
    expect(leader.isCaughtUp(key, 200), "not yet what there was at 100").toBe(false);
    fetch(12, 14, 300);
    expect(leader.isCaughtUp(key, 300), "all that there was at 200").toBe(true);
    const [{ lastCaughtUp, lastFetch }] = leader.observers(300);
    expect([lastCaughtUp, lastFetch]).toEqual([200, 300]);
    fetch(14, 14, 400);
    expect(leader.observers(400)[0].lastCaughtUp).toBe(400);
    expect(leader.isCaughtUp(keyOf(2), 400)).toBe(false);
    expect(leader.isCaughtUp({ id: 4, directoryId: directoryOf(9) }, 400), "another disk").toBe(false);
  });

  test("a voter counts as caught up for an hour after its last fetch", () => {
    const leader = leaderOf([1, 2, 3]);
    leader.fetched(keyOf(2), START, { now: 1000, ownEnd: START });
    expect(leader.isCaughtUp(keyOf(2), 3_600_999)).toBe(true);
    expect(leader.isCaughtUp(keyOf(2), 3_601_000)).toBe(false);
  });

  test("forgets observers that have not fetched for five minutes", () => {
    const leader = leaderOf([1, 2, 3]);
    leader.fetched(keyOf(7), 0, { now: 0, ownEnd: START });
    leader.fetched(keyOf(8), 0, { now: 1000, ownEnd: START });
    expect(leader.observers(299_999).map(({ key }) => key.id)).toEqual([7, 8]);
    expect(leader.observers(300_000).map(({ key }) => key.id)).toEqual([8]);
    leader.fetched(keyOf(9), 0, { now: 301_000, ownEnd: START });
    expect(leader.observers(301_000).map(({ key }) => key.id)).toEqual([9]);
  });

  test("keeps two disks of one node apart", () => {
    const leader = leaderOf([1, 2, 3]);
    const replaced: ReplicaKey = { id: 2, directoryId: directoryOf(22) };
    leader.flushed(20);
    expect(leader.fetched(replaced, 20, { now: 10, ownEnd: 20 }), "its records do not count").toBe(false);
    expect(leader.progressOf(keyOf(2))).toBeUndefined();
    expect(leader.setVoters([keyOf(1), replaced, keyOf(3)], 20), "until it is the voter").toBe(true);
    expect(leader.progressOf(replaced)?.endOffset).toBe(20);
    expect(leader.observers(20)).toEqual([]);
    // The old disk starts anew, as an observer.
    leader.setVoters([1, 2, 3].map(keyOf), 30);
    expect(leader.progressOf(keyOf(2))).toBeUndefined();
    expect(leader.observers(30).map(({ key }) => key)).toEqual([replaced]);
  });

  test("takes a voter of a static quorum by its id, with whatever directory it has", () => {
    const unknown = [1, 2, 3].map(id => ({ id, directoryId: ZERO_UUID }));
    const start = { self: keyOf(1), epoch: 1, startOffset: 0, voters: unknown, fetchTimeoutMs: 100, now: 0 };
    const leader = new Leadership(start);
    leader.flushed(1);
    expect(leader.fetched(keyOf(2), 1, { now: 1, ownEnd: 1 })).toBe(true);
    expect(leader.progressOf(keyOf(2))?.key).toEqual(keyOf(2));
  });

  test("does not count fetches of its own id, or of none", () => {
    const leader = leaderOf([1, 2, 3]);
    leader.flushed(20);
    expect(leader.fetched({ id: -1, directoryId: ZERO_UUID }, 20, { now: 1, ownEnd: 20 })).toBe(false);
    expect(leader.fetched(keyOf(1), 20, { now: 1, ownEnd: 20 })).toBe(false);
    expect(leader.observers(1)).toEqual([]);
    expect(() => leader.flushed(19)).toThrow("does not truncate");
  });

  test("bounds how many observe and how many wait", () => {
    const leader = leaderOf([1, 2, 3]);
    for (let id = 100; id < 10_200; id++) leader.fetched({ id, directoryId: ZERO_UUID }, 0, { now: 1, ownEnd: START });
    expect(leader.observers(1)).toHaveLength(10_000);
    expect(leader.fetched(keyOf(2), 5, { now: 2, ownEnd: START })).toBe(false);
    expect(leader.progressOf(keyOf(2))?.endOffset, "a voter is always kept").toBe(5);
    const end = { offset: 0, epoch: 0 };
    const call = { type: "fetch", epoch: 3, replica: keyOf(2), end, highWatermark: 0, maxWaitMs: 1 } as const;
    const taken = Array.from({ length: 10_001 }, (_, ticket) => leader.wait({ ticket, call, until: 1 }));
    expect(taken.filter(isTaken => isTaken)).toHaveLength(10_000);
    expect(taken.at(-1)).toBe(false);
  });
});
