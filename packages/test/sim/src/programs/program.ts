import { KafkaError } from "@samsa/client-kernel";
import { Violation, violationOf } from "../ledgers/rules.ts";
import { PORT } from "../cluster/plan.ts";
import type { Prng } from "../world/prng.ts";
import type { World } from "../world/world.ts";
import type { Journal } from "./journal.ts";
import { Life } from "./life.ts";

/** Surroundings that all programs of a scenario share. */
export interface ProgramStage {
  readonly world: World;
  readonly journal: Journal;
  /** Names of the brokers' machines. */
  readonly brokers: readonly string[];
  readonly failed: (violation: Violation) => void;
}

/** Errors by which a program may have to begin anew while faults go on, beside those that are retriable. */
const EXCUSED: ReadonlySet<string> = new Set([
  "DELIVERY_TIMED_OUT",
  "TRANSACTION_ABORTED",
  "COMMIT_FAILED",
  "PRODUCER_FENCED",
  "INVALID_PRODUCER_EPOCH",
  // Another producer with the transactional id has aborted the transaction that is to be committed.
  "INVALID_TXN_STATE",
  "FENCED_INSTANCE_ID",
]);

const TIMERS_MS = 1000;

/** Application that uses our client on a machine of its own, and that crashes, is paused and begins anew. */
export abstract class Program {
  readonly name: string;
  protected readonly stage: ProgramStage;
  protected readonly rng: Prng;
  /** Ends its work, and closes in peace. */
  protected isStopping = false;
  #life: Life | undefined;
  #lives = 0;
  #openings = 0;
  #pausedAt: number | undefined;
  #isAway = false;

  constructor(name: string, stage: ProgramStage) {
    this.name = name;
    this.stage = stage;
    this.rng = stage.world.fork(`program/${name}`);
  }

  /** Works until `isStopping`. What it opens is closed afterwards, also if it throws. */
  protected abstract work(life: Life): Promise<void>;

  /** The process has crashed. */
  protected abstract crashed(): void;

  /** Names what is missing until the program does what it is for, without faults; undefined: nothing. */
  abstract unsettled(): string | undefined;

  /** Demands that the program get on with its work from now on: `unsettled` says what is missing. */
  expect(): void {
    // Most programs are judged by what they own.
  }

  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  get isPaused(): boolean {
    return this.#pausedAt !== undefined;
  }

  /** Begins a process, unless there is one. */
  start(): void {
    if (this.#life !== undefined || this.#isAway) return;
    const { world, brokers, failed } = this.stage;
    this.isStopping = false;
    const life = new Life(`${this.name}.${++this.#lives}`, {
      env: world.node(this.name).env,
      rng: this.rng,
      bootstrapServers: brokers.map(host => ({ host, port: PORT })),
      failed,
    });
    this.#life = life;
    world.trace(`start ${life.name}`);
    this.#run(life).catch((error: unknown) => failed(violationOf(error)));
  }

  /** Has the process end its work and close. */
  stop(): void {
    this.isStopping = true;
  }

  /** Ends the process at once: nobody is told. */
  crash(): void {
    const life = this.#life;
    if (life === undefined) return;
    this.resume();
    life.isOver = true;
    this.#life = undefined;
    this.crashed();
    this.stage.world.crash(this.name, { halfOpen: this.rng.chance(0.2) });
  }

  /** Holds the process up, as a long collection of garbage does. */
  pause(): void {
    if (this.#pausedAt !== undefined) return;
    this.#pausedAt = this.stage.world.now();
    this.stage.world.pause(this.name);
  }

  resume(): void {
    if (this.#pausedAt === undefined) return;
    this.#life?.delayed(this.stage.world.now() - this.#pausedAt);
    this.#pausedAt = undefined;
    this.stage.world.resume(this.name);
  }

  /** The program is not started any more. */
  retire(): void {
    this.#isAway = true;
  }

  /** Call of the process that should have ended. */
  overdue(): string | undefined {
    return this.isPaused ? undefined : this.#life?.overdue(this.stage.world.now());
  }

  /** Name of what the program opens next. */
  protected nextName(life: Life): string {
    return `${life.name}#${++this.#openings}`;
  }

  /** Lets work go on that nobody waits for. */
  protected inBackground(life: Life, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!life.isOver) this.stage.failed(violationOf(error));
    });
  }

  async #run(life: Life): Promise<void> {
    while (!this.isStopping) {
      try {
        await this.work(life);
      } catch (error) {
        this.#judge(life, error);
      }
      await life.closeAll();
      if (!this.isStopping) await life.pause(this.rng.int(20, 200));
    }
    // An attempt to connect may end a little later than its client.
    if (life.timers > 0) await life.pause(TIMERS_MS);
    if (life.timers > 0) throw new Violation("the client failed", `${life.name} has left ${life.timers} timers`);
    life.isOver = true;
    this.#life = undefined;
  }

  /** Takes an error that has ended the work of the program. Without faults there must be none. */
  #judge(life: Life, error: unknown): void {
    if (!(error instanceof KafkaError)) throw error;
    const { name, message, retriable } = error;
    this.stage.world.trace(`${life.name} begins anew: ${name} ${message}`);
    const isExcused = !this.stage.journal.isCalm && (retriable || EXCUSED.has(name));
    if (!isExcused) throw new Violation("the client gives up", `${life.name}: ${name} ${message}`);
  }
}
