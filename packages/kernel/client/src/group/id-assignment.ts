import type { PartitionIndex, Uuid } from "@samsa/base";

/** Partitions by the id of their topic, in ascending order; a topic has at least one. */
export type IdPartitions = ReadonlyMap<Uuid, readonly PartitionIndex[]>;

/** Partitions as requests and responses list them. */
export interface ListedTopic {
  readonly topicId: Uuid;
  readonly partitions: readonly PartitionIndex[];
}

/**
 * Assignment as a member knows it. `version` counts those that it has got: going back to an earlier one is a change,
 * too (`AbstractMembershipManager.LocalAssignment`).
 */
export interface IdAssignment {
  /** −1: none. */
  readonly version: number;
  readonly partitions: IdPartitions;
}

/** Assignment of a member before its first one. */
export const NO_ASSIGNMENT: IdAssignment = { version: -1, partitions: new Map() };

/** Partitions of a response. */
export function idPartitions(topics: readonly ListedTopic[]): IdPartitions {
  const sorted = topics.map(({ topicId, partitions }) => [topicId, [...partitions].sort((a, b) => a - b)] as const);
  return new Map(sorted.filter(([, partitions]) => partitions.length > 0));
}

/** Partitions in the form of a request. */
export function listed(partitions: IdPartitions): ListedTopic[] {
  return [...partitions].map(([topicId, indexes]) => ({ topicId, partitions: [...indexes] }));
}

function samePartitions(a: IdPartitions, b: IdPartitions): boolean {
  if (a.size !== b.size) return false;
  for (const [id, indexes] of a) {
    const others = b.get(id);
    if (others === undefined || others.length !== indexes.length) return false;
    if (indexes.some((index, i) => index !== others[i])) return false;
  }
  return true;
}

export function sameAssignment(a: IdAssignment, b: IdAssignment): boolean {
  return a.version === b.version && samePartitions(a.partitions, b.partitions);
}

/** The assignment after this answer of the coordinator: the same if it says nothing new. */
export function nextAssignment(known: IdAssignment, partitions: IdPartitions): IdAssignment {
  if (known !== NO_ASSIGNMENT && samePartitions(known.partitions, partitions)) return known;
  return { version: known.version + 1, partitions };
}
