import type { PartitionIndex, Uuid } from "@samsa/base";
import { add, type Assignment, type AssignorInput } from "./assignor.ts";
import { uniformMixed } from "./uniform-mixed.ts";

interface Place {
  readonly topic: Uuid;
  readonly partition: PartitionIndex;
}

/** Number of partitions of each member, and the number of members that may have one more. */
interface Quota {
  readonly least: number;
  extra: number;
}

/** Keeps a member's partitions of `topics` up to its quota; adds the others to `free`. */
function keep(assigned: Assignment, topics: ReadonlySet<Uuid>, most: number, free: Place[]): Assignment {
  const kept = new Map<Uuid, Set<PartitionIndex>>();
  let room = most;
  for (const [topic, partitions] of assigned) {
    if (!topics.has(topic)) continue;
    for (const partition of partitions) {
      if (room > 0) {
        room--;
        add(kept, topic, partition);
      } else free.push({ topic, partition });
    }
  }
  return kept;
}

/** Number of partitions of `topics` in an assignment; -1 if it has others, too. */
function sizeWithin(assigned: Assignment, topics: ReadonlySet<Uuid>): number {
  let size = 0;
  for (const [topic, partitions] of assigned) {
    if (!topics.has(topic)) return -1;
    size += partitions.size;
  }
  return size;
}

function sizeOf(assignment: Assignment): number {
  let size = 0;
  for (const partitions of assignment.values()) size += partitions.size;
  return size;
}

/** Assignment with further partitions. */
function extended(assignment: Assignment, places: readonly Place[]): Assignment {
  const result = new Map([...assignment].map(([topic, partitions]) => [topic, new Set(partitions)]));
  for (const { topic, partition } of places) add(result, topic, partition);
  return result;
}

/** Partitions that no member has, in the order of the topics. */
function unassigned(input: AssignorInput, topics: ReadonlySet<Uuid>): Place[] {
  const held = new Map([...topics].map(topic => [topic, new Uint8Array(input.partitions(topic))]));
  for (const { assigned } of input.members) {
    for (const [topic, partitions] of assigned) {
      const marks = held.get(topic);
      if (marks === undefined) continue;
      for (const partition of partitions) marks[partition] = 1;
    }
  }
  const free: Place[] = [];
  for (const [topic, marks] of held) {
    for (let partition = 0; partition < marks.length; partition++) {
      if (marks[partition] === 0) free.push({ topic, partition });
    }
  }
  return free;
}

/** Assigns to members with equal subscriptions: sizes differ by at most one, with as few moves as possible. */
function uniformAlike(input: AssignorInput): Map<string, Assignment> {
  const { members } = input;
  const [first] = members;
  if (first === undefined) return new Map();
  const { topics } = first;
  const free = unassigned(input, topics);
  let total = 0;
  for (const topic of topics) total += input.partitions(topic);
  const quota: Quota = { least: Math.floor(total / members.length), extra: total % members.length };
  const result = new Map<string, Assignment>();
  const unfilled: { readonly id: string; readonly kept: Assignment; readonly room: number }[] = [];
  members.forEach((member, index) => {
    let most = quota.least + (quota.extra > 0 ? 1 : 0);
    const whole = sizeWithin(member.assigned, topics);
    // Most members keep what they have, and with it the object.
    const isKept = whole >= 0 && whole <= most;
    const kept = isKept ? member.assigned : keep(member.assigned, topics, most, free);
    const size = isKept ? whole : sizeOf(kept);
    // A member leaves the extra partition to another, unless all remaining members are needed to use them up.
    if (most > quota.least && size <= quota.least && members.length - index > quota.extra) most--;
    if (most > quota.least) quota.extra--;
    if (size < most) unfilled.push({ id: member.id, kept, room: most - size });
    result.set(member.id, kept);
  });
  let next = 0;
  for (const { id, kept, room } of unfilled) {
    result.set(id, extended(kept, free.slice(next, next + room)));
    next += room;
  }
  return result;
}

/**
 * Balances the number of partitions per member as far as subscriptions allow, and moves few assigned partitions
 * (`UniformAssignor`). Ignores racks, as Kafka 4 does.
 */
export function uniform(input: AssignorInput): Map<string, Assignment> {
  return input.uniform ? uniformAlike(input) : uniformMixed(input);
}
