import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Announced, checkAnnounced, notAnnounced, recorded } from "../src/scoreboard/api-list.ts";
import {
  type Check,
  type Explanation,
  oneLine,
  renderSections,
  renderTable,
  rowOf,
  runTrial,
  unexplained,
  type Verdict,
} from "../src/scoreboard/scoreboard.ts";
import { compileJava, nodeProgram, present } from "../src/processes/runtimes.ts";
import { compareScenes, type SeenCheck } from "../src/scoreboard/share-trial.ts";
import { runWalk } from "../src/scoreboard/walk.ts";
import { need } from "./scenarios.ts";

const passed = (name: string): Check => ({ name, outcome: "passed" });
const failed = (name: string, reason: string): Check => ({ name, outcome: "failed", reason });

const VERDICTS: readonly Verdict[] = [
  { judge: "good", version: "1.0", checks: [passed("a"), passed("b")] },
  { judge: "bad", version: "2", checks: [passed("a"), failed("b", "no | API"), failed("c", "it broke")] },
  { judge: "absent", version: "", checks: [{ name: "all", outcome: "skipped", reason: "no Java" }] },
];
const EXPLANATIONS: readonly Explanation[] = [
  { judge: /bad/, check: /b/, reason: /no . API/, kind: "later", why: "to come" },
];

test("a row counts checks and gives the first reason", () => {
  expect(rowOf(VERDICTS[0])).toEqual({ judge: "good", version: "1.0", passed: 2, failed: 0, skipped: 0, reason: "" });
  expect(rowOf(VERDICTS[1])).toMatchObject({ passed: 1, failed: 2, reason: "b: no | API" });
  expect(rowOf(VERDICTS[2])).toMatchObject({ skipped: 1, reason: "all: no Java" });
});

test("the table has aligned columns, totals, and lines of bounded length", () => {
  expect(renderTable(VERDICTS).split("\n")).toEqual([
    "judge   version  passed  failed  skipped  reason",
    "good    1.0           2       0        0",
    "bad     2             1       2        0  b: no | API",
    "absent                0       0        1  all: no Java",
    "all                   3       2        1",
  ]);
  expect(
    Math.max(
      ...renderTable(VERDICTS, 20)
        .split("\n")
        .map(line => line.length),
    ),
  ).toBe(20);
});

test("a failure is explained only where judge, check and reason all match", () => {
  expect(unexplained(VERDICTS, EXPLANATIONS)).toEqual(["bad: c: it broke"]);
  const other: Verdict = { judge: "bad", version: "2", checks: [failed("b", "another reason")] };
  expect(unexplained([other], EXPLANATIONS)).toEqual(["bad: b: another reason"]);
});

test("the document lists failures with what explains them, and what was skipped", () => {
  const text = renderSections(VERDICTS, EXPLANATIONS);
  expect(text).toContain("| all |  | 3 | 2 | 1 |");
  expect(text).toContain("| bad | b | no \\| API | later: to come |");
  expect(text).toContain("| bad | c | it broke | not explained |");
  expect(text).toContain("| absent | all | no Java |");
});

test("a reason is one bounded line", () => {
  expect(oneLine(new Error("a\n  b"))).toBe("a b");
  expect(oneLine("x".repeat(1000)).length).toBe(300);
});

test("a walk that says nothing of its end has failed", async () => {
  const script = (text: string): Promise<Verdict> => runWalk("walk", nodeProgram("-e", text), { deadlineMs: 20_000 });
  const version = 'console.log(JSON.stringify({ version: "7" }));';
  const check = 'console.log(JSON.stringify({ check: "a", ok: true }));';
  expect(await script(version + check)).toEqual({ judge: "walk", version: "7", checks: [passed("a")] });
  const broken = await script(`${check} throw new Error("oh")`);
  expect(broken.checks[1].reason).toMatch(/ended with 1: .*oh/);
  const silent = await runWalk("walk", nodeProgram("-e", "setInterval(() => {}, 1000)"), { deadlineMs: 300 });
  expect(silent.checks[0].reason).toMatch(/stopped after 0.3 s/);
});

test("scenes pass where they have passed on both brokers, and told the same", () => {
  const seen = (name: string, ...lines: string[]): SeenCheck => ({ ...passed(name), seen: lines });
  const torn = { ...failed("torn", "it broke"), seen: ["a"] };
  const common = ["same", "other", "shorter"].map(name => seen(name, "a", "b"));
  const kafka = [...common, seen("torn"), seen("missing"), { ...torn, name: "theirs" }];
  const ours = [seen("same", "a", "b"), seen("other", "a", "c"), seen("shorter", "a"), torn, seen("theirs")];
  expect(compareScenes([...ours, seen("alone"), { ...torn, name: "whole" }], kafka)).toEqual([
    passed("same"),
    failed("other", "saw c; with Apache Kafka: b"),
    failed("shorter", "saw nothing more; with Apache Kafka: b"),
    failed("torn", "it broke, after a"),
    failed("missing", "it was not played"),
    failed("theirs", "on Apache Kafka: it broke, after a"),
    failed("alone", "it was not played on Apache Kafka"),
    failed("whole", "it broke"),
  ]);
});

test("a walk passes on what its checks have seen", async () => {
  const line = JSON.stringify({ check: "a", ok: true, seen: ["x", "y"] });
  const told = new Map<string, readonly string[]>();
  const onSeen = (check: string, lines: readonly string[]): unknown => told.set(check, lines);
  await runWalk("walk", nodeProgram("-e", `console.log(${JSON.stringify(line)})`), { onSeen });
  expect([...told]).toEqual([["a", ["x", "y"]]]);
});

test("announcing less, more or otherwise than is implemented or than Kafka has is found", () => {
  const kafka = recorded();
  expect(kafka.apis.length).toBeGreaterThan(70);
  const outcomes = (found: Announced): string[] => checkAnnounced(found, kafka.apis, kafka).map(check => check.outcome);
  expect(outcomes({ apis: kafka.apis, features: [] })).toEqual(["passed", "passed", "passed"]);
  const [first, ...rest] = kafka.apis;
  expect(outcomes({ apis: rest, features: [] })[0]).toBe("failed");
  expect(outcomes({ apis: [{ ...first, last: first.last + 1 }, ...rest], features: [] })[1]).toBe("failed");
  expect(outcomes({ apis: [{ ...first, last: first.last - 1 }, ...rest], features: [] })[2]).toBe("failed");
  expect(notAnnounced({ apis: rest, features: kafka.features }, kafka)).toEqual({ apis: [first], features: [] });
});

test("a judge whose Java program does not compile fails with the compiler's message", async context => {
  need((await present("the Java compiler", "javac", ["-version"])) ?? "javac", context);
  const folder = mkdtempSync(join(tmpdir(), "interop-javac-"));
  try {
    writeFileSync(join(folder, "Good.java"), "class Good {}");
    await compileJava(folder, "", join(folder, "classes"));
    writeFileSync(join(folder, "Torn.java"), "class Torn { int size() { return sise; } }");
    const compiled = async (): Promise<Verdict> => {
      await compileJava(folder, "", join(folder, "classes"));
      return VERDICTS[0];
    };
    const verdict = await runTrial({ name: "Java", run: compiled });
    expect(verdict).toMatchObject({ judge: "Java", version: "", checks: [{ outcome: "failed" }] });
    expect(verdict.checks[0].reason).toMatch(/do not compile.* Torn\.java:1: error: cannot find symbol .*sise/);
    expect(unexplained([verdict], EXPLANATIONS)).toHaveLength(1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
