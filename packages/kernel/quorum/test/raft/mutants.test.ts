import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { MUTANTS, type Mutant } from "./mutants.ts";

const PACKAGE = join(import.meta.dirname, "../..");
/** Below the repository, so that the copies find the other packages. */
const COPIES = join(PACKAGE, "../../../.samsa", `raft-mutants-${process.pid}`);
const MOST_SEEDS = 1500;

afterAll(() => rmSync(COPIES, { recursive: true, force: true }));

/** Copies the package with the mistake in it, and returns its random histories. */
async function planted({ name, file, find, replace }: Mutant): Promise<typeof import("./histories.ts")> {
  const to = join(COPIES, name.replaceAll(/\W+/g, "-"));
  mkdirSync(join(to, "test"), { recursive: true });
  cpSync(join(PACKAGE, "src"), join(to, "src"), { recursive: true });
  cpSync(join(PACKAGE, "test/raft"), join(to, "test/raft"), { recursive: true });
  const path = join(to, "src/raft", file);
  const parts = readFileSync(path, "utf8").split(find);
  if (parts.length !== 2) throw new Error(`the text of the mutant is ${parts.length - 1} times in ${file}`);
  writeFileSync(path, parts.join(replace));
  return await import(join(to, "test/raft/histories.ts"));
}

/** True if a history breaks an invariant. */
function isFound({ play }: typeof import("./histories.ts"), first = 1): boolean {
  for (let tried = 0; tried < MOST_SEEDS; tried++) {
    const seed = first + tried;
    for (const isDynamic of [false, true]) {
      try {
        play(seed, isDynamic);
      } catch {
        return true;
      }
    }
  }
  return false;
}

test.each(MUTANTS.map(mutant => [mutant.name, mutant] as const))("random histories find: %s", async (_, mutant) => {
  expect(isFound(await planted(mutant), mutant.seed)).toBe(true);
});
