import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MUTANTS, mutated } from "../src/mutants/mutants.ts";

const root = join(import.meta.dirname, "../../../..");
/** Mutants that the rules find within the fewest seeds. */
const QUICK = ["a high watermark beyond the end", "an id is given to two producers", "a reused offset"];

function run(...args: string[]): { readonly status: number | null; readonly output: string } {
  const script = join(root, "scripts/sim-mutants.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { cwd: root, encoding: "utf8" });
  return { status, output: stdout + stderr };
}

describe("mutants", () => {
  test.each(MUTANTS.map(mutant => [mutant.name, mutant] as const))("%s: fits its source still", (_name, mutant) => {
    const text = readFileSync(join(root, mutant.file), "utf8");
    expect(mutated(mutant, text)).not.toBe(text);
  });

  test("have names of their own", () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  });

  test("are found by the rules", () => {
    const { status, output } = run("--only", QUICK.join());
    expect(output).toContain("3 of 3 mutants found");
    expect(status).toBe(0);
  });

  test("are told of when they survive", () => {
    const { status, output } = run("--only", QUICK[0], "--seeds", "0");
    expect(output).toContain("SURVIVED");
    expect(status).toBe(1);
  });
});
