/** Results of outside judges as a table: a row for each judge, a reason for each failed check. */
import { entryAt, messageOf } from "@samsa/base";

/** Result of one check of a judge. */
export interface Check {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Reason of a failure or a skip, in one line. */
  readonly reason?: string;
}

/** Results of a judge. */
export interface Verdict {
  readonly judge: string;
  /** Version of the judge's program; "" if it is not available. */
  readonly version: string;
  readonly checks: readonly Check[];
}

/** Judge that can be run. */
export interface Trial {
  readonly name: string;
  run(): Promise<Verdict>;
}

/** Accepted failure of a check that is no fault of the broker. */
export interface Explanation {
  readonly judge: RegExp;
  readonly check: RegExp;
  /** Pattern of the reason. It must match too, so that an old explanation does not hide a new fault. */
  readonly reason: RegExp;
  /** `later`: the check needs a feature that is not implemented yet; `judge`: it fails on Apache Kafka too. */
  readonly kind: "later" | "judge";
  readonly why: string;
}

/** Row of the scoreboard. */
export interface Row {
  readonly judge: string;
  readonly version: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Reason of the first failed check, else of the first skipped one. */
  readonly reason: string;
}

const REASON_LENGTH = 300;

/** Formats a failure or skip as one line of at most 300 characters. */
export function oneLine(reason: unknown): string {
  const text = messageOf(reason);
  return text.replace(/\s+/g, " ").trim().slice(0, REASON_LENGTH);
}

/** Outcome of a judge as a whole, as a check. */
export function wholeCheck(outcome: "failed" | "skipped", reason: unknown): Check {
  return { name: "(the whole judge)", outcome, reason: oneLine(reason) };
}

/** Verdict of a judge that could not be run. */
export function noVerdict(judge: string, outcome: "failed" | "skipped", reason: unknown): Verdict {
  return { judge, version: "", checks: [wholeCheck(outcome, reason)] };
}

/** Runs a judge. An error, such as that of a program of ours that does not compile, is a failure of the whole judge. */
export async function runTrial(trial: Trial): Promise<Verdict> {
  try {
    return await trial.run();
  } catch (error) {
    return noVerdict(trial.name, "failed", error);
  }
}

/** Summarizes the results of a judge. */
export function rowOf({ judge, version, checks }: Verdict): Row {
  const count = (outcome: Check["outcome"]): number => checks.filter(check => check.outcome === outcome).length;
  const first = checks.find(check => check.outcome === "failed") ?? checks.find(check => check.outcome === "skipped");
  const reason = first === undefined ? "" : `${first.name}: ${first.reason ?? ""}`;
  return { judge, version, passed: count("passed"), failed: count("failed"), skipped: count("skipped"), reason };
}

/** Finds the explanation of a failed check; undefined if there is none. */
function explanationOf(judge: string, check: Check, explanations: readonly Explanation[]): Explanation | undefined {
  return explanations.find(
    one => one.judge.test(judge) && one.check.test(check.name) && one.reason.test(check.reason ?? ""),
  );
}

const COLUMNS = ["judge", "version", "passed", "failed", "skipped", "reason"] as const;

function cells(rows: readonly Row[]): string[][] {
  return rows.map(row => COLUMNS.map(column => String(row[column])));
}

function totals(rows: readonly Row[]): Row {
  const sum = (column: "passed" | "failed" | "skipped"): number => rows.reduce((all, row) => all + row[column], 0);
  const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
  return { judge: "all", version: "", passed, failed, skipped, reason: "" };
}

/** Renders a table for a terminal; lines are cut at `width` columns. */
export function renderTable(verdicts: readonly Verdict[], width = 160): string {
  const rows = verdicts.map(rowOf);
  const table = [[...COLUMNS], ...cells([...rows, totals(rows)])];
  const widths = COLUMNS.map((_, column) => Math.max(...table.map(line => entryAt(line, column).length)));
  const padded = table.map(line =>
    line
      .map((cell, column) => {
        const number = column >= 2 && column <= 4;
        const widest = entryAt(widths, column);
        return number ? cell.padStart(widest) : column === 5 ? cell : cell.padEnd(widest);
      })
      .join("  ")
      .trimEnd()
      .slice(0, width),
  );
  return padded.join("\n");
}

function escaped(text: string): string {
  return text.replace(/\|/g, "\\|").replace(/</g, "&lt;");
}

function markdownTable(head: readonly string[], lines: readonly (readonly string[])[]): string[] {
  const row = (line: readonly string[]): string => `| ${line.map(escaped).join(" | ")} |`;
  return [row(head), `|${head.map(() => "---").join("|")}|`, ...lines.map(row)];
}

/** Failed checks that no explanation covers. */
export function unexplained(verdicts: readonly Verdict[], explanations: readonly Explanation[]): string[] {
  return verdicts.flatMap(({ judge, checks }) =>
    checks
      .filter(check => check.outcome === "failed" && explanationOf(judge, check, explanations) === undefined)
      .map(check => `${judge}: ${check.name}: ${check.reason ?? ""}`),
  );
}

/** Renders the sections of `docs/interop.md`: the table, failures with explanations, and skipped checks. */
export function renderSections(verdicts: readonly Verdict[], explanations: readonly Explanation[]): string {
  const rows = verdicts.map(rowOf);
  const numbers = [...rows, totals(rows)].map(row => [
    row.judge,
    row.version,
    String(row.passed),
    String(row.failed),
    String(row.skipped),
  ]);
  const lines = ["## Judges", "", ...markdownTable(["judge", "version", "passed", "failed", "skipped"], numbers), ""];
  const listed = (outcome: Check["outcome"]): (readonly [Verdict, Check])[] =>
    verdicts.flatMap(verdict =>
      verdict.checks.filter(check => check.outcome === outcome).map(check => [verdict, check] as const),
    );
  const failed = listed("failed").map(([{ judge }, check]) => {
    const found = explanationOf(judge, check, explanations);
    const why = found === undefined ? "not explained" : `${found.kind === "later" ? "later" : "judge"}: ${found.why}`;
    return [judge, check.name, check.reason ?? "", why];
  });
  lines.push("## Failed", "");
  if (failed.length === 0) lines.push("Nothing.", "");
  else lines.push(...markdownTable(["judge", "check", "what it said", "why"], failed), "");
  const skipped = listed("skipped").map(([{ judge }, check]) => [judge, check.name, check.reason ?? ""]);
  if (skipped.length > 0) lines.push("## Skipped", "", ...markdownTable(["judge", "check", "why"], skipped), "");
  return lines.join("\n");
}
