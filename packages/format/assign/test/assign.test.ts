import { MalformedError } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AssignedPartition,
  type Assignor,
  type AssignorName,
  ASSIGNORS,
  type GroupAssignment,
  type SubscribedMember,
} from "../src/index.ts";
import { type Group, keyOf, member, ownersOf, someGroup, someMembers, someTopics, topicsOf, wanted } from "./groups.ts";

const NAMES = Object.keys(ASSIGNORS) as AssignorName[];
const { range, roundrobin, sticky } = ASSIGNORS;
const cooperative = ASSIGNORS["cooperative-sticky"];

function shown(assignment: GroupAssignment): Record<string, string[]> {
  return Object.fromEntries([...assignment].map(([id, places]) => [id, places.map(keyOf)]));
}

/** Members as they join again after an assignment: with what they have, and what their assignor adds. */
function rejoining(
  assignor: Assignor,
  members: readonly SubscribedMember[],
  assignment: GroupAssignment,
  generation: number,
): SubscribedMember[] {
  return members.map(member => {
    const partitions = assignment.get(member.memberId);
    if (partitions === undefined) return member;
    const owned = assignor.isCooperative ? partitions : [];
    const userData = assignor.userData({ generation, partitions });
    return { ...member, subscription: { ...member.subscription, owned, generation, userData } };
  });
}

/** Assigns until no member has to give up anything; cooperative assignments take two rounds at most. */
function settle(assignor: Assignor, group: Group, before: GroupAssignment, generation: number): GroupAssignment {
  const first = assignor.assign({ ...group, members: rejoining(assignor, group.members, before, generation) });
  if (!assignor.isCooperative) return first;
  return assignor.assign({ ...group, members: rejoining(assignor, group.members, first, generation + 1) });
}

/** Sum over all members of what they have and had before. */
function stays(before: GroupAssignment, after: GroupAssignment): number {
  const owners = ownersOf(before);
  return [...ownersOf(after)].filter(([key, owner]) => owners.get(key) === owner).length;
}

/** True if moving one partition to another subscriber makes their numbers more equal. */
function canImprove(group: Group, assignment: GroupAssignment): boolean {
  return [...ownersOf(assignment)].some(([key, owner]) => {
    const size = assignment.get(owner)?.length ?? 0;
    return group.members.some(({ memberId, subscription }) => {
      const isSubscribed = subscription.topics.includes(key.split("/")[0]);
      return isSubscribed && (assignment.get(memberId)?.length ?? 0) + 1 < size;
    });
  });
}

describe.each(NAMES)("%s", name => {
  const assignor = ASSIGNORS[name];

  test("gives each partition to one subscriber", () => {
    fc.assert(
      fc.property(someGroup, group => {
        const assignment = assignor.assign(group);
        expect([...assignment.keys()].toSorted()).toEqual(group.members.map(({ memberId }) => memberId).toSorted());
        expect([...ownersOf(assignment).keys()].toSorted()).toEqual(wanted(group).toSorted());
        for (const { memberId, subscription } of group.members) {
          for (const { topic } of assignment.get(memberId) ?? []) expect(subscription.topics).toContain(topic);
        }
      }),
    );
  });

  test("does not depend on the order of the members", () => {
    fc.assert(
      fc.property(someGroup, group => {
        const other = assignor.assign({ ...group, members: group.members.toReversed() });
        expect(shown(other)).toEqual(shown(assignor.assign(group)));
      }),
    );
  });

  test("assigns nothing without members", () => {
    expect(assignor.assign({ members: [], topics: topicsOf({ a: 3 }) }).size).toBe(0);
  });
});

