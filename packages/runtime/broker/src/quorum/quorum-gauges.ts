import type { RaftClient } from "@samsa/raft";
import type { BrokerMetrics } from "../turn/metrics.ts";

/** Adds the gauges of the replica of the metadata log (`KafkaRaftMetrics`). */
export function addQuorumGauges(metrics: BrokerMetrics, quorum: RaftClient): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    metrics.gauge(`kafka_server_raft_metrics_${name}`, help, read);
  gauge("current_leader", "Id of the quorum's leader; -1: unknown.", () => quorum.leaderId ?? -1);
  gauge("current_epoch", "Epoch of the quorum.", () => quorum.epoch);
  gauge("high_watermark", "High watermark of the metadata log here.", () => quorum.highWatermark);
  gauge("log_end_offset", "End of the metadata log here.", () => quorum.endOffset);
  gauge("number_of_voters", "Voters of the quorum.", () => quorum.voters.length);
}
