import type { PartitionIndex, Uuid } from "@samsa/base";

/** Partitions by topic id; topics without partitions are absent. */
export type Assignment = ReadonlyMap<Uuid, ReadonlySet<PartitionIndex>>;

export interface AssignedMember {
  readonly id: string;
  readonly instanceId: string | null;
  /** Existing topics that the member subscribes to. */
  readonly topics: ReadonlySet<Uuid>;
  /** Target assignment so far. */
  readonly assigned: Assignment;
}

export interface AssignorInput {
  readonly members: readonly AssignedMember[];
  /** True if all members subscribe to the same topics. */
  readonly uniform: boolean;
  /** Number of partitions of a topic that a member subscribes to. */
  partitions(topic: Uuid): number;
}

/** Divides the partitions of all subscribed topics among the members; returns assignments by member id. */
export type Assignor = (input: AssignorInput) => Map<string, Assignment>;

export const NOTHING: Assignment = new Map();

export function add(assignment: Map<Uuid, Set<PartitionIndex>>, topic: Uuid, partition: PartitionIndex): void {
  const partitions = assignment.get(topic);
  if (partitions === undefined) assignment.set(topic, new Set([partition]));
  else partitions.add(partition);
}

export function sameAssignment(a: Assignment, b: Assignment): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [topic, partitions] of a) {
    const others = b.get(topic);
    if (others === undefined || others.size !== partitions.size) return false;
    for (const partition of partitions) if (!others.has(partition)) return false;
  }
  return true;
}
