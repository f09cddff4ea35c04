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

/** Outcome of a run; `missing` is the thing without which it could not go on. */
export function judged({ reasons, unjudged }: Run, missing: string | undefined): Pick<Verdict, "outcome" | "reasons"> {
  if (reasons.length > 0) return { outcome: "broken", reasons };
  if (missing !== undefined) return { outcome: "not run", reasons: [missing] };
  return { outcome: unjudged.length > 0 ? "not judged" : "held", reasons: unjudged };
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
    ...judged(run, missing),
    figures: run.figures,
    seconds: (performance.now() - began) / 1000,
  };
}
