import type { Tools } from "@samsa/records";
import type { RetrySettings } from "../cluster/retry-backoff.ts";

/** Way in which brokers count records (`share.acquire.mode`, KIP-1206). */
export type ShareAcquireMode =
  /** Whole batches, so that there may be more records than were asked for. */
  | "batch_optimized"
  /** Never more records than were asked for, from one broker at a time. */
  | "record_limit";

/** Settings of a `ShareFetcher`, named as Kafka's where there is one. Sizes are in bytes, times in ms. */
export interface ShareFetchOptions extends RetrySettings {
  readonly groupId: string;
  readonly memberId: string;
  /** `fetch.min.bytes`: a broker answers once it has so much, or after `maxWaitMs`. */
  readonly minBytes: number;
  /** `fetch.max.bytes`: records in one answer. */
  readonly maxBytes: number;
  /** `fetch.max.wait.ms`. An acknowledgement may wait behind a fetch for so long. */
  readonly maxWaitMs: number;
  /** `max.poll.records`: records that are asked for at a time. */
  readonly maxPollRecords: number;
  /** `share.acquire.mode`. */
  readonly acquireMode: ShareAcquireMode;
  /** Records that the application has and has not acknowledged, and from which on no more are fetched. */
  readonly maxUnacknowledged: number;
  /** `check.crcs`: checks the checksum of each batch before its records are given out. */
  readonly checkCrcs: boolean;
  /** Checksum and codecs of records. */
  readonly tools: Tools;
}

/** Settings that have a default: Kafka's (`ConsumerConfig`), and 10,000 records without an acknowledgement. */
export const DEFAULT_SHARE_FETCH_OPTIONS: Omit<ShareFetchOptions, "tools" | "groupId" | "memberId"> = {
  minBytes: 1,
  maxBytes: 50 * 1024 * 1024,
  maxWaitMs: 500,
  maxPollRecords: 500,
  acquireMode: "batch_optimized",
  maxUnacknowledged: 10_000,
  checkCrcs: true,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
};
