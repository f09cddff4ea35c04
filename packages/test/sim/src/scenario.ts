import { Node } from "@samsa/broker";
import { keptTooMuch, unsealedLog } from "./ledgers/kept.ts";
import { layAmbush } from "./ambush.ts";
import { audit } from "./audit.ts";
import { CommittedReader } from "./clients/committed-reader.ts";
import { type Cast, cast } from "./clients/cast.ts";
import { Client } from "./stage/client.ts";
import { BROKER, deviceOf, PORT, settingsOf } from "./conditions.ts";
import { watchStart } from "./world/device.ts";
import { DiskDecay } from "./world/decay.ts";
import { GroupLedger } from "./ledgers/group-ledger.ts";
import { LogLedger, type Place } from "./ledgers/log-ledger.ts";
import { Holdings } from "./ledgers/holdings.ts";
import { agree, GROUP_TOPIC, Member } from "./clients/member.ts";
import type { ScenarioOptions, SeedOutcome } from "./stage/outcome.ts";
import { overheard } from "./ledgers/overheard.ts";
import { Prng } from "./world/prng.ts";
import { type Ending, Violation, violationOf } from "./ledgers/rules.ts";
import { Play } from "./stage/play.ts";
import { slowJudge, WipedBuffers } from "./stage/stand-ins.ts";
import type { Actor, Stage } from "./stage/stage.ts";
import { agreeOn, Subscriber } from "./clients/subscriber.ts";
import { auditTable } from "./clients/table.ts";
import { TopicLedger } from "./ledgers/topic-ledger.ts";
import { auditCopies, prepareCopies } from "./clients/txn-audit.ts";
import { TxnLedger } from "./ledgers/txn-ledger.ts";
import { type SimNode, World } from "./world/world.ts";

/** Result of one seed of one broker. */
export interface Outcome extends SeedOutcome {
  readonly shares: number;
  /** Number of records that compaction removed. */
  readonly compacted: number;
}

/** Bytes of coordinators' logs that are loaded in one turn. */
const LOAD_BYTES = [500, 20_000, 4 * 1024 * 1024];
/** Sizes of the cache of recent batches. */
const TAIL_BYTES = [0, 8192, 65_536, 16 << 20];
/** Time within which a healed broker must serve, in virtual milliseconds. */
const PATIENCE_MS = 25_000;
const UNANSWERED = "the broker does not answer as it should";
/** Age from which a log start offset must be checkpointed. Checkpoints run once a second and take some syncs. */
const SETTLED_MS = 2500;
const SETTLED_SYNCS = 40;
const HOUR_MS = 3_600_000;
/** Durations of the pauses without events, in hours. */
const LEAP_HOURS = [1, 13, 30] as const;
/** Limit of the difference between the broker's wall clock and the true time. */
const MOST_SKEW_MS = 1_200_000;
/** Scenario of one seed: a broker, its clients and the faults that befall them. */
class Scenario {
  readonly world: World;
  readonly #rng: Prng;
  readonly #options: ScenarioOptions;
  readonly #machine: SimNode;
  readonly #stage: Stage;
  readonly #cast: Cast;
  readonly #auditor: Client;
  readonly endings: Ending[] = [];
  readonly #settings: ReadonlyMap<string, string>;
  /** Log directories. An injected disk fault hits the paths with one of these prefixes; "/data" includes "/data2". */
  readonly #disks: readonly string[];
  readonly #decay: DiskDecay | undefined;
  faults = 0;
  readonly play: Play;
  #node: Node | undefined;
  /** True while clients act. */
  #open = false;
  /** Actors that have shown progress and act no more. */
  readonly #resting = new Set<Actor>();
  /** Worst ending since the last audit. */
  #ending: Ending = "stop";
  /** True after a failed fsync: its changes are on the device or not, and later fsyncs do not tell. */
  #doubtful = false;
  /** True if the disk failed or was full in this life of the broker. */
  #ailing = false;
  #everAiling = false;
  #mostAhead = 0;
  #wentBack = false;
  /** True between the end of a life and the beginning of the next one. */
  #fallen = false;
  readonly #device: readonly [low: number, high: number];
  #leapt = -Infinity;
  /** True if files of the previous life may not be on the device. */
  #cached = false;

