import { entryAt } from "@samsa/base";
import type { Node } from "@samsa/broker";
import { EMPTY_IMAGE, type MetadataImage } from "@samsa/metadata";
import { agree, committedOffsets, GROUP_TOPIC, SHARED_GROUP, SHARES } from "../clients/member.ts";
import { agreeOn, SUBSCRIBED_GROUP } from "../clients/subscriber.ts";
import { auditTable } from "../clients/table.ts";
import { auditCopies } from "../clients/txn-audit.ts";
import { type Ending, Violation, violationOf } from "../ledgers/rules.ts";
import { TABLES } from "../ledgers/topic-names.ts";
import { COPY_TOPIC, type TxnLedger } from "../ledgers/txn-ledger.ts";
import type { ScenarioOptions, SeedOutcome } from "../stage/outcome.ts";
import { Play } from "../stage/play.ts";
import { RoutedClient } from "../stage/routed-client.ts";
import type { Actor } from "../stage/stage.ts";
import type { Prng } from "../world/prng.ts";
import { World } from "../world/world.ts";
import { type ClusterCast, clusterCast, TOPICS, UNCLEAN_TOPIC } from "./cluster-cast.ts";
import { ClusterConsumer } from "./cluster-consumer.ts";
import { ClusterFaults } from "./cluster-faults.ts";
import { type ClusterTopic, isSafe } from "./cluster-ledger.ts";
import { ClusterSight, isInSync } from "./cluster-sight.ts";
import { type ClusterStage, clusterStage } from "./cluster-stage.ts";
import { ClusterWitness } from "./cluster-witness.ts";
import { ClusterMachine } from "./machine.ts";
import { prepareShareGroup } from "./share-member.ts";
import { compareTable } from "./table-replicas.ts";
import { drawPlan, type Plan, PORT } from "./plan.ts";

/** Result of one seed of a cluster. */
export interface ClusterOutcome extends SeedOutcome {
  /** Milliseconds of simulated time. */
  readonly time: number;
  /** Counts of what happens in some scenarios only. */
  readonly activity: Readonly<Record<string, number>>;
  /** Values that all replicas in sync had, in partitions that were read at the end, and those of them that are gone. */
  readonly promised: number;
  readonly lost: number;
}

/** Time within which a healed cluster must serve, in virtual milliseconds. */
const PATIENCE_MS = 30_000;
/** Partitions of the topic that groups subscribe to. */
const GROUP_PARTITIONS = 2;

/** Scenario of one seed: a cluster, its clients and the faults that befall them. */
class ClusterScenario {
  readonly world: World;
  readonly endings: Ending[] = [];
  readonly play: Play;
  readonly #rng: Prng;
  readonly #plan: Plan;
  readonly #machines: readonly ClusterMachine[];
  readonly #sight: ClusterSight;
  readonly #witness: ClusterWitness;
  readonly #stage: ClusterStage;
  readonly #faults: ClusterFaults;
  readonly #cast: ClusterCast;
  readonly #auditor: RoutedClient;
  #isOpen = false;
  /** Records that may be lost now: of topics with too few replicas, or of all that flush late. */
  #doubt: "some" | "all" | undefined;
  readonly #resting = new Set<Actor>();

