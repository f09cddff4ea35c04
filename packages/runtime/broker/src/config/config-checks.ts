import { type AnyConfigSpec, ConfigError, type ConfigSpecs, parseConfigValue } from "@samsa/base";
import { brokerConfigs } from "./configs.ts";
import { parseOverrides } from "./connection-overrides.ts";
import { bearerConfigs, tlsConfigs } from "./security-configs.ts";
import { LISTENER_LIMITS } from "./server-configs.ts";
import { unavailableBrokerConfigs } from "./unavailable-configs.ts";

const AVAILABLE: ConfigSpecs = brokerConfigs;

/** Declaration of a broker setting, with or without an effect; undefined for a name that Kafka does not know. */
export function brokerSpec(name: string): AnyConfigSpec | undefined {
  if (Object.hasOwn(AVAILABLE, name)) return AVAILABLE[name];
  return Object.hasOwn(unavailableBrokerConfigs, name) ? unavailableBrokerConfigs[name] : undefined;
}

/** A setting of one listener; the group is the name of the general setting. */
const OF_LISTENER = /^listener\.name\.[^.]*\.(.*)$/s;

/** Name of a listener's setting without the listener prefix; undefined if there is no such prefix. */
export function baseName(name: string): string | undefined {
  return OF_LISTENER.exec(name)?.[1];
}

/** Settings of security that a listener may have for itself. */
const SECURITY_OF_LISTENER: readonly string[] = [
  ...Object.keys(tlsConfigs),
  ...["sasl.enabled.mechanisms", "sasl.server.max.receive.size", "connections.max.reauth.ms"],
  ...Object.keys(bearerConfigs),
];
/** Settings that a mechanism of a listener may have for itself, by its name in small letters. */
const SECURITY_OF_MECHANISM: readonly string[] = [
  ...["sasl.jaas.config", "connections.max.reauth.ms"],
  ...Object.keys(bearerConfigs),
];
const MECHANISM = /^(?:plain|scram-sha-256|scram-sha-512|oauthbearer)\.(.*)$/s;

/** Name of a setting of a mechanism without the mechanism; undefined if it is none. */
function nameOfMechanism(base: string): string | undefined {
  const name = MECHANISM.exec(base)?.[1];
  return SECURITY_OF_MECHANISM.find(known => known === name);
}

/** Name of a setting without the prefix of a listener, and of a mechanism. */
export function generalName(name: string): string {
  const base = baseName(name) ?? name;
  return nameOfMechanism(base) ?? base;
}

/** Declaration of a broker setting, with or without the prefix of a listener and of a mechanism. */
export function listenerSpec(name: string): AnyConfigSpec | undefined {
  return brokerSpec(name) ?? brokerSpec(generalName(name));
}

/** True for a setting that has an effect on one listener, or on one mechanism of it. */
export function isListenerSetting(name: string): boolean {
  const base = baseName(name);
  if (base === undefined) return false;
  return isListenerLimit(name) || SECURITY_OF_LISTENER.includes(base) || nameOfMechanism(base) !== undefined;
}

/** True if a setting limits the connections of one listener. */
function isListenerLimit(name: string): boolean {
  const base = baseName(name);
  return base !== undefined && LISTENER_LIMITS.some(limit => limit === base);
}

/** Returns the configured text of a setting; undefined if it is not set. */
export type Lookup = (name: string) => string | undefined;

function numberOf(lookup: Lookup, name: string): number {
  const spec = brokerSpec(name);
  const text = lookup(name) ?? spec?.default ?? "";
  return spec === undefined ? Number.NaN : Number(parseConfigValue(name, spec, text));
}

interface Rule {
  /** Setting that is reported if the rule does not hold. */
  readonly name: string;
  readonly holds: (number: (name: string) => number, lookup: Lookup) => boolean;
  readonly why: string;
}

const notAbove = (lesser: string, greater: string): Rule => ({
  name: greater,
  holds: number => number(greater) >= number(lesser),
  why: `${greater} must be greater than or equal to ${lesser}`,
});

