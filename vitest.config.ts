import { defineConfig } from "vitest/config";

/** Ends a test that hangs; no test is meant to come near it, however busy the machine is. */
const HANGS_MS = 600_000;

export default defineConfig({
  test: {
    include: ["packages/**/test/**/*.test.ts"],
    globalSetup: "scripts/test-setup.ts",
    pool: "threads",
    isolate: false,
    maxWorkers: 2,
    testTimeout: HANGS_MS,
    hookTimeout: HANGS_MS,
    expect: { poll: { timeout: 120_000 } },
  },
});
