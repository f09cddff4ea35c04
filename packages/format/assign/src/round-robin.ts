import { entryAt } from "@samsa/base";
import { type Assignor, type AssignorInput, compareMembers, type GroupAssignment } from "./assignor.ts";
import { compareText } from "./partition.ts";

function assign({ members, topics }: AssignorInput): GroupAssignment {
  const result: GroupAssignment = new Map(members.map(({ memberId }) => [memberId, []]));
  const circle = [...members].sort(compareMembers).map(({ memberId, subscription }) => ({
    memberId,
    topics: new Set(subscription.topics),
  }));
  const subscribed = new Set(members.flatMap(({ subscription }) => subscription.topics));
  let turn = 0;
  for (const topic of [...subscribed].sort(compareText)) {
    const count = topics.get(topic)?.partitions ?? 0;
    for (let partition = 0; partition < count; partition++) {
      while (!entryAt(circle, turn).topics.has(topic)) turn = (turn + 1) % circle.length;
      result.get(entryAt(circle, turn).memberId)?.push({ topic, partition });
      turn = (turn + 1) % circle.length;
    }
  }
  return result;
}

/** Deals all partitions, sorted, to the members in turn; a member that is not subscribed is passed (`RoundRobinAssignor`). */
export const ROUND_ROBIN: Assignor = { name: "roundrobin", isCooperative: false, userData: () => null, assign };
