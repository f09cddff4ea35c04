import { type ClusterOutcome, runCluster } from "./cluster/cluster-scenario.ts";
import { runPrograms } from "./programs/program-scenario.ts";
import { type Outcome, runScenario } from "./scenario.ts";
import type { ScenarioName } from "./scenario-name.ts";
import type { ScenarioOptions } from "./stage/outcome.ts";

type Run = (seed: number, options?: ScenarioOptions) => Promise<Outcome | ClusterOutcome>;

/** Runs one seed of each kind of scenario. */
export const SCENARIOS: { readonly [N in ScenarioName]: Run } = {
  broker: runScenario,
  cluster: runCluster,
  client: runPrograms,
};

/** Command that runs a seed again with its trace. */
export function replayOf(name: ScenarioName, seed: number): string {
  const kind = name === "broker" ? "" : `--${name} `;
  return `npm run sim -- ${kind}--seed ${seed} --trace`;
}
