import type { Prng } from "./world/prng.ts";

export const BROKER = "broker";
export const PORT = 9092;

/** Options of the broker settings of a scenario. */
export interface SettingsOptions {
  readonly directories: number;
  readonly expires: boolean;
  readonly transactional: boolean;
  /** Sets a `producer.id.expiration.ms` so short that producer state expires in a pause. */
  readonly forgetful: boolean;
}

/** Duration of an fsync or a cold read: the slower the device, the more operations overlap. */
const DEVICES: readonly (readonly [low: number, high: number])[] = [
  [0.1, 5],
  [0.1, 5],
  [0.5, 25],
  [2, 30],
];
/** Interval at which recovery points are written: short, or Kafka's. */
const CHECKPOINTS_MS = ["300", "2000", "60000"] as const;

/** Draws the latency bounds of the broker's disk, in milliseconds. */
export function deviceOf(rng: Prng): readonly [low: number, high: number] {
  return rng.oneOf(DEVICES);
}

/** Broker settings, with short intervals so that much happens in little virtual time. */
export function settingsOf(rng: Prng, options: SettingsOptions): ReadonlyMap<string, string> {
  const settings = new Map([
    ["node.id", "1"],
    ["listeners", `PLAINTEXT://${BROKER}:${PORT}`],
    ["advertised.listeners", `PLAINTEXT://${BROKER}:${PORT}`],
    ["log.dirs", options.directories > 1 ? "/data,/data2" : "/data"],
    ["offsets.topic.num.partitions", "2"],
    ["offsets.topic.replication.factor", "1"],
    ["transaction.state.log.replication.factor", "1"],
    ["transaction.state.log.min.isr", "1"],
    ["share.coordinator.state.topic.replication.factor", "1"],
    ["share.coordinator.state.topic.min.isr", "1"],
    ["group.initial.rebalance.delay.ms", "0"],
    ["group.min.session.timeout.ms", "300"],
    ["group.consumer.min.session.timeout.ms", "300"],
    ["group.consumer.session.timeout.ms", "400"],
    ["group.consumer.min.heartbeat.interval.ms", "50"],
    ["group.consumer.heartbeat.interval.ms", "100"],
    ["group.consumer.assignment.interval.ms", "50"],
    ["log.flush.offset.checkpoint.interval.ms", rng.oneOf(CHECKPOINTS_MS)],
    ["log.retention.check.interval.ms", "200"],
    ["log.initial.task.delay.ms", "200"],
    ["log.segment.delete.delay.ms", "500"],
    ["log.cleaner.backoff.ms", rng.chance(0.3) ? "20" : "100"],
  ]);
  if (rng.chance(0.5)) {
    // Committed offsets are compacted too.
    settings.set("log.roll.ms", "300");
    settings.set("log.cleaner.min.cleanable.ratio", "0.1");
  }
  if (rng.chance(0.5)) settings.set("metadata.log.max.record.bytes.between.snapshots", "2000");
  if (options.expires) {
    settings.set("offsets.retention.minutes", "1");
    settings.set("offsets.retention.check.interval.ms", "300");
  }
  if (options.transactional) {
    // Acknowledged records must survive a power cut, or no transaction could be whole after one.
    settings.set("log.flush.interval.messages", "1");
    settings.set("transaction.state.log.num.partitions", "2");
    settings.set("transaction.abort.timed.out.transaction.cleanup.interval.ms", "200");
  }
  // Producers expire during days without clients, before any client returns.
  settings.set("producer.id.expiration.check.interval.ms", "100");
  if (options.forgetful) settings.set("producer.id.expiration.ms", "150");
  return settings;
}
