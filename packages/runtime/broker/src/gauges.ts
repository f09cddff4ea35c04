import type { LogCleaner } from "@samsa/storage";
import type { BrokerParts } from "./api/parts.ts";
import { addGroupGauges } from "./group-gauges.ts";
import { addLogGauges } from "./log-gauges.ts";
import { addReplicaGauges } from "./replica-gauges.ts";
import type { Replication } from "./replica/replication.ts";
import type { Topics } from "./replica/topics.ts";
import type { DeadLetterCounts } from "./share/dead-letter-writer.ts";
import { addTransactionGauges } from "./transaction-gauges.ts";
import { BoundedSeries } from "./turn/bounded-series.ts";
import type { Labels } from "./turn/metric.ts";

/** Adds the gauges of a broker: metrics that are computed when they are read. */
export function addGauges(
  broker: Pick<
    BrokerParts,
    "dirs" | "env" | "groups" | "metrics" | "pendingFetches" | "sessions" | "shares" | "telemetry" | "transactions"
  > & {
    readonly topics: Pick<Topics, "all" | "image" | "partition" | "waiting">;
    readonly replication: Pick<Replication, "isrChanges" | "fetchers">;
    /** State as a number (`BrokerState`). */
    readonly stateNumber: number;
  },
  cleaner: LogCleaner,
): void {
  const { metrics, telemetry } = broker;
  const { env, dirs, topics, replication, groups, transactions, shares } = broker;
  const series = new BoundedSeries(metrics);
  const counted = { env, metrics, dirs, topics, replication, groups, transactions, shares, series };
  addReplicaGauges(counted);
  addLogGauges(counted);
  addGroupGauges(counted);
  addTransactionGauges(counted);
  metrics.gauge(
    "kafka_server_kafkaserver_brokerstate",
    "State: 1 starting, 2 opening logs, 3 running, 6 handing over its leaders, 7 stopping.",
    () => broker.stateNumber,
  );
  metrics.gauge(
    "kafka_server_fetchsessioncache_numincrementalfetchsessions",
    "Fetch sessions.",
    () => broker.sessions.size,
  );
  metrics.counter(
    "kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total",
    "Fetch sessions that had to make room for others.",
    () => broker.sessions.evictions,
    "kafka_server_fetchsessioncache_incrementalfetchsessionevictionspersec",
  );
  metrics.gauge(
    "kafka_log_logmanager_offlinelogdirectorycount",
    "Log directories that failed.",
    () => broker.dirs.failures.size,
  );
  addPurgatories(broker);
  metrics.gauge(
    "kafka_log_logcleanermanager_max_dirty_percent",
    "Of the log that needs compaction most, the percentage of bytes that were never compacted.",
    () => Math.floor(100 * cleaner.report.mostDirty),
  );
  metrics.gauge(
    "kafka_log_logcleanermanager_uncleanable_partitions_count",
    "Logs that cannot be compacted.",
    () => cleaner.report.uncleanable,
  );
  metrics.gauge("kafka_log_logcleanermanager_time_since_last_run_ms", "How long ago logs were looked at, in ms.", () =>
    Math.round(broker.env.clock.monotonic() - cleaner.report.lastRun),
  );
  metrics.gauge(
    "kafka_log_logcleaner_max_clean_time_secs",
    "Time of the longest of the last compactions of each thread, in seconds.",
    () => cleaner.report.longestMs / 1000,
  );
  metrics.gauge("samsa_log_cleaner_running", "Logs that are being compacted.", () => cleaner.report.running);
  addDeadLetterCounters(broker);
  if (telemetry === undefined) return;
  metrics.gauge("kafka_server_client_metrics_instance_count", "Clients that push metrics.", () => telemetry.size);
}

/** Operations that wait: names of both exporters' rules for the label. */
const WAITS = {
  fetch: { delayedOperation: "Fetch", delayedoperation: "Fetch" },
  produce: { delayedOperation: "Produce", delayedoperation: "Produce" },
} as const satisfies Readonly<Record<string, Labels>>;

/** Adds the numbers of requests that wait (`DelayedOperationPurgatory`). */
function addPurgatories({
  metrics,
  pendingFetches,
  topics,
}: Pick<BrokerParts, "metrics" | "pendingFetches"> & { readonly topics: Pick<Topics, "waiting"> }): void {
  for (const name of ["purgatorysize", "numdelayedoperations"]) {
    metrics.add({
      name: `kafka_server_delayedoperationpurgatory_${name}`,
      help: "Fetches that wait for records, and appends and deletions that wait for other replicas.",
      type: "gauge",
      samples: () => [
        { labels: WAITS.fetch, value: pendingFetches.size },
        { labels: WAITS.produce, value: topics.waiting },
      ],
    });
  }
}

/** Adds the counters of dead letters (`ShareGroupMetrics`, KIP-1191). */
function addDeadLetterCounters({ metrics, shares: { deadLetters } }: Pick<BrokerParts, "metrics" | "shares">): void {
  const add = (name: string, help: string, field: keyof DeadLetterCounts): void =>
    metrics.counters(`kafka_server_sharegroupmetrics_deadletterqueue${name}_total`, help, "group", () =>
      Array.from(deadLetters.counts, ([groupId, counts]) => [groupId, counts[field]] as const),
    );
  add("recordcount", "Dead letters written.", "records");
  add("totalproducerequests", "Parts of requests that carried dead letters.", "requests");
  add("failedproducerequests", "Runs of dead letters that were given up.", "failed");
}
