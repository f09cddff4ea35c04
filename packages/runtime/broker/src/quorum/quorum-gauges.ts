import type { Env } from "@samsa/base";
import type { RaftClient } from "@samsa/raft";
import type { BrokerMetrics } from "../turn/metrics.ts";
import { ScrapeRate } from "../turn/scrape-rate.ts";

/** Adds the gauges of the replica of the metadata log (`KafkaRaftMetrics`). */
export function addQuorumGauges({ clock }: Pick<Env, "clock">, metrics: BrokerMetrics, quorum: RaftClient): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    metrics.gauge(`kafka_server_raft_metrics_${name}`, help, read, `kafka_server_raftmetrics_${name}`);
  gauge("current_leader", "Id of the quorum's leader; -1: unknown.", () => quorum.leaderId ?? -1);
  gauge("current_epoch", "Epoch of the quorum.", () => quorum.epoch);
  gauge("high_watermark", "High watermark of the metadata log here.", () => quorum.highWatermark);
  gauge("log_end_offset", "End of the metadata log here.", () => quorum.endOffset);
  gauge("number_of_voters", "Voters of the quorum.", () => quorum.voters.length);
  gauge("current_vote", "Replica that this one has voted for in the epoch; -1: none.", () => {
    return quorum.standing()?.votedId ?? -1;
  });
  const rate = new ScrapeRate(clock.monotonic());
  const records = (): number => rate.read(quorum.endOffset, clock.monotonic());
  gauge("append_records_rate", "Records per second that this leader of the quorum appends.", () =>
    quorum.isLeader ? records() : 0,
  );
  gauge("fetch_records_rate", "Records per second that this replica fetches from the leader of the quorum.", () =>
    quorum.isLeader ? 0 : records(),
  );
  metrics.add({
    name: "kafka_server_raft_metrics_current_state",
    aliases: ["kafka_server_raftmetrics_current_state"],
    help: "1 for the state of this replica of the metadata log.",
    type: "gauge",
    samples: () => state(quorum).map(current_state => ({ labels: { current_state }, value: 1 })),
  });
  metrics.add({
    name: "kafka_server_raft_metrics_current_state_info",
    help: "1 for the state of this replica of the metadata log.",
    type: "gauge",
    samples: () => state(quorum).map(name => ({ labels: { state: name }, value: 1 })),
  });
}

function state(quorum: RaftClient): readonly string[] {
  const standing = quorum.standing();
  return standing === undefined ? [] : [standing.role.toLowerCase()];
}
