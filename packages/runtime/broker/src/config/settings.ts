import {
  type AnyConfigSpec,
  type BrokerId,
  ConfigError,
  type ConfigSpecs,
  overrideConfig,
  parseConfig,
  parseConfigValue,
  specOf,
  splitList,
} from "@samsa/base";
import type { ConfigFault, ConfigRules } from "@samsa/controller";
import type { LogConfig } from "@samsa/log";
import { configsOf, type MetadataImage, RESOURCE_TYPE } from "@samsa/metadata";
import type { Codec, Compression } from "@samsa/records";
import type { CleanerSettings } from "@samsa/storage";
import { clientMetricsConfigs, clientMetricsConfigsFault } from "./client-metrics-configs.ts";
import { baseName, brokerSpec, isListenerSetting, type Lookup } from "./config-checks.ts";
import { type BrokerConfig, brokerConfigs } from "./configs.ts";
import { type GroupConfigs, groupConfigs, groupConfigsFault } from "./group-configs.ts";
import { groupRange, limited } from "./group-limits.ts";
import type { ListenerLimit } from "./server-configs.ts";
import { type TopicConfig, topicConfigs, topicConfigsFault } from "./topic-configs.ts";
import { unavailableBrokerConfigs } from "./unavailable-configs.ts";

/** Sources of values: ids of `DescribeConfigsResponse.ConfigSource`. */
export const SOURCE = {
  topic: 1,
  broker: 2,
  cluster: 3,
  static: 4,
  default: 5,
  logger: 6,
  clientMetrics: 7,
  group: 8,
} as const;
export type Source = (typeof SOURCE)[keyof typeof SOURCE];

export interface Setting {
  readonly name: string;
  /** Value as text; null: none. */
  readonly value: string | null;
  readonly source: Source;
}

/** All settings of a broker, including those without an effect. */
const BROKER: ConfigSpecs = { ...unavailableBrokerConfigs, ...brokerConfigs };
const TOPIC: ConfigSpecs = topicConfigs;
const GROUP: ConfigSpecs = groupConfigs;

const RETENTION_TIMES: readonly string[] = ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
/** Synonyms of broker settings, highest precedence first (`DynamicBrokerConfig.brokerConfigSynonyms`). */
const BROKER_SYNONYMS: readonly (readonly string[])[] = [
  ["log.roll.ms", "log.roll.hours"],
  ["log.roll.jitter.ms", "log.roll.jitter.hours"],
  RETENTION_TIMES,
];
const FLUSH_SYNONYMS: readonly string[] = ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];

/** Factors from the unit of a broker setting to that of its topic setting, in ms. */
const UNIT_MS: Readonly<Record<string, number>> = {
  "log.retention.hours": 3_600_000,
  "log.retention.minutes": 60_000,
  "log.roll.hours": 3_600_000,
  "log.roll.jitter.hours": 3_600_000,
};

const CODECS: Readonly<Record<string, Codec>> = { uncompressed: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };
type LevelSetting = `compression.${"gzip" | "lz4" | "zstd"}.level`;
/** Settings with the level of a codec; the others have no levels. */
const LEVEL_SETTINGS: Readonly<Partial<Record<Codec, LevelSetting>>> = {
  1: "compression.gzip.level",
  3: "compression.lz4.level",
  4: "compression.zstd.level",
};

const CORDONED = "cordoned.log.dirs";

/** Validates `cordoned.log.dirs` (`KafkaConfig.validateCordonedLogDirs`); undefined if it is valid. */
export function cordonFault(cordoned: readonly string[], logDirs: readonly string[]): string | undefined {
  if (cordoned.includes("*")) {
    return cordoned.length === 1 ? undefined : "* stands for all directories, and must stand alone";
  }
  const unknown = cordoned.filter(path => !logDirs.includes(path));
  return unknown.length === 0 ? undefined : `not among log.dirs or log.dir: ${unknown.join(", ")}`;
}

function brokerSynonyms(name: string): readonly string[] {
  if (name === FLUSH_SYNONYMS[0]) return FLUSH_SYNONYMS;
  return BROKER_SYNONYMS.find(names => names.includes(name)) ?? [name];
}

function scaled(synonym: string, value: string): string {
  // Any negative retention time means no limit.
  if (RETENTION_TIMES.includes(synonym) && Number(value) < 0) return "-1";
  const unit = UNIT_MS[synonym];
  return unit === undefined ? value : String(Number(value) * unit);
}

function isDynamic(name: string): boolean {
  return (BROKER[name]?.update ?? "read-only") !== "read-only";
}

