/**
 * `npm test`: compiles, lints, checks the format, runs every test, and ends with one line that counts them.
 * `--static` stops before the tests.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command } from "./options.ts";

const root = join(import.meta.dirname, "..");
const bin = (name: string) => join(root, "node_modules", ".bin", name);

const checks: readonly (readonly [string, string, readonly string[]])[] = [
  ["compile (pure floors)", "tsc", ["-p", "tsconfig.pure.json"]],
  ["compile (host, app, test programs)", "tsc", ["-p", "tsconfig.node.json"]],
  ["compile (tests)", "tsc", ["-p", "tsconfig.test.json"]],
  ["lint", "oxlint", ["--type-aware", "--quiet", "packages", "scripts"]],
  ["format", "biome", ["format", "."]],
];

function run(title: string, tool: string, args: readonly string[]): boolean {
  const began = performance.now();
  const result = spawnSync(bin(tool), args, { cwd: root, stdio: "inherit" });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const ok = result.status === 0;
  console.log(`${ok ? "ok  " : "FAIL"} ${title} (${seconds} s)`);
  return ok;
}

interface Assertion {
  readonly status: string;
}

function countTests(file: string): { passed: number; failed: number; skipped: number } {
  const report = JSON.parse(readFileSync(file, "utf8")) as {
    testResults: readonly { status: string; assertionResults: readonly Assertion[] }[];
  };
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const suite of report.testResults) {
    // A suite that failed to load has no assertions, and must not pass for that.
    if (suite.status === "failed" && suite.assertionResults.every(a => a.status !== "failed")) count.failed++;
    for (const { status } of suite.assertionResults) {
      if (status === "passed") count.passed++;
      else if (status === "failed") count.failed++;
      else count.skipped++;
    }
  }
  return count;
}

function main(): number {
  const { static: isStatic = false } = command("test", "compiles, lints, checks the format and runs every test")
    .option("--static", "stop before the tests")
    .parse()
    .opts<{ readonly static?: boolean }>();
  let failed = 0;
  for (const [title, tool, args] of checks) if (!run(title, tool, args)) failed++;
  if (isStatic) return failed;
  const scratch = mkdtempSync(join(tmpdir(), "samsa-test-"));
  const report = join(scratch, "report.json");
  const tests = run("tests", "vitest", ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`]);
  let count = { passed: 0, failed: 0, skipped: 0 };
  try {
    count = countTests(report);
  } catch {
    failed++;
  }
  rmSync(scratch, { recursive: true, force: true });
  failed += count.failed;
  // A runner that stops without naming a failed test (an error outside of any) has failed all the same.
  if (!tests && count.failed === 0) failed++;
  console.log(`${count.passed + checks.length} passed, ${failed} failed, ${count.skipped} skipped`);
  return failed;
}

process.exitCode = main() === 0 ? 0 : 1;
