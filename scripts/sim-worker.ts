/**
 * Plays a range of seeds in a process of its own, for `sim.ts` and `sim-mutants.ts`. Says what comes of each as a line of
 * JSON: an `Outcome`, or the one of another `--scenario`. The seeds of `--first 7,9` come before the range. With
 * `--mutant NAME` one of our sources is changed, in memory, before anything is loaded.
 */
import { registerHooks } from "node:module";
import { parseArgs } from "node:util";
import { mutated, mutantNamed } from "@samsa/sim/mutants";

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    to: { type: "string", default: "1" },
    step: { type: "string", default: "1" },
    first: { type: "string", default: "" },
    mutant: { type: "string" },
    scenario: { type: "string", default: "broker" },
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

function* seeds(): Generator<number> {
  yield* values.first
    .split(",")
    .filter(text => text !== "")
    .map(Number);
  for (let next = Number(values.from); next <= Number(values.to); next += Number(values.step)) yield next;
}

// Failures are a part of what is played, and a seed that breaks a rule is played again, with traces, to look at it.
Error.stackTraceLimit = 0;
let seed = Number(values.from);
const stray = (error: unknown): void => {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.log(JSON.stringify({ seed, rule: "the broker failed", message: `nobody handles ${detail}` }));
  process.exit(1);
};
process.on("unhandledRejection", stray);
process.on("uncaughtException", stray);

const { SCENARIOS } = await import("@samsa/sim");
const run = Object.entries(SCENARIOS).find(([name]) => name === values.scenario)?.[1] ?? SCENARIOS.broker;
for (const next of seeds()) {
  seed = next;
  const { violation, ...outcome } = await run(seed);
  const broken = violation === undefined ? {} : { rule: violation.rule, message: violation.message };
  console.log(JSON.stringify({ ...outcome, ...broken }));
  if (violation !== undefined && values.mutant !== undefined) break;
}