const atMost = (lesser: string, greater: string): Rule => ({
  name: lesser,
  holds: number => number(lesser) <= number(greater),
  why: `${lesser} must be less than or equal to ${greater}`,
});

const below = (lesser: string, greater: string): Rule => ({
  name: lesser,
  holds: number => number(lesser) < number(greater),
  why: `${lesser} must be less than ${greater}`,
});

/** Rules that keep `prefix` + `name` between the minimum and maximum that the broker allows for groups. */
const within = (prefix: string, name: string): readonly Rule[] => [
  notAbove(`${prefix}min.${name}`, `${prefix}max.${name}`),
  notAbove(`${prefix}min.${name}`, `${prefix}${name}`),
  atMost(`${prefix}${name}`, `${prefix}max.${name}`),
];

const groupRules = (prefix: string): readonly Rule[] => [
  ...within(prefix, "heartbeat.interval.ms"),
  ...within(prefix, "session.timeout.ms"),
  below(`${prefix}heartbeat.interval.ms`, `${prefix}session.timeout.ms`),
  ...within(prefix, "assignment.interval.ms"),
];

const MEBIBYTE = 1024 * 1024;
const firstGiven = (lookup: Lookup, ...names: readonly [string, ...string[]]): string =>
  names.find(name => lookup(name) !== undefined) ?? (names.at(-1) as string);
const isGiven = (lookup: Lookup, name: string): boolean => lookup(name) !== undefined;

/** Rules between settings (`KafkaConfig.validateValues`, `GroupCoordinatorConfig`, `ShareGroupConfig`). */
const RULES: readonly Rule[] = [
  {
    name: "broker.id",
    holds: (number, lookup) =>
      !isGiven(lookup, "broker.id") || !isGiven(lookup, "node.id") || number("broker.id") === number("node.id"),
    why: "`node.id` and `broker.id` must be set to the same value. `broker.id` is deprecated, please use `node.id` instead.",
  },
  {
    name: "log.roll.ms",
    holds: (number, lookup) => number(firstGiven(lookup, "log.roll.ms", "log.roll.hours")) >= 1,
    why: "requirement failed: log.roll.ms must be greater than or equal to 1",
  },
  {
    name: "log.roll.jitter.ms",
    holds: (number, lookup) => number(firstGiven(lookup, "log.roll.jitter.ms", "log.roll.jitter.hours")) >= 0,
    why: "requirement failed: log.roll.jitter.ms must be greater than or equal to 0",
  },
  {
    name: "log.retention.ms",
    holds: (number, lookup) =>
      number(firstGiven(lookup, "log.retention.ms", "log.retention.minutes", "log.retention.hours")) !== 0,
    why: "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
  },
  {
    name: "log.cleaner.threads",
    holds: number => number("log.cleaner.threads") >= 1,
    why: "Log cleaner threads should be at least 1",
  },
  {
    name: "log.cleaner.dedupe.buffer.size",
    holds: number => Math.trunc(number("log.cleaner.dedupe.buffer.size") / number("log.cleaner.threads")) > MEBIBYTE,
    why: "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
  },
  {
    name: "replica.socket.timeout.ms",
    holds: number => number("replica.fetch.wait.max.ms") <= number("replica.socket.timeout.ms"),
    why:
      "requirement failed: replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket " +
      "timeouts",
  },
  {
    name: "replica.lag.time.max.ms",
    holds: number => number("replica.fetch.wait.max.ms") <= number("replica.lag.time.max.ms"),
    why:
      "requirement failed: replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent " +
      "changes in ISR",
  },
  {
    name: "queued.max.request.bytes",
    // The default is raised for a larger request size.
    holds: (number, lookup) =>
      !isGiven(lookup, "queued.max.request.bytes") ||
      number("queued.max.request.bytes") <= 0 ||
      number("queued.max.request.bytes") >= number("socket.request.max.bytes"),
    why: "requirement failed: queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
  },
  {
    name: "max.connections.per.ip",
    holds: (number, lookup) =>
      number("max.connections.per.ip") !== 0 ||
      (parseOverrides(lookup("max.connections.per.ip.overrides") ?? "")?.size ?? 0) > 0,
    why: "requirement failed: max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
  },
  {
    name: "connection.failed.authentication.delay.ms",
    holds: number =>
      number("connections.max.idle.ms") < 0 ||
      number("connection.failed.authentication.delay.ms") < number("connections.max.idle.ms"),
    why:
      "requirement failed: connection.failed.authentication.delay.ms should always be less than connections.max.idle.ms to prevent failed " +
      "authentication responses from timing out",
  },
  ...["offsets.topic.compression.codec", "share.coordinator.state.topic.compression.codec"].map(
    (name): Rule => ({
      name,
      holds: number => number(name) >= 0 && number(name) <= 4,
      why: `${name} must be the id of a codec, from 0 to 4`,
    }),
  ),
  ...groupRules("group.consumer."),
  ...groupRules("group.share."),
  ...groupRules("group.streams."),
  atMost("group.streams.num.standby.replicas", "group.streams.max.standby.replicas"),
  notAbove("group.streams.min.task.offset.interval.ms", "group.streams.task.offset.interval.ms"),
  atMost("group.streams.num.warmup.replicas", "group.streams.max.warmup.replicas"),
  ...["delivery.count.limit", "partition.max.record.locks", "record.lock.duration.ms"].flatMap(name => [
    notAbove(`group.share.${name}`, `group.share.max.${name}`),
    notAbove(`group.share.min.${name}`, `group.share.${name}`),
  ]),
  notAbove("group.share.max.size", "group.share.max.share.sessions"),
];

