import type { RetrySettings } from "../cluster/retry-backoff.ts";
import type { Tools } from "@samsa/records";
import type { IsolationLevel } from "../offsets/list-offsets.ts";
import type { OffsetReset } from "../offsets/offset-reset.ts";

/** Settings of a `Fetcher`, named as Kafka's where there is one. Sizes are in bytes, times in ms. */
export interface FetchOptions extends RetrySettings {
  /** `fetch.min.bytes`: a broker answers once it has so much, or after `maxWaitMs`. */
  readonly minBytes: number;
  /** `fetch.max.bytes`: records in one answer. A first batch that is larger is sent nevertheless. */
  readonly maxBytes: number;
  /** `fetch.max.wait.ms`. */
  readonly maxWaitMs: number;
  /** `max.partition.fetch.bytes`: records of one partition in one answer, with the same exception. */
  readonly maxPartitionBytes: number;
  /** Fetched bytes of a partition that wait for the application and from which on no more of it is fetched. */
  readonly queueBytes: number;
  /**
   * Fetched bytes of all partitions that wait for the application and from which on only partitions without any are
   * fetched. So a partition that is never read does not stop the others.
   */
  readonly totalQueueBytes: number;
  /** `isolation.level`. */
  readonly isolation: IsolationLevel;
  /** `auto.offset.reset`. */
  readonly reset: OffsetReset;
  /** `client.rack`: brokers with rack-aware replica selection name a nearer replica (KIP-392). Empty: none. */
  readonly rackId: string;
  /** `check.crcs`: checks the checksum of each batch before its records are given out. */
  readonly checkCrcs: boolean;
  /** `metadata.max.age.ms`: time for which a nearer replica is used before the leader is asked again. */
  readonly metadataMaxAgeMs: number;
  /** `request.timeout.ms`: bounds lookups of offsets in tiered storage. */
  readonly requestTimeoutMs: number;
  /** A group keeps committed offsets, from which partitions begin. False: they begin where `reset` says. */
  readonly hasGroup: boolean;
  /** Checksum and codecs of records. */
  readonly tools: Tools;
}

/** Settings that have a default: Kafka's (`ConsumerConfig`), and 2 MiB and 64 MiB for the queues. */
export const DEFAULT_FETCH_OPTIONS: Omit<FetchOptions, "tools"> = {
  minBytes: 1,
  maxBytes: 50 * 1024 * 1024,
  maxWaitMs: 500,
  maxPartitionBytes: 1024 * 1024,
  queueBytes: 2 * 1024 * 1024,
  totalQueueBytes: 64 * 1024 * 1024,
  isolation: "read_uncommitted",
  reset: "latest",
  rackId: "",
  checkCrcs: true,
  metadataMaxAgeMs: 300_000,
  requestTimeoutMs: 30_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
  hasGroup: false,
};
