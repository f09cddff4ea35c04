import type { CommittedOffset } from "@samsa/client-kernel";
import { Admin } from "@samsa/client-runtime";
import { ClusterFaults } from "../cluster/cluster-faults.ts";
import { ClusterOperator } from "../cluster/cluster-operator.ts";
import type { ClusterOutcome } from "../cluster/cluster-scenario.ts";
import { ClusterSight, isInSync } from "../cluster/cluster-sight.ts";
import { ClusterMachine } from "../cluster/machine.ts";
import { drawPlan, type Plan, PORT } from "../cluster/plan.ts";
import { type Ending, Violation, violationOf } from "../ledgers/rules.ts";
import { CALLS } from "../stage/calls.ts";
import type { ScenarioOptions } from "../stage/outcome.ts";
import { Play } from "../stage/play.ts";
import { RoutedClient } from "../stage/routed-client.ts";
import type { Prng } from "../world/prng.ts";
import { World } from "../world/world.ts";
import { Journal } from "./journal.ts";
import { Life } from "./life.ts";
import type { Program, ProgramStage } from "./program.ts";
import { type ProgramCast, programCast, type Team } from "./program-cast.ts";
import { ProgramFaults } from "./program-faults.ts";
import { SHARE_GROUP } from "./sharer.ts";
import { Truth } from "./truth.ts";
import {
  judgeCopies,
  judgeGroups,
  judgeHistory,
  judgeReads,
  judgeRecords,
  judgeTransactions,
  unreadOf,
} from "./verdict.ts";

/** Time within which a healed cluster must serve all programs, in virtual milliseconds. */
const PATIENCE_MS = 30_000;
const INTERNAL = ["__consumer_offsets", "__transaction_state"];

/** Scenario of one seed: a cluster, programs that use our client, and the faults that befall both. */
class ProgramScenario {
  readonly world: World;
  readonly play: Play;
  readonly #rng: Prng;
  readonly #plan: Plan;
  readonly #machines: readonly ClusterMachine[];
  readonly #sight: ClusterSight;
  readonly #journal = new Journal();
  readonly #stage: ProgramStage;
  readonly #cast: ProgramCast;
  readonly #faults: ProgramFaults;
  readonly #auditor: RoutedClient;
  readonly #operator: ClusterOperator | undefined;
  #mayOperate = true;

  constructor(seed: number, options: ScenarioOptions) {
    this.world = new World(`client/${seed}`, {
      diskMs: [0.1, 4],
      ...(options.onTrace === undefined ? {} : { onTrace: options.onTrace }),
    });
    const failed = (violation: Violation): void => this.play.failed(violation);
    this.play = new Play({ world: this.world, patienceMs: PATIENCE_MS, look: () => this.#look() });
    const rng = this.world.fork("scenario");
    this.#rng = rng;
    // The topics here lose nothing: the power of all machines is not cut at once.
    this.#plan = { ...drawPlan(this.world.fork("plan"), true), mayBlackOut: false };
    const { world } = this;
    const { sabotage } = options;
    this.#machines = this.#plan.ids.map(id => new ClusterMachine({ world, plan: this.#plan, id, sabotage, failed }));
    this.#sight = new ClusterSight(this.#machines);
    const brokers = this.#plan.brokers.map(id => this.#plan.nameOf(id));
    this.#stage = { world, journal: this.#journal, brokers, failed };
    this.#cast = programCast(this.#stage, this.world.fork("cast"));
    this.#auditor = this.#client("auditor");
    this.#operator = rng.chance(0.5) ? this.#newOperator() : undefined;
    const cluster = new ClusterFaults({
      ...{ world, machines: this.#machines, rng, clients: this.#programs.map(({ name }) => name) },
      mayBlackOut: false,
      mayReplace: () => false,
      isWhole: () => this.#sight.isWhole,
      powerCut: () => this.#journal.count("power cuts"),
    });
    this.#faults = new ProgramFaults({
      ...{ world, rng, machines: this.#machines, sight: this.#sight, programs: this.#programs, cluster },
    });
  }

  get #programs(): readonly Program[] {
    const { writers, readers, twins } = this.#cast;
    return [...writers, ...readers, ...twins];
  }

  #client(name: string): RoutedClient {
    const bootstrap = this.#stage.brokers.map(host => ({ host, port: PORT }));
    return new RoutedClient(this.world.node(name).env, name, { bootstrap, rng: this.world.fork(`route/${name}`) });
  }

  #newOperator(): ClusterOperator {
    const subjects = this.#cast.subjects.map(({ name, partitions }) => ({ name, partitions, replicas: 3 }));
    const internal = INTERNAL.map(name => ({ name, partitions: 2, replicas: 3 }));
    const options = { brokers: this.#plan.brokers, topics: [...subjects, ...internal], unclean: "" };
    return new ClusterOperator(this.#client("operator"), this.world.fork("operator"), options);
  }

  #look(): void {
    for (const program of this.#programs) {
      const call = program.overdue();
      if (call !== undefined) throw new Violation("a call hangs", call);
    }
  }

