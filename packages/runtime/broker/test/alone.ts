import type { PartitionState } from "@samsa/replica";
import type { PartitionCluster } from "../src/replica/partition.ts";

/** Cluster of broker 1 alone. */
export const ALONE: PartitionCluster = {
  brokers: { self: 1, ownEpoch: () => 1, aliveEpoch: () => undefined, isLeaving: () => false },
  lagMs: 30_000,
  propose() {},
};

/** State in which broker 1 leads in an epoch, as the only replica by default. */
export function leading(leaderEpoch: number, replicas = [1], isr = [1]): PartitionState {
  return { leaderEpoch, partitionEpoch: 1000 + leaderEpoch, replicas, isr };
}

/** No replica is throttled. */
export const NO_THROTTLE = { leaders: [], followers: [] };
