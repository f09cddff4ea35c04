/** Runs Kafka's command-line tools and compares their output with the tables of checks. */
import { entryAt } from "@samsa/base";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import kafkajs from "kafkajs";
import type { BrokerProcess } from "../processes/broker.ts";
import { Child } from "../processes/child.ts";
import { KafkajsJudge } from "../judges/kafkajs-judge.ts";
import { type Java, TOOLS_VERSION } from "../processes/runtimes.ts";
import { type Check, oneLine, type Verdict } from "./scoreboard.ts";
import type { Tool, ToolCheck } from "../tools/tool-check.ts";

const DEADLINE_MS = 45_000;
const RECORDS = 30;
const POLL_MS = 50;

/** Values of the placeholders in a check. */
export interface Places {
  readonly server: string;
  /** Addresses of the controllers of a cluster. */
  readonly controllers?: string;
  readonly directory: string;
  readonly node: string;
  readonly file: string;
  /** Snapshot of the metadata. */
  readonly snapshot?: string;
}

function placed(text: string, places: Places): string {
  return text.replace(
    /\{(server|controllers|directory|node|file|snapshot)\}/g,
    (whole, name: keyof Places) => places[name] ?? whole,
  );
}

function pattern(shown: RegExp, places: Places): RegExp {
  return new RegExp(placed(shown.source, places), shown.flags);
}

/** Creates the topics, records and group that every tool finds. */
async function prepare(server: string): Promise<void> {
  const judge = new KafkajsJudge(server);
  await judge.createTopic("tools", 3);
  await judge.createTopic("console", 1);
  const drafts = Array.from({ length: RECORDS }, (_, index) => ({
    partition: index % 3,
    key: `k${index}`,
    value: `value ${index}`,
    headers: {},
  }));
  // Send each record of a partition in its own batch, so that the last record has the largest timestamp.
  for (let at = 0; at < RECORDS; at += 3) await judge.produce("tools", "none", drafts.slice(at, at + 3));
  await judge.consume("tools", "tools-group", RECORDS);
}

async function nodeOf(server: string): Promise<string> {
  const admin = new kafkajs.Kafka({ brokers: [server], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return String(entryAt((await admin.describeCluster()).brokers, 0).nodeId);
  } finally {
    await admin.disconnect();
  }
}

/** Describes how the output of a tool fails its check; "" if it passes. */
function fault(check: ToolCheck, places: Places, said: { text: string; end: number | NodeJS.Signals }): string {
  const lacks = check.shows.find(shown => !pattern(shown, places).test(said.text));
  const tooMuch = check.hides?.find(hidden => pattern(hidden, places).test(said.text));
  const ended = check.endless === true || (said.end !== 0) === (check.fails === true);
  if (ended && lacks === undefined && tooMuch === undefined) return "";
  // The exception is more specific than the message that a tool prints before it.
  const named = [/\w+Exception: [^\n]*/, /(?:error|failed|not support|unable|unsupported)[^\n]*/i];
  const reason = named.flatMap(words => words.exec(said.text)?.[0] ?? [])[0];
  const why = !ended
    ? `ended with ${said.end}`
    : lacks !== undefined
      ? `does not show ${lacks.source}`
      : `shows ${tooMuch?.source}`;
  return `${why}: ${reason ?? said.text.slice(-200)}`;
}

/** Runs a check of a tool, again if it may take several tries. */
export async function runCheck(java: Java, tool: Tool, check: ToolCheck, places: Places): Promise<Check> {
  for (let left = (check.tries ?? 1) - 1; ; left--) {
    const found = await runOnce(java, tool, check, places);
    if (found.outcome === "passed" || left <= 0) return found;
  }
}

async function runOnce(java: Java, tool: Tool, check: ToolCheck, places: Places): Promise<Check> {
  if (check.file !== undefined) writeFileSync(places.file, placed(check.file, places));
  const common = check.main === undefined ? tool.common : [];
  const args = [...common, ...check.args.filter(arg => arg !== "")].map(arg => placed(arg, places));
  const program = java(check.main ?? tool.main, ...args);
  const child = new Child(program.command, [...(check.jvm ?? []), ...program.args], { input: check.input ?? "" });
  let ended = false;
  const exited = child.exited.finally(() => {
    ended = true;
  });
  const text = (): string => `${child.lines.join("\n")}\n${child.stderr}`;
  const deadline = performance.now() + DEADLINE_MS;
  const done = (): boolean => check.endless === true && check.shows.every(shown => pattern(shown, places).test(text()));
  while (!ended && !done() && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, POLL_MS));
  child.kill();
  const end = await exited;
  const reason = fault(check, places, { text: text(), end });
  return reason === ""
    ? { name: check.name, outcome: "passed" }
    : { name: check.name, outcome: "failed", reason: oneLine(reason) };
}

/** Runs all checks of a tool, in order, on a broker of its own. */
export async function runTool(java: Java, tool: Tool, broker: BrokerProcess): Promise<Verdict> {
  const home = mkdtempSync(join(tmpdir(), "interop-tool-"));
  try {
    await prepare(broker.server);
    const node = await nodeOf(broker.server);
    const { server, directory } = broker;
    if (tool.stopped === true) await broker.stop();
    const checks: Check[] = [];
    for (const check of tool.checks) {
      checks.push(await runCheck(java, tool, check, { server, directory, node, file: join(home, "file") }));
    }
    return { judge: tool.name, version: TOOLS_VERSION, checks };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