function isValid(name: string, spec: AnyConfigSpec, text: string): boolean {
  try {
    parseConfigValue(name, spec, text);
    return true;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

function lookupIn(layers: readonly (readonly [Source, (name: string) => string | null | undefined])[]): Lookup {
  return name => {
    for (const [, lookup] of layers) {
      const value = lookup(name);
      if (typeof value === "string") return value;
    }
    return undefined;
  };
}

/** Settings of topics without their own, and the dynamic settings of brokers that they come from. */
interface TopicDefaults {
  readonly own: ReadonlyMap<string, string>;
  readonly cluster: ReadonlyMap<string, string>;
  /** Settings that were asked for, by name. */
  readonly settings: Map<string, Setting>;
  /** Parsed values of all settings, once a topic has asked. */
  config: TopicConfig | undefined;
}

/** Settings in force, from the file, the metadata log and the defaults. */
export class Settings {
  readonly nodeId: string;
  /** Settings as the user wrote them. */
  readonly file: ReadonlyMap<string, string>;
  /** Valid settings of each stored map, cached by the map, which is immutable. */
  readonly #possible = new WeakMap<ReadonlyMap<string, string>, ReadonlyMap<string, string>>();

  #topicDefaults: TopicDefaults | undefined;

  constructor(nodeId: BrokerId, file: ReadonlyMap<string, string>) {
    this.nodeId = String(nodeId);
    this.file = file;
  }

  /** Dynamic settings of the broker, or of the cluster if `resourceName` is "". */
  dynamic(image: MetadataImage, resourceName: string): ReadonlyMap<string, string> {
    const stored = configsOf(image, RESOURCE_TYPE.broker, resourceName);
    let possible = this.#possible.get(stored);
    if (possible === undefined) {
      // Ignore values stored by another version or program that are invalid here.
      possible = new Map(
        [...stored].filter(([name, value]) => {
          if (isListenerSetting(name)) return resourceName !== "";
          const spec = isDynamic(name) ? specOf(BROKER, name) : undefined;
          if (spec === undefined || !isValid(name, spec, value)) return false;
          return resourceName !== "" || spec.update === "cluster-wide";
        }),
      );
      this.#possible.set(stored, possible);
    }
    return possible;
  }

  /** Sources of a broker's settings, highest precedence first. */
  #layers(
    image: MetadataImage,
    own: ReadonlyMap<string, string> = this.dynamic(image, this.nodeId),
    cluster: ReadonlyMap<string, string> = this.dynamic(image, ""),
  ): readonly (readonly [Source, (name: string) => string | null | undefined])[] {
    return [
      [SOURCE.broker, name => own.get(name)],
      [SOURCE.cluster, name => cluster.get(name)],
      [SOURCE.static, name => this.file.get(name)],
      [SOURCE.default, name => BROKER[name]?.default],
    ];
  }

  #saying(image: MetadataImage, names: readonly string[]): Setting[] {
    const found: Setting[] = [];
    for (const [source, lookup] of this.#layers(image)) {
      for (const name of names) {
        const value = lookup(name);
        if (typeof value === "string") found.push({ name, value, source });
      }
    }
    return found;
  }

  /** Values of a broker setting and its synonyms, highest precedence first, as DescribeConfigs lists them. */
  brokerSetting(image: MetadataImage, name: string): Setting[] {
    const found = this.#saying(image, brokerSynonyms(name));
    const from = found.findIndex(setting => setting.name === name);
    return from < 0 ? [] : found.slice(from);
  }

  /** Value of a broker setting; null if only a synonym is set. */
  brokerValue(image: MetadataImage, name: string): string | null {
    return this.#saying(image, [name])[0]?.value ?? null;
  }

  /** The broker's settings in force, parsed. */
  broker(image: MetadataImage): BrokerConfig {
    return parseConfig(brokerConfigs, lookupIn(this.#layers(image)));
  }

  /** Limit on the connections of one listener: its own, or that of all. */
  listenerLimit(image: MetadataImage, listener: string, name: ListenerLimit): number {
    const full = `listener.name.${listener.toLowerCase()}.${name}`;
    const given = [this.nodeId, ""].map(broker => configsOf(image, RESOURCE_TYPE.broker, broker).get(full));
    const text = [...given, this.file.get(full)].find(
      one => one !== undefined && isValid(name, specOf(BROKER, name), one),
    );
    return Number(text ?? this.brokerValue(image, name));
  }

  /** Lookup of the broker's settings as if `values` were its own, or the cluster's if `resourceName` is "". */
  proposed(image: MetadataImage, resourceName: string, values: ReadonlyMap<string, string>): Lookup {
    const layers = resourceName === "" ? this.#layers(image, undefined, values) : this.#layers(image, values);
    // Leave out the defaults: a lookup is undefined for a setting that is not set.
    return lookupIn(layers.filter(([source]) => source !== SOURCE.default));
  }

  /** Names of dynamic settings, of this broker or of the cluster, that have no effect. */
  idle(image: MetadataImage): string[] {
    const names = [this.nodeId, ""].flatMap(name => [...configsOf(image, RESOURCE_TYPE.broker, name).keys()]);
    return [...new Set(names)].filter(name => !Object.hasOwn(brokerConfigs, name) && !isListenerSetting(name));
  }

  /** Values of a topic setting and its synonyms, highest precedence first, as DescribeConfigs lists them. */
  topicSetting(image: MetadataImage, topic: string, name: string): Setting[] {
    const override = configsOf(image, RESOURCE_TYPE.topic, topic).get(name);
    const synonym = specOf(TOPIC, name).synonyms?.[0];
    const behind = synonym === undefined ? [] : this.brokerSetting(image, synonym);
    return override === undefined ? behind : [{ name, value: override, source: SOURCE.topic }, ...behind];
  }

  /** Value in force, in the unit of the topic setting. */
  topicValue(image: MetadataImage, topic: string, name: string): Setting {
    const override = configsOf(image, RESOURCE_TYPE.topic, topic).get(name);
    const spec = specOf(TOPIC, name);
    if (override !== undefined && isValid(name, spec, override)) return { name, value: override, source: SOURCE.topic };
    return this.#topicDefault(image, name);
  }

  /** Value of a topic setting without an override, in the unit of the topic setting. */
  #topicDefault(image: MetadataImage, name: string): Setting {
    const { settings } = this.#defaultsOf(image);
    let known = settings.get(name);
    if (known === undefined) {
      const spec = specOf(TOPIC, name);
      const [first] = this.#saying(image, spec.synonyms ?? []);
      known =
        first === undefined
          ? { name, value: spec.default, source: SOURCE.default }
          : { name, value: scaled(first.name, first.value ?? ""), source: first.source };
      settings.set(name, known);
    }
    return known;
  }

  /** Defaults of topics, kept while the broker's settings stay the same. */
  #defaultsOf(image: MetadataImage): TopicDefaults {
    const own = this.dynamic(image, this.nodeId);
    const cluster = this.dynamic(image, "");
    const known = this.#topicDefaults;
    if (known?.own === own && known.cluster === cluster) return known;
    this.#topicDefaults = { own, cluster, settings: new Map(), config: undefined };
    return this.#topicDefaults;
  }

  /** A topic's settings in force, parsed. Parses only the overrides while the broker's settings stay the same. */
  topic(image: MetadataImage, topic: string): TopicConfig {
    const defaults = this.#defaultsOf(image);
    defaults.config ??= parseConfig(topicConfigs, name => this.#topicDefault(image, name).value ?? undefined);
    const overrides = configsOf(image, RESOURCE_TYPE.topic, topic);
    return overrideConfig(topicConfigs, defaults.config, overrides);
  }

  /** A group's settings in force, parsed; `config` is the broker's. */
  group(image: MetadataImage, group: string, config: BrokerConfig): GroupConfigs {
    const own = configsOf(image, RESOURCE_TYPE.group, group);
    return parseConfig(groupConfigs, name => {
      const value = own.get(name);
      const spec = specOf(GROUP, name);
      if (value !== undefined && isValid(name, spec, value)) {
        return groupRange(config, name) === undefined ? value : String(limited(config, name, Number(value)));
      }
      return this.#saying(image, spec.synonyms ?? [])[0]?.value ?? undefined;
    });
  }
}

/** Compression with a codec, at the level that its setting has, if there is one. */
function leveled(codec: Codec, valueOf: (setting: LevelSetting) => number): Compression {
  const setting = LEVEL_SETTINGS[codec];
  return { codec, level: setting === undefined ? 0 : valueOf(setting) };
}

function compressionOf(config: TopicConfig): "producer" | Compression {
  const type = config["compression.type"];
  return type === "producer" ? "producer" : leveled(CODECS[type] ?? 0, setting => config[setting]);
}

/** Compression by the number of a codec, at its default level; undefined for 0. */
export function codecOf(id: number): Compression | undefined {
  return id === 0 ? undefined : leveled(id as Codec, setting => Number(topicConfigs[setting].default));
}

/** Settings of the log cleaner. */
export function cleanerSettings(config: BrokerConfig): CleanerSettings {
  return {
    enabled: config["log.cleaner.enable"],
    threads: config["log.cleaner.threads"],
    dedupeBytes: config["log.cleaner.dedupe.buffer.size"],
    loadFactor: config["log.cleaner.io.buffer.load.factor"],
    bufferBytes: config["log.cleaner.io.buffer.size"],
    bytesPerSecond: config["log.cleaner.io.max.bytes.per.second"],
    backoffMs: config["log.cleaner.backoff.ms"],
  };
}

/** Settings of a topic in the form that its logs use. */
export function logConfig(config: TopicConfig): LogConfig {
  return {
    segmentBytes: config["internal.segment.bytes"] ?? config["segment.bytes"],
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
    minCompactionLagMs: config["min.compaction.lag.ms"],
    maxCompactionLagMs: config["max.compaction.lag.ms"],
    minCleanableRatio: config["min.cleanable.dirty.ratio"],
    deleteRetentionMs: config["delete.retention.ms"],
    fileDeleteDelayMs: config["file.delete.delay.ms"],
    preallocate: config.preallocate,
  };
}

/** Settings that may change at run time for one listener only (`SslConfigs.RECONFIGURABLE_CONFIGS`). */
const SECURITY =
  /^ssl\.(?:key\.password|(?:keystore|truststore)\.(?:type|location|password)|keystore\.(?:key|certificate\.chain)|truststore\.certificates)$/;
/** Listener settings that may be set for the whole cluster (`DynamicBrokerConfig.CLUSTER_LEVEL_LISTENER_CONFIGS`). */
const OF_ANY_LISTENER: readonly string[] = ["max.connections", "max.connection.creation.rate", "num.network.threads"];

/**
 * Validates dynamic settings of a broker, or of the cluster if `resourceName` is ""
 * (`DynamicBrokerConfig.validateConfigs`); undefined if they are valid. Unknown names are accepted, as plugins may use
 * them.
 */
export function brokerConfigsFault(
  resourceName: string,
  values: ReadonlyMap<string, string>,
  logDirs: readonly string[],
): ConfigFault | undefined {
  const fault = (message: string): ConfigFault => ({ error: "INVALID_REQUEST", message });
  const all = [...values.keys()];
  const refusal = (why: string, names: readonly string[]): ConfigFault | undefined =>
    names.length === 0 ? undefined : fault(`${why}: [${names.join(", ")}]`);
  const fixed = all.filter(name => brokerSpec(name) !== undefined && !isDynamic(name));
  const bare = all.filter(name => SECURITY.test(name));
  const forListeners = "These security configs can be dynamically updated only per-listener using the listener prefix";
  const misplaced = refusal("Cannot update these configs dynamically", fixed) ?? refusal(forListeners, bare);
  if (misplaced !== undefined) return misplaced;
  for (const [name, text] of values) {
    const base = baseName(name) ?? name;
    const spec = isDynamic(base) ? brokerSpec(base) : undefined;
    if (spec === undefined || spec.type === "class") continue;
    try {
      parseConfigValue(base, spec, text);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return fault(error.message);
    }
  }
  const cordoned = values.get(CORDONED);
  const unknown = cordoned === undefined ? undefined : cordonFault(splitList(cordoned), logDirs);
  if (unknown !== undefined) return fault(`Invalid value ${cordoned} for configuration ${CORDONED}: ${unknown}`);
  if (resourceName !== "") return undefined;
  const own = all.filter(name => {
    const base = baseName(name);
    return base === undefined ? BROKER[name]?.update === "per-broker" : !OF_ANY_LISTENER.includes(base);
  });
  return refusal("Cannot update these configs at default cluster level, broker id must be specified", own);
}

const RESOURCES: Readonly<
  Record<number, { readonly specs: ConfigSpecs; fault?(values: ReadonlyMap<string, string>): ConfigFault | undefined }>
> = {
  [RESOURCE_TYPE.topic]: { specs: topicConfigs, fault: topicConfigsFault },
  // Validated by the broker that receives the request, as it knows its own settings.
  [RESOURCE_TYPE.broker]: { specs: BROKER },
  // Validated against the broker's bounds in `configRules`.
  [RESOURCE_TYPE.group]: { specs: groupConfigs },
  [RESOURCE_TYPE.clientMetrics]: { specs: clientMetricsConfigs, fault: clientMetricsConfigsFault },
};

/** Rules of the controller, which also validates groups against the broker's bounds. */
export function configRules(config: () => BrokerConfig): ConfigRules {
  return {
    ...CONFIG_RULES,
    validate: (type, name, values) =>
      type === RESOURCE_TYPE.group ? groupConfigsFault(values, config()) : CONFIG_RULES.validate(type, name, values),
  };
}

/** Rules that do not depend on the broker's own settings. */
export const CONFIG_RULES: ConfigRules = {
  validate: (type, _name, values) => RESOURCES[type]?.fault?.(values),
  // Kafka's controller knows the types of topic and broker settings only.
  isList: (type, key) =>
    (type === RESOURCE_TYPE.topic || type === RESOURCE_TYPE.broker) && RESOURCES[type]?.specs[key]?.type === "list",
  initial: (type, key) => RESOURCES[type]?.specs[key]?.default ?? null,
};
