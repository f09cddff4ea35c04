import {
  type AssignableTopic,
  type Assignor,
  type AssignorInput,
  type AssignorName,
  ASSIGNORS,
  encodeSubscription,
  type GroupAssignment,
  type LastAssignment,
  type SubscribedMember,
} from "@samsa/assign";
import fc from "fast-check";
import { expect, test } from "vitest";
import { someMembers, someTopics } from "../../../format/assign/test/groups.ts";
import { run } from "../src/processes/child.ts";
import { findOurJava } from "../src/processes/runtimes.ts";
import { need } from "./scenarios.ts";
import { interopSeed } from "./seed.ts";

/** Groups for each assignor. */
const GROUPS = 1500;

/** Course of a group: each round has its topics, and the members that are there. */
const story = fc.boolean().chain(isUniform =>
  fc.record({
    members: someMembers(isUniform),
    rounds: fc.array(fc.record({ topics: someTopics, there: fc.nat(255), hasChanged: fc.boolean() }), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
);
type Story = typeof story extends fc.Arbitrary<infer S> ? S : never;

function sorted(assignment: GroupAssignment): Record<string, string[]> {
  const shown = ([id, places]: [string, { topic: string; partition: number }[]]) =>
    [id, places.map(({ topic, partition }) => `${topic}/${partition}`).toSorted()] as const;
  return Object.fromEntries([...assignment].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(shown));
}

/** Members of a round as they join, with what they had when they were there last. */
function joining(
  assignor: Assignor,
  members: readonly SubscribedMember[],
  had: ReadonlyMap<string, LastAssignment>,
): SubscribedMember[] {
  return members.map(({ subscription, ...member }) => {
    const last = had.get(member.memberId);
    const owned = assignor.isCooperative ? (last?.partitions ?? []) : [];
    const userData = assignor.userData(last);
    return { ...member, subscription: { ...subscription, owned, userData, generation: last?.generation ?? -1 } };
  });
}

function question(name: AssignorName, { members, topics }: AssignorInput): string {
  return JSON.stringify({
    assignor: name,
    topics: Object.fromEntries(
      [...topics].map(([topic, { partitions, racks }]) => [
        topic,
        Array.from({ length: partitions }, (_, i) => racks?.[i] ?? []),
      ]),
    ),
    members: members.map(({ memberId, instanceId, subscription }) => ({
      id: memberId,
      instanceId,
      subscription: Buffer.from(encodeSubscription(subscription)).toString("hex"),
    })),
  });
}

/** Topics that never shrink: Kafka's sticky assignors fail if a member had partitions that are gone. */
function grown(topics: AssignorInput["topics"], most: Map<string, AssignableTopic>): AssignorInput["topics"] {
  for (const [name, topic] of topics) {
    if (topic.partitions >= (most.get(name)?.partitions ?? 0)) most.set(name, topic);
  }
  return new Map([...topics].map(([name, topic]) => [name, most.get(name) ?? topic]));
}

/** Questions to Kafka about each round of a story, with our answers. */
function play(name: AssignorName, { members, rounds }: Story): { question: string; ours: Record<string, string[]> }[] {
  const assignor = ASSIGNORS[name];
  const had = new Map<string, LastAssignment>();
  let topics = rounds[0].topics as AssignorInput["topics"];
  const most = new Map<string, AssignableTopic>();
  return rounds.map(({ there, ...round }, i) => {
    if (round.hasChanged) ({ topics } = round);
    topics = grown(topics, most);
    const present = members.filter((_, at) => at === 0 || ((there >> at) & 1) === 1);
    const input = { topics, members: joining(assignor, present, had) };
    const assignment = assignor.assign(input);
    // Members that keep their partitions while they join lose them when they were away. Others claim what somebody else
    // has got since, with an old generation.
    if (assignor.isCooperative) had.clear();
    for (const [memberId, partitions] of assignment) had.set(memberId, { generation: i, partitions });
    return { question: question(name, input), ours: sorted(assignment) };
  });
}

/** True if each member has the same number of partitions of each topic. */
function isAsGood(ours: Record<string, string[]>, theirs: Record<string, string[]>): boolean {
  const topics = (all: Record<string, string[]>) =>
    Object.entries(all).map(([id, keys]) => [id, keys.map(key => key.split("/")[0]).toSorted()]);
  return JSON.stringify(topics(ours)) === JSON.stringify(topics(theirs));
}

test.each(Object.keys(ASSIGNORS) as AssignorName[])("%s assigns as Kafka's", async (name, ...rest) => {
  const [context] = rest as unknown as [Parameters<typeof need>[1]];
  const program = need(await findOurJava(), context)("Assignments");
  const seed = interopSeed();
  const asked = fc.sample(story, { numRuns: GROUPS, seed }).flatMap(story => play(name, story));
  const answers = await run(program.command, program.args, {
    input: asked.map(({ question }) => `${question}\n`).join(""),
  });
  console.log(`assignments by ${name}: ${asked.length}, INTEROP_SEED=${seed}`);
  expect(answers.length).toBe(asked.length);
  const inexact = asked.filter(({ ours }, i) => JSON.stringify(ours) !== answers[i]).length;
  const faults = asked.flatMap(({ question, ours }, i) =>
    isAsGood(ours, JSON.parse(answers[i])) ? [] : [`${question}\n  ${JSON.stringify(ours)}\n  by Java ${answers[i]}`],
  );
  // Where several partitions may move equally well, Kafka chooses by their hash codes.
  expect(inexact).toBeLessThan(name.endsWith("sticky") ? asked.length / 500 : 1);
  expect(faults.slice(0, 3), `${faults.length} faults, INTEROP_SEED=${seed}`).toEqual([]);
});
