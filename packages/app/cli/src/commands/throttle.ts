import type { BrokerId } from "@samsa/base";
import type { BrokerConnection } from "@samsa/wire";
import { Failure } from "../terminal/failure.ts";
import { at, connected } from "./admin.ts";
import type { Common } from "../settings/client-settings.ts";
import { alterConfigs, type Change, OPERATION, RESOURCE } from "./config.ts";
import { describeBrokers, describePartitions, listReassignments, type Target } from "./reassignment.ts";

/** Settings of topics that list throttled replicas as `partition:broker`, and of brokers with the rates (KIP-73). */
const REPLICAS = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"] as const;
const RATES = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"] as const;

/** Brokers that a partition moves from and to. */
interface Move {
  readonly topic: string;
  readonly partition: number;
  readonly sources: readonly BrokerId[];
  readonly destinations: readonly BrokerId[];
}

/** Parses bytes per second. Throws `Failure`. */
export function rateOf(text: string): number {
  const rate = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (rate < 1) throw new Failure(`--throttle wants bytes per second, a whole number from 1, not "${text}"`);
  return rate;
}

/** Moves of a plan, and those that are under way: the settings of a topic list all of them. */
async function movesOf(admin: BrokerConnection, targets: readonly Target[]): Promise<Move[]> {
  const topics = [...new Set(targets.map(({ topic }) => topic))];
  const moves = new Map<string, Move>();
  for (const { topic, partition, replicas, adding } of await listReassignments(admin)) {
    if (!topics.includes(topic)) continue;
    const sources = replicas.filter(id => !adding.includes(id));
    moves.set(`${topic}-${partition}`, { topic, partition, sources, destinations: adding });
  }
  const facts = new Map(
    (await describePartitions(admin, topics)).map(known => [`${known.topic}-${known.partitionIndex}`, known]),
  );
  for (const { topic, partition, replicas } of targets) {
    const key = `${topic}-${partition}`;
    const sources = moves.get(key)?.sources ?? facts.get(key)?.replicaNodes ?? [];
    const destinations = (replicas ?? []).filter(id => !sources.includes(id));
    moves.set(key, { topic, partition, sources, destinations });
  }
  return [...moves.values()];
}

function listOf(moves: readonly Move[], brokers: (move: Move) => readonly BrokerId[]): string {
  return moves.flatMap(move => brokers(move).map(id => `${move.partition}:${id}`)).join(",");
}

const set = (name: string, value: string): Change => ({ name, value, configOperation: OPERATION.set });
const unset = (name: string): Change => ({ name, value: null, configOperation: OPERATION.delete });

/** Changes settings of a broker, which takes them itself. */
async function alterBroker(
  broker: { readonly host: string; readonly port: number; readonly brokerId: BrokerId },
  configs: readonly Change[],
  options: Common,
): Promise<void> {
  await connected(at(broker, options), server =>
    alterConfigs(server, { resourceType: RESOURCE.broker, resourceName: String(broker.brokerId), configs }),
  );
}

/**
 * Limits the copies of a plan to bytes per second of each broker, as kafka-reassign-partitions does. Rejects with a
 * `Failure`.
 */
export async function throttle(
  admin: BrokerConnection,
  targets: readonly Target[],
  rate: number,
  options: Common,
): Promise<void> {
  const moves = await movesOf(admin, targets);
  for (const topic of new Set(moves.map(move => move.topic))) {
    const own = moves.filter(move => move.topic === topic);
    const [leaders, followers] = [listOf(own, ({ sources }) => sources), listOf(own, move => move.destinations)];
    const configs = [set(REPLICAS[0], leaders), set(REPLICAS[1], followers)];
    await alterConfigs(admin, { resourceType: RESOURCE.topic, resourceName: topic, configs });
  }
  const involved = new Set(moves.flatMap(({ sources, destinations }) => [...sources, ...destinations]));
  const { brokers } = await describeBrokers(admin);
  for (const broker of brokers.filter(({ brokerId, isFenced }) => involved.has(brokerId) && !isFenced)) {
    const configs = RATES.map(name => set(name, String(rate)));
    await alterBroker(broker, configs, options);
  }
}

/**
 * Removes the throttles of the topics of a plan and of all brokers that run. Returns the ids of the others, which may
 * have a rate. Rejects with a `Failure`.
 */
export async function unthrottle(
  admin: BrokerConnection,
  targets: readonly Target[],
  options: Common,
): Promise<BrokerId[]> {
  for (const topic of new Set(targets.map(target => target.topic))) {
    await alterConfigs(admin, { resourceType: RESOURCE.topic, resourceName: topic, configs: REPLICAS.map(unset) });
  }
  const { brokers } = await describeBrokers(admin);
  for (const broker of brokers) if (!broker.isFenced) await alterBroker(broker, RATES.map(unset), options);
  return brokers.filter(({ isFenced }) => isFenced).map(({ brokerId }) => brokerId);
}
