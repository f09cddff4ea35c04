import type { BrokerConnection } from "@samsa/wire";
import { Failure } from "../terminal/failure.ts";
import { connected } from "./admin.ts";
import type { Common } from "../settings/client-settings.ts";
import { featuresOf, levelText } from "./feature.ts";
import { describeQuorum } from "./quorum.ts";
import { describeBrokers, describePartitions, type PartitionFacts } from "./reassignment.ts";

/** Partitions that are listed by name; the others are counted. */
const LISTED = 20;

const nameOf = ({ topic, partitionIndex }: PartitionFacts): string => `${topic}-${partitionIndex}`;

function shown(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const more = names.length - LISTED;
  return `${names.slice(0, LISTED).join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}

interface DescribeOptions extends Common {
  /** Seconds to wait until nothing is amiss. */
  readonly wait?: string;
}

/** Interval at which a cluster is looked at again, in ms. */
const LOOK_MS = 500;

/** Facts about the cluster. Rejects with a `Failure`. */
async function look(admin: BrokerConnection) {
  const { clusterId, brokers } = await describeBrokers(admin);
  const quorum = await describeQuorum(admin);
  const partitions = await describePartitions(admin, null);
  return {
    clusterId,
    brokers: brokers.map(({ brokerId, host, port, rack, isFenced }) => ({ id: brokerId, host, port, rack, isFenced })),
    controllers: quorum.currentVoters.map(({ replicaId }) => replicaId),
    leader: quorum.leaderId,
    epoch: quorum.leaderEpoch,
    features: Object.fromEntries(featuresOf(admin).features.map(({ name, level }) => [name, level])),
    partitions: partitions.length,
    underReplicated: partitions
      .filter(({ isrNodes, replicaNodes }) => isrNodes.length < replicaNodes.length)
      .map(nameOf),
    offline: partitions.filter(({ leaderId }) => leaderId < 0).map(nameOf),
  };
}

type Facts = Awaited<ReturnType<typeof look>>;

/** Reasons why a cluster is not whole. */
function faults({ brokers, underReplicated, offline }: Facts): string[] {
  const fenced = brokers.flatMap(({ id, isFenced }) => (isFenced ? [id] : []));
  return [
    ...(fenced.length === 0 ? [] : [`fenced brokers: ${fenced.join(", ")}`]),
    ...(underReplicated.length === 0 ? [] : [`under-replicated: ${shown(underReplicated)}`]),
    ...(offline.length === 0 ? [] : [`offline: ${shown(offline)}`]),
  ];
}

/** Looks at the cluster until nothing is amiss; answers that fail meanwhile are asked for again. */
async function whole(options: Common, seconds: number): Promise<Facts> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    let facts: Facts | undefined;
    const asked = connected(options, async admin => {
      facts = await look(admin);
    });
    const failure = await asked.then(
      () => (facts === undefined || faults(facts).length === 0 ? undefined : new Failure(faults(facts).join("; "))),
      (error: unknown) => error,
    );
    if (facts !== undefined && failure === undefined) return facts;
    if (performance.now() >= deadline) {
      const why = failure instanceof Error ? failure.message : "no answer";
      throw new Failure(`the cluster is not whole after ${seconds} s: ${why}`);
    }
    await new Promise(resolve => setTimeout(resolve, LOOK_MS));
  }
}

/** `samsa cluster describe`. */
export async function describe(options: DescribeOptions): Promise<void> {
  if (options.wait !== undefined) {
    const seconds = /^\d{1,5}$/.test(options.wait) ? Number(options.wait) : 0;
    if (seconds < 1) throw new Failure(`--wait wants a number of seconds from 1, not "${options.wait}"`);
    return print(await whole(options, seconds), options);
  }
  await connected(options, async admin => print(await look(admin), options));
}

function print(facts: Facts, { json }: Common): void {
  if (json === true) return console.log(JSON.stringify(facts));
  const brokers = facts.brokers.map(
    ({ id, host, port, rack, isFenced }) =>
      `${id} (${host}:${port}${rack === null ? "" : `, rack ${rack}`}${isFenced ? ", fenced" : ""})`,
  );
  const levels = Object.entries(facts.features).map(([name, level]) => `${name}=${levelText(name, level)}`);
  for (const [title, text] of [
    ["Cluster", facts.clusterId],
    ["Brokers", brokers.join(", ")],
    ["Controllers", `${facts.controllers.join(", ")}; leader ${facts.leader}, epoch ${facts.epoch}`],
    ["Features", levels.join(", ")],
    ["Partitions", String(facts.partitions)],
    ["Under-replicated", shown(facts.underReplicated)],
    ["Offline", shown(facts.offline)],
  ] as const) {
    console.log(`${`${title}:`.padEnd(18)}${text}`);
  }
}
