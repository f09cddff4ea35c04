import type { PartitionIndex } from "@samsa/base";

/** A partition by the name of its topic. */
export interface AssignedPartition {
  readonly topic: string;
  readonly partition: PartitionIndex;
}

/** Order of strings by UTF-16 code units, which is Java's. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Order of partitions: by topic, then by index. */
export function comparePartitions(a: AssignedPartition, b: AssignedPartition): number {
  return compareText(a.topic, b.topic) || a.partition - b.partition;
}
