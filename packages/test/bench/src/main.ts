import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Contender, kafka, samsa } from "./contenders.ts";
import { findJava } from "./java.ts";
import type { Figures } from "./loads.ts";
import { measure, NAMES } from "./measure.ts";
import { printProfiles } from "./profile.ts";
import { type Results, table } from "./rows.ts";

const OPTIONS = {
  json: { type: "boolean", default: false },
  quick: { type: "boolean", default: false },
  wide: { type: "boolean", default: false },
  profile: { type: "boolean", default: false },
  only: { type: "string" },
} as const;

const HOTTEST = 25;

function machine(): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${first?.model ?? "unknown"}, ${memory} GiB, ${process.platform} ${process.arch}, Node ${process.versions.node}`;
}

function page(results: Results, args: readonly string[], { remark, load }: { remark: string; load: number }): string {
  return `# Benchmarks

Written by \`npm run bench\`; \`packages/test/bench\` says how it measures.

- Date: ${new Date().toISOString().slice(0, 10)}
- Command: \`npm run bench${args.length === 0 ? "" : ` -- ${args.join(" ")}`}\`
- Machine: ${machine()}
- ${remark}
- Load average before: ${load.toFixed(2)} (well above 0, other work shared the processors and the figures are noisy)

${table(results)}
`;
}

/**
 * Measures Samsa, and Kafka where Java and Maven are there, and prints the table. `root` is the repository, `nodeFlags` what
 * Samsa's Node is started with. Answers the exit code.
 */
export async function bench(root: string, args: readonly string[], nodeFlags: readonly string[]): Promise<number> {
  const { json, quick, wide, profile, only } = parseArgs({ args: [...args], options: OPTIONS }).values;
  if (only !== undefined && !NAMES.includes(only)) {
    console.error(`--only takes one of ${NAMES.join(", ")}; not "${only}".`);
    return 1;
  }
  const [load = 0] = loadavg();
  const home = join(root, ".samsa", "bench");
  mkdirSync(home, { recursive: true });
  // A copy beside node_modules, so that a bundle made meanwhile does not change what is measured.
  const dist = mkdtempSync(join(home, "dist-"));
  cpSync(join(root, "dist"), dist, { recursive: true });
  const bundle = join(dist, "samsa.mjs");
  const scratch = mkdtempSync(join(tmpdir(), "samsa-bench-"));
  try {
    const found = await findJava(home);
    const java = "missing" in found ? undefined : found;
    if ("missing" in found) console.error(`Missing: ${found.missing}. Samsa is measured without loads, and alone.`);
    const profiles = join(home, "profile");
    if (profile) rmSync(profiles, { recursive: true, force: true });
    const contenders: Contender[] = [samsa(bundle, nodeFlags), ...(java === undefined || profile ? [] : [kafka(java)])];
    const results = new Map<string, Figures>();
    for (const contender of contenders) {
      const folder = join(scratch, contender.name);
      const options = { bundle, java, folder, quick, only, wide, profile: profile ? profiles : undefined };
      results.set(contender.name, await measure(contender, options));
    }
    const plain = [...results].map(([name, figures]) => [name, Object.fromEntries(figures)] as const);
    console.log(json ? JSON.stringify(Object.fromEntries(plain), undefined, 2) : table(results));
    if (profile) printProfiles(profiles, HOTTEST);
    else if (only === undefined) {
      const remark = results.size === 2 ? "Kafka: 4.4.0, KRaft combined mode, 1 GiB heap" : "Kafka: not measured";
      writeFileSync(join(root, "docs", "benchmarks.md"), page(results, args, { remark, load }));
    }
    return 0;
  } finally {
    rmSync(dist, { recursive: true, force: true });
    rmSync(scratch, { recursive: true, force: true });
  }
}
