import type { Uuid } from "@samsa/base";
import { CommittedReader } from "../clients/committed-reader.ts";
import { Copier, copierPlans } from "../clients/copier.ts";
import { GROUP_TOPIC, Keeper, Member } from "../clients/member.ts";
import { Subscriber } from "../clients/subscriber.ts";
import { Table, TableReader } from "../clients/table.ts";
import { TableKeeper } from "../clients/table-keeper.ts";
import { TABLES } from "../ledgers/topic-names.ts";
import { COPY_PARTITIONS, COPY_TOPIC } from "../ledgers/txn-ledger.ts";
import type { RoutedClient } from "../stage/routed-client.ts";
import type { Actor } from "../stage/stage.ts";
import type { Prng } from "../world/prng.ts";
import { ClusterAdmin } from "./cluster-admin.ts";
import { ClusterConsumer } from "./cluster-consumer.ts";
import type { ClusterTopic } from "./cluster-ledger.ts";
import { ClusterOffsets } from "./cluster-offsets.ts";
import { ClusterOperator } from "./cluster-operator.ts";
import { ClusterProducer } from "./cluster-producer.ts";
import { ClusterSettings } from "./cluster-settings.ts";
import type { ClusterStage } from "./cluster-stage.ts";
import { ClusterVoters } from "./cluster-voters.ts";
import { type Plan, rackOf } from "./plan.ts";
import { ShareLedger, ShareMember } from "./share-member.ts";

type Wanted = Omit<ClusterTopic, "id">;

/** Topic that may lose records in an unclean election. */
export const UNCLEAN_TOPIC = "unclean";
/** Topics that exist from the beginning, and that all clients use. */
export const TOPICS: readonly Wanted[] = [
  { name: "safe", partitions: 2, replicas: 3, minIsr: 2, flushed: false },
  { name: "flushed", partitions: 1, replicas: 3, minIsr: 2, flushed: true },
  { name: "three", partitions: 1, replicas: 3, minIsr: 1, flushed: false },
  { name: "two", partitions: 1, replicas: 2, minIsr: 1, flushed: false },
  { name: "one", partitions: 1, replicas: 1, minIsr: 1, flushed: false },
];
const UNCLEAN: Wanted = {
  ...{ name: UNCLEAN_TOPIC, partitions: 1, replicas: 2, minIsr: 1, flushed: false },
  unclean: true,
};
const COPIES: Wanted = {
  ...{ name: COPY_TOPIC, partitions: COPY_PARTITIONS.length, replicas: 3, minIsr: 2, flushed: false },
};
/** Topic that groups subscribe to. */
const READ_BY_GROUPS: Wanted = { name: GROUP_TOPIC, partitions: 2, replicas: 3, minIsr: 2, flushed: false };
const PRODUCERS = [
  { acks: -1, idempotent: true },
  { acks: -1, idempotent: true },
  { acks: -1, idempotent: false },
  { acks: 1, idempotent: false },
  { acks: 0, idempotent: false },
];

/** Clients of a cluster scenario. */
export interface ClusterCast {
  readonly admin: ClusterAdmin;
  readonly producers: readonly ClusterProducer[];
  readonly consumers: readonly ClusterConsumer[];
  readonly copiers: readonly Copier[];
  readonly reader: CommittedReader | undefined;
  readonly offsets: readonly ClusterOffsets[];
  readonly members: readonly Member[];
  readonly subscribers: readonly Subscriber[];
  readonly sharers: readonly ShareMember[];
  readonly shares: ShareLedger;
  readonly tables: readonly Table[];
  readonly operator: ClusterOperator | undefined;
  readonly settings: ClusterSettings | undefined;
  readonly voters: ClusterVoters | undefined;
  readonly actors: readonly Actor[];
  /** Topics that the scenario creates at first, and whether clients that know no topic by name may use each. */
  readonly topics: readonly (readonly [topic: Wanted, isForAll: boolean])[];
}

/** Makes a client with its generator. */
type Make = <T>(name: string, actor: (client: RoutedClient, rng: Prng) => T) => T;

function groups(stage: ClusterStage, rng: Prng, make: Make) {
  const memberCount = rng.chance(0.6) ? 0 : rng.int(1, 3);
  const members = Array.from({ length: memberCount }, (_, i) => {
    const instanceId = rng.chance(0.3) ? `static${i}` : null;
    return make(`member${i}`, (client, own) => new Member(stage, client, own, { instanceId }));
  });
  const subscriberCount = rng.chance(0.6) ? 0 : rng.int(1, 3);
  const subscribers = Array.from({ length: subscriberCount }, (_, i) => {
    const instanceId = rng.chance(0.25) ? `place${i}` : null;
    return make(`subscriber${i}`, (client, own) => new Subscriber(stage, client, own, { instanceId }));
  });
  const keepers = rng.chance(0.3) ? [make("keeper", (client, own) => new Keeper(stage, client, own))] : [];
  return { members, subscribers, keepers };
}

