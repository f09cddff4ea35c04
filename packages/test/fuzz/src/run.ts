import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BrokerProcess, freePort, sleep } from "@samsa/bench";
import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import { ApiKey } from "@samsa/protocol";
import { Prng } from "@samsa/sim";
import type { RawConnection } from "@samsa/wire";
import { batchMaker, drawAttack, type Target } from "./attacks.ts";
import { Canary, CANARY_TOPIC } from "./canary.ts";
import { connect } from "./peer.ts";
import { Table, TABLE_TOPIC } from "./table.ts";

/** Options of a fuzz run. */
export interface FuzzOptions {
  /** Path of the `samsa` bundle. */
  readonly bundle: string;
  /** Ends after this number of attacks or seconds, whichever comes first. */
  readonly attacks: number;
  readonly seconds: number;
  readonly seed: number;
  /** Number of silent connections during the attacks. */
  readonly idle: number;
  readonly say: (line: string) => void;
}

/** Result of a fuzz run. */
export interface FuzzReport {
  readonly seed: number;
  readonly attacks: Readonly<Record<string, number>>;
  /** Number of attacks that went to the controller's listener. */
  readonly atController: number;
  /** Number of silent connections, the rate at which they were opened, and the memory of each in KiB. */
  readonly idle: { readonly connections: number; readonly perSecond: number; readonly kibEach: number };
  readonly canary: { readonly records: number; readonly slowestMs: number };
  /** Rows written to the compacted table. */
  readonly rows: number;
  readonly upheavals: { readonly kills: number; readonly moves: number };
  readonly memoryMiB: { readonly before: number; readonly most: number; readonly after: number };
  readonly descriptors: { readonly before: number; readonly after: number };
  /** Faults found; empty if the run passed. */
  readonly faults: readonly string[];
}

const CONNECTS_AT_ONCE = 50;
/** Number of concurrent attackers. */
const PARALLEL = 6;
const CANARY_LIMIT_MS = 10_000;
const CANARY_PAUSE_MS = 50;
const HOUSEKEEPING_MS = 4000;
/** Interval of partition moves, each of which a kill may interrupt. */
const UPHEAVAL_MS = 5000;
/** Part of the attacks that go to the controller's listener. */
const CONTROLLER_CHANCE = 0.25;
const KILL_CHANCE = 0.3;
const MOST_MIB = 800;
/** Bound of the memory at the end above that after the first third, when the caches are full. */
const LEFT_MIB = 150;
/** Minimum duration for the memory check: shorter runs end before the caches are full. */
const LEAK_SECONDS = 45;
const LEFT_DESCRIPTORS = 40;
/** Time in which the broker must have closed what the attacks opened, in seconds. */
const LEAK_WAIT_S = 30;
const TOPICS = ["alpha", "beta", "gamma"];
/** Topics of the canary and the table, which attacks must not name. */
const OURS: ReadonlySet<string | null> = new Set([CANARY_TOPIC, TABLE_TOPIC]);
const NAMES = [...TOPICS, "group", "", "retention.ms", "cleanup.policy", "consumer", "range", "1", "-1"];
/** APIs that are not attacked, because their effects are legal and hit all clients. */
const SPARED: ReadonlySet<number> = new Set([ApiKey.UnregisterBroker, ApiKey.AlterClientQuotas, ApiKey.UpdateFeatures]);

const allTopics = { topics: null, allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false };

/** Fuzz run against a broker process. */
class Run {
  readonly #options: FuzzOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), "samsa-fuzz-"));
  readonly #tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };
  readonly #counts: Record<string, number> = {};
  readonly faults: string[] = [];
  #broker!: BrokerProcess;
  #canary!: Canary;
  #table!: Table;
  /** Number of kills of the broker so far. Failures around a kill are excused. */
  #kills = 0;
  #moves = 0;
  #atController = 0;
  #controllerPort = 0;
  #down = false;
  #most = 0;
  #warm = 0;
  readonly #silent: RawConnection[] = [];
  #idle: FuzzReport["idle"] = { connections: 0, perSecond: 0, kibEach: 0 };
  #over = false;

  constructor(options: FuzzOptions) {
    this.#options = options;
  }

