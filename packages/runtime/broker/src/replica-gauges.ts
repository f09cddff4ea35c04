import type { BrokerMetrics } from "./turn/metrics.ts";
import type { Partition } from "./replica/partition.ts";
import type { Replication } from "./replica/replication.ts";
import type { Topics } from "./replica/topics.ts";

/** Parts of a broker whose replicas are counted. */
interface Counted {
  readonly metrics: BrokerMetrics;
  readonly topics: Pick<Topics, "all" | "image">;
  readonly replication: Pick<Replication, "isrChanges">;
}

function isUnderReplicated({ leader }: Partition): boolean {
  return leader !== undefined && leader.isr.length < leader.followers + 1;
}

/** Adds the gauges of the replicas here (`ReplicaManager`). */
export function addReplicaGauges({ metrics, topics, replication }: Counted): void {
  const isReassigned = ({ topicId, index, leader }: Partition): boolean => {
    if (leader === undefined) return false;
    const { addingReplicas = [], removingReplicas = [] } =
      topics.image.topics.get(topicId)?.partitions.get(index) ?? {};
    return addingReplicas.length + removingReplicas.length > 0;
  };
  const counted: readonly (readonly [name: string, help: string, isCounted: (partition: Partition) => boolean])[] = [
    ["partitioncount", "Partitions here.", () => true],
    ["leadercount", "Partitions that this broker leads.", ({ leader }) => leader !== undefined],
    ["offlinereplicacount", "Replicas here in directories that failed.", ({ isOffline }) => isOffline],
    ["underreplicatedpartitions", "Led partitions with replicas that are not in sync.", isUnderReplicated],
    [
      "underminisrpartitioncount",
      "Led partitions with fewer replicas in sync than min.insync.replicas.",
      ({ leader }) => leader?.isBelowMinimum === true,
    ],
    [
      "atminisrpartitioncount",
      "Led partitions with as many replicas in sync as min.insync.replicas.",
      ({ leader }) => leader?.isAtMinimum === true,
    ],
    ["reassigningpartitions", "Led partitions that are being reassigned.", isReassigned],
  ];
  for (const [name, help, isCounted] of counted) {
    metrics.gauge(`kafka_server_replicamanager_${name}`, help, () => {
      let count = 0;
      for (const partition of topics.all()) if (isCounted(partition)) count++;
      return count;
    });
  }
  const { isrChanges } = replication;
  metrics.counter(
    "kafka_server_replicamanager_isrexpands_total",
    "Replicas that came in sync with leaders here.",
    () => isrChanges.expansions,
  );
  metrics.counter(
    "kafka_server_replicamanager_isrshrinks_total",
    "Times that replicas were no longer in sync with a leader here.",
    () => isrChanges.shrinks,
  );
  metrics.counter(
    "kafka_server_replicamanager_failedisrupdates_total",
    "Changes of ISRs that the controller did not take.",
    () => isrChanges.failures,
  );
}