  constructor(seed: number, options: ScenarioOptions) {
    this.world = new World(`cluster/${seed}`, {
      diskMs: [0.1, 5],
      ...(options.onTrace === undefined ? {} : { onTrace: options.onTrace }),
    });
    const look = (): void => {
      this.#witness.look(this.#machines);
      if (this.#doubt === undefined) this.#witness.compareEnds(this.#machines);
      this.#endDoubt();
    };
    this.play = new Play({ world: this.world, patienceMs: PATIENCE_MS, look });
    const rng = this.world.fork("scenario");
    this.#rng = rng;
    this.#plan = drawPlan(this.world.fork("plan"));
    this.#machines = this.#plan.ids.map(
      id =>
        new ClusterMachine({
          world: this.world,
          plan: this.#plan,
          id,
          sabotage: options.sabotage,
          failed: violation => this.play.failed(violation),
        }),
    );
    this.#sight = new ClusterSight(this.#machines);
    this.#witness = new ClusterWitness({
      keeps: name => this.#keeps(name),
      mayDiffer: name => name === UNCLEAN_TOPIC || TABLES.includes(name),
    });
    this.#stage = clusterStage(this.world, this.#machines);
    this.#auditor = this.#client("auditor");
    this.#cast = clusterCast(this.#stage, this.#plan, {
      client: name => this.#client(name),
      rngOf: name => this.world.fork(name),
      directoryOf: id => this.#machines.find(machine => machine.id === id)?.node?.dirs.metadata.directoryId,
    });
    this.#faults = new ClusterFaults({
      world: this.world,
      machines: this.#machines,
      rng,
      clients: this.#cast.actors.map(actor => actor.client.name),
      mayBlackOut: this.#plan.mayBlackOut,
      mayReplace: () => this.#mayReplace(),
      isWhole: () => this.#sight.isWhole,
      powerCut: all => this.#powerCut(all),
    });
  }

  #client(name: string): RoutedClient {
    const bootstrap = this.#plan.brokers.map(id => ({ host: this.#plan.nameOf(id), port: PORT }));
    return new RoutedClient(this.world.node(name).env, name, { bootstrap, rng: this.world.fork(`route/${name}`) });
  }

  async run(): Promise<void> {
    for (const machine of this.#machines) machine.format();
    for (const machine of this.#machines) machine.start();
    await this.play.until("the nodes do not start", () => this.#machines.every(({ node }) => node !== undefined));
    for (const [wanted, isForAll] of this.#cast.topics) await this.#create(wanted, isForAll);
    if (this.#cast.sharers.length > 0) {
      await this.play.settle("a group cannot be configured", () => prepareShareGroup(this.#auditor));
    }
    this.#setOpen(true);
    for (const actor of this.#cast.actors) {
      this.play.perform(actor, [10, 120], () => this.#isOpen && !this.#resting.has(actor));
    }
    await this.play.runFor(this.#rng.int(100, 1500));
    for (let rounds = this.#rng.int(3, 8); rounds > 0; rounds--) await this.#round();
    this.#faults.heal();
    await this.#progress();
    await this.#lastLook();
    this.play.end();
  }

  async #create(wanted: Omit<ClusterTopic, "id">, isForAll: boolean): Promise<void> {
    let created: ClusterTopic | undefined;
    await this.play.settle("a topic cannot be created", async () => {
      created = await this.#cast.admin.create(wanted);
      return created !== undefined || this.play.violation !== undefined;
    });
    if (created !== undefined && isForAll) this.#stage.topics.push(created);
  }

  /** Faults for a while, then time without new ones, mostly healed. */
  async #round(): Promise<void> {
    const rng = this.#rng;
    for (let left = rng.chance(0.3) ? 2 : 1; left > 0; left--) {
      this.#faults.strike();
      await this.play.runFor(rng.chance(0.3) ? rng.int(1500, 5000) : rng.int(20, 1500));
    }
    if (rng.chance(0.8)) this.#faults.heal();
    if (rng.chance(0.3) && this.#doubt === undefined) this.#witness.compareLogs(this.#machines, false);
    await this.play.runFor(rng.chance(0.4) ? rng.int(1500, 5000) : rng.int(20, 800));
  }

  #setOpen(isOpen: boolean): void {
    this.#isOpen = isOpen;
    for (const actor of this.#cast.actors) if (actor !== this.#cast.admin) actor.client.quiet = !isOpen;
  }

  /** True if a controller may lose its disk: a majority of the others has all that is committed, and stays. */
  #mayReplace(): boolean {
    const { voters } = this.#cast;
    const leader = this.#machines.find(({ node }) => node?.shared.quorum.isLeader === true)?.node;
    return voters?.isCalm === true && leader !== undefined && leader.shared.quorum.voters.length > 2;
  }

  /** True if the topic keeps what is committed when the power of one broker is cut. */
  #keeps(name: string): boolean {
    const { isFlushed, mayBlackOut } = this.#plan;
    if (isFlushed) return true;
    const known = TOPICS.find(topic => topic.name === name);
    if (known?.flushed === true) return true;
    return !mayBlackOut && (name.startsWith("__") || name === COPY_TOPIC || (known !== undefined && isSafe(known)));
  }

  /** Forgets what Kafka allows to be lost when the power of one broker, or of all, is cut. */
  #powerCut(all: boolean): void {
    if (this.#plan.isFlushed) return;
    const loses = (topic: ClusterTopic): boolean => !topic.flushed && (all || !isSafe(topic));
    this.#stage.ledger.mayLose(loses);
    this.#witness.mayLose(all);
    this.#doubt = all ? "all" : (this.#doubt ?? "some");
  }

  /** Ends the time in which records may be lost, once all replicas are in sync. */
  #endDoubt(): void {
    if (this.#doubt === undefined || !this.#sight.isWhole) return;
    this.#stage.ledger.whole();
    this.#witness.mayLose(this.#doubt === "all");
    this.#doubt = undefined;
  }

  /** Checks that everything works again now that no fault remains. */
  async #progress(): Promise<void> {
    const { admin, operator, settings, voters, producers } = this.#cast;
    for (const actor of [admin, operator, settings, voters]) if (actor !== undefined) this.#resting.add(actor);
    await this.play.until("the nodes do not start", () => this.#machines.every(({ node }) => node !== undefined));
    await this.play.untilNone(() => this.#sight.partitionWithout(({ leader }) => leader >= 0));
    if (settings !== undefined) await this.play.settle("settings cannot be altered", () => settings.unthrottle());
    await this.play.untilNone(() => this.#sight.partitionWithout(isInSync));
    const { topics } = this.#stage;
    const waiting = producers.filter(({ isDurable }) => isDurable);
    for (const { heard } of waiting) heard.clear();
    await this.play.untilNone(() => waiting.flatMap(producer => producer.unheard(topics) ?? [])[0]);
    await this.play.untilNone(() => this.#sight.partitionWithout(isInSync));
    await this.#operationsEnd();
    const { groups, txns } = this.#stage;
    const { commits } = groups;
    await this.play.until("no offset is committed", () => this.#cast.offsets.length === 0 || groups.commits > commits);
    await this.#copiesGoOn(txns);
    await this.#groupsAgree();
  }

  /** Checks that what operators have asked for is so everywhere. */
  async #operationsEnd(): Promise<void> {
    const { operator, settings, voters } = this.#cast;
    const image = (): MetadataImage | undefined => this.#sight.image;
    if (operator !== undefined) await this.play.untilNone(() => operator.unfinished(image() ?? EMPTY_IMAGE));
    if (settings !== undefined) {
      await this.play.untilNone(() => {
        for (const { name, node, isBroker } of this.#machines) {
          const missing = node === undefined ? undefined : settings.missing({ name, node }, isBroker);
          if (missing !== undefined) return missing;
        }
        return undefined;
      });
    }
    if (voters === undefined) return;
    await this.play.untilNone(() => {
      const leader = this.#machines.find(({ node }) => node?.shared.quorum.isLeader === true)?.node;
      return leader === undefined ? "no controller leads" : voters.misplaced(votersOf(leader));
    });
  }

  /** Checks that the members of each group share what there is to read. */
  async #groupsAgree(): Promise<void> {
    const { members, subscribers } = this.#cast;
    for (const member of [...members, ...subscribers]) member.steady = true;
    if (members.length > 0) await this.play.until("members do not agree", () => agree(members));
    await this.#sharersGoOn();
    if (subscribers.length === 0) return;
    await this.play.until("subscribers do not agree", () => agreeOn(subscribers, [GROUP_PARTITIONS]));
  }

  /** Checks that the members of the share group get every record, and none that they have accepted before. */
  async #sharersGoOn(): Promise<void> {
    const { sharers, shares } = this.#cast;
    if (sharers.length === 0) return;
    for (const sharer of sharers) sharer.steady = true;
    shares.isSettled = true;
    const topic = this.#stage.topics.find(({ name }) => name === GROUP_TOPIC);
    if (topic === undefined) return;
    const { ledger } = this.#stage;
    const ends = Array.from({ length: topic.partitions }, (_, partition) => ledger.endOf({ topic, partition }));
    await this.play.untilNone(() => {
      for (const [partition, end] of ends.entries()) {
        const missing = shares.missing(partition, ledger.trimmedTo({ topic, partition }), end);
        if (missing !== undefined) return `no member of a share group gets ${GROUP_TOPIC}-${partition} at ${missing}`;
      }
      return undefined;
    });
  }

  async #copiesGoOn(txns: TxnLedger): Promise<void> {
    const { copiers, reader } = this.#cast;
    const [first, ...rest] = copiers;
    if (first === undefined || reader === undefined) return;
    for (const copier of rest) copier.doomed = true;
    await this.play.until("a producer cannot begin a transaction", () => rest.every(({ gone }) => gone));
    first.steady = true;
    const { committed, read } = txns;
    await this.play.until("no transaction is committed", () => txns.committed > committed);
    reader.steady = true;
    await this.play.until("no committed record is read", () => txns.read > read);
  }

  /** Reads everything, and compares all replicas. */
  async #lastLook(): Promise<void> {
    for (const actor of this.#cast.actors) this.#resting.add(actor);
    await this.play.runFor(600);
    this.#setOpen(false);
    await this.play.runFor(100);
    const consumer = new ClusterConsumer(this.#stage, this.#auditor, this.world.fork("audit"));
    for (const topic of this.#stage.topics) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        await this.play.settle(`${topic.name}-${partition} cannot be read`, () =>
          consumer.readThrough({ topic, partition }),
        );
      }
    }
    await this.play.settle("records cannot be deleted", () => this.#cast.admin.trimAll());
    await this.play.settle("the topics are not listed", () => this.#cast.admin.audit());
    if (this.#cast.copiers.length > 0) {
      await this.play.settle("the copies cannot be read", () => auditCopies(this.#stage, this.#auditor));
    }
    for (const table of this.#cast.tables) {
      await this.play.settle(`${table.name} cannot be read`, () => auditTable(this.#stage, table, this.#auditor));
    }
    if (this.#cast.members.length > 0) await this.#auditGroup(SHARED_GROUP);
    if (this.#cast.subscribers.length > 0) await this.#auditGroup(SUBSCRIBED_GROUP);
    for (const offsets of this.#cast.offsets) {
      offsets.client.quiet = false;
      await this.play.settle("committed offsets cannot be read", () => offsets.readBack());
    }
    await this.play.untilNone(() => this.#lagging());
    this.#witness.compareLogs(this.#machines, true);
    // Compaction removes records of aborted transactions on one replica before another.
    const { codecs } = this.world.node("judge").env;
    for (const { name, transactional } of this.#cast.tables) {
      if (!transactional) compareTable(this.#machines, name, codecs);
    }
    const anomaly = this.#stage.ledger.anomaly();
    if (anomaly === undefined) return;
    throw new Violation("the history is impossible", `${anomaly.type} in ${anomaly.log}: ${anomaly.detail}`);
  }

  /** Checks what a group has committed, now that its coordinator is known. */
  async #auditGroup(group: string): Promise<void> {
    await this.play.settle(`what ${group} have committed cannot be read`, async () => {
      const offsets = await committedOffsets(this.#auditor, group);
      offsets?.forEach((offset, i) => this.#stage.groups.audited(group, entryAt(SHARES, i), offset, "stop"));
      return offsets !== undefined;
    });
  }

  /** Replica whose high watermark is below its end, or whose end is not that of the others. */
  #lagging(): string | undefined {
    const ends = new Map<string, number>();
    for (const { node, name, isBroker } of this.#machines) {
      if (node === undefined || !isBroker) continue;
      for (const partition of node.broker.topics.all()) {
        const key = `${partition.topic}-${partition.index}`;
        const end = ends.get(key) ?? partition.endOffset;
        ends.set(key, end);
        if (end === partition.endOffset && partition.highWatermark === end) continue;
        return `${key} on ${name} ends at ${partition.endOffset}, ${partition.highWatermark} committed, not ${end}`;
      }
    }
    return undefined;
  }

  outcome(seed: number): ClusterOutcome {
    const { ledger, groups, txns } = this.#stage;
    return {
      seed,
      hash: this.world.hash(),
      events: this.world.events(),
      violation: this.play.violation,
      acknowledged: ledger.acknowledged,
      served: ledger.served,
      commits: groups.commits,
      transactions: txns.committed,
      endings: this.#machines.flatMap(({ endings }) => endings),
      faults: [...this.#faults.counts.values()].reduce((sum, count) => sum + count, 0),
      time: this.world.now(),
      activity: this.#activity(),
      promised: ledger.promised,
      lost: ledger.lost,
    };
  }

  #activity(): Record<string, number> {
    const { operator, settings, voters, shares, consumers, tables } = this.#cast;
    return {
      moves: operator?.accepted ?? 0,
      settings: settings?.confirmed ?? 0,
      voters: voters?.changes ?? 0,
      shared: shares.accepted,
      followerReads: consumers.reduce((sum, { readFromFollowers }) => sum + readFromFollowers, 0),
      compacted: tables.reduce((sum, { compacted }) => sum + compacted, 0),
      shares: this.#stage.groups.shares,
      comparisons: this.#witness.comparisons,
    };
  }
}

/** Ids of the voters that a controller knows. */
function votersOf({ shared }: Node): ReadonlySet<number> {
  return new Set(shared.quorum.voters.map(({ id }) => id));
}

/** Runs one seed of a cluster to its end, or to the first violation. */
export async function runCluster(seed: number, options: ScenarioOptions = {}): Promise<ClusterOutcome> {
  const scenario = new ClusterScenario(seed, options);
  try {
    await scenario.run();
  } catch (error) {
    scenario.play.failed(violationOf(error));
  }
  return scenario.outcome(seed);
}

/** Command that runs a seed again with its trace. */
export function clusterReplayCommand(seed: number): string {
  return `npm run sim -- --cluster --seed ${seed} --trace`;
}
