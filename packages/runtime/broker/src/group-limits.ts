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
export function consumerIntervals(config: BrokerConfig, own: ReadonlyMap<string, string>) {
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
export function migrationPolicy(config: BrokerConfig): { readonly upgrade: boolean; readonly downgrade: boolean } {
  const policy = config["group.consumer.migration.policy"].toLowerCase();
  const both = policy === "bidirectional";
  return { upgrade: both || policy === "upgrade", downgrade: both || policy === "downgrade" };
}
