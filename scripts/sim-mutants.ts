/**
 * `npm run sim:mutants [-- --only NAME,NAME] [--scenario NAME] [--from SEED] [--seeds COUNT] [--quick] [--record]`: breaks
 * our sources on purpose, one small change at a time (`packages/test/sim/src/mutants/mutants.ts`), and looks whether the
 * simulation notices. A mutant that survives says that the rules or the scenario miss something: exit code 1. The seeds
 * that found each mutant before (`known-seeds.ts`) are tried first; `--quick` tries no others, `--record` notes those that
 * are new.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KNOWN_SEEDS, type Mutant, MUTANTS, mutated, mutantNamed } from "@samsa/sim/mutants";
import { command, whole } from "./options.ts";
import { failingTest } from "./failing-test.ts";
import { playSeeds, type SeedReport } from "./seed-process.ts";

/** Seeds that are noted of each mutant. */
const MOST_KNOWN = 3;
const KNOWN = "packages/test/sim/src/mutants/known-seeds.ts";
/** Time limit of one seed, in milliseconds: it finds a broker that never stops working. */
const LIMIT_MS = 300_000;

interface Options {
  readonly only?: string;
  readonly from: number;
  readonly seeds: number;
  readonly processes: number;
  readonly quick?: boolean;
  readonly record?: boolean;
  readonly scenario?: string;
}

const values = command(
  "sim:mutants",
  "plants bugs in the sources, one at a time, and looks whether the simulation finds them",
)
  .option("--only <names>", "only these, separated by commas")
  .option("--from <seed>", "the first of them", whole(1), 1)
  .option("--seeds <count>", "how many seeds look for each", whole(0), 3000)
  .option("--processes <count>", "how many mutants at the same time", whole(1), 2)
  .option("--scenario <name>", "only those that seeds of this kind look for: broker, cluster or client")
  .option("--quick", "try only the seeds that found each mutant before")
  .option("--record", "note seeds that find a mutant")
  .parse()
  .opts<Options>();
const root = join(import.meta.dirname, "..");
const named: readonly Mutant[] = values.only === undefined ? MUTANTS : values.only.split(",").map(mutantNamed);
const ofKind = named.filter(mutant => values.scenario === undefined || values.scenario === scenarioOf(mutant));
/** Mutants that `--quick` cannot judge. */
const isUnknown = ({ name, tests }: Mutant): boolean => tests === undefined && !KNOWN_SEEDS.has(name);
const unknown = values.quick === true ? ofKind.filter(isUnknown) : [];
const chosen = ofKind.filter(mutant => !unknown.includes(mutant));
for (const mutant of chosen) mutated(mutant, readFileSync(join(root, mutant.file), "utf8"));

const knownSeeds = new Map(KNOWN_SEEDS);

interface Verdict {
  readonly mutant: Mutant;
  readonly found: Found | undefined;
  readonly seconds: number;
}

/** Arguments of `sim-worker.ts` that choose the scenario. */
function kindOf(mutant: Mutant): string[] {
  return ["--scenario", scenarioOf(mutant)];
}

function scenarioOf({ scenario = "broker" }: Mutant): string {
  return scenario;
}

/** Place in which a mutant was found. */
type Found = SeedReport | { readonly rule: string; readonly seed?: undefined };

async function judge(mutant: Mutant): Promise<Verdict> {
  const began = performance.now();
  const found = mutant.tests === undefined ? await bySeeds(mutant) : await byTests(mutant, mutant.tests);
  if (found?.seed !== undefined) note(mutant, found.seed);
  return { mutant, found, seconds: (performance.now() - began) / 1000 };
}

async function byTests({ name }: Mutant, tests: readonly string[]): Promise<Found | undefined> {
  const failed = await failingTest(tests, name);
  return failed === undefined ? undefined : { rule: failed };
}

async function bySeeds(mutant: Mutant): Promise<SeedReport | undefined> {
  let found: SeedReport | undefined;
  const known = values.seeds === 0 ? [] : (knownSeeds.get(mutant.name) ?? []);
  const most = values.quick === true ? 0 : values.seeds;
  const left = [...known, ...Array.from({ length: most }, (_, i) => values.from + i)];
  const inTime = await playSeeds({
    args: [
      ...["--mutant", mutant.name, "--first", known.join()],
      ...["--from", String(values.from), "--to", String(values.from + most - 1)],
      ...kindOf(mutant),
    ],
    limitMs: LIMIT_MS,
    told: report => {
      if (report.fault !== undefined) throw new Error(report.fault);
      left.shift();
      if (report.rule !== undefined) found ??= report;
    },
  });
  const [next] = left;
  if (next !== undefined) {
    // The process has ended before its time, for a reason that is on stderr, or its broker works for ever.
    found ??= { seed: next, rule: inTime ? "the broker failed" : "the broker works for ever" };
  }
  return found;
}

/** Writes down a seed that has found a mutant, unless enough are known. */
function note({ name }: Mutant, seed: number): void {
  const known = knownSeeds.get(name) ?? [];
  if (values.record !== true || known.includes(seed)) return;
  knownSeeds.set(name, [seed, ...known].slice(0, MOST_KNOWN));
  const lines = MUTANTS.flatMap(mutant => {
    const seeds = knownSeeds.get(mutant.name);
    return seeds === undefined ? [] : [`  [${JSON.stringify(mutant.name)}, [${seeds.join(", ")}]],\n`];
  });
  writeFileSync(
    join(root, KNOWN),
    "/** Seeds that have found each mutant, the newest first; `npm run sim:mutants -- --record` writes them. */\n" +
      `export const KNOWN_SEEDS: ReadonlyMap<string, readonly number[]> = new Map([\n${lines.join("")}]);\n`,
  );
}

function line({ mutant, found, seconds }: Verdict): string {
  const where = found?.seed === undefined ? "a test" : `seed ${found.seed}`;
  const fate = found === undefined ? "SURVIVED" : `${found.rule} (${where}, ${seconds.toFixed(1)} s)`;
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
await Promise.all(Array.from({ length: values.processes }, work));
// What breaks a rule without any mutant finds nothing.
const finders = verdicts.flatMap(({ mutant, found }) => {
  if (found?.seed === undefined) return [];
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
await Promise.all(Array.from({ length: values.processes }, control));
for (const files of new Set(verdicts.flatMap(({ mutant: { tests } }) => (tests === undefined ? [] : [tests.join()])))) {
  const failed = await failingTest(files.split(","));
  if (failed === undefined) continue;
  broken++;
  console.log(`a test of ${files} fails without any mutant: ${failed}`);
}
const survivors = verdicts.filter(({ found }) => found === undefined);
const seconds = ((performance.now() - began) / 1000).toFixed(0);
console.log(`${verdicts.length - survivors.length} of ${verdicts.length} mutants found in ${seconds} s`);
for (const { name } of unknown) console.log(`no seed is known for ${name}: judge it without --quick, with --record`);
for (const { mutant } of survivors) console.log(`${mutant.name} survives: ${mutant.why}`);
process.exitCode = survivors.length + broken === 0 ? 0 : 1;
