/**
 * Plays a range of seeds in a process of its own, for `sim.ts` and `sim-mutants.ts`. Says what comes of each as a line of
 * JSON: an `Outcome`, or a `ClusterOutcome` with `--cluster`. With `--mutant NAME` one of our sources is changed, in memory, before anything is loaded.
 */
import { registerHooks } from "node:module";
import { parseArgs } from "node:util";
import { mutated, mutantNamed } from "@samsa/sim/mutants";

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    to: { type: "string", default: "1" },
    step: { type: "string", default: "1" },
    mutant: { type: "string" },
    cluster: { type: "boolean", default: false },
  },
});
if (values.mutant !== undefined) {
  const mutant = mutantNamed(values.mutant);
  let used = false;
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(`/${mutant.file}`)) return loaded;
      used = true;
      return { ...loaded, source: mutated(mutant, new TextDecoder().decode(loaded.source as Uint8Array)) };
    },
  });
  process.on("exit", () => {
    if (!used) console.log(JSON.stringify({ fault: `${mutant.file} is not loaded` }));
  });
}

let seed = Number(values.from);
const stray = (error: unknown): void => {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.log(JSON.stringify({ seed, rule: "the broker failed", message: `nobody handles ${detail}` }));
  process.exit(1);
};
process.on("unhandledRejection", stray);
process.on("uncaughtException", stray);

const { runCluster, runScenario } = await import("@samsa/sim");
const run = values.cluster ? runCluster : runScenario;
for (; seed <= Number(values.to); seed += Number(values.step)) {
  const { violation, ...outcome } = await run(seed);
  const broken = violation === undefined ? {} : { rule: violation.rule, message: violation.message };
  console.log(JSON.stringify({ ...outcome, ...broken }));
  if (violation !== undefined && values.mutant !== undefined) break;
}
