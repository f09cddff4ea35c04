import { Child } from "../processes/child.ts";
import { type Check, oneLine, type Verdict } from "./scoreboard.ts";
import type { Program } from "../processes/runtimes.ts";

/** Output line of a walk: the client's version, or a check with its result. */
interface Line {
  readonly version?: string;
  readonly check?: string;
  readonly ok?: boolean;
  readonly reason?: string;
  readonly skipped?: string;
  /** Lines that tell what the check has seen. */
  readonly seen?: readonly string[];
}

/** Options of `runWalk`. */
export interface WalkOptions {
  /** Longest time of the walk; 180 s by default. */
  readonly deadlineMs?: number;
  /** Called with the lines that a check has seen. */
  readonly onSeen?: (check: string, lines: readonly string[]) => void;
}

function checkOf(line: Line): Check[] {
  if (line.check === undefined) return [];
  if (line.skipped !== undefined) return [{ name: line.check, outcome: "skipped", reason: oneLine(line.skipped) }];
  if (line.ok === true) return [{ name: line.check, outcome: "passed" }];
  return [{ name: line.check, outcome: "failed", reason: oneLine(line.reason ?? "it did not say why") }];
}

/** Last lines of standard error that name an error, else its last 300 characters. */
function lastWords(stderr: string): string {
  const named = stderr.split("\n").filter(line => /(?:error|exception|panic)\b/i.test(line));
  return named.length > 0 ? named.slice(-2).join(" ") : stderr.slice(-300);
}

/**
 * Runs a walk: a program of ours around a client, which runs checks in order and prints a JSON line for each:
 * `{"version"}` once, then `{"check", "ok", "reason", "seen"}` or `{"check", "skipped"}`, and exits with 0. Another exit code,
 * or no exit within `deadlineMs`, counts as one more failed check.
 */
export async function runWalk(
  judge: string,
  program: Program,
  { deadlineMs = 180_000, onSeen }: WalkOptions = {},
): Promise<Verdict> {
  let version = "";
  const checks: Check[] = [];
  const onLine = (text: string): void => {
    if (!text.startsWith("{")) return;
    const line = JSON.parse(text) as Line;
    version = line.version ?? version;
    if (line.check !== undefined && line.seen !== undefined) onSeen?.(line.check, line.seen);
    checks.push(...checkOf(line));
  };
  const child = new Child(program.command, program.args, { onLine, input: "" });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill();
  }, deadlineMs);
  const end = await child.exited;
  clearTimeout(timer);
  if (end !== 0) {
    const why = late ? `stopped after ${deadlineMs / 1000} s` : `ended with ${end}: ${lastWords(child.stderr)}`;
    checks.push({ name: "(the whole walk)", outcome: "failed", reason: oneLine(why) });
  }
  return { judge, version, checks };
}
