import type { PartitionIndex, Uuid } from "@samsa/base";
import { add, type AssignedMember, type Assignment, type AssignorInput } from "./assignor.ts";
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

/** Keeps a member's partitions up to its quota; adds the others to `free`. */
function keep(
  member: AssignedMember,
  topics: ReadonlySet<Uuid>,
  most: number,
  free: Place[],
): Map<Uuid, Set<PartitionIndex>> {
  const kept = new Map<Uuid, Set<PartitionIndex>>();
  let room = most;
  for (const [topic, partitions] of member.assigned) {
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

function sizeOf(assignment: Assignment): number {
  let size = 0;
  for (const partitions of assignment.values()) size += partitions.size;
  return size;
}

/** Assigns to members with equal subscriptions: sizes differ by at most one, with as few moves as possible. */
function uniformAlike(input: AssignorInput): Map<string, Assignment> {
  const { members } = input;
  const [first] = members;
  if (first === undefined) return new Map();
  const { topics } = first;
  const held = new Map<Uuid, Set<PartitionIndex>>();
  for (const { assigned } of members) {
    for (const [topic, owned] of assigned) for (const partition of owned) add(held, topic, partition);
  }
  const free: Place[] = [];
  let total = 0;
  for (const topic of topics) {
    const count = input.partitions(topic);
    total += count;
    const taken = held.get(topic);
    for (let partition = 0; partition < count; partition++) {
      if (taken?.has(partition) !== true) free.push({ topic, partition });
    }
  }
  const quota: Quota = { least: Math.floor(total / members.length), extra: total % members.length };
  const result = new Map<string, Map<Uuid, Set<PartitionIndex>>>();
  const unfilled: { readonly assigned: Map<Uuid, Set<PartitionIndex>>; readonly room: number }[] = [];
  members.forEach((member, index) => {
    let most = quota.least + (quota.extra > 0 ? 1 : 0);
    const assigned = keep(member, topics, most, free);
    const size = sizeOf(assigned);
    // A member leaves the extra partition to another, unless all remaining members are needed to use them up.
    if (most > quota.least && size <= quota.least && members.length - index > quota.extra) most--;
    if (most > quota.least) quota.extra--;
    if (size < most) unfilled.push({ assigned, room: most - size });
    result.set(member.id, assigned);
  });
  let next = 0;
  for (const { assigned, room } of unfilled) {
    for (const { topic, partition } of free.slice(next, next + room)) add(assigned, topic, partition);
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
