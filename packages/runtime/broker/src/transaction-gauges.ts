import type { Env } from "@samsa/base";
import type { ElectedShard, Shards } from "./coordinator/shards.ts";
import type { Transactions } from "./coordinator/transactions.ts";
import { countOf } from "./turn/metric.ts";
import type { BrokerMetrics } from "./turn/metrics.ts";

interface Counted {
  readonly env: Pick<Env, "clock">;
  readonly metrics: BrokerMetrics;
  readonly transactions: Transactions;
  readonly groups: Shards<ElectedShard>;
}

/** Adds the gauges of transactions that are coordinated here, and of the loads of both coordinators. */
export function addTransactionGauges({ env, metrics, transactions, groups }: Counted): void {
  const prefix = "kafka_server_transaction_coordinator_metrics_";
  addLoads(metrics, prefix, transactions);
  addLoads(metrics, "kafka_server_group_coordinator_metrics_", groups);
  metrics.gauge(`${prefix}transactional_id_count`, "Transactional ids that are coordinated here.", () => {
    let count = 0;
    for (const { shard } of transactions.all()) count += countOf(shard.views());
    return count;
  });
  metrics.gauge(
    `${prefix}active_transaction_total_time_max`,
    "Age of the oldest transaction that is open here, in ms; 0: none is open.",
    () => {
      let oldest = Infinity;
      for (const { shard } of transactions.all()) {
        for (const { state, startTimestamp } of shard.views()) {
          if (state === "Ongoing" && startTimestamp < oldest) oldest = startTimestamp;
        }
      }
      return oldest === Infinity ? 0 : Math.max(0, env.clock.now() - oldest);
    },
  );
  metrics.add({
    name: "samsa_transactions",
    help: "Transactional ids that are coordinated here, by state.",
    type: "gauge",
    samples: () => {
      const states = new Map<string, number>();
      for (const { shard } of transactions.all()) {
        for (const { state } of shard.views()) states.set(state, (states.get(state) ?? 0) + 1);
      }
      return Array.from(states, ([state, value]) => ({ labels: { state }, value }));
    },
  });
}

/** Adds the times that the shards of a coordinator here have taken to load (`PartitionLoadTime`). */
function addLoads(metrics: BrokerMetrics, prefix: string, shards: Shards<ElectedShard>): void {
  const times = (): number[] => shards.known().flatMap(({ loadMs }) => loadMs ?? []);
  metrics.gauge(
    `${prefix}partition_load_time_max`,
    "Longest load of a partition that is coordinated here, in ms.",
    () => Math.max(0, ...times()),
  );
  metrics.gauge(
    `${prefix}partition_load_time_avg`,
    "Average load of the partitions that are coordinated here, in ms.",
    () => {
      const all = times();
      return all.length === 0 ? 0 : all.reduce((sum, ms) => sum + ms, 0) / all.length;
    },
  );
}
