import type { QuorumSettings } from "../src/index.ts";

/** Kafka's defaults of `controller.quorum.*`. */
export const SETTINGS: QuorumSettings = {
  electionTimeoutMs: 1000,
  electionBackoffMaxMs: 1000,
  fetchTimeoutMs: 2000,
  requestTimeoutMs: 2000,
  retryBackoffMs: 20,
  fetchMaxBytes: 1024 * 1024,
  fetchSnapshotMaxBytes: 1024 * 1024,
  setupTimeoutMs: 2000,
  maxSetupTimeoutMs: 2000,
};
