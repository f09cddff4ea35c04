import type { PartitionIndex, Uuid } from "@samsa/base";
import { type AssignedMember, type Assignment, type AssignorInput } from "./assignor.ts";

/** Order of members: static members first, by instance id, so that a new member id does not move them. */
function inOrder(a: AssignedMember, b: AssignedMember): number {
  if (a.instanceId !== null && b.instanceId !== null) return a.instanceId < b.instanceId ? -1 : 1;
  if (a.instanceId !== null) return -1;
  if (b.instanceId !== null) return 1;
  return a.id < b.id ? -1 : 1;
}

/**
 * Gives every subscriber of a topic one range of its partitions; the first subscribers get one more if the number does
 * not divide evenly. Topics with equal partition counts and subscribers are divided alike (`RangeAssignor`).
 */
export function range(input: AssignorInput): Map<string, Assignment> {
  const { members } = input;
  const sorted = [...members].sort(inOrder);
  const subscribers = new Map<Uuid, number>();
  for (const { topics } of sorted)
    for (const topic of topics) subscribers.set(topic, (subscribers.get(topic) ?? 0) + 1);
  const served = new Map<Uuid, number>();
  const result = new Map<string, Assignment>();
  for (const member of sorted) {
    const assigned = new Map<Uuid, Set<PartitionIndex>>();
    for (const topic of member.topics) {
      const count = input.partitions(topic);
      const among = subscribers.get(topic) ?? 1;
      const place = served.get(topic) ?? 0;
      served.set(topic, place + 1);
      const extra = count % among;
      const least = Math.floor(count / among);
      const first = place * least + Math.min(place, extra);
      const size = least + (place < extra ? 1 : 0);
      if (size > 0) assigned.set(topic, new Set(Array.from({ length: size }, (_, i) => first + i)));
    }
    result.set(member.id, assigned);
  }
  return result;
}
