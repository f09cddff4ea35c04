import type { ScriptCase } from "./script-case.ts";
import type { Ended } from "./script-runner.ts";

/** Words of the two sides in the names of what they make. */
export const SIDES = { theirs: "KAFK", ours: "SAMS" } as const;

/** End of a run, as far as scripts look at it. */
export interface Run {
  readonly code: number | NodeJS.Signals;
  readonly out: string;
  /** Messages on standard error, without traces of the stack and lines of the log. */
  readonly messages: string;
  /** Names in a list of options; empty without such a list. */
  readonly options: readonly string[];
}

/** Lines of the log of either side, and of the JVM. */
const LOG = /^(?:\d\d:\d\d:\d\d\.\d{3} |SLF4J|(?:WARN|ERROR|INFO) |WARNING: |OpenJDK )/;
/** Lines of a trace of the stack. */
const TRACE =
  /^(?:\s+at |\s*Suppressed: |Caused by: |\s+\.\.\. \d+ (?:more|common frames)|(?:java|org|com|joptsimple)\.[\w.$]*(?:Exception|Error)(?::|$)|\[CIRCULAR)/;

/** Head of a list of options. */
const LIST = /^Option\b.*Description\s*$/;

/** Message after the way to call a tool, which argparse4j wraps and justifies. */
function mistakeOf(lines: readonly string[]): string {
  const first = lines.findIndex(line => /^\S.*: +error: /.test(line));
  if (first < 0) return "";
  const [text = ""] = lines.slice(first).join("\n").split("\n\n");
  return text.replace(/\s+/g, " ").replaceAll("-- ", "--");
}

/** Looks at the end of a run. */
export function runOf({ code, out, err }: Ended): Run {
  const lines = err.split("\n");
  const list = lines.findIndex(line => LIST.test(line));
  const usage = lines.findIndex(line => line.startsWith("usage: "));
  // The way to call a tool, lists of options, and guesses at what was meant are in words of its own.
  const told =
    list >= 0 ? lines.slice(0, list) : usage >= 0 ? [...lines.slice(0, usage), mistakeOf(lines.slice(usage))] : lines;
  const messages = told
    .filter(line => line.trim() !== "" && !LOG.test(line) && !TRACE.test(line))
    .join("\n")
    .trim();
  const names = list < 0 ? [] : lines.slice(list).flatMap(line => /^(?:\* )?(--?[a-z][\w.-]*)/.exec(line)?.[1] ?? []);
  return { code, out: out.replace(/\n$/, ""), messages, options: [...new Set(names)].sort() };
}

/** Text without what may differ between two runs: names of their own, ids of topics, times. */
function settled(text: string, { varies, isUnordered }: ScriptCase): string {
  const plain = text
    .replaceAll(SIDES.theirs, "{who}")
    .replaceAll(SIDES.ours, "{who}")
    .replace(/TopicId: \S{22}/g, "TopicId: …")
    .replace(varies ?? /(?!)/, "…");
  return isUnordered === true ? plain.split("\n").toSorted().join("\n") : plain;
}

/** Describes how a run of ours differs from that of Kafka's script; "" if it does not. */
export function difference(one: ScriptCase, theirs: Run, ours: Run): string {
  if (theirs.code !== ours.code) {
    return `ends with ${String(ours.code)}, Kafka's with ${String(theirs.code)}: ${ours.messages || ours.out.slice(-200)}`;
  }
  for (const part of ["out", "messages"] as const) {
    const [wanted, got] = [settled(theirs[part], one), settled(ours[part], one)];
    if (one.isVague === true ? (wanted === "") === (got === "") : wanted === got) continue;
    const [lines, others] = [wanted.split("\n"), got.split("\n")];
    const at = lines.findIndex((line, i) => line !== others[i]);
    const where = at < 0 ? lines.length : at;
    return `${part}, line ${where + 1}: ${JSON.stringify(others[where] ?? null)} is ${JSON.stringify(lines[where] ?? null)} in Kafka`;
  }
  const missing = theirs.options.filter(name => !ours.options.includes(name));
  const strange = ours.options.filter(name => !theirs.options.includes(name));
  if (missing.length > 0) return `lacks options: ${missing.join(" ")}`;
  return strange.length > 0 ? `has options that Kafka's has not: ${strange.join(" ")}` : "";
}
