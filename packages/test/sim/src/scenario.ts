import { BufferPool, type Env, type Uuid } from "@samsa/base";
import { Broker, type RemoteJudge } from "@samsa/broker";
import { BatchJudge } from "@samsa/records";
import {
  type Actor,
  Admin,
  committedOffset,
  Consumer,
  GROUP_TOPIC,
  listTopics,
  Member,
  Producer,
  readThrough,
  settingOf,
  type Stage,
} from "./actors.ts";
import { Client } from "./client.ts";
import type { Prng } from "./prng.ts";
import { type Ending, LogLedger, OffsetLedger, TopicLedger, Violation } from "./rules.ts";
import { type SimNode, World } from "./world.ts";

export interface ScenarioOptions {
  /** Puts itself between the broker and its world: how a test shows that the rules can be broken. */
  readonly sabotage?: (env: Env) => Env;
  readonly onTrace?: (line: string) => void;
}

export interface Outcome {
  readonly seed: number;
  readonly hash: string;
  readonly events: number;
  readonly violation: Violation | undefined;
  readonly acknowledged: number;
  readonly served: number;
  readonly commits: number;
  readonly endings: readonly Ending[];
  readonly faults: number;
}

const BROKER = "broker";
const PORT = 9092;
const TAIL_BYTES = [0, 8192, 65_536, 16 << 20];

/** Judges some batches later, the second perhaps before the first. */
function slowJudge(env: Env, rng: Prng): RemoteJudge {
  const judge = new BatchJudge({ crc32c: env.crypto.crc32c, codecs: env.codecs });
  return {
    wants: () => rng.chance(0.2),
    judge: (bytes, rules, now) =>
      new Promise(resolve => {
        env.timers.after(rng.int(0, 20), () => resolve(judge.judge(bytes, rules, now)));
      }),
  };
}

/** Wipes what comes back at once: whoever still looks at it is found out. */
class WipedBuffers extends BufferPool {
  constructor() {
    super(1);
  }

  protected override freed(buffer: Uint8Array): void {
    buffer.fill(0xee);
  }
}

const SETTINGS: ReadonlyMap<string, string> = new Map([
  ["node.id", "1"],
  ["listeners", `PLAINTEXT://${BROKER}:${PORT}`],
  ["advertised.listeners", `PLAINTEXT://${BROKER}:${PORT}`],
  ["log.dirs", "/data"],
  ["offsets.topic.num.partitions", "2"],
  ["offsets.topic.replication.factor", "1"],
  ["group.initial.rebalance.delay.ms", "0"],
  ["log.flush.offset.checkpoint.interval.ms", "300"],
  ["log.segment.delete.delay.ms", "500"],
]);
/** How long a healed broker may take to serve, in virtual milliseconds. */
const PATIENCE_MS = 15_000;

/** One broker, its clients, and what befalls them, all from one seed. */
class Scenario {
  readonly world: World;
  readonly #rng: Prng;
  readonly #options: ScenarioOptions;
  readonly #machine: SimNode;
  readonly #stage: Stage;
  readonly #actors: Actor[] = [];
  readonly #producers: Producer[] = [];
  readonly #admin: Admin;
  readonly #member: Member;
  readonly #auditor: Client;
  readonly endings: Ending[] = [];
  readonly #settings: ReadonlyMap<string, string>;
  /** Paths that begin like this fail together: all there is, or the second of two directories. */
  readonly #disks: readonly string[];
  faults = 0;
  violation: Violation | undefined;
  #broker: Broker | undefined;
  #life = 0;
  /** Clients act. */
  #open = false;
  #over = false;
  /** The worst that has happened since the last audit. */
  #ending: Ending = "stop";
  /** An fsync has failed: what it covered is on the device or not, and no later one will tell. */
  #doubtful = false;

  constructor(seed: number, options: ScenarioOptions) {
    this.#options = options;
    this.world = new World(seed, {
      network: { connectTimeoutMs: 200 },
      ...(options.onTrace === undefined ? {} : { onTrace: options.onTrace }),
    });
    this.#rng = this.world.fork("scenario");
    this.#machine = this.world.node(BROKER);
    const two = this.#rng.chance(0.4);
    this.#settings = two ? new Map([...SETTINGS, ["log.dirs", "/data,/data2"]]) : SETTINGS;
    this.#disks = two ? ["/data", "/data2"] : ["/data"];
    const { crypto, codecs } = this.world.node("judge").env;
    this.#stage = {
      logs: new LogLedger({ crc32c: crypto.crc32c, codecs }),
      topics: new TopicLedger(),
      offsets: new OffsetLedger(),
      dirs: this.#disks,
      powerCuts: 0,
      note: line => this.world.trace(line),
    };
    const stage = this.#stage;
    const rngOf = (name: string) => this.world.fork(name);
    this.#admin = new Admin(stage, this.#client("admin"), rngOf("admin"));
    this.#member = new Member(stage, this.#client("member"));
    this.#auditor = this.#client("auditor");
    [0, 1, -1, -1, -1].forEach((acks, i) => {
      const name = `producer${i}`;
      this.#producers.push(new Producer(stage, this.#client(name), rngOf(name), { acks, idempotent: i >= 3 }));
    });
    const consumers = ["consumer0", "consumer1"].map(name => new Consumer(stage, this.#client(name), rngOf(name)));
    this.#actors.push(this.#admin, this.#member, ...this.#producers, ...consumers);
  }

  #client(name: string): Client {
    return new Client(this.world.node(name).env, name, { host: BROKER, port: PORT });
  }

