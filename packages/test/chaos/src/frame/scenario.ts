import type { Run } from "./run.ts";
import type { Variation } from "./variation.ts";

/** Scenario of faults, and the rule that must hold. */
export interface Scenario {
  readonly id: string;
  readonly title: string;
  /** Faults and loads, in a sentence or two. */
  readonly does: string;
  /** Sentence that must hold. */
  readonly rule: string;
  /** Processes of this machine, or the simulation, which has power cuts and clocks. */
  readonly runs: "processes" | "simulation";
  /** Other clusters on which it may be played, each alone or together. */
  readonly variations?: readonly Variation[];
  /** Plays it. Rejects with `NotRun` if something is missing on this machine; any other failure breaks the rule. */
  readonly play: (run: Run) => Promise<void>;
}
