import type { Prng } from "@samsa/sim";
import type { Figures } from "./verdict.ts";

/** Figures of which the largest of several measurements counts. */
type Duration = "writePauseMs" | "readPauseMs" | "recoveryMs";

/** Run of one scenario: its draws, what it says, and what it finds. */
export class Run {
  readonly rng: Prng;
  readonly rounds: number;
  readonly say: (line: string) => void;
  readonly figures: Figures = {};
  readonly reasons: string[] = [];

  constructor(rng: Prng, rounds: number, say: (line: string) => void) {
    this.rng = rng;
    this.rounds = rounds;
    this.say = say;
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