  async run(): Promise<void> {
    await this.#start();
    await this.#settle(async () => {
      await this.#admin.create({ name: "flushed", partitions: 1, flushed: true });
      await this.#admin.create({ name: GROUP_TOPIC, partitions: 2, flushed: false });
      return true;
    });
    this.#setOpen(true);
    for (const actor of this.#actors) this.#guard(this.#play(actor));
    for (let round = this.#rng.int(2, 4); round > 0; round--) {
      await this.#trouble();
      await this.#endLife();
      if (this.#rng.chance(0.2)) await this.#endLifeEarly();
      await this.#start();
      await this.#settle(() => this.#audit());
      this.#setOpen(true);
    }
    await this.#progress();
    this.#over = true;
  }

  /** One actor's life: a pause, then a step, while the stage is open. */
  async #play(actor: Actor): Promise<void> {
    const rng = this.world.fork(`pauses/${actor.client.name}`);
    while (!this.#over) {
      await new Promise<void>(resolve => void actor.client.env.timers.after(rng.int(4, 60), resolve));
      if (this.#open) await actor.step();
    }
  }

  /** While the stage is closed, also what an actor has begun comes to nothing: an audit shall see a world that rests. */
  #setOpen(open: boolean): void {
    this.#open = open;
    for (const { client } of this.#actors) client.quiet = !open;
  }

  #guard(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!(error instanceof Violation)) throw error;
      this.violation ??= error;
    });
  }

  #check(): void {
    if (this.violation !== undefined) throw this.violation;
  }

  async #runFor(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 20) {
      await this.world.runFor(Math.min(20, left));
      this.#check();
    }
  }

  /** Runs the world until `task` says that it is done, again and again while it says it is not. */
  async #settle(task: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; tries < 20; tries++) {
      let done: boolean | undefined;
      this.#guard(task().then(value => void (done = value)));
      await this.#until("the broker does not answer", () => done !== undefined);
      if (done === true) return;
      await this.#runFor(50);
    }
    throw new Violation("no progress after healing", "the broker does not answer as it should");
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const end = this.world.now() + PATIENCE_MS;
    await this.world.runUntil(
      () => this.violation !== undefined || holds() || this.world.now() >= end,
      PATIENCE_MS * 2,
    );
    this.#check();
    if (!holds()) throw new Violation("no progress after healing", what);
  }

  #boot(): { failed: unknown } {
    const env = this.#options.sabotage?.(this.#machine.env) ?? this.#machine.env;
    const boot: { failed: unknown } = { failed: undefined };
    const life = ++this.#life;
    this.#broker = undefined;
    // Little memory for recent batches sends reads to the files, and uses that memory again soon.
    const tailBytes = TAIL_BYTES[this.#rng.int(0, TAIL_BYTES.length - 1)];
    const judge = slowJudge(env, this.#rng);
    Broker.start(env, { settings: this.#settings, tailBytes, buffers: new WipedBuffers(), judge }).then(
      broker => {
        if (life === this.#life) this.#broker = broker;
      },
      (error: unknown) => void (boot.failed = error),
    );
    return boot;
  }

  async #start(): Promise<void> {
    const boot = this.#boot();
    await this.#until("a start does not end", () => this.#broker !== undefined || boot.failed !== undefined);
    if (boot.failed === undefined) return;
    const why = boot.failed instanceof Error ? (boot.failed.stack ?? boot.failed.message) : "unknown";
    throw new Violation("the broker does not start", why);
  }

  /** A stretch of work, with something going wrong in it or not. */
  async #trouble(): Promise<void> {
    const rng = this.#rng;
    await this.#runFor(rng.int(20, 250));
    const draw = rng.next();
    const victim = this.#actors[rng.int(0, this.#actors.length - 1)].client.name;
    if (draw < 0.2) {
      this.world.network.cut(BROKER, victim);
      await this.#runFor(rng.int(10, 450));
      this.world.network.heal(BROKER, victim);
    } else if (draw < 0.35) this.world.network.sever(BROKER, victim);
    else if (draw < 0.6) this.#failDisk();
    else if (draw < 0.7) this.#machine.disk.capacity = this.#machine.disk.used() + rng.int(0, 3000);
    await this.#runFor(rng.int(10, 150));
  }

  #failDisk(): void {
    const rng = this.#rng;
    let skip = rng.int(0, 30);
    const disk = this.#disks[rng.int(0, this.#disks.length - 1)];
    const forGood = rng.chance(0.5);
    let failed = false;
    this.#machine.disk.fault = (operation, path) => {
      if (operation === "stat" || operation === "list" || !path.startsWith(disk)) return undefined;
      if (skip-- > 0 || (failed && !forGood)) return undefined;
      failed = true;
      this.faults++;
      if (operation === "sync") this.#doubtful = true;
      return "EIO";
    };
  }

  async #endLife(): Promise<void> {
    const rng = this.#rng;
    const ending: Ending = rng.chance(0.2) ? "stop" : rng.chance(0.5) ? "kill" : "power";
    let clean = false;
    if (ending === "stop") {
      const broker = this.#broker;
      let ended = false;
      broker?.close().then(
        () => {
          ended = true;
          clean = broker.dirs.failures.size === 0;
        },
        () => void (ended = true),
      );
      await this.#until("a stop does not end", () => ended);
    }
    this.#endAs(ending === "stop" && !clean ? "kill" : ending);
  }

  #endAs(wanted: Ending): void {
    // A machine whose device has failed an fsync is not trusted before it has been started anew.
    const ending = this.#doubtful ? "power" : wanted;
    this.#doubtful = false;
    this.#setOpen(false);
    this.#machine.disk.fault = undefined;
    this.#machine.disk.capacity = Infinity;
    this.endings.push(ending);
    const worse: readonly Ending[] = ["stop", "kill", "power"];
    if (worse.indexOf(ending) > worse.indexOf(this.#ending)) this.#ending = ending;
    if (ending === "power") this.#stage.powerCuts++;
    this.world.trace(`ending ${ending}`);
    this.#life++;
    this.world.crash(BROKER, {
      unsynced: ending === "power" ? "random" : "cached",
      halfOpen: this.#rng.chance(0.2),
    });
  }

  /** The next life ends while it is still beginning. */
  async #endLifeEarly(): Promise<void> {
    this.#boot();
    await this.#runFor(this.#rng.int(1, 20));
    this.#endAs(this.#rng.chance(0.5) ? "kill" : "power");
  }

  /** Asks for all that was promised. False when some answer failed to come. */
  async #audit(): Promise<boolean> {
    const { topics, logs, offsets } = this.#stage;
    const client = this.#auditor;
    const found = await listTopics(client);
    if (found === undefined) return false;
    topics.audited(found);
    const ends: { topicId: Uuid; partition: number; end: number }[] = [];
    for (const entry of topics.usable()) {
      if (entry.id === undefined) continue;
      logs.opened(entry.id, entry.partitions, entry.flushed);
      const value = await settingOf(client, entry);
      if (value === undefined) return false;
      topics.settingAudited(entry, value);
      for (let partition = 0; partition < entry.partitions; partition++) {
        const place = { topicId: entry.id, partition };
        const end = await readThrough(this.#stage, client, place);
        if (end === undefined) return false;
        ends.push({ ...place, end });
      }
    }
    const committed = found.has("__consumer_offsets") ? await committedOffset(client) : -1;
    if (committed === undefined) return false;
    for (const { end, ...place } of ends) logs.audited(place, end, this.#ending);
    offsets.audited(committed, this.#ending);
    this.#ending = "stop";
    return true;
  }

  /** Nothing is broken any more: everybody who waits for answers must get one. */
  async #progress(): Promise<void> {
    const waiting = this.#producers.slice(1);
    const before = waiting.map(({ acknowledged }) => acknowledged);
    const served = this.#stage.logs.served;
    await this.#until("a producer gets no acknowledgement", () =>
      waiting.every(({ acknowledged }, i) => acknowledged > before[i]),
    );
    await this.#until("no consumer gets a record", () => this.#stage.logs.served > served);
  }

  outcome(seed: number): Outcome {
    const { logs, offsets } = this.#stage;
    return {
      seed,
      hash: this.world.hash(),
      events: this.world.events(),
      violation: this.violation,
      acknowledged: logs.acknowledged,
      served: logs.served,
      commits: offsets.commits,
      endings: this.endings,
      faults: this.faults,
    };
  }
}

/** Plays one seed to its end, or to the first violation. */
export async function runScenario(seed: number, options: ScenarioOptions = {}): Promise<Outcome> {
  const scenario = new Scenario(seed, options);
  try {
    await scenario.run();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    scenario.violation = error;
  }
  return scenario.outcome(seed);
}

/** What to type to see a seed again. */
export function replayCommand(seed: number): string {
  return `npm run sim -- --seed ${seed} --trace`;
}
