import type { Compression, TimestampType } from "@samsa/records";

/** A log's settings, in Kafka's words; -1 is "no limit" where Kafka says so. Replaced as a whole at run time. */
export interface LogConfig {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentJitterMs: number;
  readonly indexIntervalBytes: number;
  readonly segmentIndexBytes: number;
  readonly maxMessageBytes: number;
  /** -1 keeps for ever. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** fsync after so many records; Infinity (Kafka's i64 maximum) leaves it to the system. */
  readonly flushMessages: number;
  readonly flushMs: number;
  readonly timestampType: TimestampType;
  readonly beforeMaxMs: number;
  readonly afterMaxMs: number;
  /** What batches are recompressed to; "producer" keeps them. */
  readonly compression: "producer" | Compression;
  readonly cleanupPolicy: ReadonlySet<"delete" | "compact">;
  /** Records are not compacted away before they are this old. */
  readonly minCompactionLagMs: number;
  /** Records do not wait for compaction for longer. */
  readonly maxCompactionLagMs: number;
  /** From which share of bytes on that were never compacted a log is. */
  readonly minCleanableRatio: number;
  /** For how long a tombstone stays after it has been compacted. */
  readonly deleteRetentionMs: number;
  readonly fileDeleteDelayMs: number;
  /** A new segment's file gets its full size at once, and is cut to what is in it when the segment ends. */
  readonly preallocate: boolean;
}

/** Settings of a log that is kept whole: no retention and no compaction, in segments of 1 GiB. */
export const KEEP_ALL: LogConfig = {
  segmentBytes: 1_073_741_824,
  segmentMs: Infinity,
  segmentJitterMs: 0,
  indexIntervalBytes: 4096,
  segmentIndexBytes: 10_485_760,
  maxMessageBytes: 1_048_588,
  retentionMs: -1,
  retentionBytes: -1,
  flushMessages: Infinity,
  flushMs: Infinity,
  timestampType: "CreateTime",
  beforeMaxMs: Infinity,
  afterMaxMs: Infinity,
  compression: "producer",
  cleanupPolicy: new Set(),
  minCompactionLagMs: 0,
  maxCompactionLagMs: Infinity,
  minCleanableRatio: 0.5,
  deleteRetentionMs: 86_400_000,
  fileDeleteDelayMs: 60_000,
  preallocate: false,
};
