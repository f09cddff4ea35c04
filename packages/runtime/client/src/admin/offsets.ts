import { type LeaderEpoch, nearestNumber, type Offset, type Int64 } from "@samsa/base";
import { byTopic, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { type AdminOptions, byLeader, drive, outcomeOf } from "./drive.ts";
import { type Outcome, PartitionOutcomes } from "./outcomes.ts";

/** Special timestamps of ListOffsets (`OffsetSpec`). */
const SPECIAL = {
  latest: -1,
  earliest: -2,
  "max-timestamp": -3,
  "earliest-local": -4,
  "latest-tiered": -5,
  "earliest-pending-upload": -6,
} as const;

/**
 * Place in a log: an end of it, the record with the largest timestamp (KIP-734), or the first record at or after a time
 * in ms since the epoch.
 */
export type OffsetSpec = keyof typeof SPECIAL | { readonly timestamp: Int64 };

/** Offset that was found. −1: there is no such record. */
export interface FoundOffset extends TopicPartition {
  readonly offset: Offset;
  /** Timestamp of the record; −1 for the ends of a log. */
  readonly timestamp: Int64;
  readonly leaderEpoch: LeaderEpoch;
}

const COMMITTED = 1;

/** Finds offsets in the logs of partitions (`Admin.listOffsets`). */
export async function listOffsets(
  client: ClusterClient,
  specs: readonly (TopicPartition & { readonly at: OffsetSpec })[],
  options: AdminOptions & { readonly isolation?: "read_committed" | "read_uncommitted" } = {},
): Promise<PartitionOutcomes<FoundOffset>> {
  const patience = client.patience(options);
  const wanted = new Map(specs.map(({ topic, partition, at }) => [partitionKey(topic, partition), at]));
  const timestampOf = (topic: string, partition: number): Int64 => {
    const at = wanted.get(partitionKey(topic, partition)) ?? "latest";
    return typeof at === "string" ? SPECIAL[at] : at.timestamp;
  };
  const plan = byLeader<FoundOffset>(client, patience, specs, async (leader, led) => {
    const { topics } = await client.call(leader, "ListOffsets", version => ({
      replicaId: -1,
      ...(version < 2 ? {} : { isolationLevel: options.isolation === "read_committed" ? COMMITTED : 0 }),
      topics: [...byTopic(led)].map(([name, entries]) => ({
        name,
        partitions: entries.map(({ partition }) => ({
          partitionIndex: partition,
          currentLeaderEpoch: -1,
          timestamp: timestampOf(name, partition),
        })),
      })),
      timeoutMs: client.settings.requestTimeoutMs,
    }));
    return new Map(
      topics.flatMap(({ name: topic, partitions }) =>
        partitions.map((answer): [string, Outcome<FoundOffset>] => {
          const { partitionIndex: partition, timestamp, leaderEpoch } = answer;
          const found = () => ({ topic, partition, offset: nearestNumber(answer.offset), timestamp, leaderEpoch });
          return [partitionKey(topic, partition), outcomeOf(answer, `${topic}-${partition}`, found)];
        }),
      ),
    );
  });
  return new PartitionOutcomes(await drive(client, patience, plan));
}
