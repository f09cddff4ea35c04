import type { MetadataImage, PartitionImage } from "@samsa/metadata";
import { auditCopies } from "../clients/txn-audit.ts";
import { CommittedReader } from "../clients/committed-reader.ts";
import { Copier, copierPlans } from "../clients/copier.ts";
import { GroupLedger } from "../ledgers/group-ledger.ts";
import { type Ending, Violation, violationOf } from "../ledgers/rules.ts";
import { COPY_PARTITIONS, COPY_TOPIC, TxnLedger } from "../ledgers/txn-ledger.ts";
import type { ScenarioOptions, SeedOutcome } from "../stage/outcome.ts";
import { Play } from "../stage/play.ts";
import { RoutedClient } from "../stage/routed-client.ts";
import type { Prng } from "../world/prng.ts";
import { World } from "../world/world.ts";
import { ClusterAdmin } from "./cluster-admin.ts";
import { ClusterConsumer } from "./cluster-consumer.ts";
import { ClusterFaults } from "./cluster-faults.ts";
import { ClusterLedger, type ClusterTopic, isSafe } from "./cluster-ledger.ts";
import { ClusterOffsets } from "./cluster-offsets.ts";
import { ClusterProducer } from "./cluster-producer.ts";
import type { Actor } from "../stage/stage.ts";
import type { ClusterStage } from "./cluster-stage.ts";
import { ClusterWitness } from "./cluster-witness.ts";
import { ClusterMachine } from "./machine.ts";
import { drawPlan, type Plan, PORT } from "./plan.ts";

/** Result of one seed of a cluster. */
export interface ClusterOutcome extends SeedOutcome {
  /** Milliseconds of simulated time. */
  readonly time: number;
}

/** Time within which a healed cluster must serve, in virtual milliseconds. */
const PATIENCE_MS = 30_000;

/** Topics that exist from the beginning, for a cluster that has `brokers`. */
const TOPICS: readonly Omit<ClusterTopic, "id">[] = [
  { name: "safe", partitions: 2, replicas: 3, minIsr: 2, flushed: false },
  { name: "flushed", partitions: 1, replicas: 3, minIsr: 2, flushed: true },
  { name: "three", partitions: 1, replicas: 3, minIsr: 1, flushed: false },
  { name: "two", partitions: 1, replicas: 2, minIsr: 1, flushed: false },
  { name: "one", partitions: 1, replicas: 1, minIsr: 1, flushed: false },
];
const COPIES: Omit<ClusterTopic, "id"> = {
  name: COPY_TOPIC,
  partitions: COPY_PARTITIONS.length,
  replicas: 3,
  minIsr: 2,
  flushed: false,
};
const PRODUCERS = [
  { acks: -1, idempotent: true },
  { acks: -1, idempotent: true },
  { acks: -1, idempotent: false },
  { acks: 1, idempotent: false },
  { acks: 0, idempotent: false },
];

