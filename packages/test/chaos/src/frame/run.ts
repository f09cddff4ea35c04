import { availableParallelism, loadavg } from "node:os";
import type { Prng } from "@samsa/sim";
import type { Variation } from "./variation.ts";
import type { Figures } from "./verdict.ts";

/** Processes that want to run for each processor, from which on times tell more of the machine than of the cluster. */
const BUSY = 2;

/** Figures of which the largest of several measurements counts. */
type Duration = "writePauseMs" | "readPauseMs" | "recoveryMs";

/** Circumstances of a run. */
interface Circumstances {
  /** Returns the number of processes that want to run. */
  readonly load?: () => number;
  readonly variations?: readonly Variation[];
}

/** Run of one scenario: its draws, what it says, and what it finds. */
export class Run {
  readonly rng: Prng;
  readonly rounds: number;
  readonly say: (line: string) => void;
  readonly figures: Figures = {};
  /** Rules that are broken. */
  readonly reasons: string[] = [];
  /** Rules about times that could not be judged. */
  readonly unjudged: string[] = [];

  readonly #variations: readonly Variation[];
  readonly #load: () => number;

  constructor(rng: Prng, rounds: number, say: (line: string) => void, circumstances: Circumstances = {}) {
    const { load = () => loadavg()[0] ?? 0, variations = [] } = circumstances;
    this.#variations = variations;
    this.#load = load;
    this.rng = rng;
    this.rounds = rounds;
    this.say = say;
  }

  is(variation: Variation): boolean {
    return this.#variations.includes(variation);
  }

  /** Notes a broken rule. */
  broken(rule: string): void {
    this.say(`BROKEN ${rule}`);
    this.reasons.push(rule);
  }

  /** Notes a broken rule unless it holds. */
  hold(holds: boolean, rule: string): void {
    if (!holds) this.broken(rule);
  }

  /** Notes a broken rule about a time unless it holds; on a machine that has too much to do, one that is not judged. */
  holdTime(holds: boolean, rule: string): void {
    const load = this.#load();
    if (holds || load <= BUSY * availableParallelism()) return this.hold(holds, rule);
    const unjudged = `not judged, as the machine is busy (load ${load.toFixed(1)}): ${rule}`;
    this.say(unjudged);
    this.unjudged.push(unjudged);
  }

  /** Adds to a count. */
  count(name: "acknowledged" | "lost" | "duplicated", by: number): void {
    this.figures[name] = (this.figures[name] ?? 0) + by;
  }

  /** Takes note of a time; the longest one stays. */
  lasted(name: Duration, ms: number): void {
    this.figures[name] = Math.max(this.figures[name] ?? 0, ms);
  }

  /** Takes note of a number or text of this scenario only. */
  note(name: string, value: number | string): void {
    this.figures.more = { ...this.figures.more, [name]: typeof value === "number" ? Math.round(value) : value };
  }
}

/** Reason why a scenario cannot run here: something is missing on this machine. */
export class NotRun extends Error {}
