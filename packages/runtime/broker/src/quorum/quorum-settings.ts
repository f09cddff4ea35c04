import type { QuorumSettings } from "@samsa/raft";
import type { BrokerConfig } from "../config/configs.ts";
import { setupTimes } from "../config/server-configs.ts";

/** Settings `controller.quorum.*`. */
export function quorumSettings(config: BrokerConfig): QuorumSettings {
  return {
    autoJoin: config["controller.quorum.auto.join.enable"],
    electionTimeoutMs: config["controller.quorum.election.timeout.ms"],
    electionBackoffMaxMs: config["controller.quorum.election.backoff.max.ms"],
    fetchTimeoutMs: config["controller.quorum.fetch.timeout.ms"],
    requestTimeoutMs: config["controller.quorum.request.timeout.ms"],
    retryBackoffMs: config["controller.quorum.retry.backoff.ms"],
    fetchMaxBytes: config["controller.quorum.fetch.max.bytes"],
    fetchSnapshotMaxBytes: config["controller.quorum.fetch.snapshot.max.bytes"],
    ...setupTimes(config, config["controller.quorum.request.timeout.ms"]),
  };
}
