import type { Prng } from "../world/prng.ts";

/** Port of the listener of brokers; that of controllers is the next one. */
export const PORT = 9092;

/** Name of the listener of controllers. */
export const CONTROLLER = "CONTROLLER";

/** Nodes of a cluster with their roles, drawn from a seed. */
export interface Plan {
  readonly clusterId: string;
  readonly controllers: readonly number[];
  readonly brokers: readonly number[];
  /** All nodes, sorted. */
  readonly ids: readonly number[];
  /** Voters by the settings, by the log (kraft.version 1), or by the settings at first and by the log after an upgrade. */
  readonly quorum: "static" | "dynamic" | "upgraded";
  /** Directory of each controller's metadata, in a dynamic quorum. */
  readonly directoryOf: (id: number) => string;
  /** Some consumers read from the replica in their rack (KIP-392). */
  readonly hasRacks: boolean;
  /** Features at levels below the newest, as `name=level`. */
  readonly features: readonly string[];
  /** Settings of every node. */
  readonly common: ReadonlyMap<string, string>;
  /** Replicas count a record only once it is flushed. */
  readonly isFlushed: boolean;
  /** The power of all machines may be cut at once. */
  readonly mayBlackOut: boolean;
  readonly nameOf: (id: number) => string;
}

function rolesOf(rng: Prng): { readonly controllers: number[]; readonly brokers: number[] } {
  const draw = rng.next();
  if (draw < 0.5) return { controllers: [1, 2, 3], brokers: [1, 2, 3] };
  if (draw < 0.65) return { controllers: [1, 2, 3], brokers: [1, 2, 3, 4] };
  if (draw < 0.9) return { controllers: [1, 2, 3], brokers: [4, 5, 6] };
  return { controllers: [1, 2, 3, 4, 5], brokers: [1, 2, 3, 4, 5] };
}

/** Draws a cluster of few nodes, for scenarios that are about its clients. */
function fewRolesOf(rng: Prng): { readonly controllers: number[]; readonly brokers: number[] } {
  return rng.chance(0.7) ? { controllers: [1, 2, 3], brokers: [1, 2, 3] } : { controllers: [4], brokers: [1, 2, 3] };
}

/** Settings of all clusters. */
const FIXED: readonly (readonly [name: string, value: string])[] = [
  ["log.dirs", "/data"],
  ["controller.quorum.election.timeout.ms", "300"],
  ["controller.quorum.election.backoff.max.ms", "300"],
  ["controller.quorum.fetch.timeout.ms", "700"],
  ["controller.quorum.request.timeout.ms", "600"],
  ["broker.session.timeout.ms", "1500"],
  ["broker.heartbeat.interval.ms", "300"],
  ["replica.lag.time.max.ms", "1500"],
  ["replica.fetch.wait.max.ms", "200"],
  ["replica.fetch.backoff.ms", "100"],
  ["replica.socket.timeout.ms", "1000"],
  ["controller.socket.timeout.ms", "1000"],
  ["request.timeout.ms", "1000"],
  ["unclean.leader.election.interval.ms", "1000"],
  ["min.insync.replicas", "2"],
  ["offsets.topic.num.partitions", "2"],
  ["offsets.topic.replication.factor", "3"],
  ["transaction.state.log.num.partitions", "2"],
  ["transaction.state.log.replication.factor", "3"],
  ["transaction.state.log.min.isr", "2"],
  ["transaction.abort.timed.out.transaction.cleanup.interval.ms", "200"],
  ["group.initial.rebalance.delay.ms", "0"],
  ["group.min.session.timeout.ms", "300"],
  ["group.consumer.min.session.timeout.ms", "300"],
  ["group.consumer.session.timeout.ms", "400"],
  ["group.consumer.min.heartbeat.interval.ms", "50"],
  ["group.consumer.heartbeat.interval.ms", "100"],
  ["group.consumer.assignment.interval.ms", "50"],
  ["group.share.min.session.timeout.ms", "300"],
  ["group.share.session.timeout.ms", "500"],
  ["group.share.min.heartbeat.interval.ms", "50"],
  ["group.share.heartbeat.interval.ms", "100"],
  ["group.share.assignment.interval.ms", "50"],
  ["group.share.min.record.lock.duration.ms", "1000"],
  ["group.share.record.lock.duration.ms", "1000"],
  ["group.share.delivery.count.limit", "10"],
  ["share.coordinator.state.topic.num.partitions", "2"],
  ["share.coordinator.state.topic.replication.factor", "3"],
  ["share.coordinator.state.topic.min.isr", "2"],
  ["log.cleaner.backoff.ms", "300"],
  ["log.retention.check.interval.ms", "1000"],
  ["log.initial.task.delay.ms", "1000"],
  ["log.segment.delete.delay.ms", "500"],
];