  async run(): Promise<void> {
    for (const machine of this.#machines) machine.format();
    for (const machine of this.#machines) machine.start();
    await this.#untilUp();
    await this.#prepare();
    const rng = this.#rng;
    for (const program of this.#programs) {
      program.start();
      await this.play.runFor(rng.int(0, 100));
    }
    if (this.#operator !== undefined) this.play.perform(this.#operator, [10, 120], () => this.#mayOperate);
    await this.play.runFor(rng.int(100, 1000));
    for (let rounds = rng.int(2, 5); rounds > 0; rounds--) await this.#round();
    await this.#settle();
    await this.#handOver();
    await this.#end();
  }

  #untilUp(): Promise<void> {
    return this.play.until("the nodes do not start", () => this.#machines.every(({ node }) => node !== undefined));
  }

  /** Creates the topics, with our own client. */
  async #prepare(): Promise<void> {
    const life = new Life("admin", {
      env: this.world.node("admin").env,
      rng: this.world.fork("admin"),
      bootstrapServers: this.#stage.brokers.map(host => ({ host, port: PORT })),
      failed: violation => this.play.failed(violation),
    });
    const admin = new Admin(life.connect());
    const topics = this.#cast.subjects.map(({ name, partitions }) => ({ name, partitions, replicationFactor: 3 }));
    await this.#done("topics cannot be created", async () => {
      (await admin.topics.create(topics, { timeoutMs: 20_000 })).orThrow();
      const setting = { "share.auto.offset.reset": { op: "set", value: "earliest" } } as const;
      (await admin.configs.alter({ [`group:${SHARE_GROUP}`]: setting })).orThrow();
      await life.closeAll();
    });
  }

