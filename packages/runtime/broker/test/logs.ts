import type { PartitionLog } from "@samsa/storage";
import * as partitions from "../src/replica/partition.ts";

/** Log of a partition that must exist. */
export function logOf(partition: partitions.Partition | undefined): PartitionLog {
  if (partition === undefined) throw new Error("the partition is missing");
  return partitions.logOf(partition);
}
