import { Violation, violationOf } from "../ledgers/rules.ts";
import type { World } from "../world/world.ts";
import type { Actor } from "./stage.ts";

/** Options of a `Play`. */
export interface PlayOptions {
  readonly world: World;
  /** Time within which what is waited for must happen, in virtual milliseconds. */
  readonly patienceMs: number;
  /** Called in between, every few milliseconds; may throw a `Violation`. */
  readonly look?: () => void;
}

const SLICE_MS = 20;

/** Course of a scenario: time that passes, actors, what is waited for, and the first rule that was broken. */
export class Play {
  violation: Violation | undefined;
  readonly #options: PlayOptions;
  #isOver = false;

  constructor(options: PlayOptions) {
    this.#options = options;
  }

  /** Takes note of a broken rule; the first one counts. */
  failed(violation: Violation): void {
    this.violation ??= violation;
  }

  guard(work: Promise<void>): void {
    work.catch((error: unknown) => this.failed(violationOf(error)));
  }

  /** Has an actor perform steps, with pauses that are drawn from `pausesMs`, while it may. */
  perform(actor: Actor, pausesMs: readonly [low: number, high: number], mayAct: () => boolean): void {
    this.guard(this.#perform(actor, pausesMs, mayAct));
  }

  async #perform(
    actor: Actor,
    [low, high]: readonly [low: number, high: number],
    mayAct: () => boolean,
  ): Promise<void> {
    const rng = this.#options.world.fork(`pauses/${actor.client.name}`);
    while (!this.#isOver) {
      await new Promise<void>(resolve => void actor.client.env.timers.after(rng.int(low, high), resolve));
      if (mayAct()) await actor.step();
    }
  }

  /** Ends the performances. */
  end(): void {
    this.#isOver = true;
  }

  #check(): void {
    if (this.violation !== undefined) throw this.violation;
    this.#options.look?.();
  }

  async runFor(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= SLICE_MS) {
      await this.#options.world.runFor(Math.min(SLICE_MS, left));
      this.#check();
    }
  }

  /** Runs the world until the condition holds. */
  until(what: string, holds: () => boolean): Promise<void> {
    return this.untilNone(() => (holds() ? undefined : what));
  }

  /** Runs the world until `missing` finds nothing; what it has found last is the detail of the broken rule. */
  async untilNone(missing: () => string | undefined): Promise<void> {
    const { world, patienceMs } = this.#options;
    const end = world.now() + patienceMs;
    for (let found = missing(); found !== undefined; found = missing()) {
      if (world.now() >= end) throw new Violation("no progress after healing", found);
      await this.runFor(SLICE_MS);
    }
  }

  /** Repeats a task until it resolves with true. */
  async settle(what: string, task: () => Promise<boolean>): Promise<void> {
    const { world, patienceMs } = this.#options;
    const end = world.now() + patienceMs;
    while (world.now() < end) {
      let done: boolean | undefined;
      this.guard(task().then(value => void (done = value)));
      await this.until(what, () => done !== undefined);
      if (done === true) return;
      await this.runFor(50);
    }
    throw new Violation("no progress after healing", what);
  }
}
