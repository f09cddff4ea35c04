/**
 * `npm run sim:mutants [-- --only NAME,NAME] [--seeds COUNT]`: breaks our sources on purpose, one small change at a time
 * (`packages/test/sim/src/mutants/mutants.ts`), and looks whether the simulation notices. A mutant that survives says that the
 * rules or the scenario miss something: exit code 1.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Mutant, MUTANTS, mutated, mutantNamed } from "@samsa/sim/mutants";
import { command, whole } from "./options.ts";
import { playSeeds, type SeedReport } from "./seed-process.ts";

const PROCESSES = 2;
/** Time limit of one seed, in milliseconds: it finds a broker that never stops working. */
const LIMIT_MS = 60_000;

interface Options {
  readonly only?: string;
  readonly seeds: number;
}

const values = command(
  "sim:mutants",
  "plants bugs in the sources, one at a time, and looks whether the simulation finds them",
)
  .option("--only <names>", "only these, separated by commas")
  .option("--seeds <count>", "how many seeds look for each", whole(0), 3000)
  .parse()
  .opts<Options>();
const root = join(import.meta.dirname, "..");
const chosen: readonly Mutant[] = values.only === undefined ? MUTANTS : values.only.split(",").map(mutantNamed);
for (const mutant of chosen) mutated(mutant, readFileSync(join(root, mutant.file), "utf8"));

interface Verdict {
  readonly mutant: Mutant;
  readonly found: SeedReport | undefined;
  readonly seconds: number;
}

/** Arguments of `sim-worker.ts` that choose the scenario. */
function kindOf({ isCluster }: Mutant): string[] {
  return isCluster === true ? ["--cluster"] : [];
}

async function judge(mutant: Mutant): Promise<Verdict> {
  const began = performance.now();
  let found: SeedReport | undefined;
  let last = 0;
  const inTime = await playSeeds({
    args: ["--mutant", mutant.name, "--to", String(values.seeds), ...kindOf(mutant)],
    limitMs: LIMIT_MS,
    told: report => {
      if (report.fault !== undefined) throw new Error(report.fault);
      last = report.seed;
      if (report.rule !== undefined) found ??= report;
    },
  });
  // It ended itself before its time: what it would not say is told on stderr.
  const died = inTime && found === undefined && last < values.seeds;
  if (died) found = { seed: last + 1, rule: "the broker failed" };
  if (!inTime) found ??= { seed: last + 1, rule: "the broker works for ever" };
  return { mutant, found, seconds: (performance.now() - began) / 1000 };
}

function line({ mutant, found, seconds }: Verdict): string {
  const fate = found === undefined ? "SURVIVED" : `${found.rule} (seed ${found.seed}, ${seconds.toFixed(1)} s)`;
  return `${mutant.name.padEnd(58)} ${fate}`;
}

const began = performance.now();
const waiting = [...chosen];
const verdicts: Verdict[] = [];
async function work(): Promise<void> {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const verdict = await judge(mutant);
    verdicts.push(verdict);
    console.log(line(verdict));
  }
}
await Promise.all(Array.from({ length: PROCESSES }, work));
// What breaks a rule without any mutant finds nothing.
const finders = verdicts.flatMap(({ mutant, found }) => {
  if (found === undefined) return [];
  return [["--from", String(found.seed), "--to", String(found.seed), ...kindOf(mutant)]];
});
const controls = [...new Map(finders.map(args => [args.join(" "), args])).values()];
let broken = 0;
async function control(): Promise<void> {
  for (let args = controls.shift(); args !== undefined; args = controls.shift()) {
    const told = ({ seed, message }: SeedReport): void => {
      if (message === undefined) return;
      broken++;
      console.log(`seed ${seed} breaks a rule without any mutant: ${message}`);
    };
    await playSeeds({ args, told });
  }
}
await Promise.all(Array.from({ length: PROCESSES }, control));
const survivors = verdicts.filter(({ found }) => found === undefined);
const seconds = ((performance.now() - began) / 1000).toFixed(0);
console.log(`${verdicts.length - survivors.length} of ${verdicts.length} mutants found in ${seconds} s`);
for (const { mutant } of survivors) console.log(`${mutant.name} survives: ${mutant.why}`);
process.exitCode = survivors.length + broken === 0 ? 0 : 1;
