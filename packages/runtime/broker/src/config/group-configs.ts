import {
  type AnyConfigSpec,
  ConfigError,
  type ConfigSpecs,
  type ConfigValues,
  configSpecs,
  parseConfigValue,
} from "@samsa/base";
import type { ConfigFault } from "@samsa/controller";
import type { BrokerConfig } from "./configs.ts";
import { groupDefault, groupRange } from "./group-limits.ts";

const DURATION = /^by_duration:P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d{1,9})?S)?)?$/i;

/** Settings of a group (`GroupConfig`), each with the broker setting that is its default. */
export const groupConfigs = configSpecs({
  "consumer.assignment.interval.ms": {
    type: "int",
    default: "1000",
    min: 0,
    synonyms: ["group.consumer.assignment.interval.ms"],
    doc: "Least time between two assignments of a consumer group, in ms.",
  },
  "consumer.assignor.offload.enable": {
    type: "boolean",
    default: "true",
    internal: true,
    doc: "Whether targets are computed on another thread.",
  },
  "consumer.heartbeat.interval.ms": {
    type: "int",
    default: "5000",
    min: 1,
    synonyms: ["group.consumer.heartbeat.interval.ms"],
    doc: "How often members of a consumer group send heartbeats, in ms.",
  },
  "consumer.session.timeout.ms": {
    type: "int",
    default: "45000",
    min: 1,
    synonyms: ["group.consumer.session.timeout.ms"],
    doc: "Time without a heartbeat after which a member of a consumer group is removed, in ms.",
  },
  "errors.deadletterqueue.copy.record.enable": {
    type: "boolean",
    default: "false",
    doc: "Dead letters of a share group carry the keys and values of their records, not only the headers.",
  },
  "errors.deadletterqueue.topic.name": {
    type: "string",
    default: "",
    doc: "Topic of a share group's dead letters, for records that are rejected or delivered too often; none when empty.",
  },
  "share.assignment.interval.ms": {
    type: "int",
    default: "1000",
    min: 0,
    synonyms: ["group.share.assignment.interval.ms"],
    doc: "Least time between two assignments of a share group, in ms.",
  },
  "share.assignor.offload.enable": {
    type: "boolean",
    default: "true",
    internal: true,
    doc: "Whether targets are computed on another thread.",
  },
  "share.auto.offset.reset": {
    type: "string",
    default: "latest",
    check: value =>
      value === "latest" || value === "earliest" || DURATION.test(value)
        ? undefined
        : `Invalid value \`${value}\` for configuration share.auto.offset.reset. The value must be either 'earliest', ` +
          "'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
    doc: "Initial offset of a share group in a partition: latest, earliest, or by_duration:PnDTnHnMn.nS before now.",
  },
  "share.delivery.count.limit": {
    type: "int",
    default: "5",
    min: 2,
    synonyms: ["group.share.delivery.count.limit"],
    doc: "Most deliveries of a record to a share group.",
  },
  "share.heartbeat.interval.ms": {
    type: "int",
    default: "5000",
    min: 1,
    synonyms: ["group.share.heartbeat.interval.ms"],
    doc: "How often members of a share group send heartbeats, in ms.",
  },
  "share.isolation.level": {
    type: "string",
    default: "read_uncommitted",
    oneOf: ["read_committed", "read_uncommitted"],
    doc: "Isolation of a share group: read_uncommitted also delivers records of open and aborted transactions.",
  },
  "share.partition.max.record.locks": {
    type: "int",
    default: "2000",
    min: 100,
    synonyms: ["group.share.partition.max.record.locks"],
    doc: "Most records of a partition that a share group may have acquired at once.",
  },
  "share.record.lock.duration.ms": {
    type: "int",
    default: "30000",
    min: 1000,
    synonyms: ["group.share.record.lock.duration.ms"],
    doc: "Time after which a record acquired by a member of a share group is released, in ms.",
  },
  "share.renew.acknowledge.enable": {
    type: "boolean",
    default: "true",
    doc: "Allows members of a share group to renew the locks of acquired records.",
  },
  "share.session.timeout.ms": {
    type: "int",
    default: "45000",
    min: 1,
    synonyms: ["group.share.session.timeout.ms"],
    doc: "Time without a heartbeat after which a member of a share group is removed, in ms.",
  },
  "streams.acceptable.recovery.lag": {
    type: "long",
    default: "10000",
    min: 0,
    internal: true,
    doc: "How far a client may be behind with a task and still have it.",
  },
  "streams.assignment.interval.ms": {
    type: "int",
    default: "1000",
    min: 0,
    synonyms: ["group.streams.assignment.interval.ms"],
    doc: "Least time between two assignments of a streams group, in ms.",
  },
  "streams.assignor.name": {
    type: "string",
    default: null,
    synonyms: ["group.streams.assignors"],
    doc: "Who places the tasks of a streams group.",
  },
  "streams.assignor.offload.enable": {
    type: "boolean",
    default: "true",
    internal: true,
    doc: "Whether targets are computed on another thread.",
  },
  "streams.heartbeat.interval.ms": {
    type: "int",
    default: "5000",
    min: 1,
    synonyms: ["group.streams.heartbeat.interval.ms"],
    doc: "How often members of a streams group send heartbeats, in ms.",
  },
  "streams.initial.rebalance.delay.ms": {
    type: "int",
    default: "3000",
    min: 0,
    synonyms: ["group.streams.initial.rebalance.delay.ms"],
    doc: "How long an empty streams group waits for more members, in ms.",
  },
  "streams.num.standby.replicas": {
    type: "int",
    default: "0",
    min: 0,
    synonyms: ["group.streams.num.standby.replicas"],
    doc: "Standby copies of each task of a streams group.",
  },
  "streams.num.warmup.replicas": {
    type: "int",
    default: "2",
    min: 0,
    internal: true,
    doc: "Tasks that are warmed up at once.",
  },
  "streams.rack.aware.assignment.tags": {
    type: "list",
    default: "",
    synonyms: ["group.streams.rack.aware.assignment.tags"],
    doc: "Tags of clients over which standby copies are spread.",
  },
  "streams.session.timeout.ms": {
    type: "int",
    default: "45000",
    min: 1,
    synonyms: ["group.streams.session.timeout.ms"],
    doc: "After how long without a heartbeat a member of a streams group is out, in ms.",
  },
  "streams.task.offset.interval.ms": {
    type: "int",
    default: "60000",
    min: 1,
    internal: true,
    doc: "How often clients report where they are in a task, in ms.",
  },
});

