import type { Env } from "@samsa/base";
import type { Ending, Violation } from "../ledgers/rules.ts";

/** Options of a scenario. */
export interface ScenarioOptions {
  /** Wraps the `Env` of each node, for tests that break rules on purpose. */
  readonly sabotage?: (env: Env) => Env;
  readonly onTrace?: (line: string) => void;
}

/** Result of one seed: the first violation, if any, and counts that show how much happened. */
export interface SeedOutcome {
  readonly seed: number;
  readonly hash: string;
  readonly events: number;
  readonly violation: Violation | undefined;
  readonly acknowledged: number;
  readonly served: number;
  readonly commits: number;
  readonly transactions: number;
  readonly endings: readonly Ending[];
  readonly faults: number;
}