/** Draws a cluster. Its times are short, so that much happens in little simulated time. */
export function drawPlan(rng: Prng, isSmall = false): Plan {
  const { controllers, brokers } = isSmall ? fewRolesOf(rng) : rolesOf(rng);
  const draw = rng.next();
  const quorum = draw < 0.6 ? "static" : draw < 0.85 ? "dynamic" : "upgraded";
  const common = new Map([
    quorum === "dynamic"
      ? ["controller.quorum.bootstrap.servers", controllers.map(id => `n${id}:${PORT + 1}`).join()]
      : ["controller.quorum.voters", controllers.map(id => `${id}@n${id}:${PORT + 1}`).join()],
    ...FIXED,
    ["replica.high.watermark.checkpoint.interval.ms", rng.oneOf(["200", "5000"])],
    ["log.flush.offset.checkpoint.interval.ms", rng.oneOf(["300", "60000"])],
    ["leader.imbalance.check.interval.seconds", rng.oneOf(["1", "300"])],
  ]);
  if (rng.chance(0.5)) common.set("metadata.log.max.record.bytes.between.snapshots", "3000");
  const mayBlackOut = rng.chance(0.25);
  const isFlushed = rng.chance(mayBlackOut ? 0.6 : 0.1);
  if (isFlushed) common.set("log.flush.interval.messages", "1");
  const hasRacks = rng.chance(0.4);
  if (hasRacks) common.set("replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector");
  const features = isSmall && rng.chance(0.25) ? ["transaction.version=1"] : [];
  const ids = [...new Set([...controllers, ...brokers])].sort((a, b) => a - b);
  const clusterId = "avjUSVdKTbmMj5lWiCnjAg";
  const directoryOf = (id: number): string => `simulatedDirectory0${id}AA`.slice(0, 22);
  return {
    ...{
      clusterId,
      controllers,
      brokers,
      ids,
      quorum,
      directoryOf,
      hasRacks,
      features,
      common,
      isFlushed,
      mayBlackOut,
    },
    nameOf: id => `n${id}`,
  };
}

/** Rack of a node. */
export function rackOf(id: number): string {
  return `r${id % 2}`;
}

/** Settings of one node. */
export function settingsOf(plan: Plan, id: number): ReadonlyMap<string, string> {
  const isBroker = plan.brokers.includes(id);
  const isController = plan.controllers.includes(id);
  const listeners = [
    ...(isBroker ? [`PLAINTEXT://${plan.nameOf(id)}:${PORT}`] : []),
    ...(isController ? [`${CONTROLLER}://${plan.nameOf(id)}:${PORT + 1}`] : []),
  ];
  const roles = [...(isBroker ? ["broker"] : []), ...(isController ? ["controller"] : [])];
  return new Map([
    ...plan.common,
    ["node.id", String(id)],
    ...(plan.hasRacks ? [["broker.rack", rackOf(id)] as const] : []),
    ["process.roles", roles.join()],
    ["listeners", listeners.join()],
  ]);
}