  constructor(seed: number, options: ScenarioOptions) {
    this.#options = options;
    this.#device = deviceOf(new Prng(`${seed}/device`));
    this.world = new World(seed, {
      diskMs: this.#device,
      ...(options.onTrace === undefined ? {} : { onTrace: options.onTrace }),
    });
    this.play = new Play({ world: this.world, patienceMs: PATIENCE_MS });
    this.#rng = this.world.fork("scenario");
    const rng = this.#rng;
    this.#machine = this.world.node(BROKER);
    this.#disks = rng.chance(0.55) ? ["/data", "/data2"] : ["/data"];
    const expires = rng.chance(0.15);
    // Damage at rest and expiring offsets break transactions, so scenarios with either have none.
    const mayCopy = !expires && this.world.fork("transactions").chance(0.4);
    const forgetful = mayCopy && this.world.fork("forgetful").chance(0.3);
    this.#settings = settingsOf(rng, { directories: this.#disks.length, expires, transactional: mayCopy, forgetful });
    this.#decay = rng.chance(0.1) ? new DiskDecay(this.#machine.disk, this.world.fork("decay")) : undefined;
    const { crypto, codecs } = this.world.node("judge").env;
    const groups = new GroupLedger();
    this.#stage = {
      logs: new LogLedger({
        crc32c: crypto.crc32c,
        codecs,
        now: () => this.world.now(),
        latest: () => this.world.wall() + this.#mostAhead,
        wentBack: () => this.#wentBack,
      }),
      topics: new TopicLedger(),
      txns: new TxnLedger(),
      groups,
      holdings: new Holdings(() => groups.begin()),
      device: this.#machine.disk,
      isFlushed: () => !this.#cached && !this.#fallen && !this.#ailing,
      dirs: this.#disks,
      powerCuts: 0,
      losses: 0,
      clocks: 0,
      forgetful,
      leaps: 0,
      life: 0,
      note: line => this.world.trace(line),
    };
    this.#stage.groups.expirable = expires;
    const client = (name: string) => new Client(this.world.node(name).env, name, { host: BROKER, port: PORT });
    this.#auditor = client("auditor");
    const transactional = mayCopy && this.#decay === undefined;
    this.#cast = cast(this.#stage, rng, { client, rngOf: name => this.world.fork(name), transactional });
  }

  get #actors(): readonly Actor[] {
    return this.#cast.actors;
  }

  async run(): Promise<void> {
    await this.#start();
    await this.play.settle(UNANSWERED, async () => {
      await this.#cast.admin.create("flushed", 1, true);
      await this.#cast.admin.create(GROUP_TOPIC, 2, false);
      return true;
    });
    if (this.#cast.copiers.length > 0) {
      const rng = this.world.fork("copies");
      await this.play.settle(UNANSWERED, () => prepareCopies(this.#auditor, rng));
    }
    this.#setOpen(true);
    for (const actor of this.#actors) {
      this.play.perform(actor, [4, 60], () => this.#open && !this.#resting.has(actor));
    }
    for (let round = this.#rng.int(2, 4); round > 0; round--) {
      await this.#trouble();
      if (!this.#fallen) await this.#endLife();
      for (let early = 0; early < 2 && this.#rng.chance(0.25); early++) await this.#endLifeEarly();
      await this.#start();
      await this.play.settle(UNANSWERED, () => audit(this.#stage, this.#auditor, this.#ending));
      await this.#auditTables();
      this.#ending = "stop";
      this.#setOpen(true);
    }
    await this.#progress();
    await this.#lastLook();
    this.play.end();
  }

  /** Lets clients act or not. Closing also drops requests in flight, so that an audit sees a quiet world. */
  #setOpen(open: boolean): void {
    this.#open = open;
    for (const { client } of this.#actors) client.quiet = !open;
  }

  #boot(): { failed: unknown } {
    const env = overheard(this.#options.sabotage?.(this.#machine.env) ?? this.#machine.env, {
      trustsInvariants: () => !this.#fallen && this.#decay === undefined,
      confess: detail => this.play.failed(new Violation("the broker failed", detail)),
    });
    const boot: { failed: unknown } = { failed: undefined };
    const life = ++this.#stage.life;
    this.#fallen = false;
    this.#node = undefined;
    // A small cache of recent batches makes reads go to the files, and reuses cache memory soon.
    const tailBytes = this.#rng.oneOf(TAIL_BYTES);
    const judge = slowJudge(env, this.#rng);
    // Small slices make clients ask coordinators while these are loaded.
    const loadBytes = this.#rng.oneOf(LOAD_BYTES);
    Node.start(env, { settings: this.#settings, tailBytes, loadBytes, buffers: new WipedBuffers(), judge }).then(
      node => {
        if (life === this.#stage.life) this.#node = node;
      },
      (error: unknown) => void (boot.failed = error),
    );
    return boot;
  }

  async #start(): Promise<void> {
    const watch = watchStart(this.#machine.disk, this.#disks);
    const boot = this.#boot();
    await this.play.until("a start does not end", () => this.#node !== undefined || boot.failed !== undefined);
    const read = watch.done();
    // A power cut or a failing disk may have lost producer snapshots, so that more segments must be read.
    if (read !== undefined && this.#stage.powerCuts === 0 && !this.#everAiling && this.#decay === undefined) {
      throw new Violation("a start reads what it need not", read);
    }
    if (boot.failed === undefined) return;
    const why = boot.failed instanceof Error ? (boot.failed.stack ?? boot.failed.message) : "unknown";
    throw new Violation("the broker does not start", why);
  }

  /** Runs the clients for a while, with or without a fault. */
  async #trouble(): Promise<void> {
    const rng = this.#rng;
    if (rng.chance(0.4)) this.#ambush();
    await this.play.runFor(rng.int(20, 250));
    if (rng.chance(0.4)) {
      this.#moveClock();
      await this.play.runFor(rng.int(0, 150));
    }
    if (this.#fallen) return;
    const draw = rng.next();
    const victim = rng.oneOf(this.#actors).client.name;
    if (draw < 0.15) {
      this.world.network.cut(BROKER, victim);
      await this.play.runFor(rng.int(10, 450));
      this.world.network.heal(BROKER, victim);
    } else if (draw < 0.3) this.world.network.sever(BROKER, victim);
    else if (draw < 0.5) this.#failDisk();
    else if (draw < 0.6) {
      this.#machine.disk.capacity = this.#machine.disk.used() + rng.int(0, 3000);
      this.#ailing = true;
    } else if (draw < 0.85) await this.#idle();
    if (!this.#fallen) await this.play.runFor(rng.int(10, 150));
  }

  #ambush(): void {
    layAmbush(this.#machine.disk, this.#rng, ending => this.#endAs(ending));
  }

  /** Runs without requests: sessions expire, segments age, and delayed work is done. */
  async #idle(): Promise<void> {
    const rng = this.#rng;
    this.#setOpen(false);
    await this.play.runFor(rng.int(50, 500));
    if (rng.chance(0.5)) {
      this.world.leap(rng.oneOf(LEAP_HOURS) * HOUR_MS);
      this.#stage.leaps++;
      this.#stage.clocks++;
      this.#leapt = this.world.now();
      // A group without members or offsets is deleted, and its generations restart.
      this.#stage.groups.forgetRounds();
    }
    await this.play.runFor(rng.int(500, 4000));
    if (!this.#fallen) this.#setOpen(true);
  }

  /** Sets the broker's wall clock forward or back. */
  #moveClock(): void {
    const rng = this.#rng;
    const range = rng.chance(0.5) ? 3000 : 300_000;
    this.#setClock(this.#machine.clockOffset + rng.int(-range, range));
  }

  #setClock(wanted: number): void {
    const before = this.#machine.clockOffset;
    this.#machine.clockOffset = Math.max(-MOST_SKEW_MS, Math.min(MOST_SKEW_MS, wanted));
    this.#mostAhead = Math.max(this.#mostAhead, this.#machine.clockOffset);
    this.#wentBack ||= this.#machine.clockOffset < before;
    this.#stage.clocks++;
    this.world.trace(`clock ${this.#machine.clockOffset}`);
  }

  #failDisk(): void {
    const rng = this.#rng;
    let skip = rng.int(0, 30);
    const disk = rng.oneOf(this.#disks);
    const forGood = rng.chance(0.5);
    let failed = false;
    this.#machine.disk.fault = (operation, path) => {
      if (operation === "stat" || operation === "list" || !path.startsWith(disk)) return undefined;
      if (skip-- > 0 || (failed && !forGood)) return undefined;
      failed = true;
      this.#ailing = true;
      this.faults++;
      if (operation === "sync") this.#doubtful = true;
      return "EIO";
    };
  }

  async #endLife(): Promise<void> {
    const rng = this.#rng;
    const ending: Ending = rng.chance(0.25) ? "stop" : rng.chance(0.5) ? "kill" : "power";
    let clean = false;
    if (ending === "stop") {
      const node = this.#node;
      let ended = false;
      node?.close().then(
        () => {
          ended = true;
          clean = node.dirs.failures.size === 0;
        },
        () => void (ended = true),
      );
      if (rng.chance(0.3)) {
        // Crash in the middle of the shutdown.
        await this.play.runFor(rng.int(1, 25));
        if (!ended && !this.#fallen) return this.#endAs(rng.chance(0.5) ? "kill" : "power");
      } else await this.play.until("a stop does not end", () => ended || this.#fallen);
    }
    if (this.#fallen) return;
    this.#endAs(ending === "stop" && !clean ? "kill" : ending);
  }

  #endAs(wanted: Ending): void {
    // After a failed fsync the page cache and the device may differ, so the machine is restarted too.
    const ending = this.#doubtful ? "power" : wanted;
    this.#doubtful = false;
    this.#fallen = true;
    this.#setOpen(false);
    this.#machine.disk.watch = undefined;
    this.#machine.disk.fault = undefined;
    this.#machine.disk.capacity = Infinity;
    this.endings.push(ending);
    const worse: readonly Ending[] = ["stop", "kill", "power"];
    if (worse.indexOf(ending) > worse.indexOf(this.#ending)) this.#ending = ending;
    // On a healthy disk, start offsets some seconds old are checkpointed and survive a kill, but not a power cut.
    const settledAt = this.world.now() - SETTLED_MS - SETTLED_SYNCS * this.#device[1];
    const settled = ending === "kill" && !this.#ailing && settledAt > this.#leapt ? settledAt : -Infinity;
    if (ending !== "stop") this.#stage.logs.forgetStarts(settled, this.#starts());
    this.#everAiling ||= this.#ailing;
    this.#ailing = false;
    if (ending === "power") {
      this.#stage.powerCuts++;
      if (this.#cached) this.#stage.losses++;
      this.#stage.groups.forgetRounds();
      this.#stage.holdings.forget();
      this.#stage.logs.powerCut();
    }
    this.#cached = ending === "kill";
    this.world.trace(`ending ${ending}`);
    this.#stage.life++;
    this.world.crash(BROKER, {
      unsynced: ending === "power" ? "random" : "cached",
      halfOpen: this.#rng.chance(0.2),
    });
    for (const struck of this.#decay?.strike() ?? []) {
      this.world.trace(`rot ${struck.topic}-${struck.partition} ${struck.from} to ${struck.to}`);
      this.#stage.logs.rot(struck);
    }
  }

  /** Log start offsets of the broker's logs now. */
  *#starts(): IterableIterator<readonly [place: Place, start: number]> {
    for (const { topicId, index, startOffset } of this.#node?.broker.topics.all() ?? []) {
      yield [{ topicId, partition: index }, startOffset];
    }
  }

  /** Starts the broker and crashes it during the start. */
  async #endLifeEarly(): Promise<void> {
    this.#boot();
    if (this.#rng.chance(0.5)) this.#ambush();
    await this.play.runFor(this.#rng.int(1, this.#device[1] * 8));
    if (!this.#fallen) this.#endAs(this.#rng.chance(0.5) ? "kill" : "power");
  }

  async #auditTables(): Promise<void> {
    const { stranger } = this.#cast;
    if (stranger !== undefined) await this.play.settle(UNANSWERED, () => stranger.audit(this.#auditor, 0));
    for (const table of this.#cast.tables)
      await this.play.settle(UNANSWERED, () => auditTable(this.#stage, table, this.#auditor));
  }

  /** Checks that all clients make progress now that no fault remains. */
  async #progress(): Promise<void> {
    const waiting = this.#cast.producers.filter(({ listens }) => listens);
    const before = waiting.map(producer => ({ producer, acknowledged: producer.acknowledged }));
    const served = this.#stage.logs.served;
    await this.play.until("a producer gets no acknowledgement", () =>
      before.every(({ producer, acknowledged }) => producer.acknowledged > acknowledged),
    );
    await this.#copiesGoOn();
    await this.play.until(
      "no consumer gets a record",
      () => this.#stage.logs.served > served || this.#decay !== undefined,
    );
    const { members, subscribers, actors } = this.#cast;
    for (const actor of actors) {
      if (!(actor instanceof Member || actor instanceof Subscriber)) this.#resting.add(actor);
    }
    for (const member of [...members, ...subscribers]) member.steady = true;
    await this.#membersAgree(members);
    await this.#subscribersAgree(subscribers);
  }

  async #subscribersAgree(subscribers: Cast["subscribers"]): Promise<void> {
    const [victim, ...others] = subscribers;
    if (victim === undefined) return;
    const counts = this.#stage.topics.entries.find(({ name }) => name === GROUP_TOPIC)?.counts ?? [];
    await this.play.until("subscribers do not agree", () => agreeOn(subscribers, counts));
    await this.#jumpAhead();
    if (others.length === 0) return;
    victim.die(Infinity);
    await this.play.until("what a dead subscriber had goes to nobody", () => agreeOn(others, counts));
  }

  /** Sets the wall clock forward: sessions must not expire by it. */
  async #jumpAhead(): Promise<void> {
    for (let times = 0; times < 4; times++) {
      this.#setClock(this.#machine.clockOffset + 60_000);
      await this.play.runFor(this.#rng.int(50, 150));
    }
  }

  async #membersAgree(members: Cast["members"]): Promise<void> {
    const [victim, ...others] = members;
    if (victim === undefined) return;
    await this.play.until("members do not agree", () => agree(members));
    await this.#jumpAhead();
    if (others.length === 0) return;
    victim.die(Infinity);
    await this.play.until("the share of a dead member goes to nobody", () => agree(others));
  }

  /** Checks that transactions end, also those of dead producers, and that committed records are read. */
  async #copiesGoOn(): Promise<void> {
    const { txns } = this.#stage;
    const [first, ...rest] = this.#cast.copiers;
    if (first === undefined) return;
    for (const copier of rest) copier.doomed = true;
    await this.play.until("a producer cannot begin a transaction", () => rest.every(({ gone }) => gone));
    first.steady = true;
    const { committed, read } = txns;
    await this.play.until("no transaction is committed", () => txns.committed > committed);
    // If whole lives were aborted, many short reads precede the first committed record: do not start over.
    for (const actor of this.#cast.actors) if (actor instanceof CommittedReader) actor.steady = true;
    await this.play.until("no committed record is read", () => txns.read > read);
  }

  /** Audits everything once more, and runs the independent check over the whole history. */
  async #lastLook(): Promise<void> {
    this.#setOpen(false);
    // Let the broker finish the requests of disconnected clients.
    await this.play.runFor(100);
    await this.play.settle(UNANSWERED, () => audit(this.#stage, this.#auditor, "stop"));
    await this.#auditTables();
    if (this.#cast.copiers.length > 0)
      await this.play.settle(UNANSWERED, () => auditCopies(this.#stage, this.#auditor));
    const node = this.#node;
    if (node !== undefined) {
      await this.play.until("closed segments are not flushed", () => unsealedLog(node.broker) === undefined);
    }
    const kept = this.#node === undefined ? undefined : keptTooMuch(this.#node.broker);
    if (kept !== undefined) throw new Violation("the broker keeps what nobody needs", kept);
    const anomaly = this.#stage.logs.anomaly();
    if (anomaly === undefined) return;
    throw new Violation("the history is impossible", `${anomaly.type} in ${anomaly.log}: ${anomaly.detail}`);
  }

  outcome(seed: number): Outcome {
    const { logs, groups } = this.#stage;
    return {
      seed,
      hash: this.world.hash(),
      events: this.world.events(),
      violation: this.play.violation,
      acknowledged: logs.acknowledged,
      served: logs.served,
      commits: groups.commits,
      shares: groups.shares,
      compacted: this.#cast.tables.reduce((sum, { compacted }) => sum + compacted, 0),
      transactions: this.#stage.txns.committed,
      endings: this.endings,
      faults: this.faults,
    };
  }
}

/** Runs one seed to its end, or to the first violation. */
export async function runScenario(seed: number, options: ScenarioOptions = {}): Promise<Outcome> {
  const scenario = new Scenario(seed, options);
  try {
    await scenario.run();
  } catch (error) {
    scenario.play.failed(violationOf(error));
  }
  return scenario.outcome(seed);
}

/** Command that runs a seed again with its trace. */
export function replayCommand(seed: number): string {
  return `npm run sim -- --seed ${seed} --trace`;
}
