import type { Run } from "./run.ts";

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
  /** Plays it. Rejects with `NotRun` if something is missing on this machine; any other failure breaks the rule. */
  readonly play: (run: Run) => Promise<void>;
}
