import type { Uuid } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AssignedMember, type Assignment, ASSIGNORS, type Assignor } from "../src/assign/index.ts";
import { topicId } from "./bench.ts";

const TOPICS = ["a", "b", "c", "d"].map(topicId);
const [uniform, range] = ["uniform", "range"].map(name => ASSIGNORS.get(name) as Assignor);

interface Drawn {
  readonly subscriptions: readonly (readonly Uuid[])[];
  readonly counts: readonly number[];
  /** Index of the previous owner of each partition; there may be no such member. */
  readonly before: readonly number[];
}

const drawn = (alike: boolean): fc.Arbitrary<Drawn> =>
  fc.record({
    subscriptions: alike
      ? fc
          .tuple(fc.subarray(TOPICS), fc.integer({ min: 1, max: 8 }))
          .map(([topics, n]) => Array.from({ length: n }, () => topics))
      : fc.array(fc.subarray(TOPICS), { minLength: 1, maxLength: 8 }),
    counts: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 4, maxLength: 4 }),
    before: fc.array(fc.nat(9), { minLength: 48, maxLength: 48 }),
  });

function input({ subscriptions, counts, before }: Drawn, alike: boolean) {
  const members = subscriptions.map((topics, member): AssignedMember => {
    const assigned = new Map<Uuid, Set<number>>();
    TOPICS.forEach((topic, t) => {
      const mine = Array.from({ length: counts[t] }, (_, p) => p).filter(p => before[t * 12 + p] === member);
      if (mine.length > 0) assigned.set(topic, new Set(mine));
    });
    return {
      id: `m${member}`,
      instanceId: member % 3 === 0 ? `i${9 - member}` : null,
      topics: new Set(topics),
      assigned,
    };
  });
  return { members, uniform: alike, partitions: (topic: Uuid) => counts[TOPICS.indexOf(topic)] };
}

const flat = (assignment: Assignment | undefined): string[] =>
  [...(assignment ?? [])].flatMap(([topic, partitions]) => [...partitions].map(p => `${topic}/${p}`));

function checkWhole(given: ReturnType<typeof input>, result: ReadonlyMap<string, Assignment>): void {
  const all = [...result.values()].flatMap(flat);
  expect(new Set(all).size).toBe(all.length);
  const wanted = new Set(given.members.flatMap(({ topics }) => [...topics]));
  const count = [...wanted].reduce((sum, topic) => sum + given.partitions(topic), 0);
  expect(all.length).toBe(count);
  for (const { id, topics } of given.members) {
    for (const topic of result.get(id)?.keys() ?? []) expect(topics.has(topic)).toBe(true);
  }
}

describe("what is divided is whole: each partition once, to a subscriber", () => {
  test.each([
    ["uniform", uniform, true],
    ["uniform", uniform, false],
    ["range", range, true],
    ["range", range, false],
  ] as const)("%s", (_, assign, alike) => {
    fc.assert(fc.property(drawn(alike), draw => checkWhole(input(draw, alike), assign(input(draw, alike)))));
  });
});

test("uniform: with the same subscriptions all are within one, and no more moves than that takes", () => {
  fc.assert(
    fc.property(drawn(true), draw => {
      const given = input(draw, true);
      const result = uniform(given);
      const sizes = given.members.map(({ id }) => flat(result.get(id)).length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      const total = sizes.reduce((a, b) => a + b, 0);
      const [least, extra] = [Math.floor(total / sizes.length), total % sizes.length];
      // Upper bound of kept partitions: each member keeps up to `least`, and up to `extra` members keep one more.
      const had = given.members.map(({ assigned, topics }) =>
        flat(assigned).filter(place => topics.has(place.split("/")[0] as Uuid)),
      );
      const above = had.filter(places => places.length > least).length;
      const most = had.reduce((sum, places) => sum + Math.min(places.length, least), 0) + Math.min(above, extra);
      const kept = given.members.reduce(
        (sum, { id }, i) => sum + flat(result.get(id)).filter(place => had[i].includes(place)).length,
        0,
      );
      expect(kept).toBeGreaterThanOrEqual(most - extra);
      // A balanced assignment is stable.
      const again = given.members.map(member => ({ ...member, assigned: result.get(member.id) ?? new Map() }));
      expect(uniform({ ...given, members: again })).toEqual(result);
    }),
  );
});

test("uniform: with other subscriptions no single move makes it more even, and what has settled stays", () => {
  fc.assert(
    fc.property(drawn(false), draw => {
      const given = input(draw, false);
      const result = uniform(given);
      const size = (id: string): number => flat(result.get(id)).length;
      for (const from of given.members) {
        for (const topic of result.get(from.id)?.keys() ?? []) {
          for (const to of given.members.filter(({ topics }) => topics.has(topic))) {
            expect(size(from.id) - size(to.id)).toBeLessThanOrEqual(1);
          }
        }
      }
      const again = given.members.map(member => ({ ...member, assigned: result.get(member.id) ?? new Map() }));
      const second = uniform({ ...given, members: again });
      for (const { id } of given.members) expect(flat(second.get(id)).sort()).toEqual(flat(result.get(id)).sort());
    }),
  );
});

test("range: each topic in ranges, in the order of instances and then ids, the first ones larger", () => {
  const member = (id: string, instanceId: string | null = null) => {
    return { id, instanceId, topics: new Set(TOPICS.slice(0, 2)), assigned: new Map() };
  };
  const members = [member("y"), member("x"), member("z", "i")];
  const result = range({ members, uniform: true, partitions: topic => (topic === TOPICS[0] ? 7 : 2) });
  const shown = ["z", "x", "y"].map(id => TOPICS.slice(0, 2).map(topic => [...(result.get(id)?.get(topic) ?? [])]));
  expect(shown).toEqual([
    [[0, 1, 2], [0]],
    [[3, 4], [1]],
    [[5, 6], []],
  ]);
});
