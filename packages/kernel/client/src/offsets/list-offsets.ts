import type { Int64, LeaderEpoch } from "@samsa/base";
import type { Apis, Draft, Infer } from "@samsa/protocol";
import { byTopic, type TopicPartition } from "../cluster/cluster-view.ts";

/** `isolation.level`: `read_committed` hides records of open and aborted transactions. */
export type IsolationLevel = "read_uncommitted" | "read_committed";

/** ListOffsets request, as encoding takes it. */
export type ListOffsetsDraft = Draft<(typeof Apis)["ListOffsets"]["request"]>;
/** Decoded ListOffsets response. */
export type ListOffsetsAnswer = Infer<(typeof Apis)["ListOffsets"]["response"]>;

/** Question for the offset of a partition at a timestamp, or at one of `OFFSET_TIMESTAMPS`. */
export interface OffsetQuery extends TopicPartition {
  readonly timestamp: Int64;
  /** Epoch of the leader, as this client knows it; −1: not known. */
  readonly leaderEpoch: LeaderEpoch;
}

/** Number of an isolation level in requests. */
export function isolationCode(isolation: IsolationLevel): number {
  return isolation === "read_committed" ? 1 : 0;
}

/** Request for the offsets of partitions with one leader. `timeoutMs` bounds lookups in tiered storage (KIP-1075). */
export function listOffsetsRequest(
  queries: readonly OffsetQuery[],
  isolation: IsolationLevel,
  timeoutMs: number,
): ListOffsetsDraft {
  const topics = [...byTopic(queries)].map(([name, partitions]) => ({
    name,
    partitions: partitions.map(({ partition, leaderEpoch, timestamp }) => ({
      partitionIndex: partition,
      currentLeaderEpoch: leaderEpoch,
      timestamp,
    })),
  }));
  return { replicaId: -1, isolationLevel: isolationCode(isolation), topics, timeoutMs };
}
