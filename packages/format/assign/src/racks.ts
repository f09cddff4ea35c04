import type { AssignableTopic, SubscribedMember } from "./assignor.ts";

const NO_RACKS: ReadonlySet<string> = new Set();

/** Rack of a member; undefined: none. */
export function rackOf({ subscription }: SubscribedMember): string | undefined {
  return subscription.rack === null || subscription.rack === "" ? undefined : subscription.rack;
}

/** Racks of the members that have one, by member id. */
export function racksOfMembers(members: readonly SubscribedMember[]): Map<string, string> {
  const racks = new Map<string, string>();
  for (const member of members) {
    const rack = rackOf(member);
    if (rack !== undefined) racks.set(member.memberId, rack);
  }
  return racks;
}

/** Racks of the replicas of a partition. */
export function racksOfPartition(topic: AssignableTopic, partition: number): ReadonlySet<string> {
  const racks = topic.racks?.[partition];
  return racks === undefined || racks.length === 0 ? NO_RACKS : new Set(racks);
}

/**
 * True if racks make a difference: a member's rack has replicas, and not every partition has replicas in the same racks
 * (KIP-881).
 */
export function doRacksMatter(memberRacks: Iterable<string>, partitions: readonly ReadonlySet<string>[]): boolean {
  const all = new Set<string>();
  for (const racks of partitions) for (const rack of racks) all.add(rack);
  if (![...memberRacks].some(rack => all.has(rack))) return false;
  return partitions.some(racks => racks.size !== all.size);
}