function tablesOf(rng: Prng): readonly Table[] {
  if (rng.chance(0.6)) return [];
  return TABLES.slice(0, rng.int(1, 2)).map(
    name =>
      new Table({
        name,
        transactional: rng.chance(0.4),
        trimmed: rng.chance(0.3),
        retentionMs: rng.chance(0.5) ? 400 : 100_000,
        replicas: 3,
      }),
  );
}

/** Draws the clients of a cluster. Few kinds take part in each scenario, so that each acts more often. */
export function clusterCast(
  stage: ClusterStage,
  plan: Plan,
  from: {
    readonly client: (name: string) => RoutedClient;
    readonly rngOf: (name: string) => Prng;
    readonly directoryOf: (id: number) => Uuid | undefined;
  },
): ClusterCast {
  const make: Make = (name, actor) => actor(from.client(name), from.rngOf(name));
  const rng = from.rngOf("cast");
  const admin = make("admin", (client, own) => new ClusterAdmin(stage, client, own, { brokers: plan.brokers.length }));
  const producers = PRODUCERS.flatMap((producer, i) =>
    i > 0 && rng.chance(0.5)
      ? []
      : [make(`producer${i}`, (client, own) => new ClusterProducer(stage, client, own, producer))],
  );
  const racks = plan.hasRacks ? ["", rackOf(0), rackOf(1)] : [""];
  const consumers = racks.map((rack, i) =>
    make(`consumer${i}`, (client, own) => new ClusterConsumer(stage, client, own, rack)),
  );
  // State of coordinators and tables may be lost when the power of all machines is cut, unless it is flushed.
  const isForgetful = plan.mayBlackOut && !plan.isFlushed;
  const copiers =
    isForgetful || rng.chance(0.5)
      ? []
      : copierPlans(from.rngOf("copiers")).map(copier =>
          make(copier.name, (client, own) => new Copier(stage, client, own, copier)),
        );
  const reader =
    copiers.length === 0 ? undefined : make("committed", (client, own) => new CommittedReader(stage, client, own));
  const offsets =
    isForgetful || rng.chance(0.5) ? [] : [make("offsets", (client, own) => new ClusterOffsets(stage, client, own))];
  const { members, subscribers, keepers } = isForgetful
    ? { members: [], subscribers: [], keepers: [] }
    : groups(stage, from.rngOf("groups"), make);
  const shares = new ShareLedger();
  const ownShare = from.rngOf("sharers");
  const sharerCount = isForgetful || ownShare.chance(0.7) ? 0 : ownShare.int(1, 3);
  const sharers = Array.from({ length: sharerCount }, (_, i) =>
    make(`sharer${i}`, (client, own) => new ShareMember(client, own, shares)),
  );
  const tables = isForgetful ? [] : tablesOf(from.rngOf("tables"));
  const tableActors = tables.map(table =>
    make(table.name, (client, own) => new TableKeeper(stage, client, own, table)),
  );
  const tableReaders =
    tables.length === 0 ? [] : [make("reader", (client, own) => new TableReader(stage, client, own, tables))];
  const topics: (readonly [topic: Wanted, isForAll: boolean])[] = TOPICS.map(topic => [topic, true]);
  const isUnclean = rng.chance(0.3);
  if (isUnclean) topics.push([UNCLEAN, true]);
  if (copiers.length > 0) topics.push([COPIES, false]);
  if (members.length + subscribers.length + keepers.length + sharers.length > 0) topics.push([READ_BY_GROUPS, true]);
  const named = topics.map(([topic]) => topic);
  const internal = ["__consumer_offsets", "__transaction_state"].map(name => ({ name, partitions: 2, replicas: 3 }));
  const operated = { brokers: plan.brokers, topics: [...named, ...internal], unclean: UNCLEAN_TOPIC };
  const operator = rng.chance(0.4)
    ? make("operator", (client, own) => new ClusterOperator(client, own, operated))
    : undefined;
  const settings = rng.chance(0.35)
    ? make(
        "settings",
        (client, own) =>
          new ClusterSettings(
            client,
            own,
            named.slice(0, 2).map(({ name }) => name),
          ),
      )
    : undefined;
  const voters =
    plan.quorum === "static"
      ? undefined
      : make("voters", (client, own) => new ClusterVoters(client, own, plan, from.directoryOf));
  const single = [reader, operator, settings, voters].filter(actor => actor !== undefined);
  return {
    ...{ admin, producers, consumers, copiers, reader, offsets, members, subscribers, sharers, shares, tables },
    ...{ operator, settings, voters, topics },
    actors: [
      ...[
        admin,
        ...producers,
        ...consumers,
        ...copiers,
        ...offsets,
        ...members,
        ...subscribers,
        ...keepers,
        ...sharers,
      ],
      ...[...tableActors, ...tableReaders, ...single],
    ],
  };
}
