import type { PartitionIndex, Uuid } from "@samsa/base";
import type { Assignment } from "../assign/index.ts";
import { type ConsumerMember, moved, NONE, type Owned, STATE } from "./member.ts";

/** Partitions in the form of a heartbeat. */
export type ListedPartitions = readonly { readonly topicId: Uuid; readonly partitions: readonly PartitionIndex[] }[];

export interface Goal {
  /** Epoch of the target assignment, and the member's share of it. */
  readonly epoch: number;
  readonly target: Assignment;
  /** True if the member's subscription has changed. */
  readonly subscriptionChanged: boolean;
  /** Topics that the member subscribes to; it gets no others, even if the target has them. */
  readonly topics: ReadonlySet<Uuid>;
  /** Partitions that the member reports to own; null: not reported. */
  readonly owned: ListedPartitions | null;
  /** True if any member owns the partition or has not confirmed its revocation. */
  isOwned(topic: Uuid, partition: PartitionIndex): boolean;
}

function holds(owned: Owned, listed: ListedPartitions | null): boolean {
  if (listed === null) return true;
  return listed.some(({ topicId, partitions }) => {
    const among = owned.get(topicId);
    return among !== undefined && partitions.some(partition => among.has(partition));
  });
}

/** Revokes the partitions of topics that the member no longer subscribes to, and no others. */
function shrink(member: ConsumerMember, goal: Goal): ConsumerMember {
  const assigned = new Map(member.assigned);
  const revoking = new Map(member.revoking);
  for (const [topic, partitions] of member.assigned) {
    if (goal.topics.has(topic)) continue;
    assigned.delete(topic);
    revoking.set(topic, new Map([...(revoking.get(topic) ?? []), ...partitions]));
  }
  if (assigned.size === member.assigned.size) return member;
  if (holds(revoking, goal.owned)) {
    return moved(member, member.epoch, { state: STATE.unrevoked, assigned, revoking });
  }
  // The member has revoked them already.
  return moved(member, member.epoch, { assigned });
}

/** Next step towards the target: revoke partitions first, then move to the target's epoch and take free partitions. */
function advance(member: ConsumerMember, goal: Goal): ConsumerMember {
  const { epoch } = goal;
  const assigned = new Map<Uuid, ReadonlyMap<PartitionIndex, number>>();
  const revoking = new Map<Uuid, ReadonlyMap<PartitionIndex, number>>();
  const taken = new Map<Uuid, Map<PartitionIndex, number>>();
  let waits = false;
  for (const topic of new Set([...goal.target.keys(), ...member.assigned.keys()])) {
    const target = goal.topics.has(topic) ? goal.target.get(topic) : undefined;
    const current = member.assigned.get(topic);
    const kept = new Map<PartitionIndex, number>();
    const lost = new Map<PartitionIndex, number>();
    for (const [partition, since] of current ?? [])
      (target?.has(partition) === true ? kept : lost).set(partition, since);
    const all = new Map(kept);
    for (const partition of target ?? []) {
      if (kept.has(partition)) continue;
      // A partition that the member itself has just revoked is free.
      const free = !goal.isOwned(topic, partition) || member.revoking.get(topic)?.has(partition) === true;
      if (free) all.set(partition, epoch);
      else waits = true;
    }
    if (kept.size > 0) assigned.set(topic, kept);
    if (lost.size > 0) revoking.set(topic, lost);
    if (all.size > 0) taken.set(topic, all);
  }
  if (revoking.size > 0 && holds(revoking, goal.owned)) {
    return moved(member, member.epoch, { state: STATE.unrevoked, assigned, revoking });
  }
  return moved(member, epoch, { state: waits ? STATE.unreleased : STATE.stable, assigned: taken, revoking: NONE });
}

/** Member after one step towards its target; the same object if nothing changes (`CurrentAssignmentBuilder`). */
export function reconcile(member: ConsumerMember, goal: Goal): ConsumerMember {
  switch (member.state) {
    case STATE.stable:
      if (member.epoch !== goal.epoch) return advance(member, goal);
      return goal.subscriptionChanged ? shrink(member, goal) : member;
    case STATE.unrevoked:
      if (!holds(member.revoking, goal.owned)) return advance(member, goal);
      return goal.subscriptionChanged ? shrink(member, goal) : member;
    default:
      return advance(member, goal);
  }
}
