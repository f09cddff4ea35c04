import { Prng } from "@samsa/sim";
import { expect, test } from "vitest";
import { Gaps } from "../src/check/gaps.ts";
import { SCENARIOS } from "../src/catalogue.ts";
import { NotRun, Run } from "../src/frame/run.ts";
import type { Scenario } from "../src/frame/scenario.ts";
import { verdictText } from "../src/frame/verdict.ts";
import { judged, play } from "../src/play.ts";

const said: string[] = [];
const options = { seed: 1, rounds: 1, say: (line: string) => void said.push(line) };
const scenario = (body: (run: Run) => void): Scenario => ({
  ...{ id: "R0", title: "a test", does: "Nothing.", rule: "None.", runs: "processes" },
  play: async run => body(run),
});

test("a verdict tells the broken rules, or what is missing", async () => {
  const held = await play(
    scenario(run => {
      run.count("acknowledged", 5);
      run.lasted("writePauseMs", 20);
      run.lasted("writePauseMs", 10);
    }),
    options,
  );
  expect(held).toMatchObject({ outcome: "held", figures: { acknowledged: 5, writePauseMs: 20 } });
  expect(verdictText(held)).toContain("R0 held, a test (5 acknowledged, 20 ms without writes)");
  const broken = await play(
    scenario(run => run.hold(false, "it must hold")),
    options,
  );
  expect(broken).toMatchObject({ outcome: "broken", reasons: ["it must hold"] });
  const missing = await play(
    scenario(() => {
      throw new NotRun("there is no Java");
    }),
    options,
  );
  expect(missing).toMatchObject({ outcome: "not run", reasons: ["there is no Java"] });
});

test("a scenario is played on the clusters that it names, and tells which", async () => {
  const variations = ["secured"] as const;
  const secured = { ...scenario(run => run.hold(run.is("secured") && !run.is("mixed"), "it is secured")), variations };
  const held = await play(secured, { ...options, variations });
  expect(held).toMatchObject({ outcome: "held", title: "a test, secured" });
  expect((await play(secured, options)).outcome).toBe("broken");
  const mixed = await play(secured, { ...options, variations: ["secured", "mixed"] });
  expect(mixed).toMatchObject({ outcome: "not run", reasons: ["it is not played on a mixed cluster"] });
});

test("a failure breaks a rule, and so does what was found before something was missing", async () => {
  const failed = await play(
    scenario(() => {
      throw new Error("it fails");
    }),
    options,
  );
  expect(failed).toMatchObject({ outcome: "broken", reasons: ["it fails"] });
  const late = await play(
    scenario(run => {
      run.broken("a record is lost");
      throw new NotRun("there is no Java");
    }),
    options,
  );
  expect(late).toMatchObject({ outcome: "broken", reasons: ["a record is lost"] });
});

test("a time that is too long breaks a rule, and is not judged on a busy machine", () => {
  const of = (load: number, holds: boolean) => {
    const run = new Run(new Prng("times"), 1, options.say, { load: () => load });
    run.holdTime(holds, "it is quick");
    const { reasons, unjudged } = run;
    return [reasons.length, unjudged.length, judged(run, undefined).outcome];
  };
  expect(of(0.5, false)).toEqual([1, 0, "broken"]);
  expect(of(500, false)).toEqual([0, 1, "not judged"]);
  expect(of(500, true)).toEqual([0, 0, "held"]);
});

test("the same seed draws the same faults", async () => {
  const draws: number[] = [];
  for (const seed of [7, 7, 8])
    await play(
      scenario(run => draws.push(run.rng.u32())),
      { ...options, seed },
    );
  expect(draws[1]).toBe(draws[0]);
  expect(draws[2]).not.toBe(draws[0]);
});

test("the catalogue has the scenarios R1 to R31 in their order", () => {
  expect(SCENARIOS.map(({ id }) => id)).toEqual(Array.from({ length: 31 }, (_, i) => `R${i + 1}`));
});

test("a gap that still lasts counts, and one before the mark does not", () => {
  let now = 0;
  const gaps = new Gaps(() => now);
  now = 50;
  gaps.event();
  now = 60;
  gaps.event();
  expect(gaps.longest).toBe(50);
  gaps.mark();
  now = 75;
  expect(gaps.longest).toBe(15);
  gaps.event();
  now = 80;
  gaps.event();
  expect(gaps.longest).toBe(15);
});

// The cheapest scenario with processes: a cluster of three, the proxy, and transactions.
test("R15 holds", async () => {
  const found = SCENARIOS.find(({ id }) => id === "R15");
  const verdict = found === undefined ? undefined : await play(found, options);
  expect(verdict?.reasons, said.join("\n")).toEqual([]);
  expect(verdict?.outcome).toBe("held");
});
