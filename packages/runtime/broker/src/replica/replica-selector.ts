import type { BrokerId } from "@samsa/base";

/** Value of `replica.selector.class` for `replicaInRack`. */
export const RACK_AWARE = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

/** Replica of a partition that a consumer may read from. */
export interface ReplicaView {
  readonly id: BrokerId;
  readonly end: number;
  readonly caughtUpAt: number;
  readonly rack: string | null;
}

/**
 * Replica in the rack of a client that has the most records; undefined if that is the leader, or there is none
 * (`RackAwareReplicaSelector`, KIP-392).
 */
export function replicaInRack(
  rack: string,
  leader: Pick<ReplicaView, "rack">,
  others: readonly ReplicaView[],
): BrokerId | undefined {
  if (rack === "" || leader.rack === rack) return undefined;
  const near = others.filter(replica => replica.rack === rack);
  return near.toSorted((a, b) => b.end - a.end || b.caughtUpAt - a.caughtUpAt || a.id - b.id)[0]?.id;
}
