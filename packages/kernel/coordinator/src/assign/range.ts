import type { Uuid } from "@samsa/base";
import { type AssignedMember, type Assignment, type AssignorInput } from "./assignor.ts";

/** Static members first, by instance: their place does not change with their id. */
function inOrder(a: AssignedMember, b: AssignedMember): number {
  if (a.instanceId !== null && b.instanceId !== null) return a.instanceId < b.instanceId ? -1 : 1;
  if (a.instanceId !== null) return -1;
  if (b.instanceId !== null) return 1;
  return a.id < b.id ? -1 : 1;
}

/**
 * Gives every subscriber of a topic one range of its partitions, the first ones one partition more where it does not
 * divide; topics with as many partitions and the same subscribers are divided alike (`RangeAssignor`).
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
    const assigned = new Map<Uuid, Set<number>>();
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
