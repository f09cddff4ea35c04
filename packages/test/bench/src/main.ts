import { entryAt } from "@samsa/base";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { type Contender, kafka, samsa } from "./contenders.ts";
import { findJava } from "./java.ts";
import type { Figures } from "./loads.ts";
import { measure, NAMES } from "./measure.ts";
import { printProfiles } from "./profiles/profile.ts";
import { REASONS } from "./misses.ts";
import { missed, type Results, table } from "./rows.ts";
import { median } from "./system/quantile.ts";

export { NAMES };

/** Options of `npm run bench`. */
export interface BenchOptions {
  readonly json?: boolean;
  readonly quick?: boolean;
  readonly wide?: boolean;
  readonly profile?: boolean;
  /** Names of the only measurements to run, of `NAMES`. */
  readonly only?: readonly string[];
  /** Path of another `samsa.mjs` to measure instead of Kafka. */
  readonly beside?: string;
  /** Number of measurements of each, in turns. Default: 1. */
  readonly rounds?: number;
}

const HOTTEST = 25;

function machine(): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${first?.model ?? "unknown"}, ${memory} GiB, ${process.platform} ${process.arch}, Node ${process.versions.node}`;
}

/** List of the rows that miss their goals, each with its reason; nothing if all are reached. */
export function missesText(results: Results): string {
  const lines = missed(results).map(({ key, title }) => {
    const reason = REASONS[key];
    const told = reason === undefined ? "not examined yet." : `${reason.why} [Flame graph](flames/${reason.flame}).`;
    return `- **${title}**: ${told}`;
  });
  return lines.length === 0 ? "" : `\n## Rows that miss their goal\n\n${lines.join("\n")}\n`;
}

function page(results: Results, options: BenchOptions, { remark, load }: { remark: string; load: number }): string {
  const args = Object.entries(options).map(([name, value]) => (value === true ? `--${name}` : `--${name} ${value}`));
  return `# Benchmarks

Written by \`npm run bench\`; \`packages/test/bench\` says how it measures.

- Date: ${new Date().toISOString().slice(0, 10)}
- Command: \`npm run bench${args.length === 0 ? "" : ` -- ${args.join(" ")}`}\`
- Machine: ${machine()}
- ${remark}
- Load average before: ${load.toFixed(2)} (well above 0, other work shared the processors and the figures are noisy)

${table(results)}
${missesText(results)}`;
}

/** Median of each figure over all runs that have it. */
export function medians(runs: readonly Figures[]): Figures {
  const keys = new Set(runs.flatMap(figures => [...figures.keys()]));
  return new Map([...keys].map(key => [key, median(runs.flatMap(figures => figures.get(key) ?? []))]));
}

function resultsOf(contenders: readonly Contender[], runs: readonly (readonly Figures[])[]): Map<string, Figures> {
  return new Map(contenders.map(({ name }, i) => [name, medians(entryAt(runs, i))]));
}

/**
 * Measures Samsa, and another build or Kafka if Java and Maven are available, and prints the table. `root` is the
 * repository, `nodeFlags` are the flags of Samsa's Node process. Returns the exit code.
 */
export async function bench(root: string, options: BenchOptions, nodeFlags: readonly string[]): Promise<number> {
  const { json = false, quick = false, wide = false, profile = false, only, beside, rounds = 1 } = options;
  const [load = 0] = loadavg();
  const home = join(root, ".samsa", "bench");
  mkdirSync(home, { recursive: true });
  const bundle = realpathSync(join(root, "dist", "current", "samsa.mjs"));
  const scratch = mkdtempSync(join(tmpdir(), "samsa-bench-"));
  try {
    const found = await findJava(home);
    const java = "missing" in found ? undefined : found;
    if ("missing" in found) console.error(`Missing: ${found.missing}. Samsa is measured without loads, and alone.`);
    const profiles = join(home, "profile");
    if (profile) rmSync(profiles, { recursive: true, force: true });
    const contenders: Contender[] = [samsa(bundle, nodeFlags)];
    if (beside !== undefined) contenders.push(samsa(realpathSync(beside), nodeFlags, "Before"));
    else if (java !== undefined && !profile) contenders.push(kafka(java));
    const runs = contenders.map(() => [] as Figures[]);
    for (let round = 0; round < rounds; round++) {
      for (const [i, contender] of contenders.entries()) {
        const folder = join(scratch, contender.name);
        const what = { bundle, java, folder, quick, only, wide, profile: profile ? profiles : undefined };
        entryAt(runs, i).push(await measure(contender, what));
      }
      // Rounds take long: show what is known if the rest is not waited for.
      if (rounds > 1) console.error(`\nRound ${round + 1} of ${rounds}\n${table(resultsOf(contenders, runs))}\n`);
    }
    const results = resultsOf(contenders, runs);
    const plain = [...results].map(([name, figures]) => [name, Object.fromEntries(figures)] as const);
    console.log(json ? JSON.stringify(Object.fromEntries(plain), undefined, 2) : table(results));
    if (profile) printProfiles(profiles, HOTTEST);
    else if (only === undefined && beside === undefined) {
      const remark = results.size === 2 ? "Kafka: 4.4.0, KRaft combined mode, 1 GiB heap" : "Kafka: not measured";
      writeFileSync(join(root, "docs", "benchmarks.md"), page(results, options, { remark, load }));
    }
    return 0;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
