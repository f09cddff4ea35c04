import type { Env } from "@samsa/base";
import type { BoundedSeries } from "./turn/bounded-series.ts";
import type { BrokerMetrics } from "./turn/metrics.ts";
import { ScrapeRate } from "./turn/scrape-rate.ts";
import type { Partition } from "./replica/partition.ts";
import type { Replication } from "./replica/replication.ts";
import type { Topics } from "./replica/topics.ts";

/** Parts of a broker whose replicas are counted. */
interface Counted {
  readonly metrics: BrokerMetrics;
  readonly topics: Pick<Topics, "all" | "image">;
  readonly replication: Pick<Replication, "isrChanges" | "fetchers">;
  readonly series: BoundedSeries;
  readonly env: Pick<Env, "clock">;
}

function isUnderReplicated({ leader }: Partition): boolean {
  return leader !== undefined && leader.isr.length < leader.followers + 1;
}

/** Adds the gauges of the replicas here (`ReplicaManager`). */
export function addReplicaGauges(counted: Counted): void {
  const { metrics, topics, replication } = counted;
  const isReassigned = ({ topicId, index, leader }: Partition): boolean => {
    if (leader === undefined) return false;
    const { addingReplicas = [], removingReplicas = [] } =
      topics.image.topics.get(topicId)?.partitions.get(index) ?? {};
    return addingReplicas.length + removingReplicas.length > 0;
  };
  const gauges: readonly (readonly [name: string, help: string, isCounted: (partition: Partition) => boolean])[] = [
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
  for (const [name, help, isCounted] of gauges) {
    metrics.gauge(`kafka_server_replicamanager_${name}`, help, () => {
      let count = 0;
      for (const partition of topics.all()) if (isCounted(partition)) count++;
      return count;
    });
  }
  addFetcherGauges(counted);
  const { isrChanges } = replication;
  metrics.counter(
    "kafka_server_replicamanager_isrexpands_total",
    "Replicas that came in sync with leaders here.",
    () => isrChanges.expansions,
    "kafka_server_replicamanager_isrexpandspersec",
  );
  metrics.counter(
    "kafka_server_replicamanager_isrshrinks_total",
    "Times that replicas were no longer in sync with a leader here.",
    () => isrChanges.shrinks,
    "kafka_server_replicamanager_isrshrinkspersec",
  );
  metrics.counter(
    "kafka_server_replicamanager_failedisrupdates_total",
    "Changes of ISRs that the controller did not take.",
    () => isrChanges.failures,
  );
}

/** Labels of what all fetchers of replicas have in common, by the rules of both of Kafka's exporters. */
const FETCHERS = { clientId: "Replica", clientid: "Replica" } as const;

/** Adds the gauges of the fetchers of replicas here (`AbstractFetcherManager`, `FetcherLagMetrics`). */
function addFetcherGauges({ env, metrics, series, replication }: Counted): void {
  const { fetchers } = replication;
  const add = (name: string, help: string, read: () => number): void =>
    metrics.add({
      name: `kafka_server_replicafetchermanager_${name}`,
      help,
      type: "gauge",
      samples: () => [{ labels: FETCHERS, value: read() }],
    });
  add("maxlag", "Largest lag of a replica here, in records.", () => {
    let most = 0;
    for (const { lag } of fetchers.lags()) if (lag > most) most = lag;
    return most;
  });
  const rate = new ScrapeRate(env.clock.monotonic());
  add("minfetchrate", "Answers to fetches of replicas per second and fetcher.", () =>
    fetchers.size === 0 ? 0 : rate.read(fetchers.traffic.fetches, env.clock.monotonic()) / fetchers.size,
  );
  add("failedpartitionscount", "Replicas whose last fetch has failed.", () => {
    let count = 0;
    for (const { failed } of fetchers.lags()) if (failed) count++;
    return count;
  });
  const lag = "kafka_server_fetcherlagmetrics_consumerlag";
  metrics.add({
    name: lag,
    help: "Records by which a replica here is behind the high watermark of its leader.",
    type: "gauge",
    samples: () =>
      series.limit(lag, fetchers.lags(), ({ partition: { topic, index }, lag: value }) => ({
        labels: { clientId: "Replica", topic, partition: String(index) },
        value,
      })),
  });
  metrics.counter(
    "kafka_server_brokertopicmetrics_replicationbytesin_total",
    "Bytes fetched from leaders.",
    () => fetchers.traffic.bytesIn,
    "kafka_server_brokertopicmetrics_replicationbytesinpersec",
  );
}
