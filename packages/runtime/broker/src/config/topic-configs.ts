import { ConfigError, type ConfigSpecs, type ConfigValues, configSpecs, parseConfigValue, specOf } from "@samsa/base";
import type { ConfigFault } from "@samsa/controller";

export const LONG_MAX = "9223372036854775807";
export const COMPRESSION = ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"] as const;
export const TIMESTAMP_TYPES = ["CreateTime", "LogAppendTime"] as const;
export const POLICIES = ["compact", "delete"] as const;

export const GZIP_LEVEL = (level: number): string | undefined =>
  level === -1 || (level >= 1 && level <= 9) ? undefined : "Value must be between 1 and 9 or equal to -1";

export const LZ4_LEVEL = (level: number): string | undefined =>
  level === 9 ? undefined : "Only level 9 is available, Kafka's fast compressor";

function throttled(name: string): (replicas: readonly string[]) => string | undefined {
  const format = "[partitionId]:[brokerId],[partitionId]:[brokerId],...";
  const complaint = `${name} must be the literal '*' or a list of replicas in the following format: ${format}`;
  return replicas =>
    replicas.join("") === "*" || replicas.every(replica => /^(\d+:\d+)?$/.test(replica)) ? undefined : complaint;
}

/** Settings of a topic (`TopicConfig`), each with the broker settings that are its default. */
export const topicConfigs = configSpecs({
  "cleanup.policy": {
    type: "list",
    default: "delete",
    oneOf: POLICIES,
    synonyms: ["log.cleanup.policy"],
    doc: "Treatment of old segments: delete, compact by key, both, or (empty) keep all.",
  },
  "compression.gzip.level": {
    type: "int",
    default: "-1",
    check: GZIP_LEVEL,
    synonyms: ["compression.gzip.level"],
    doc: "Level of gzip when the broker compresses; -1: default of the library.",
  },
  "compression.lz4.level": {
    type: "int",
    default: "9",
    min: 1,
    max: 17,
    check: LZ4_LEVEL,
    synonyms: ["compression.lz4.level"],
    doc: "Level of lz4 when the broker compresses: 9, Kafka's fast compressor; no library for Node has the other levels.",
  },
  "compression.type": {
    type: "string",
    default: "producer",
    oneOf: COMPRESSION,
    synonyms: ["compression.type"],
    doc: "Codec of stored batches; producer keeps what the producer sent.",
  },
  "compression.zstd.level": {
    type: "int",
    default: "3",
    min: -131072,
    max: 22,
    synonyms: ["compression.zstd.level"],
    doc: "Level of zstd when the broker compresses.",
  },
  "delete.retention.ms": {
    type: "long",
    default: "86400000",
    min: 0,
    synonyms: ["log.cleaner.delete.retention.ms"],
    doc: "Time that a tombstone is kept after compaction, for consumers that read from the start, in ms.",
  },
  "errors.deadletterqueue.group.enable": {
    type: "boolean",
    default: "false",
    doc: "Allows share groups to name this topic for their dead letters.",
  },
  "file.delete.delay.ms": {
    type: "long",
    default: "60000",
    min: 0,
    synonyms: ["log.segment.delete.delay.ms"],
    doc: "How long a deleted file stays on disk, in ms.",
  },
  "flush.messages": {
    type: "long",
    default: LONG_MAX,
    min: 1,
    synonyms: ["log.flush.interval.messages"],
    doc: "Number of appended records after which a log is flushed (fsync).",
  },
  "flush.ms": {
    type: "long",
    default: LONG_MAX,
    min: 0,
    synonyms: ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    doc: "Longest time until an appended record is flushed (fsync), in ms.",
  },
  "follower.replication.throttled.replicas": {
    type: "list",
    default: "",
    check: throttled("follower.replication.throttled.replicas"),
    doc: "Throttled followers, as partition:broker, or * for all.",
  },
  "index.interval.bytes": {
    type: "int",
    default: "4096",
    min: 0,
    synonyms: ["log.index.interval.bytes"],
    doc: "Bytes of log between two index entries.",
  },
  "internal.segment.bytes": {
    type: "int",
    default: null,
    internal: true,
    doc: "segment.bytes without its lower bound, for tests.",
  },
  "leader.replication.throttled.replicas": {
    type: "list",
    default: "",
    check: throttled("leader.replication.throttled.replicas"),
    doc: "Throttled leaders, as partition:broker, or * for all.",
  },
  "max.compaction.lag.ms": {
    type: "long",
    default: LONG_MAX,
    min: 1,
    synonyms: ["log.cleaner.max.compaction.lag.ms"],
    doc: "Longest time until a record is compacted, in ms.",
  },
  "max.decompressed.message.bytes": {
    type: "int",
    default: "2147483639",
    min: 1,
    max: 2147483639,
    synonyms: ["max.decompressed.message.bytes"],
    doc: "Largest record accepted in a compressed batch, in bytes.",
  },
  "max.message.bytes": {
    type: "int",
    default: "1048588",
    min: 0,
    synonyms: ["message.max.bytes"],
    doc: "Largest batch accepted, in bytes.",
  },
  "message.timestamp.after.max.ms": {
    type: "long",
    default: "3600000",
    min: 0,
    synonyms: ["log.message.timestamp.after.max.ms"],
    doc: "Most ms that a record's timestamp may be in the future.",
  },
  "message.timestamp.before.max.ms": {
    type: "long",
    default: LONG_MAX,
    min: 0,
    synonyms: ["log.message.timestamp.before.max.ms"],
    doc: "Most ms that a record's timestamp may be in the past.",
  },
  "message.timestamp.type": {
    type: "string",
    default: "CreateTime",
    oneOf: TIMESTAMP_TYPES,
    synonyms: ["log.message.timestamp.type"],
    doc: "Timestamp of a record: the producer's (CreateTime) or the broker's (LogAppendTime).",
  },
  "min.cleanable.dirty.ratio": {
    type: "double",
    default: "0.5",
    min: 0,
    max: 1,
    synonyms: ["log.cleaner.min.cleanable.ratio"],
    doc: "Fraction of a log's bytes that must be uncompacted before the log is compacted.",
  },
  "min.compaction.lag.ms": {
    type: "long",
    default: "0",
    min: 0,
    synonyms: ["log.cleaner.min.compaction.lag.ms"],
    doc: "Time before a record may be compacted, in ms.",
  },
  "min.insync.replicas": {
    type: "int",
    default: "1",
    min: 1,
    synonyms: ["min.insync.replicas"],
    doc: "In-sync replicas needed for acks=all.",
  },
  preallocate: {
    type: "boolean",
    default: "false",
    synonyms: ["log.preallocate"],
    doc: "Allocates the file of a new segment in its full size.",
  },
  "remote.storage.enable": {
    type: "boolean",
    default: "false",
    doc: "Moves old segments to remote storage, which is not available: must be false.",
  },
  "retention.bytes": {
    type: "long",
    default: "-1",
    synonyms: ["log.retention.bytes"],
    doc: "Size of a log above which old segments are deleted; -1: no limit.",
  },
  "retention.ms": {
    type: "long",
    default: "604800000",
    min: -1,
    synonyms: ["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    doc: "Age after which old segments are deleted, in ms; -1: no limit.",
  },
  "segment.bytes": {
    type: "int",
    default: "1073741824",
    min: 1048576,
    synonyms: ["log.segment.bytes"],
    doc: "Size at which a new segment begins.",
  },
  "segment.index.bytes": {
    type: "int",
    default: "10485760",
    min: 4,
    synonyms: ["log.index.size.max.bytes"],
    doc: "Size at which an index is full and a new segment begins.",
  },
  "segment.jitter.ms": {
    type: "long",
    default: "0",
    min: 0,
    synonyms: ["log.roll.jitter.ms", "log.roll.jitter.hours"],
    doc: "Largest random reduction of segment.ms, in ms.",
  },
  "segment.ms": {
    type: "long",
    default: "604800000",
    min: 1,
    synonyms: ["log.roll.ms", "log.roll.hours"],
    doc: "Age at which a new segment begins, in ms.",
  },
  "unclean.leader.election.enable": {
    type: "boolean",
    default: "false",
    synonyms: ["unclean.leader.election.enable"],
    doc: "Allows a replica that may lack records to become leader if no other can.",
  },
});

export type TopicConfig = ConfigValues<typeof topicConfigs>;

/** Validates the settings of a topic (`LogConfig.validate`); undefined if they are valid. */
export function topicConfigsFault(values: ReadonlyMap<string, string>): ConfigFault | undefined {
  const specs: ConfigSpecs = topicConfigs;
  const fault = (message: string): ConfigFault => ({ error: "INVALID_CONFIG", message });
  const unknown = [...values.keys()].find(name => !Object.hasOwn(specs, name));
  if (unknown !== undefined) return fault(`Unknown topic config name: ${unknown}`);
  for (const [name, text] of values) {
    try {
      const value = parseConfigValue(name, specOf(specs, name), text);
      if (name === "remote.storage.enable" && value === true) {
        const why = "Tiered Storage functionality is disabled in the broker.";
        return fault(`${why} Topic cannot be configured with remote log storage.`);
      }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return fault(error.message);
    }
  }
  // Kafka compares the topic's own settings only; defaults of the broker may conflict.
  const [shortest, longest] = [values.get("min.compaction.lag.ms"), values.get("max.compaction.lag.ms")];
  if (shortest !== undefined && longest !== undefined && Number(shortest) > Number(longest)) {
    const lag = "compaction.lag.ms";
    return fault(`conflict topic config setting min.${lag} (${shortest}) > max.${lag} (${longest})`);
  }
  return undefined;
}