describe("range", () => {
  test("gives the first members one more of each topic", () => {
    const members = ["x", "y"].map(id => member(id, ["a", "b"]));
    expect(shown(range.assign({ members, topics: topicsOf({ a: 3, b: 3 }) }))).toEqual({
      x: ["a/0", "a/1", "b/0", "b/1"],
      y: ["a/2", "b/2"],
    });
  });

  test("puts static members first, by instance id", () => {
    const named = (id: string, instanceId: string | null) => ({ ...member(id, ["a"]), instanceId });
    const members = [named("x", null), named("y", "2"), named("z", "1")];
    expect(shown(range.assign({ members, topics: topicsOf({ a: 3 }) }))).toEqual({
      x: ["a/2"],
      y: ["a/1"],
      z: ["a/0"],
    });
  });

  test("prefers partitions in the rack of the member", () => {
    const members = [member("x", ["a"], { rack: "r1" }), member("y", ["a"], { rack: "r0" })];
    const topics = new Map([["a", { partitions: 4, racks: [["r0"], ["r0"], ["r1"], ["r1"]] }]]);
    expect(shown(range.assign({ members, topics }))).toEqual({ x: ["a/2", "a/3"], y: ["a/0", "a/1"] });
  });

  test("keeps equal indexes of equal topics together", () => {
    fc.assert(
      fc.property(
        someMembers(true),
        fc.nat(9),
        fc.array(fc.subarray(["r0", "r1"]), { minLength: 9 }),
        (members, n, racks) => {
          const topic = { partitions: n, racks: racks.slice(0, n) };
          const all = members.map(({ subscription, ...rest }) => ({
            ...rest,
            subscription: { ...subscription, topics: ["a", "b"] },
          }));
          const owners = ownersOf(
            range.assign({
              members: all,
              topics: new Map([
                ["a", topic],
                ["b", topic],
              ]),
            }),
          );
          for (let i = 0; i < n; i++) expect(owners.get(`b/${i}`)).toBe(owners.get(`a/${i}`));
        },
      ),
    );
  });

  test("gives equal shares of each topic", () => {
    fc.assert(
      fc.property(someGroup, group => {
        const assignment = range.assign(group);
        for (const topic of group.topics.keys()) {
          const subscribers = group.members.filter(({ subscription }) => subscription.topics.includes(topic));
          const sizes = subscribers.map(
            ({ memberId }) => assignment.get(memberId)?.filter(place => place.topic === topic).length ?? 0,
          );
          if (sizes.length > 0) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});

test("roundrobin deals in turn and passes those who do not want a topic", () => {
  const members = [member("x", ["a"]), member("y", ["a", "b"]), member("z", ["a", "b"])];
  expect(shown(roundrobin.assign({ members, topics: topicsOf({ a: 2, b: 3 }) }))).toEqual({
    x: ["a/0"],
    y: ["a/1", "b/1"],
    z: ["b/0", "b/2"],
  });
});

interface Change {
  readonly group: Group;
  readonly next: Group;
}

/** A group, and the group after members and topics have come and gone. */
const someChange: fc.Arbitrary<Change> = fc.boolean().chain(isUniform =>
  fc
    .record({
      topics: someTopics,
      later: someTopics,
      members: someMembers(isUniform),
      gone: fc.nat(7),
      isSame: fc.boolean(),
    })
    .map(({ topics, later, members, gone, isSame }) => ({
      group: { topics, members: members.filter((_, i) => i !== gone || members.length === 1) },
      next: {
        topics: isSame ? topics : later,
        members: members.filter((_, i) => i !== gone + 1 || members.length === 1),
      },
    })),
);

/** The group without racks: a partition outside the rack of its owner does not stay with it, in Kafka as well. */
function rackless(group: Group): Group {
  const members = group.members.map(({ subscription, ...rest }) => ({
    ...rest,
    subscription: { ...subscription, rack: null },
  }));
  return { ...group, members };
}

describe.each([sticky, cooperative])("$name", assignor => {
  const empty: GroupAssignment = new Map();

  test("is balanced", () => {
    fc.assert(
      fc.property(someChange, ({ group, next }) => {
        const before = settle(assignor, rackless(group), empty, 1);
        expect(canImprove(group, before)).toBe(false);
        expect(canImprove(next, settle(assignor, rackless(next), before, 5))).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("changes nothing if nothing has changed", () => {
    fc.assert(
      fc.property(someGroup.map(rackless), group => {
        const before = settle(assignor, group, empty, 1);
        expect(shown(settle(assignor, group, before, 5))).toEqual(shown(before));
      }),
    );
  });

  test("moves nothing but what a member that left had, if the rest can stay", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 0, max: 20 }),
        fc.nat(5),
        (count, partitions, gone) => {
          const members = Array.from({ length: count }, (_, i) => member(`m${i}`, ["a"]));
          const topics = topicsOf({ a: partitions });
          const before = settle(assignor, { members, topics }, empty, 1);
          const left = members[gone % count].memberId;
          const had = before.get(left)?.length ?? 0;
          const after = settle(assignor, { members: members.filter(m => m.memberId !== left), topics }, before, 5);
          expect(stays(before, after)).toBe(partitions - had);
        },
      ),
    );
  });

  test("moves to a new member just its share", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 20 }), (count, partitions) => {
        const members = Array.from({ length: count + 1 }, (_, i) => member(`m${i}`, ["a"]));
        const topics = topicsOf({ a: partitions });
        const before = settle(assignor, { members: members.slice(1), topics }, empty, 1);
        const after = settle(assignor, { members, topics }, before, 5);
        expect(stays(before, after)).toBe(partitions - Math.floor(partitions / (count + 1)));
      }),
    );
  });
});

describe("cooperative-sticky", () => {
  test("moves no partition before its owner has given it up", () => {
    fc.assert(
      fc.property(someChange, ({ group, next }) => {
        const before = settle(cooperative, group, new Map(), 1);
        const owners = ownersOf(before);
        const members = rejoining(cooperative, next.members, before, 5);
        const present = new Set(members.map(({ memberId }) => memberId));
        for (const [key, owner] of ownersOf(cooperative.assign({ ...next, members }))) {
          const former = owners.get(key);
          if (former !== undefined && present.has(former)) expect(owner).toBe(former);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("gives all partitions in the second round", () => {
    fc.assert(
      fc.property(someChange, ({ group, next }) => {
        const before = settle(cooperative, rackless(group), new Map(), 1);
        const after = settle(cooperative, rackless(next), before, 5);
        expect([...ownersOf(after).keys()].toSorted()).toEqual(wanted(next).toSorted());
      }),
    );
  });

  test("lets no one keep a partition that two members claim in one generation", () => {
    const owned = [{ topic: "a", partition: 0 }];
    const members = ["x", "y"].map(id => member(id, ["a"], { owned, generation: 3 }));
    expect(ownersOf(cooperative.assign({ members, topics: topicsOf({ a: 2 }) })).has("a/0")).toBe(false);
  });

  test("believes the newer of two generations", () => {
    const owned = [{ topic: "a", partition: 0 }];
    const members = [member("x", ["a"], { owned, generation: 3 }), member("y", ["a"], { owned, generation: 4 })];
    expect(ownersOf(cooperative.assign({ members, topics: topicsOf({ a: 1 }) })).get("a/0")).toBe("y");
  });

  test("reads the generation of old members from their user data", () => {
    const owned = [{ topic: "a", partition: 0 }];
    const old = (generation: number) => cooperative.userData({ generation, partitions: [] });
    const members = [member("x", ["a"], { owned, userData: old(3) }), member("y", ["a"], { owned, generation: 4 })];
    expect(ownersOf(cooperative.assign({ members, topics: topicsOf({ a: 1 }) })).get("a/0")).toBe("y");
  });
});

describe("user data of sticky", () => {
  const last = {
    generation: 7,
    partitions: [
      { topic: "a", partition: 1 },
      { topic: "ä", partition: 0 },
    ],
  };

  test("is what Kafka writes", () => {
    const hex = "00000002" + "000161" + "00000001" + "00000001" + "0002c3a4" + "00000001" + "00000000" + "00000007";
    expect(Buffer.from(sticky.userData(last) ?? []).toString("hex")).toBe(hex);
    expect(sticky.userData(undefined)).toBeNull();
  });

  const claims = (userData: Uint8Array | null): readonly AssignedPartition[] => {
    const members = [member("x", ["a", "ä"]), member("y", ["a", "ä"], { userData })];
    return sticky.assign({ members, topics: topicsOf({ a: 2, ä: 2 }) }).get("y") ?? [];
  };

  test("is read with and without a generation", () => {
    const whole = sticky.userData(last) ?? new Uint8Array(0);
    expect(claims(whole)).toEqual(last.partitions);
    expect(claims(whole.subarray(0, -4))).toEqual(last.partitions);
  });

  test("claims nothing if it is nonsense", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
        try {
          claims(bytes);
        } catch (error) {
          expect(error).not.toBeInstanceOf(MalformedError);
          throw error;
        }
      }),
    );
  });
});
