import type { Env } from "@samsa/base";
import { type FirstQuorum, formatStorage, Node } from "@samsa/broker";
import { overheard } from "../ledgers/overheard.ts";
import { type Ending, Violation } from "../ledgers/rules.ts";
import { slowJudge, WipedBuffers } from "../stage/stand-ins.ts";
import type { Prng } from "../world/prng.ts";
import type { SimNode, World } from "../world/world.ts";
import { type Plan, PORT, settingsOf } from "./plan.ts";

/** Sizes of the cache of recent batches. */
const TAIL_BYTES = [0, 8192, 65_536, 16 << 20];
/** Bytes of coordinators' logs that are loaded in one turn. */
const LOAD_BYTES = [500, 20_000, 4 * 1024 * 1024];

/** Options of a `ClusterMachine`. */
export interface MachineOptions {
  readonly world: World;
  readonly plan: Plan;
  readonly id: number;
  readonly sabotage: ((env: Env) => Env) | undefined;
  readonly failed: (violation: Violation) => void;
}

/** Machine of a cluster and the lives of its node: formatted, started, stopped, killed, or cut from power. */
export class ClusterMachine {
  readonly id: number;
  readonly name: string;
  readonly isController: boolean;
  readonly isBroker: boolean;
  readonly endings: Ending[] = [];
  readonly #options: MachineOptions;
  readonly #machine: SimNode;
  readonly #rng: Prng;
  readonly #settings: ReadonlyMap<string, string>;
  /** Node that serves; undefined before and after. */
  node: Node | undefined;
  isPaused = false;
  /** True once its disk was replaced. */
  isReplaced = false;
  /** Number of the current life; 0 before the first. */
  life = 0;
  #isUp = false;
  #isStopping = false;
  /** Starts again once it has stopped. */
  #isWanted = false;

  constructor(options: MachineOptions) {
    const { world, plan, id } = options;
    this.id = id;
    this.name = plan.nameOf(id);
    this.isController = plan.controllers.includes(id);
    this.isBroker = plan.brokers.includes(id);
    this.#options = options;
    this.#machine = world.node(this.name);
    this.#rng = world.fork(`machine/${this.name}`);
    this.#settings = settingsOf(plan, id);
  }

  /** Gives the machine a new, empty disk: its node is another replica of the metadata now. */
  replaceDisk(): void {
    this.end("power");
    this.isReplaced = true;
    this.#machine.disk.wipe();
    this.#format({ kind: "none" });
  }

  /** Formats the directories, as `samsa storage format` does. */
  format(): void {
    const { quorum, controllers, directoryOf, nameOf } = this.#options.plan;
    const voters = controllers.map(id => `${id}@${nameOf(id)}:${PORT + 1}:${directoryOf(id)}`).join();
    this.#format(quorum === "dynamic" && this.isController ? { kind: "voters", voters } : undefined);
  }

  #format(quorum: FirstQuorum | undefined): void {
    const { clusterId, features } = this.#options.plan;
    formatStorage(this.#machine.env, {
      settings: this.#settings,
      clusterId,
      ignoreFormatted: false,
      features,
      ...(quorum === undefined ? {} : { quorum }),
    });
  }

  /** True from the start of a process to its end. */
  get isUp(): boolean {
    return this.#isUp;
  }

  set diskDelay(ms: number) {
    this.#machine.diskDelay = ms;
  }

  set clockOffset(ms: number) {
    this.#machine.clockOffset = ms;
  }

  /** Starts the node; `node` is set once it serves. A start that fails breaks a rule. */
  start(): void {
    this.#isWanted = true;
    if (this.#isUp) return;
    const life = ++this.life;
    const isCurrent = (): boolean => this.#isUp && life === this.life;
    this.#isUp = true;
    const { sabotage } = this.#options;
    const failed = (rule: "the broker failed" | "the broker does not start", detail: string): void => {
      if (isCurrent()) this.#options.failed(new Violation(rule, `${this.name}: ${detail}`));
    };
    const env = overheard(sabotage?.(this.#machine.env) ?? this.#machine.env, {
      trustsInvariants: isCurrent,
      confess: detail => failed("the broker failed", detail),
    });
    const rng = this.#rng;
    Node.start(env, {
      settings: this.#settings,
      tailBytes: rng.oneOf(TAIL_BYTES),
      loadBytes: rng.oneOf(LOAD_BYTES),
      buffers: new WipedBuffers(),
      judge: slowJudge(env, rng),
      onHalt: reason => failed("the broker failed", reason),
    }).then(
      node => {
        if (isCurrent()) this.node = node;
      },
      (error: unknown) => {
        failed("the broker does not start", error instanceof Error ? (error.stack ?? error.message) : String(error));
      },
    );
  }

  /** Stops the node cleanly, which takes some time; a start in the meantime is one after the stop. */
  stop(): void {
    const { life, node } = this;
    this.#isWanted = false;
    const done = (): void => {
      if (!this.#isUp || life !== this.life) return;
      this.end("stop");
      if (this.#isWanted) this.start();
    };
    if (this.#isStopping) return;
    if (node === undefined) return this.end("kill");
    this.#isStopping = true;
    this.node = undefined;
    node.close().then(done, done);
  }

  /** Ends the process: what it wrote stays ("stop", "kill"), or only what was synced is sure to ("power"). */
  end(ending: Ending): void {
    if (!this.#isUp) return;
    this.resume();
    this.#isUp = false;
    this.#isStopping = false;
    this.node = undefined;
    this.endings.push(ending);
    const { world } = this.#options;
    world.trace(`ending ${ending} ${this.name}`);
    world.crash(this.name, {
      unsynced: ending === "power" ? "random" : "cached",
      halfOpen: this.#rng.chance(0.2),
    });
  }

  pause(): void {
    this.isPaused = true;
    this.#options.world.pause(this.name);
  }

  resume(): void {
    this.isPaused = false;
    this.#options.world.resume(this.name);
  }
}
