import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Part of the report of vitest that tells which test failed. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message?: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** Ends a run of tests that hangs. */
const LIMIT_MS = 300_000;
const ROOT = join(import.meta.dirname, "..");

/** Runs test files, with a mutant planted if one is named. Returns what failed first, or undefined if all pass. */
export async function failingTest(files: readonly string[], mutant?: string): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "samsa-mutant-"));
  const outputFile = join(folder, "report.json");
  const args = ["run", ...files, "--reporter=json", `--outputFile=${outputFile}`, "--bail=1", "--testTimeout=60000"];
  const env = { ...process.env, ...(mutant === undefined ? {} : { SAMSA_MUTANT: mutant }) };
  try {
    const code = await new Promise<unknown>(resolve => {
      const command = [join(ROOT, "node_modules/vitest/vitest.mjs"), ...args];
      execFile(process.execPath, command, { cwd: ROOT, env, timeout: LIMIT_MS }, error => resolve(error));
    });
    if (code === null) return undefined;
    if (!existsSync(outputFile)) return "the tests do not end";
    const { testResults } = JSON.parse(readFileSync(outputFile, "utf8")) as Report;
    for (const { name, message, assertionResults } of testResults) {
      const failed = assertionResults.find(({ status }) => status === "failed");
      if (failed !== undefined) return failed.fullName;
      if (message !== undefined && message !== "") return `${name}: ${message}`;
    }
    return "the tests do not end";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
