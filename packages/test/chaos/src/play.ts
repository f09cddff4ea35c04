import { Prng } from "@samsa/sim";
import { NotRun, Run } from "./frame/run.ts";
import type { Scenario } from "./frame/scenario.ts";
import type { Variation } from "./frame/variation.ts";
import type { Verdict } from "./frame/verdict.ts";

/** Options of a run. */
export interface PlayOptions {
  readonly seed: number;
  /** Number of times that a scenario repeats its faults. */
  readonly rounds: number;
  readonly say: (line: string) => void;
  /** Cluster on which it is played; three nodes of Samsa in clear text by default. */
  readonly variations?: readonly Variation[];
}

/** Outcome of a run; `missing` is the thing without which it could not go on. */
export function judged({ reasons, unjudged }: Run, missing: string | undefined): Pick<Verdict, "outcome" | "reasons"> {
  if (reasons.length > 0) return { outcome: "broken", reasons };
  if (missing !== undefined) return { outcome: "not run", reasons: [missing] };
  return { outcome: unjudged.length > 0 ? "not judged" : "held", reasons: unjudged };
}

/** Plays a scenario. Never rejects: a failure is a broken rule. */
export async function play(scenario: Scenario, options: PlayOptions): Promise<Verdict> {
  const { seed, rounds, say, variations = [] } = options;
  const { id } = scenario;
  const title = [scenario.title, ...variations].join(", ");
  const run = new Run(new Prng(`${id}/${seed}`), rounds, line => say(`${id}: ${line}`), { variations });
  const began = performance.now();
  let missing: string | undefined;
  try {
    const other = variations.find(variation => scenario.variations?.includes(variation) !== true);
    if (other !== undefined) throw new NotRun(`it is not played on a ${other} cluster`);
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
