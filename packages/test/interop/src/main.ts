/** Runs all outside judges available on this machine against the broker and prints the score (`npm run interop`). */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { announced, type Announced, notAnnounced, RECORD, recorded, type Span, told } from "./scoreboard/api-list.ts";
import { AGAINST_KAFKA, startBroker } from "./processes/broker-process.ts";
import { EXPLANATIONS } from "./scoreboard/explanations.ts";
import { KafkaProcess } from "./processes/kafka-process.ts";
import { KAFKA_VERSION, ROOT } from "./processes/runtimes.ts";
import {
  type Explanation,
  renderSections,
  renderTable,
  rowOf,
  runTrial,
  unexplained,
  type Verdict,
} from "./scoreboard/scoreboard.ts";
import { TRIALS } from "./scoreboard/trials.ts";

/** Options of `npm run interop`. */
export interface InteropOptions {
  readonly only?: readonly string[];
  readonly json?: boolean;
  readonly list?: boolean;
  readonly recordApis?: boolean;
}

async function recordApis(): Promise<void> {
  const kafka = await KafkaProcess.start();
  try {
    const { apis, features } = await announced(kafka.server);
    const line = ({ name, first, last }: Span): string =>
      `    { "name": "${name}", "first": ${first}, "last": ${last} }`;
    const list = (all: readonly Span[]): string => `[\n${all.map(line).join(",\n")}\n  ]`;
    mkdirSync(dirname(RECORD), { recursive: true });
    const text = `{\n  "version": "${KAFKA_VERSION}",\n  "apis": ${list(apis)},\n  "features": ${list(features)}\n}\n`;
    writeFileSync(RECORD, text);
  } finally {
    await kafka.dispose();
  }
}

async function apisOfBroker(): Promise<Announced> {
  const broker = await startBroker();
  try {
    return await announced(broker.server);
  } finally {
    await broker.dispose();
  }
}

function apiSection(found: Announced): string[] {
  const kafka = recorded();
  const missing = notAnnounced(found, kafka);
  const list = (name: string, spans: Announced["apis"]): string =>
    `${name} (${spans.length}): ${spans.length === 0 ? "none" : spans.map(told).join(", ")}.`;
  return [
    "## APIs",
    "",
    list("Announced in ApiVersions", found.apis),
    "",
    list(`Announced by one node of Apache Kafka ${kafka.version} and not here`, missing.apis),
    "",
    list("Features announced", found.features),
    "",
    list("Features of Apache Kafka that are not announced here", missing.features),
    "",
  ];
}

function document(verdicts: readonly Verdict[], found: Announced, explanations: readonly Explanation[]): string {
  return [
    "# Interoperability",
    "",
    "Results of Kafka programs that were written by others, each with a broker of its own: Kafka's command-line tools,",
    "every method of Kafka's Java Producer, Consumer and Admin, and clients in other languages. `npm run interop` runs",
    "those that the machine has, and writes this file. `INTEROP_AGAINST=kafka` runs them against Apache Kafka instead. A",
    "failure is *later* if it needs a feature that is still missing, and the *judge*'s if Apache Kafka fails it, too.",
    "",
    renderSections(verdicts, explanations),
    ...apiSection(found),
  ].join("\n");
}

async function judged(only: readonly string[]): Promise<Verdict[]> {
  const trials = TRIALS.filter(({ name }) => only.length === 0 || only.some(part => name.includes(part)));
  if (trials.length === 0) throw new Error(`no judge is called ${only.join(" or ")}; --list names them`);
  const verdicts: Verdict[] = [];
  for (const trial of trials) {
    const began = performance.now();
    const verdict = await runTrial(trial);
    verdicts.push(verdict);
    const { passed, failed, skipped } = rowOf(verdict);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.error(`${trial.name}: ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds} s)`);
  }
  return verdicts;
}

/** Runs the judges and returns the exit code: 1 if a check failed that no explanation covers. */
export async function interop({ only = [], json, list, recordApis: record }: InteropOptions): Promise<number> {
  if (list === true) {
    console.log(TRIALS.map(({ name }) => name).join("\n"));
    return 0;
  }
  if (record === true) {
    await recordApis();
    return 0;
  }
  const verdicts = await judged(only);
  // Apache Kafka has all features, so explanations of the kind "later" do not apply to it.
  const open = unexplained(verdicts, AGAINST_KAFKA ? EXPLANATIONS.filter(one => one.kind === "judge") : EXPLANATIONS);
  const found = await apisOfBroker();
  if (json === true) console.log(JSON.stringify({ verdicts, unexplained: open, announced: found }, undefined, 2));
  else console.log([renderTable(verdicts), "", ...apiSection(found)].join("\n"));
  if (open.length > 0) console.error(`${open.length} failures without an explanation:\n${open.join("\n")}`);
  if (!AGAINST_KAFKA && only.length === 0) {
    writeFileSync(join(ROOT, "docs/interop.md"), document(verdicts, found, EXPLANATIONS));
  }
  return open.length > 0 ? 1 : 0;
}
