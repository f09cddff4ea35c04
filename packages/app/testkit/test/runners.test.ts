import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

describe("node:test", () => {
  const program = join(import.meta.dirname, "programs/node-test.ts");

  /** Runs the program. Returns its exit code, and what it says about tests. */
  async function run(env: Readonly<Record<string, string>> = {}) {
    const child = spawn(process.execPath, ["--test", "--test-reporter=tap", program], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(output)?.[1]);
    return { code, passed: count("pass"), failed: count("fail"), skipped: count("skipped") };
  }

  test("has a cluster around the tests of a file or of a suite, and ends", async () => {
    expect(await run()).toEqual({ code: 0, passed: 2, failed: 0, skipped: 1 });
  });

  test("ends, too, if a test fails", async () => {
    expect(await run({ FAIL: "1" })).toEqual({ code: 1, passed: 2, failed: 1, skipped: 0 });
  });
});
