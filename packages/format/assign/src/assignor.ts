import type { Subscription } from "./consumer-protocol.ts";
import { type AssignedPartition, compareText } from "./partition.ts";

/** Name of an assignor: the protocol that members offer to their group. */
export type AssignorName = "range" | "roundrobin" | "sticky" | "cooperative-sticky";

/** Member of a classic group, as its leader sees it. */
export interface SubscribedMember {
  readonly memberId: string;
  /** `group.instance.id` of a static member. */
  readonly instanceId: string | null;
  readonly subscription: Subscription;
}

/** Topic that can be assigned. */
export interface AssignableTopic {
  /** Number of partitions. */
  readonly partitions: number;
  /** Racks of the replicas of each partition, by its index. Undefined or shorter: not known. */
  readonly racks?: readonly (readonly string[])[];
}

/** Input of an assignor. */
export interface AssignorInput {
  readonly members: readonly SubscribedMember[];
  /** Topics that exist; others that members subscribe to are left out. */
  readonly topics: ReadonlyMap<string, AssignableTopic>;
}

/** Partitions of each member, by its id. Every member has an entry. */
export type GroupAssignment = Map<string, AssignedPartition[]>;

/** Distributes the partitions of subscribed topics to the members of a group (`ConsumerPartitionAssignor`). */
export interface Assignor {
  readonly name: AssignorName;
  /** Members keep their partitions while they join again, and give up only those that move (KIP-429). */
  readonly isCooperative: boolean;
  /** Bytes that a member adds to its subscription, from what it was assigned last; undefined: nothing so far. */
  userData(last: LastAssignment | undefined): Uint8Array | null;
  assign(input: AssignorInput): GroupAssignment;
}

/** Assignment that a member got, and the generation of the group in which it did. */
export interface LastAssignment {
  readonly generation: number;
  readonly partitions: readonly AssignedPartition[];
}

/** Order of members: static ones first, by instance id, so that a new member id does not move them. */
export function compareMembers(a: SubscribedMember, b: SubscribedMember): number {
  if (a.instanceId !== null && b.instanceId !== null) return compareText(a.instanceId, b.instanceId);
  if (a.instanceId !== null) return -1;
  if (b.instanceId !== null) return 1;
  return compareText(a.memberId, b.memberId);
}
