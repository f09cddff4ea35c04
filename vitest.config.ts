import { mutated, mutantNamed } from "@samsa/sim/mutants";
import { defineConfig, type Plugin } from "vitest/config";

/** Ends a test that hangs; no test is meant to come near it, however busy the machine is. */
const HANGS_MS = 600_000;

/** Plants a mistake into one of our sources, for `npm run sim:mutants`. */
function planted(name: string): Plugin {
  const mutant = mutantNamed(name);
  return {
    name: "planted mistake",
    enforce: "pre",
    transform(code, id) {
      return id.endsWith(`/${mutant.file}`) ? mutated(mutant, code) : undefined;
    },
  };
}

const mistake = process.env["SAMSA_MUTANT"];

export default defineConfig({
  plugins: mistake === undefined ? [] : [planted(mistake)],
  test: {
    include: ["packages/**/test/**/*.test.ts"],
    globalSetup: "scripts/test-setup.ts",
    // The cache does not know of the mistake.
    fsModuleCache: mistake === undefined,
    pool: "threads",
    isolate: false,
    maxWorkers: 2,
    testTimeout: HANGS_MS,
    hookTimeout: HANGS_MS,
    expect: { poll: { timeout: 120_000 } },
  },
});
