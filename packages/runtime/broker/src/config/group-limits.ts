import type { Env } from "@samsa/base";
import { configsOf, type MetadataImage, RESOURCE_TYPE } from "@samsa/metadata";
import type { BrokerConfig } from "./configs.ts";

/** Group settings that a broker bounds, with its settings for the default, the minimum and the maximum. */
const LIMITS = {
  "consumer.session.timeout.ms": {
    own: "group.consumer.session.timeout.ms",
    least: "group.consumer.min.session.timeout.ms",
    most: "group.consumer.max.session.timeout.ms",
  },
  "consumer.heartbeat.interval.ms": {
    own: "group.consumer.heartbeat.interval.ms",
    least: "group.consumer.min.heartbeat.interval.ms",
    most: "group.consumer.max.heartbeat.interval.ms",
  },
  "consumer.assignment.interval.ms": {
    own: "group.consumer.assignment.interval.ms",
    least: "group.consumer.min.assignment.interval.ms",
    most: "group.consumer.max.assignment.interval.ms",
  },
  "share.session.timeout.ms": {
    own: "group.share.session.timeout.ms",
    least: "group.share.min.session.timeout.ms",
    most: "group.share.max.session.timeout.ms",
  },
  "share.heartbeat.interval.ms": {
    own: "group.share.heartbeat.interval.ms",
    least: "group.share.min.heartbeat.interval.ms",
    most: "group.share.max.heartbeat.interval.ms",
  },
  "share.assignment.interval.ms": {
    own: "group.share.assignment.interval.ms",
    least: "group.share.min.assignment.interval.ms",
    most: "group.share.max.assignment.interval.ms",
  },
  "share.delivery.count.limit": {
    own: "group.share.delivery.count.limit",
    least: "group.share.min.delivery.count.limit",
    most: "group.share.max.delivery.count.limit",
  },
  "share.partition.max.record.locks": {
    own: "group.share.partition.max.record.locks",
    least: "group.share.min.partition.max.record.locks",
    most: "group.share.max.partition.max.record.locks",
  },
  "share.record.lock.duration.ms": {
    own: "group.share.record.lock.duration.ms",
    least: "group.share.min.record.lock.duration.ms",
    most: "group.share.max.record.lock.duration.ms",
  },
} as const;

type Limited = keyof typeof LIMITS;

function isLimited(name: string): name is Limited {
  return Object.hasOwn(LIMITS, name);
}

/** Allowed range of a group setting; undefined if the broker does not bound it. */
export function groupRange(config: BrokerConfig, name: string): readonly [number, number] | undefined {
  return isLimited(name) ? [config[LIMITS[name].least], config[LIMITS[name].most]] : undefined;
}

/** Broker's default of a group setting; undefined if the broker does not bound it. */
export function groupDefault(config: BrokerConfig, name: string): number | undefined {
  return isLimited(name) ? config[LIMITS[name].own] : undefined;
}

/** Effective value of a group setting, clamped to the broker's current bounds (`GroupConfig.evaluate`). */
export function limited(config: BrokerConfig, name: string, value: number): number {
  const [least, most] = groupRange(config, name) ?? [-Infinity, Infinity];
  return Math.max(least, Math.min(most, value));
}

/** Intervals of a consumer group: its own settings clamped to the broker's bounds, or the broker's defaults. */
function consumerIntervals(config: BrokerConfig, own: ReadonlyMap<string, string>) {
  const of = (name: Limited): number => {
    const text = own.get(name);
    return limited(config, name, text === undefined ? config[LIMITS[name].own] : Number(text));
  };
  return {
    sessionTimeoutMs: of("consumer.session.timeout.ms"),
    heartbeatIntervalMs: of("consumer.heartbeat.interval.ms"),
    assignmentIntervalMs: of("consumer.assignment.interval.ms"),
  };
}

/** Directions in which groups may change their protocol while they have members (`ConsumerGroupMigrationPolicy`). */
function migrationPolicy(config: BrokerConfig): { readonly upgrade: boolean; readonly downgrade: boolean } {
  const policy = config["group.consumer.migration.policy"].toLowerCase();
  const both = policy === "bidirectional";
  return { upgrade: both || policy === "upgrade", downgrade: both || policy === "downgrade" };
}

/** Limits of groups; intervals are computed from the current settings of the broker and the group. */
export function groupConfig(broker: {
  readonly config: BrokerConfig;
  readonly env: Env;
  readonly topics: { readonly image: MetadataImage };
}) {
  const { config, env } = broker;
  return {
    initialRebalanceDelayMs: Math.max(0, config["group.initial.rebalance.delay.ms"]),
    minSessionTimeoutMs: config["group.min.session.timeout.ms"],
    maxSessionTimeoutMs: config["group.max.session.timeout.ms"],
    maxSize: config["group.max.size"],
    offsetMetadataMaxLength: config["offset.metadata.max.bytes"],
    offsetsRetentionMs: config["offsets.retention.minutes"] * 60_000,
    consumer: {
      maxSize: config["group.consumer.max.size"],
      assignors: config["group.consumer.assignors"],
      pattern: env.pattern,
      migration: migrationPolicy(config),
      regexRefreshMs: config["group.consumer.regex.refresh.interval.ms"],
      intervals: (groupId: string) =>
        consumerIntervals(broker.config, configsOf(broker.topics.image, RESOURCE_TYPE.group, groupId)),
    },
  };
}