/** Scenario of one seed: a cluster, its clients and the faults that befall them. */
class ClusterScenario {
  readonly world: World;
  readonly endings: Ending[] = [];
  readonly play: Play;
  readonly #rng: Prng;
  readonly #plan: Plan;
  readonly #machines: readonly ClusterMachine[];
  readonly #witness: ClusterWitness;
  readonly #stage: ClusterStage;
  readonly #faults: ClusterFaults;
  readonly #admin: ClusterAdmin;
  readonly #producers: readonly ClusterProducer[];
  readonly #consumer: ClusterConsumer;
  readonly #copiers: readonly Copier[];
  readonly #reader: CommittedReader;
  readonly #offsets: readonly ClusterOffsets[];
  readonly #actors: readonly Actor[];
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
    this.#witness = new ClusterWitness(name => this.#keeps(name));
    const { crypto, codecs } = this.world.node("judge").env;
    const machines = this.#machines;
    this.#stage = {
      get lives() {
        return machines.reduce((sum, { endings }) => sum + endings.length, 0);
      },
      ledger: new ClusterLedger({ crc32c: crypto.crc32c, codecs }),
      groups: new GroupLedger(),
      txns: new TxnLedger(),
      topics: [],
      // A new leader may not know yet what the last one has told.
      get losses() {
        return NaN;
      },
      device: this.world.node("judge").disk,
      dirs: [],
      isFlushed: () => false,
      note: line => this.world.trace(line),
    };
    const stage = this.#stage;
    const client = (name: string): RoutedClient => this.#client(name);
    const own = (name: string): Prng => this.world.fork(name);
    this.#auditor = client("auditor");
    this.#admin = new ClusterAdmin(stage, client("admin"), own("admin"), { brokers: this.#plan.brokers.length });
    this.#producers = PRODUCERS.flatMap((producer, i) =>
      i > 0 && rng.chance(0.4)
        ? []
        : [new ClusterProducer(stage, client(`producer${i}`), own(`producer${i}`), producer)],
    );
    this.#consumer = new ClusterConsumer(stage, client("consumer"), own("consumer"));
    const isForgetful = this.#plan.mayBlackOut && !this.#plan.isFlushed;
    this.#copiers =
      isForgetful || rng.chance(0.4)
        ? []
        : copierPlans(own("copiers")).map(plan => new Copier(stage, client(plan.name), own(plan.name), plan));
    this.#reader = new CommittedReader(stage, client("committed"), own("committed"));
    this.#offsets = isForgetful ? [] : [new ClusterOffsets(stage, client("offsets"), own("offsets"))];
    this.#actors = [
      ...[this.#admin, ...this.#producers, this.#consumer, ...this.#copiers, ...this.#offsets],
      ...(this.#copiers.length === 0 ? [] : [this.#reader]),
    ];
    this.#faults = new ClusterFaults({
      world: this.world,
      machines: this.#machines,
      rng,
      clients: this.#actors.map(actor => actor.client.name),
      mayBlackOut: this.#plan.mayBlackOut,
      isWhole: () => this.#isWhole(),
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
    for (const wanted of this.#copiers.length > 0 ? [...TOPICS, COPIES] : TOPICS) await this.#create(wanted);
    this.#setOpen(true);
    for (const actor of this.#actors) {
      this.play.perform(actor, [10, 120], () => this.#isOpen && !this.#resting.has(actor));
    }
    await this.play.runFor(this.#rng.int(100, 1500));
    for (let rounds = this.#rng.int(2, 6); rounds > 0; rounds--) await this.#round();
    this.#faults.heal();
    await this.#progress();
    await this.#lastLook();
    this.play.end();
  }

  async #create(wanted: Omit<ClusterTopic, "id">): Promise<void> {
    let created: ClusterTopic | undefined;
    await this.play.settle("a topic cannot be created", async () => {
      created = await this.#admin.create(wanted);
      return created !== undefined || this.play.violation !== undefined;
    });
    if (created !== undefined && created.name !== COPY_TOPIC) this.#stage.topics.push(created);
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
    for (const actor of this.#actors) if (actor !== this.#admin) actor.client.quiet = !isOpen;
  }

  /** Newest metadata of any node. */
  get #image(): MetadataImage | undefined {
    return this.#machines
      .flatMap(({ node }) => node?.shared.loader.image ?? [])
      .reduce<MetadataImage | undefined>(
        (newest, image) => (image.provenance.offset > (newest?.provenance.offset ?? -2) ? image : newest),
        undefined,
      );
  }

  /** First partition that is not as `holds` says. */
  #partitionWithout(holds: (partition: PartitionImage) => boolean): string | undefined {
    for (const topic of this.#image?.topics.values() ?? []) {
      for (const [index, partition] of topic.partitions) {
        if (!holds(partition)) return `${topic.name}-${index}: ${JSON.stringify(partition)}`;
      }
    }
    return undefined;
  }

  #isWhole(): boolean {
    const isUp = this.#machines.every(({ node, isPaused }) => node !== undefined && !isPaused);
    return isUp && this.#partitionWithout(({ isr, replicas }) => isr.length === replicas.length) === undefined;
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
    if (this.#doubt === undefined || !this.#isWhole()) return;
    this.#stage.ledger.whole();
    this.#witness.mayLose(this.#doubt === "all");
    this.#doubt = undefined;
  }

  /** Checks that everything works again now that no fault remains. */
  async #progress(): Promise<void> {
    await this.play.until("the nodes do not start", () => this.#machines.every(({ node }) => node !== undefined));
    await this.play.untilNone(() => this.#partitionWithout(({ leader }) => leader >= 0));
    await this.play.untilNone(() => this.#partitionWithout(({ isr, replicas }) => isr.length === replicas.length));
    const { topics } = this.#stage;
    const waiting = this.#producers.filter(({ isDurable }) => isDurable);
    for (const { heard } of waiting) heard.clear();
    await this.play.untilNone(() => waiting.flatMap(producer => producer.unheard(topics) ?? [])[0]);
    await this.play.untilNone(() => this.#partitionWithout(({ isr, replicas }) => isr.length === replicas.length));
    const { groups, txns } = this.#stage;
    const { commits } = groups;
    await this.play.until("no offset is committed", () => this.#offsets.length === 0 || groups.commits > commits);
    await this.#copiesGoOn(txns);
  }

  async #copiesGoOn(txns: TxnLedger): Promise<void> {
    const [first, ...rest] = this.#copiers;
    if (first === undefined) return;
    for (const copier of rest) copier.doomed = true;
    await this.play.until("a producer cannot begin a transaction", () => rest.every(({ gone }) => gone));
    first.steady = true;
    const { committed, read } = txns;
    await this.play.until("no transaction is committed", () => txns.committed > committed);
    this.#reader.steady = true;
    await this.play.until("no committed record is read", () => txns.read > read);
  }

  /** Reads everything, and compares all replicas. */
  async #lastLook(): Promise<void> {
    for (const actor of this.#actors) this.#resting.add(actor);
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
    await this.play.settle("the topics are not listed", () => this.#admin.audit());
    if (this.#copiers.length > 0) {
      await this.play.settle("the copies cannot be read", () => auditCopies(this.#stage, this.#auditor));
    }
    for (const offsets of this.#offsets) {
      offsets.client.quiet = false;
      await this.play.settle("committed offsets cannot be read", () => offsets.readBack());
    }
    await this.play.untilNone(() => this.#lagging());
    this.#witness.compareLogs(this.#machines, true);
    const anomaly = this.#stage.ledger.anomaly();
    if (anomaly === undefined) return;
    throw new Violation("the history is impossible", `${anomaly.type} in ${anomaly.log}: ${anomaly.detail}`);
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
    };
  }
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