  async play(): Promise<FuzzReport> {
    try {
      await this.#start();
      this.#canary = new Canary(this.#broker.port, this.#tools, CANARY_LIMIT_MS);
      await this.#canary.create();
      await this.#canary.sing();
      this.#table = new Table(this.#broker.port, this.#tools, CANARY_LIMIT_MS);
      await this.#table.create();
      const targets = { broker: await this.#target("broker"), controller: await this.#target("controller") };
      const before = { memory: this.#memory(), descriptors: this.#descriptors() };
      this.#warm = before.memory;
      const sides = [this.#sing(), this.#keepHouse(), this.#watch()];
      await this.#fill();
      // A kill would end the silent connections, and be taken for a refusal of those that are being opened.
      sides.push(this.#upset());
      await Promise.all(Array.from({ length: PARALLEL }, (_, i) => this.#attack(targets, i)));
      this.#over = true;
      await Promise.all(sides);
      for (const connection of this.#silent) connection.close();
      await this.#settle(before.descriptors);
      const after = { memory: this.#memory(), descriptors: this.#descriptors() };
      this.#judge(before, after);
      await this.#reopen();
      return this.#report(before, after);
    } finally {
      this.#over = true;
      for (const connection of this.#silent) connection.close();
      this.#canary?.close();
      this.#table?.close();
      await this.#broker?.kill();
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  #directories(): readonly [first: string, second: string] {
    return [join(this.#folder, "a"), join(this.#folder, "b")];
  }

  async #start(port?: number): Promise<void> {
    port ??= await freePort();
    // Voters keep the address of the first start.
    if (this.#controllerPort === 0) this.#controllerPort = await freePort();
    const settings = [
      `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${this.#controllerPort}`,
      `log.dirs=${this.#directories().join(",")}`,
      "log.cleaner.backoff.ms=200",
      "offsets.topic.num.partitions=4",
      "log.segment.delete.delay.ms=1000",
    ];
    const args = [this.#options.bundle, "start", ...settings.flatMap(setting => ["-o", setting])];
    const command = { program: process.execPath, args: [...args, "--http-port", "off", "--json"] };
    this.#broker = await BrokerProcess.start(command, port, text => this.#hear(text));
  }

  /** Reports errors in the broker's log as faults: bad input must cause a warning at most. */
  #hear(text: string): void {
    for (const line of text.split("\n")) {
      if (/"level":(?:50|60|"error"|"fatal")/.test(line) && this.faults.length < 20)
        this.faults.push(`the log: ${line}`);
    }
  }

  /** Opens the silent connections as fast as the broker accepts them. */
  async #fill(): Promise<void> {
    const { idle } = this.#options;
    if (idle === 0) return;
    const before = this.#memory();
    const began = performance.now();
    while (this.#silent.length < idle && !this.#over) {
      const some = Array.from({ length: Math.min(CONNECTS_AT_ONCE, idle - this.#silent.length) }, () =>
        connect(this.#broker.port),
      );
      try {
        this.#silent.push(...(await Promise.all(some)));
      } catch (error) {
        return this.#fault(`connection ${this.#silent.length} of ${idle} is not taken: ${String(error)}`);
      }
    }
    const seconds = (performance.now() - began) / 1000;
    const connections = this.#silent.length;
    const kibEach = ((this.#memory() - before) * 1024) / connections;
    this.#idle = { connections, perSecond: Math.round(connections / seconds), kibEach: Math.round(kibEach) };
    this.#options.say(
      `${connections} silent connections, ${this.#idle.perSecond} a second, ${Math.round(kibEach)} KiB each`,
    );
    this.#warm = this.#memory();
  }

  async #target(role: Target["role"]): Promise<Target> {
    const port = role === "broker" ? this.#broker.port : this.#controllerPort;
    const [peer, listener] = await Promise.all([connect(this.#broker.port), connect(port)]);
    const { apiKeys } = await listener.ask("ApiVersions", 0, {}, CANARY_LIMIT_MS);
    await this.#makeTopics(peer);
    const { topics } = await peer.ask("Metadata", 12, allTopics, CANARY_LIMIT_MS);
    peer.close();
    listener.close();
    const topicIds = topics.filter(({ name }) => !OURS.has(name)).map(({ topicId }) => topicId);
    const apis = apiKeys
      .filter(({ apiKey }) => !SPARED.has(apiKey))
      .map(({ apiKey: key, minVersion: first, maxVersion: last }) => ({ key, first, last }));
    const around = { names: NAMES, topicIds, batches: batchMaker(this.#tools) };
    return { port, role, around, apis, tools: this.#tools };
  }

  async #makeTopics(peer: RawConnection): Promise<void> {
    const topics = TOPICS.map(name => ({ name, numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }));
    await peer.ask("CreateTopics", 7, { topics, timeoutMs: 5000, validateOnly: false }, CANARY_LIMIT_MS);
  }

  async #attack(targets: Readonly<Record<Target["role"], Target>>, number: number): Promise<void> {
    const { seed, attacks, seconds } = this.#options;
    const rng = new Prng(`${seed}/${number}`);
    const until = performance.now() + seconds * 1000;
    for (let i = 0; i < attacks / PARALLEL && performance.now() < until && !this.#over; i++) {
      const target = targets[rng.chance(CONTROLLER_CHANCE) ? "controller" : "broker"];
      const { name, attack } = drawAttack(rng, target);
      const kills = await this.#up();
      try {
        await attack(target, rng);
      } catch (error) {
        if (await this.#excused(kills)) continue;
        this.#fault(`${name}, ${target.role}: ${String(error)}`);
        return;
      }
      this.#counts[name] = (this.#counts[name] ?? 0) + 1;
      if (target.role === "controller") this.#atController++;
    }
  }

  /** Waits until the broker is up, and returns the number of kills so far. */
  async #up(): Promise<number> {
    while (this.#down && !this.#over) await sleep(20);
    return this.#kills;
  }

  /** Resolves when the broker is up; true if it was killed since `kills` was read. */
  async #excused(kills: number): Promise<boolean> {
    return kills !== (await this.#up());
  }

  /** Moves partitions between the directories, and kills the broker in the middle at times. */
  async #upset(): Promise<void> {
    const rng = new Prng(`${this.#options.seed}/upheavals`);
    const names = [...TOPICS, CANARY_TOPIC, TABLE_TOPIC];
    for (let waited = 0; !this.#over; waited += 100) {
      await sleep(100);
      if (waited % UPHEAVAL_MS !== 0) continue;
      try {
        const peer = await connect(this.#broker.port);
        const [first, second] = this.#directories();
        const draw = (): string[] => names.filter(() => rng.chance(0.4));
        const [here, there] = [draw(), draw()];
        const move = (path: string, moved: readonly string[]) => {
          return { path, topics: moved.map(name => ({ name, partitions: [0] })) };
        };
        // Each partition moves to one directory only.
        const rest = there.filter(name => !here.includes(name));
        const request = { dirs: [move(first, here), move(second, rest)] };
        await peer.ask("AlterReplicaLogDirs", 2, request, CANARY_LIMIT_MS);
        peer.close();
        this.#moves++;
        await sleep(rng.int(0, 300));
        if (rng.chance(KILL_CHANCE) && !this.#over) await this.#kill();
      } catch (error) {
        this.#fault(`an upheaval: ${(error as Error).message}`);
      }
    }
  }

  async #kill(): Promise<void> {
    this.#down = true;
    this.#kills++;
    await this.#broker.kill();
    await this.#start(this.#broker.port);
    this.#down = false;
  }

  #fault(what: string): void {
    this.faults.push(what);
    this.#over = true;
  }

  async #sing(): Promise<void> {
    let seen = 0;
    while (!this.#over) {
      const kills = await this.#up();
      if (kills !== seen) await this.#resume();
      seen = kills;
      try {
        await this.#canary.sing();
        await this.#table.put();
      } catch (error) {
        if (!(await this.#excused(kills))) this.#fault(`the canary: ${(error as Error).message}`);
      }
      await sleep(CANARY_PAUSE_MS);
    }
  }

  async #resume(): Promise<void> {
    const kills = await this.#up();
    this.#table.close();
    try {
      await this.#canary.resume();
    } catch (error) {
      if (await this.#excused(kills)) await this.#resume();
      else this.#fault(`the canary after a kill: ${(error as Error).message}`);
    }
  }

  /** Deletes the topics that attacks created, so that growing memory means a leak. */
  async #keepHouse(): Promise<void> {
    for (let waited = 0; !this.#over; waited += 100) {
      await sleep(100);
      if (waited % HOUSEKEEPING_MS !== 0) continue;
      const kills = await this.#up();
      let peer: RawConnection | undefined;
      try {
        peer = await connect(this.#broker.port);
        const { topics } = await peer.ask("Metadata", 12, allTopics, CANARY_LIMIT_MS);
        const kept = new Set<string | null>([...TOPICS, ...OURS, "__consumer_offsets"]);
        const doomed = topics.filter(({ name }) => !kept.has(name)).map(({ topicId }) => ({ name: null, topicId }));
        await peer.ask("DeleteTopics", 6, { topics: doomed, timeoutMs: 5000 }, CANARY_LIMIT_MS);
        await this.#makeTopics(peer);
      } catch (error) {
        if (!(await this.#excused(kills))) this.#fault(`housekeeping: ${(error as Error).message}`);
      } finally {
        peer?.close();
      }
    }
  }

  async #watch(): Promise<void> {
    for (let seconds = 1; !this.#over; seconds++) {
      await sleep(1000);
      const memory = this.#memory();
      this.#most = Math.max(this.#most, memory);
      if (seconds <= this.#options.seconds / 3) this.#warm = this.#most;
      if (memory > MOST_MIB) this.#fault(`the broker takes ${Math.round(memory)} MiB; the bound is ${MOST_MIB}`);
      const count = Object.values(this.#counts).reduce((sum, n) => sum + n, 0);
      if (seconds % 10 === 0) this.#options.say(`${seconds} s: ${count} attacks, ${Math.round(memory)} MiB`);
    }
  }

  #memory(): number {
    return this.#broker.residentMiB() ?? 0;
  }

  #descriptors(): number {
    try {
      return readdirSync(`/proc/${this.#broker.pid}/fd`).length;
    } catch {
      return 0;
    }
  }

  /** Waits until the broker has closed what the attacks opened, as long as that may take on a busy machine. */
  async #settle(descriptorsBefore: number): Promise<void> {
    await sleep(3000);
    for (let seconds = 0; seconds < LEAK_WAIT_S && this.#leaks(descriptorsBefore, this.#descriptors()); seconds++) {
      await sleep(1000);
    }
  }

  #leaks(before: number, after: number): boolean {
    return after > before + LEFT_DESCRIPTORS;
  }

  #judge(before: { memory: number; descriptors: number }, after: { memory: number; descriptors: number }): void {
    if (this.#options.seconds >= LEAK_SECONDS && after.memory > this.#warm + LEFT_MIB) {
      this.faults.push(
        `${Math.round(after.memory)} MiB are left; ${Math.round(this.#warm)} after a third of the attacks`,
      );
    }
    if (this.#leaks(before.descriptors, after.descriptors)) {
      this.faults.push(`${after.descriptors} descriptors are open after the attacks; ${before.descriptors} before`);
    }
  }

  /** Restarts the broker and checks that all records of the canary and the table are there. */
  async #reopen(): Promise<void> {
    await this.#broker.stop();
    await this.#start();
    await this.#canary.checkAll(this.#broker.port).catch(error => this.faults.push(String(error)));
    await this.#table.checkAll(this.#broker.port).catch(error => this.faults.push(String(error)));
  }

  #report(before: { memory: number; descriptors: number }, after: { memory: number; descriptors: number }): FuzzReport {
    return {
      seed: this.#options.seed,
      attacks: this.#counts,
      atController: this.#atController,
      idle: this.#idle,
      canary: { records: this.#canary.written, slowestMs: Math.round(this.#canary.slowestMs) },
      rows: this.#table.written,
      upheavals: { kills: this.#kills, moves: this.#moves },
      memoryMiB: {
        before: Math.round(before.memory),
        most: Math.round(this.#most),
        after: Math.round(after.memory),
      },
      descriptors: { before: before.descriptors, after: after.descriptors },
      faults: this.faults,
    };
  }
}

/** Starts a broker and attacks it. Rejects only if the run cannot begin or the broker process is gone. */
export function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  return new Run(options).play();
}
