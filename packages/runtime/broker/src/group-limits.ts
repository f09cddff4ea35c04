import { configsOf, RESOURCE_TYPE } from "@samsa/metadata";
import type { Broker } from "./broker.ts";
import type { BrokerConfig } from "./configs.ts";

/** Of each interval of consumer groups: the broker's own, and the least and most that groups may have. */
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
} as const;

type Limited = keyof typeof LIMITS;

function isLimited(name: string): name is Limited {
  return Object.hasOwn(LIMITS, name);
}

/** The range that a group's setting may be in; undefined for one that is none of a consumer group's intervals. */
export function consumerRange(config: BrokerConfig, name: string): readonly [number, number] | undefined {
  return isLimited(name) ? [config[LIMITS[name].least], config[LIMITS[name].most]] : undefined;
}

/** What a broker has for groups that say nothing themselves. */
export function consumerDefault(config: BrokerConfig, name: Limited): number {
  return config[LIMITS[name].own];
}

/** Of a group: what it has set, kept within what the broker allows, or else the broker's own. */
function consumerIntervals(config: BrokerConfig, own: ReadonlyMap<string, string>) {
  const of = (name: Limited): number => {
    const text = own.get(name);
    const value = text === undefined ? consumerDefault(config, name) : Number(text);
    return Math.max(config[LIMITS[name].least], Math.min(config[LIMITS[name].most], value));
  };
  return {
    sessionTimeoutMs: of("consumer.session.timeout.ms"),
    heartbeatIntervalMs: of("consumer.heartbeat.interval.ms"),
    assignmentIntervalMs: of("consumer.assignment.interval.ms"),
  };
}

/** Which ways groups may turn while they have members (`ConsumerGroupMigrationPolicy`). */
function migrationPolicy(config: BrokerConfig): { readonly upgrade: boolean; readonly downgrade: boolean } {
  const policy = config["group.consumer.migration.policy"].toLowerCase();
  const both = policy === "bidirectional";
  return { upgrade: both || policy === "upgrade", downgrade: both || policy === "downgrade" };
}

/** The limits of groups; each interval is as the broker and the group have it now. */
export function groupConfig(broker: Broker) {
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
      intervals: (groupId: string) =>
        consumerIntervals(broker.config, configsOf(broker.topics.image, RESOURCE_TYPE.group, groupId)),
    },
  };
}