  /** Lets time pass until work is done; it must not fail. */
  async #done(what: string, work: () => Promise<void>): Promise<void> {
    let isDone = false;
    this.play.guard(work().then(() => void (isDone = true)));
    await this.play.until(what, () => isDone);
  }

  async #round(): Promise<void> {
    const rng = this.#rng;
    for (let left = rng.int(1, 2); left > 0; left--) {
      this.#faults.strike();
      await this.play.runFor(rng.chance(0.25) ? rng.int(1500, 3500) : rng.int(20, 1000));
    }
    for (const program of this.#programs) if (rng.chance(0.6)) program.start();
    if (rng.chance(0.75)) this.#faults.heal();
    await this.play.runFor(rng.int(20, 1000));
  }

  /** Ends all faults, and waits until every program does what it is for. */
  async #settle(): Promise<void> {
    this.#faults.heal();
    this.#mayOperate = false;
    const { twins } = this.#cast;
    for (const twin of twins) {
      twin.retire();
      twin.stop();
    }
    for (const program of this.#programs) program.start();
    await this.#untilUp();
    await this.play.untilNone(() => this.#sight.partitionWithout(({ leader }) => leader >= 0));
    await this.play.untilNone(() => this.#sight.partitionWithout(isInSync));
    await this.play.until("a twin does not end", () => twins.every(twin => !twin.isRunning));
    for (const program of this.#programs) program.expect();
    await this.play.untilNone(() => this.#unsettled());
    this.#journal.calm();
  }

  #unsettled(): string | undefined {
    for (const program of this.#programs) {
      const missing = program.unsettled();
      if (missing !== undefined) return missing;
    }
    for (const { plan } of this.#cast.teams) {
      for (const { name, partitions } of this.#subjectsOf(plan.topics)) {
        for (let partition = 0; partition < partitions; partition++) {
          const owners = this.#journal.ownersOf(plan.groupId, { topic: name, partition });
          if (owners.size !== 1) return `${name}-${partition} has ${owners.size} owners in ${plan.groupId}`;
        }
      }
    }
    return undefined;
  }

  #subjectsOf(topics: readonly string[]) {
    return this.#cast.subjects.filter(({ name }) => topics.includes(name));
  }

  /** Has members leave their groups and come back, while records are written. */
  async #handOver(): Promise<void> {
    const rng = this.#rng;
    await this.play.runFor(rng.int(100, 500));
    const groups = [...this.#cast.teams.map(({ members }) => members), this.#cast.sharers];
    for (const members of groups) {
      if (members.length === 0 || rng.chance(0.3)) continue;
      const member = rng.oneOf(members);
      member.stop();
      await this.play.until(`${member.name} does not close`, () => !member.isRunning);
      await this.play.runFor(rng.int(0, 500));
      member.start();
      await this.play.runFor(rng.int(0, 500));
    }
    await this.play.untilNone(() => this.#unsettled());
  }

  /** Ends the writers, then the readers once they have everything, and judges all that has happened. */
  async #end(): Promise<void> {
    const { writers, readers, teams } = this.#cast;
    await this.#close(writers);
    const written = await this.#truth();
    for (const team of teams) await this.play.untilNone(() => unreadOf(this.#journal, written, readBy(team)));
    await this.play.untilNone(() => this.#unshared(written));
    await this.play.untilNone(() => this.#unfollowed(written));
    await this.#close(readers);
    const truth = await this.#truth();
    judgeRecords(this.#journal, truth);
    judgeTransactions(this.#journal, truth);
    judgeReads(this.#journal, truth);
    judgeGroups(this.#journal, truth);
    const { copies } = this.#cast;
    if (copies !== undefined) judgeCopies(truth, copies.from.name, copies.to);
    judgeHistory(this.#journal, truth);
    for (const { plan } of teams) await this.#auditCommits(plan, truth);
    this.play.end();
  }

  async #close(programs: readonly Program[]): Promise<void> {
    for (const program of programs) program.stop();
    await this.play.untilNone(() => {
      const open = programs.find(({ isRunning }) => isRunning);
      return open === undefined ? undefined : `${open.name} does not close`;
    });
  }

  /** Reads the logs once all replicas have them and all transactions are decided. */
  async #truth(): Promise<Truth> {
    const { codecs } = this.world.node("judge").env;
    const names = this.#cast.subjects.map(({ name }) => name);
    let truth: Truth | undefined;
    await this.play.untilNone(() => {
      truth = Truth.read(this.#machines, names, codecs);
      return truth === undefined ? "the logs cannot be read" : truth.undecided();
    });
    return truth ?? new Truth([]);
  }

  #unshared(truth: Truth): string | undefined {
    if (this.#cast.sharers.length === 0) return undefined;
    for (const { topic, partition, records } of truth.logs) {
      if (topic !== "shared") continue;
      for (const { offset } of records) {
        if (!this.#cast.shared.isSettled(topic, partition, offset)) {
          return `no member of the share group is done with ${topic}-${partition} at ${offset}`;
        }
      }
    }
    return undefined;
  }

  #unfollowed(truth: Truth): string | undefined {
    for (const period of this.#journal.periods) {
      if (period.group !== undefined || period.endedAt < Infinity) continue;
      const { reader, topic, partition, isCommittedOnly, reads } = period;
      const last = truth.visible(topic, partition, isCommittedOnly).at(-1);
      if (last === undefined || (reads.at(-1)?.offset ?? -1) >= last.offset) continue;
      return `${reader} does not get ${topic}-${partition} at ${last.offset}`;
    }
    return undefined;
  }

  /** Checks what a group has committed in the end: everything, and nothing that it does not have. */
  async #auditCommits({ groupId, topics }: Team["plan"], truth: Truth): Promise<void> {
    const wanted = this.#subjectsOf(topics).map(({ name, partitions }) => ({
      name,
      partitionIndexes: Array.from({ length: partitions }, (_, i) => i),
    }));
    let found: Omit<CommittedOffset, "leaderEpoch">[] = [];
    await this.play.settle(`what ${groupId} have committed cannot be read`, async () => {
      const answer = await this.#auditor.ask(CALLS.offsetFetch, { groupId, topics: wanted, requireStable: true });
      if (answer?.errorCode !== 0) return false;
      found = answer.topics.flatMap(({ name: topic, partitions }) =>
        partitions.map(({ partitionIndex: partition, committedOffset }) => ({
          ...{ topic, partition, offset: Number(committedOffset) },
        })),
      );
      return answer.topics.every(({ partitions }) => partitions.every(({ errorCode }) => errorCode === 0));
    });
    for (const { topic, partition, offset } of found) {
      const log = truth.log(topic, partition);
      const last = log?.records.at(-1);
      if (log === undefined || last === undefined) continue;
      const isAll = offset > (truth.visible(topic, partition, true).at(-1)?.offset ?? -1);
      if (isAll && offset <= log.end) continue;
      const detail = `${groupId} is at ${offset} of ${topic}-${partition}, which ends with ${last.offset}`;
      throw new Violation("a committed offset is lost", detail);
    }
  }

  outcome(seed: number): ClusterOutcome {
    const count = (name: string): number => this.#journal.counts.get(name) ?? 0;
    const endings: Ending[] = this.#machines.flatMap(machine => machine.endings);
    return {
      ...{ seed, hash: this.world.hash(), events: this.world.events(), violation: this.play.violation },
      ...{ acknowledged: count("acknowledged"), served: count("read"), commits: count("commits") },
      ...{ transactions: count("committed"), endings, time: this.world.now(), promised: 0, lost: 0 },
      faults: [...this.#faults.counts.values()].reduce((sum, times) => sum + times, 0),
      activity: Object.fromEntries(this.#journal.counts),
    };
  }
}

function readBy({ plan: { groupId: group, topics, isCommittedOnly } }: Team) {
  return { group, topics, isCommittedOnly };
}

/** Runs one seed of programs to its end, or to the first violation. */
export async function runPrograms(seed: number, options: ScenarioOptions = {}): Promise<ClusterOutcome> {
  const scenario = new ProgramScenario(seed, options);
  try {
    await scenario.run();
  } catch (error) {
    scenario.play.failed(violationOf(error));
  }
  return scenario.outcome(seed);
}