/** Thread counts, each of which may at most double or halve at run time (`DynamicThreadPool`, `LogCleaner`). */
const THREADS = [
  "background.threads",
  "log.cleaner.threads",
  "num.io.threads",
  "num.network.threads",
  "num.recovery.threads.per.data.dir",
  "num.replica.fetchers",
] as const;

/** Validates a change of thread counts from `now` to `then`; undefined if it is allowed. */
export function threadsFault(now: Lookup, then: Lookup): string | undefined {
  for (const name of THREADS) {
    const [before, after] = [numberOf(now, name), numberOf(then, name)];
    if (after === before || (after >= Math.max(1, Math.trunc(before / 2)) && after <= before * 2)) continue;
    const why = name === "log.cleaner.threads" ? cleanerFault(before, after) : poolFault(name, before, after);
    // Kafka puts the exception text in place of the value.
    const exception = `org.apache.kafka.common.config.ConfigException: ${why}`;
    return `Invalid value ${exception} for configuration Invalid dynamic configuration`;
  }
  return undefined;
}

function poolFault(name: string, before: number, after: number): string {
  const least = `value should be at least half the current value ${before}`;
  const most = `value should not be greater than double the current value ${before}`;
  return `Dynamic thread count update validation failed for ${name}=${after}, ${after < before ? least : most}`;
}

function cleanerFault(before: number, after: number): string {
  const how = after < before ? "reduced to less than half" : "increased to more than double";
  return `Log cleaner threads cannot be ${how} the current value ${before}`;
}

/** Adds `node.id` if only `broker.id`, its old name, is set. */
export function namedAnew(settings: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const id = settings.get("broker.id");
  return id === undefined || settings.has("node.id") ? settings : new Map([...settings, ["node.id", id]]);
}

/** Throws the first `ConfigError` among the settings, alone or in combination. */
export function checkBrokerConfigs(names: Iterable<string>, lookup: Lookup): void {
  for (const name of names) {
    const spec = isListenerSetting(name) ? listenerSpec(name) : brokerSpec(name);
    const text = lookup(name);
    // Skip classes: the existence of a class on a Java virtual machine cannot be checked.
    if (spec !== undefined && text !== undefined && spec.type !== "class") parseConfigValue(name, spec, text);
  }
  const number = (name: string): number => numberOf(lookup, name);
  for (const { name, holds, why } of RULES) {
    if (!holds(number, lookup)) throw ConfigError.worded(name, why);
  }
}
