import type { Uuid } from "@samsa/base";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ConsumerGroup } from "../src/consumer/group.ts";
import { type ConsumerMember, newMember } from "../src/consumer/member.ts";
import { ShareGroup } from "../src/share-group/group.ts";
import { Timeline } from "../src/shard/timeline.ts";

const TOPICS = ["AAAAAAAAAAAAAAAAAAAAZA", "AAAAAAAAAAAAAAAAAAAAZQ"] as Uuid[];
const IDS = ["a", "b", "c"];

/** Partitions of a member. Those of one are never given to another, since no partition has two owners at a time. */
function assigned(id: string, owns: boolean): ConsumerMember["assigned"] {
  return new Map(owns ? [[TOPICS[0] as Uuid, new Map([[IDS.indexOf(id), 1]])]] : []);
}

const member: fc.Arbitrary<ConsumerMember> = fc
  .record({
    id: fc.constantFrom(...IDS),
    isStatic: fc.boolean(),
    topicNames: fc.constantFrom([], ["t"], ["t", "u"]),
    regex: fc.constantFrom(null, "x.*"),
    assignor: fc.constantFrom(null, "range"),
    epoch: fc.integer({ min: 1, max: 3 }),
    owns: fc.boolean(),
    isClassic: fc.boolean(),
  })
  .map(({ id, isStatic, isClassic, owns, ...fields }) => ({
    ...newMember(id),
    ...fields,
    assigned: assigned(id, owns),
    instanceId: isStatic ? `instance of ${id}` : null,
    classic: isClassic
      ? { sessionTimeoutMs: 1, supportedProtocols: [{ name: "range", metadata: new Uint8Array(0) }] }
      : null,
  }));

const change = fc.oneof(member, fc.constantFrom(...IDS));

function apply(group: ConsumerGroup, changes: readonly (ConsumerMember | string)[]): void {
  for (const next of changes) {
    if (typeof next === "string") group.remove(next);
    else group.set(next);
  }
}

/** State that follows from the members. */
function derived(group: ConsumerGroup) {
  const { names, regexes } = group.subscriptions;
  return {
    classic: [group.classicMembers, new Map(group.classicProtocols)],
    static: new Map(group.staticMembers),
    subscriptions: [new Map(names), new Map(regexes)],
    assignor: group.preferredAssignor(),
    owned: TOPICS.map(topic => IDS.map((_, partition) => group.isOwned(topic, partition))),
  };
}

test("what follows from the members of a consumer group is that of the members that are left after a revert", () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 6 }),
      fc.array(change, { minLength: 1, maxLength: 6 }),
      (kept, undone) => {
        const timeline = new Timeline();
        timeline.start();
        const group = new ConsumerGroup("g", timeline);
        timeline.begin();
        apply(group, kept);
        timeline.written(1);
        timeline.begin();
        apply(group, undone);
        timeline.revert();
        const fresh = new ConsumerGroup("g", new Timeline());
        apply(fresh, [...group.members.values()]);
        expect(derived(group)).toEqual(derived(fresh));
      },
    ),
  );
});

test("what follows from a share group is computed again after a revert", () => {
  const timeline = new Timeline();
  timeline.start();
  const group = new ShareGroup("g", timeline);
  timeline.begin();
  group.set({ epoch: 5 });
  group.outlook = { isUnassigned: true, initializeAt: 0 };
  timeline.revert();
  expect([group.epoch, group.outlook]).toEqual([1, undefined]);
});
