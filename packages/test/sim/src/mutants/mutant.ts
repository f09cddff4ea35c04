import type { ScenarioName } from "../scenario-name.ts";

/** Small, plausible mistake in one of our source files. */
export interface Mutant {
  readonly name: string;
  /** Path from the root of the repository. */
  readonly file: string;
  /** Text to replace. Occurs in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Consequence for a user. */
  readonly why: string;
  /** Seeds that look for it; those of one broker by default. */
  readonly scenario?: ScenarioName;
  /** Tests look for it, not seeds: another guard hides it from every history. Files from the root of the repository. */
  readonly tests?: readonly string[];
}
