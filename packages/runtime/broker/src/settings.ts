import { type AnyConfigSpec, parseConfig, parseConfigValue } from "@samsa/base";
import type { LogConfig } from "@samsa/log";
import { configsOf, type MetadataImage, RESOURCE_TYPE } from "@samsa/metadata";
import type { Codec, Compression } from "@samsa/records";
import { brokerConfigs, type TopicConfig, topicConfigs } from "./configs.ts";

/** Where a value comes from: ids of `DescribeConfigsResponse.ConfigSource`. */
export const SOURCE = { topic: 1, broker: 2, cluster: 3, static: 4, default: 5 } as const;
export type Source = (typeof SOURCE)[keyof typeof SOURCE];

export interface Setting {
  readonly name: string;
  /** null: none. */
  readonly value: string | null;
  readonly source: Source;
}

/** Broker settings in other units than the topic settings they stand in for. */
const UNIT_MS: Readonly<Record<string, number>> = {
  "log.retention.hours": 3_600_000,
  "log.retention.minutes": 60_000,
  "log.roll.hours": 3_600_000,
  "log.roll.jitter.hours": 3_600_000,
};

const CODECS: Readonly<Record<string, Codec>> = { uncompressed: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };

function scaled(synonym: string, value: string): string {
  const unit = UNIT_MS[synonym];
  return unit === undefined || value === "-1" ? value : String(Number(value) * unit);
}

/** The settings in force: what the file says, what the metadata log says, and the defaults behind them. */
export class Settings {
  readonly nodeId: string;
  readonly #file: ReadonlyMap<string, string>;

  constructor(nodeId: number, file: ReadonlyMap<string, string>) {
    this.nodeId = String(nodeId);
    this.#file = file;
  }

  /** All that has a say in a broker's setting, most specific first. */
  brokerSetting(image: MetadataImage, name: string): Setting[] {
    const found: Setting[] = [];
    const own = configsOf(image, RESOURCE_TYPE.broker, this.nodeId).get(name);
    const cluster = configsOf(image, RESOURCE_TYPE.broker, "").get(name);
    const file = this.#file.get(name);
    if (own !== undefined) found.push({ name, value: own, source: SOURCE.broker });
    if (cluster !== undefined) found.push({ name, value: cluster, source: SOURCE.cluster });
    if (file !== undefined) found.push({ name, value: file, source: SOURCE.static });
    const fallback = brokerConfigs[name as keyof typeof brokerConfigs]?.default ?? null;
    if (fallback !== null) found.push({ name, value: fallback, source: SOURCE.default });
    return found;
  }

  /** All that has a say in a topic's setting, most specific first; the last is the default. */
  topicSetting(image: MetadataImage, topic: string, name: string): Setting[] {
    const spec: AnyConfigSpec = topicConfigs[name as keyof typeof topicConfigs];
    const found: Setting[] = [];
    const override = configsOf(image, RESOURCE_TYPE.topic, topic).get(name);
    if (override !== undefined) found.push({ name, value: override, source: SOURCE.topic });
    for (const source of [SOURCE.broker, SOURCE.cluster, SOURCE.static, SOURCE.default] as const) {
      for (const synonym of spec.synonyms ?? []) {
        for (const setting of this.brokerSetting(image, synonym)) if (setting.source === source) found.push(setting);
      }
    }
    return found;
  }

  /** The value in force, in the topic setting's own unit. */
  topicValue(image: MetadataImage, topic: string, name: string): Setting {
    const [first] = this.topicSetting(image, topic, name);
    const spec: AnyConfigSpec = topicConfigs[name as keyof typeof topicConfigs];
    if (first === undefined) return { name, value: spec.default, source: SOURCE.default };
    return { name, value: scaled(first.name, first.value ?? ""), source: first.source };
  }

  /** A topic's settings in force, parsed. */
  topic(image: MetadataImage, topic: string): TopicConfig {
    return parseConfig(topicConfigs, name => this.topicValue(image, topic, name).value ?? undefined);
  }
}

function compressionOf(config: TopicConfig): "producer" | Compression {
  const type = config["compression.type"];
  if (type === "producer") return "producer";
  const codec = CODECS[type] ?? 0;
  const levels: readonly number[] = [0, config["compression.gzip.level"], 0, 0, config["compression.zstd.level"]];
  return { codec, level: levels[codec] };
}

/** A topic's settings as its logs want them. */
export function logConfig(config: TopicConfig): LogConfig {
  return {
    segmentBytes: config["segment.bytes"],
    segmentMs: config["segment.ms"],
    segmentJitterMs: config["segment.jitter.ms"],
    indexIntervalBytes: config["index.interval.bytes"],
    segmentIndexBytes: config["segment.index.bytes"],
    maxMessageBytes: config["max.message.bytes"],
    retentionMs: config["retention.ms"],
    retentionBytes: config["retention.bytes"],
    flushMessages: config["flush.messages"],
    flushMs: config["flush.ms"],
    timestampType: config["message.timestamp.type"] as LogConfig["timestampType"],
    beforeMaxMs: config["message.timestamp.before.max.ms"],
    afterMaxMs: config["message.timestamp.after.max.ms"],
    compression: compressionOf(config),
    cleanupPolicy: new Set(config["cleanup.policy"]) as LogConfig["cleanupPolicy"],
    fileDeleteDelayMs: config["file.delete.delay.ms"],
  };
}

/** What is wrong with a value for a topic's setting, or undefined. */
export function topicConfigFault(name: string, value: string): string | undefined {
  const spec: AnyConfigSpec | undefined = topicConfigs[name as keyof typeof topicConfigs];
  if (spec === undefined) return `Unknown topic config name: ${name}`;
  try {
    parseConfigValue(name, spec, value);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What is wrong with changing a broker's setting at run time, or undefined. */
export function brokerConfigFault(name: string, value: string): string | undefined {
  const spec: AnyConfigSpec | undefined = brokerConfigs[name as keyof typeof brokerConfigs];
  if (spec === undefined || (spec.update ?? "read-only") === "read-only") {
    return `Cannot update these configs dynamically: Set(${name})`;
  }
  try {
    parseConfigValue(name, spec, value);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
