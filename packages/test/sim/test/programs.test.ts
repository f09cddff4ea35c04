import { replayOf, SCENARIOS } from "@samsa/sim";
import { expect, test } from "vitest";

/** Seeds whose programs do, together, all that a scenario may. */
const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1);
/** Counts of what must have happened in them. */
const WANTED = ["acknowledged", "read", "commits", "committed", "aborted", "copied", "shared", "confirmed"];

// No timeout: the number of seeds bounds the test, and a busy machine only makes it slower.
test(`programs with our client keep every rule in ${SEEDS.length} seeds`, { timeout: 0 }, async () => {
  const activity = new Map<string, number>();
  for (const seed of SEEDS) {
    const outcome = await SCENARIOS.client(seed);
    const { violation } = outcome;
    expect(violation === undefined ? "holds" : `${violation.message}\n  ${replayOf("client", seed)}`).toBe("holds");
    if (!("activity" in outcome)) continue;
    for (const [what, count] of Object.entries(outcome.activity)) activity.set(what, (activity.get(what) ?? 0) + count);
  }
  // Idle programs would break no rule either.
  expect(WANTED.filter(what => (activity.get(what) ?? 0) < SEEDS.length)).toEqual([]);
});

test("a seed of programs is the same history each time", { timeout: 0 }, async () => {
  const first = await SCENARIOS.client(3);
  expect((await SCENARIOS.client(3)).hash).toBe(first.hash);
  expect((await SCENARIOS.client(4)).hash).not.toBe(first.hash);
});
