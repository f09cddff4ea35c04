import fc from "fast-check";
import type {
  AssignableTopic,
  AssignedPartition,
  GroupAssignment,
  SubscribedMember,
  Subscription,
} from "../src/index.ts";

const TOPICS = ["a", "b", "c", "d"];
const RACKS = ["r0", "r1", "r2"];

export interface Group {
  readonly members: readonly SubscribedMember[];
  readonly topics: ReadonlyMap<string, AssignableTopic>;
}

export function subscription(topics: readonly string[], rest: Partial<Subscription> = {}): Subscription {
  return { topics, userData: null, owned: [], generation: -1, rack: null, ...rest };
}

export function member(
  memberId: string,
  topics: readonly string[],
  rest: Partial<Subscription> = {},
): SubscribedMember {
  return { memberId, instanceId: null, subscription: subscription(topics, rest) };
}

export function topicsOf(counts: Readonly<Record<string, number>>): Map<string, AssignableTopic> {
  return new Map(Object.entries(counts).map(([name, partitions]) => [name, { partitions }]));
}

const rack = fc.constantFrom(null, ...RACKS);

/** Topics, half of the time with racks. */
export const someTopics: fc.Arbitrary<Map<string, AssignableTopic>> = fc
  .record({
    counts: fc.array(fc.nat(9), { minLength: TOPICS.length, maxLength: TOPICS.length }),
    racks: fc.array(fc.subarray(RACKS), { minLength: 10, maxLength: 10 }),
    hasRacks: fc.boolean(),
    known: fc.subarray(TOPICS, { minLength: 2 }),
  })
  .map(({ counts, racks, hasRacks, known }) => {
    const topic = (name: string): AssignableTopic => {
      const partitions = counts[TOPICS.indexOf(name)];
      return hasRacks ? { partitions, racks: racks.slice(0, partitions) } : { partitions };
    };
    return new Map(known.map(name => [name, topic(name)]));
  });

/** Members without partitions. `isUniform`: all subscribe to the same topics. */
export function someMembers(isUniform: boolean): fc.Arbitrary<SubscribedMember[]> {
  const topics = fc.subarray([...TOPICS, "none"], { minLength: 1 });
  return fc
    .record({
      shared: topics,
      members: fc.array(fc.record({ topics, rack, isStatic: fc.boolean() }), { minLength: 1, maxLength: 8 }),
    })
    .map(({ shared, members }) =>
      members.map(({ topics, rack, isStatic }, i) => ({
        memberId: `m${i}`,
        instanceId: isStatic ? `i${9 - i}` : null,
        subscription: subscription(isUniform ? shared : topics, { rack }),
      })),
    );
}

export const someGroup: fc.Arbitrary<Group> = fc.boolean().chain(isUniform => {
  return fc.record({ topics: someTopics, members: someMembers(isUniform) });
});

export function keyOf({ topic, partition }: AssignedPartition): string {
  return `${topic}/${partition}`;
}

/** Owner of each partition. Throws if two members have one. */
export function ownersOf(assignment: GroupAssignment): Map<string, string> {
  const owners = new Map<string, string>();
  for (const [memberId, places] of assignment) {
    for (const place of places) {
      if (owners.has(keyOf(place))) throw new Error(`two owners of ${keyOf(place)}`);
      owners.set(keyOf(place), memberId);
    }
  }
  return owners;
}

/** Partitions of topics that somebody subscribes to. */
export function wanted({ members, topics }: Group): string[] {
  const subscribed = new Set(members.flatMap(({ subscription }) => subscription.topics));
  return [...topics].flatMap(([topic, { partitions }]) =>
    subscribed.has(topic) ? Array.from({ length: partitions }, (_, partition) => keyOf({ topic, partition })) : [],
  );
}
