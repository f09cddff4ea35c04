import type { Compression, TimestampType } from "@samsa/records";

/** Settings of a log (`LogConfig`); -1 is "no limit" where it is in Kafka. Replaced as a whole at run time. */
export interface LogConfig {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentJitterMs: number;
  readonly indexIntervalBytes: number;
  readonly segmentIndexBytes: number;
  readonly maxMessageBytes: number;
  /** -1: keep forever. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** Number of records between fsyncs; Infinity (Kafka's i64 maximum) leaves them to the operating system. */
  readonly flushMessages: number;
  readonly flushMs: number;
  readonly timestampType: TimestampType;
  readonly beforeMaxMs: number;
  readonly afterMaxMs: number;
  /** Compression of stored batches; "producer" keeps that of the producer. */
  readonly compression: "producer" | Compression;
  readonly cleanupPolicy: ReadonlySet<"delete" | "compact">;
  /** Minimum age of records before they may be compacted away. */
  readonly minCompactionLagMs: number;
  /** Maximum time that records wait for compaction. */
  readonly maxCompactionLagMs: number;
  /** Share of never compacted bytes from which a log is compacted. */
  readonly minCleanableRatio: number;
  /** Time for which a tombstone stays after its compaction. */
  readonly deleteRetentionMs: number;
  readonly fileDeleteDelayMs: number;
  /** True: the file of a new segment gets its full size at once, and is truncated when the segment is closed. */
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
