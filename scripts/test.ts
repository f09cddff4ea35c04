/**
 * `npm test`: compiles, lints, checks the format, runs every test, and ends with one line that counts them.
 * `--static` stops before the tests.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { command } from "./options.ts";

const root = join(import.meta.dirname, "..");
const bin = (name: string) => join(root, "node_modules", ".bin", name);

const checks: readonly (readonly [string, string, readonly string[]])[] = [
  ["compile (pure floors)", "tsc", ["-p", "tsconfig.pure.json"]],
  ["compile (host, app, test programs)", "tsc", ["-p", "tsconfig.node.json"]],
  ["compile (tests)", "tsc", ["-p", "tsconfig.test.json"]],
  ["lint", "oxlint", ["--type-aware", "--quiet", "packages", "scripts", "examples"]],
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
  readonly fullName: string;
  readonly failureMessages: readonly string[];
}

interface Suite {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly Assertion[];
}

interface Outcome {
  passed: number;
  skipped: number;
  /** One line for each failed test: file, name, and the first line of its message. */
  readonly failed: string[];
}

function readOutcome(file: string): Outcome {
  const report = JSON.parse(readFileSync(file, "utf8")) as { testResults: readonly Suite[] };
  const outcome: Outcome = { passed: 0, skipped: 0, failed: [] };
  const fail = (suite: Suite, test: string, message: string) =>
    outcome.failed.push(`${relative(root, suite.name)}: ${test}: ${message.trim().split("\n", 1)[0]}`);
  for (const suite of report.testResults) {
    // A suite that failed to load has no assertions, and must not pass for that.
    if (suite.status === "failed" && suite.assertionResults.every(a => a.status !== "failed"))
      fail(suite, "not loaded", suite.message);
    for (const { status, fullName, failureMessages } of suite.assertionResults) {
      if (status === "passed") outcome.passed++;
      else if (status === "failed") fail(suite, fullName, failureMessages.join("\n"));
      else outcome.skipped++;
    }
  }
  return outcome;
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
  let outcome: Outcome = { passed: 0, skipped: 0, failed: [] };
  try {
    outcome = readOutcome(report);
  } catch {
    failed++;
  }
  rmSync(scratch, { recursive: true, force: true });
  failed += outcome.failed.length;
  // A runner that stops without naming a failed test (an error outside of any) has failed all the same.
  if (!tests && outcome.failed.length === 0) failed++;
  for (const line of outcome.failed) console.log(`failed: ${line}`);
  console.log(`${outcome.passed + checks.length} passed, ${failed} failed, ${outcome.skipped} skipped`);
  return failed;
}

process.exitCode = main() === 0 ? 0 : 1;
