import { Prng } from "@samsa/sim";
import { NotRun, Run } from "./frame/run.ts";
import type { Scenario } from "./frame/scenario.ts";
import type { Verdict } from "./frame/verdict.ts";

/** Options of a run. */
export interface PlayOptions {
  readonly seed: number;
  /** Number of times that a scenario repeats its faults. */
  readonly rounds: number;
  readonly say: (line: string) => void;
}

/** Plays a scenario. Never rejects: a failure is a broken rule. */
export async function play(scenario: Scenario, { seed, rounds, say }: PlayOptions): Promise<Verdict> {
  const { id, title } = scenario;
  const run = new Run(new Prng(`${id}/${seed}`), rounds, line => say(`${id}: ${line}`));
  const began = performance.now();
  let missing: string | undefined;
  try {
    await scenario.play(run);
  } catch (error) {
    if (error instanceof NotRun) missing = error.message;
    else run.broken(error instanceof Error ? error.message : String(error));
  }
  return {
    id,
    title,
    outcome: run.reasons.length > 0 ? "broken" : missing === undefined ? "held" : "not run",
    reasons: run.reasons.length > 0 || missing === undefined ? run.reasons : [missing],
    figures: run.figures,
    seconds: (performance.now() - began) / 1000,
  };
}
