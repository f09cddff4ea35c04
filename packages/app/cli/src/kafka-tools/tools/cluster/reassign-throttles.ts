import type { BrokerId } from "@samsa/base";
import type { Admin, ConfigChange, ConfigResource, Reassignment } from "@samsa/client-runtime";
import { hashOrder, hashOrderOfTexts } from "../../java/hash-order.ts";
import { partitionText } from "../../java/text.ts";
import type { PlannedPartition } from "./reassign-plan.ts";

const LEADER_RATE = "leader.replication.throttled.rate";
const FOLLOWER_RATE = "follower.replication.throttled.rate";
const DIRS_RATE = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADERS = "leader.replication.throttled.replicas";
const FOLLOWERS = "follower.replication.throttled.replicas";

type Changes = Partial<Record<ConfigResource, Record<string, ConfigChange>>>;

const set = (value: string | number): ConfigChange => ({ op: "set", value: String(value) });

async function alter(admin: Admin, changes: Changes): Promise<void> {
  (await admin.configs.alter(changes)).orThrow();
}

function unset(names: readonly string[]): Record<string, ConfigChange> {
  return Object.fromEntries(names.map(name => [name, { op: "delete" }]));
}

/** Removes the limits of all brokers, and of the topics of a plan. */
export async function clearThrottles(admin: Admin, partitions: readonly PlannedPartition[]): Promise<void> {
  const nodes = (await admin.cluster.describe()).nodes.map(({ id }) => id);
  const brokers = hashOrder(new Set([...nodes, ...partitions.flatMap(({ replicas }) => replicas)]), id => id);
  const ofBrokers = brokers.length === 1 ? "" : "s";
  console.log(`Clearing broker-level throttles on broker${ofBrokers} ${brokers.join(",")}`);
  const rates = unset([LEADER_RATE, FOLLOWER_RATE, DIRS_RATE]);
  await alter(admin, Object.fromEntries(brokers.map(id => [`broker:${id}`, rates])));
  const topics = hashOrderOfTexts(new Set(partitions.map(({ topic }) => topic)));
  console.log(`Clearing topic-level throttles on topic${topics.length === 1 ? "" : "s"} ${topics.join(",")}`);
  if (topics.length === 0) return;
  await alter(admin, Object.fromEntries(topics.map(topic => [`topic:${topic}`, unset([LEADERS, FOLLOWERS])])));
}

interface Move {
  readonly topic: string;
  readonly partition: number;
  readonly sources: readonly BrokerId[];
  readonly destinations: readonly BrokerId[];
}

/** Moves that are under way, and those of a plan. */
function movesOf(
  under: readonly Reassignment[],
  planned: readonly PlannedPartition[],
  present: readonly PlannedPartition[],
): Move[] {
  const moves = new Map(
    under.map(one => [
      partitionText(one),
      { ...one, sources: one.replicas.filter(id => !one.adding.includes(id)), destinations: one.adding } as Move,
    ]),
  );
  const before = new Map(present.map(one => [partitionText(one), one.replicas]));
  for (const one of planned) {
    const name = partitionText(one);
    const sources = moves.get(name)?.sources ?? before.get(name) ?? [];
    const destinations = one.replicas.filter(id => !sources.includes(id));
    moves.set(name, { topic: one.topic, partition: one.partition, sources, destinations });
  }
  return [...moves.values()];
}

/** Limits the copies between brokers to bytes per second. */
export async function throttleBrokers(
  admin: Admin,
  parts: {
    readonly under: readonly Reassignment[];
    readonly planned: readonly PlannedPartition[];
    readonly present: readonly PlannedPartition[];
  },
  rate: number,
): Promise<void> {
  const moves = movesOf(parts.under, parts.planned, parts.present);
  const list = (topic: string, brokers: (move: Move) => readonly BrokerId[]): string =>
    moves
      .filter(move => move.topic === topic)
      .flatMap(move => brokers(move).map(id => `${move.partition}:${id}`))
      .sort()
      .join(",");
  const topics = new Set(moves.map(({ topic }) => topic));
  const ofTopic = (topic: string): Record<string, ConfigChange> => ({
    [LEADERS]: set(list(topic, ({ sources }) => sources)),
    [FOLLOWERS]: set(list(topic, ({ destinations }) => destinations)),
  });
  await alter(admin, Object.fromEntries([...topics].map(topic => [`topic:${topic}`, ofTopic(topic)])));
  const brokers = new Set(moves.flatMap(({ sources, destinations }) => [...sources, ...destinations]));
  const rates = { [LEADER_RATE]: set(rate), [FOLLOWER_RATE]: set(rate) };
  await alter(admin, Object.fromEntries([...brokers].map(id => [`broker:${id}`, rates])));
  console.log(`The inter-broker throttle limit was set to ${rate} B/s`);
}

/** Limits the copies between directories of brokers to bytes per second. */
export async function throttleDirs(admin: Admin, brokers: ReadonlySet<BrokerId>, rate: number): Promise<void> {
  await alter(admin, Object.fromEntries([...brokers].map(id => [`broker:${id}`, { [DIRS_RATE]: set(rate) }])));
  console.log(`The replica-alter-dir throttle limit was set to ${rate} B/s`);
}