export type GroupConfigs = ConfigValues<typeof groupConfigs>;

/** Duration of a `by_duration:` value of `share.auto.offset.reset`, in ms. */
export function resetDurationMs(reset: string): number {
  const [, days, , hours, minutes, seconds] = DURATION.exec(reset) ?? [];
  const amount = (part: string | undefined): number => Number.parseFloat(part ?? "0");
  const wholeHours = amount(days) * 24 + amount(hours);
  return Math.floor(((wholeHours * 60 + amount(minutes)) * 60 + amount(seconds)) * 1000);
}

const LARGEST_INT = 2147483647;

/** Bounds of settings of streams groups; the broker has no settings for them yet. */
const RANGES: Readonly<Record<string, readonly [lowest: number, highest: number]>> = {
  "streams.assignment.interval.ms": [0, 15_000],
  "streams.heartbeat.interval.ms": [5000, 15_000],
  "streams.num.standby.replicas": [-LARGEST_INT, 2],
  "streams.session.timeout.ms": [45_000, 60_000],
};

const KINDS = ["consumer", "share", "streams"] as const;
const DEAD_LETTERS = "errors.deadletterqueue.topic.name";
const ASSIGNOR = "streams.assignor.name";
const TAGS = "streams.rack.aware.assignment.tags";

/**
 * True if a group setting is available. The others are known and shown but refused, because their feature is missing.
 */
export function isGroupConfigAvailable(name: string): boolean {
  return !/^streams\.|\.assignor\.offload\.enable$/.test(name);
}

/** Validates the settings of a group (`GroupConfig.validate`); undefined if they are valid. */
export function groupConfigsFault(values: ReadonlyMap<string, string>, config: BrokerConfig): ConfigFault | undefined {
  const specs: ConfigSpecs = groupConfigs;
  const parsed = new Map<string, unknown>();
  const fault = (message: string): ConfigFault => ({ error: "INVALID_CONFIG", message });
  const unknown = [...values.keys()].find(name => !Object.hasOwn(specs, name));
  if (unknown !== undefined) return fault(`Unknown group config name: ${unknown}`);
  const tags = values.get(TAGS)?.split(",") ?? [];
  if (new Set(tags.map(tag => tag.trim())).size !== tags.length) {
    return fault(`${TAGS} must not contain duplicate tag keys.`);
  }
  for (const [name, text] of values) {
    try {
      parsed.set(name, parseConfigValue(name, specs[name] as AnyConfigSpec, text));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return fault(error.message);
    }
  }
  for (const [name, value] of parsed) {
    const [lowest, highest] = groupRange(config, name) ?? RANGES[name] ?? [-Infinity, Infinity];
    if (typeof value !== "number" || (value >= lowest && value <= highest)) continue;
    const most = `${name} must be less than or equal to ${highest}`;
    return fault(lowest < 0 ? most : `${name} must be in the range ${lowest} to ${highest} inclusive.`);
  }
  const assignor = parsed.get(ASSIGNOR);
  if (typeof assignor === "string" && assignor !== "sticky") {
    const known = "is not a registered task assignor. Registered assignors are: [sticky].";
    return fault(`${ASSIGNOR} '${assignor}' ${known}`);
  }
  for (const kind of KINDS) {
    const session = `${kind}.session.timeout.ms` as const;
    const heartbeat = `${kind}.heartbeat.interval.ms` as const;
    const standIn = (name: typeof session | typeof heartbeat): unknown =>
      groupDefault(config, name) ?? groupConfigs[name].default;
    const of = (name: typeof session | typeof heartbeat): number => Number(parsed.get(name) ?? standIn(name));
    if (of(session) <= of(heartbeat)) return fault(`${session} must be greater than ${heartbeat}`);
  }
  if (values.get(DEAD_LETTERS)?.trim().startsWith("__") === true) {
    return fault(`${DEAD_LETTERS}: DLQ topic name must not start with '__'`);
  }
  const unavailable = [...values.keys()].find(name => !isGroupConfigAvailable(name));
  return unavailable === undefined ? undefined : fault(`${unavailable} is not available yet and would have no effect.`);
}
