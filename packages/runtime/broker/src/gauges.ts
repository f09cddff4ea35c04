import type { LogCleaner } from "@samsa/storage";
import type { BrokerParts } from "./api/parts.ts";
import { addReplicaGauges } from "./replica-gauges.ts";
import type { Replication } from "./replica/replication.ts";
import type { Topics } from "./replica/topics.ts";
import type { DeadLetterCounts } from "./share/dead-letter-writer.ts";

/** Adds the gauges of a broker: metrics that are computed when they are read. */
export function addGauges(
  broker: Pick<BrokerParts, "dirs" | "env" | "metrics" | "pendingFetches" | "sessions" | "shares" | "telemetry"> & {
    readonly topics: Pick<Topics, "all" | "image">;
    readonly replication: Pick<Replication, "isrChanges">;
  },
  cleaner: LogCleaner,
): void {
  const { metrics, telemetry } = broker;
  addReplicaGauges(broker);
  metrics.gauge(
    "kafka_server_fetchsessioncache_numincrementalfetchsessions",
    "Fetch sessions.",
    () => broker.sessions.size,
  );
  metrics.gauge(
    "kafka_log_logmanager_offlinelogdirectorycount",
    "Log directories that failed.",
    () => broker.dirs.failures.size,
  );
  metrics.gauge(
    "kafka_server_delayedoperationpurgatory_fetch_size",
    "Fetches that wait.",
    () => broker.pendingFetches.size,
  );
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
  addDeadLetterCounters(broker);
  if (telemetry === undefined) return;
  metrics.gauge("kafka_server_client_metrics_instance_count", "Clients that push metrics.", () => telemetry.size);
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
