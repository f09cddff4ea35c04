import { readdirSync } from "node:fs";
import { topic } from "./contenders.ts";
import { type Java, runJava, runJavaToAnyEnd } from "./java.ts";
import type { BrokerProcess } from "./process.ts";
import { sleep } from "./system/sleep.ts";

/** Broker and environment of a load. */
export interface Stage {
  readonly java: Java;
  readonly bundle: string;
  readonly broker: BrokerProcess;
  /** The broker's log directory. */
  readonly data: string;
  /** Sends fewer records. */
  readonly quick: boolean;
}

/** Folder of a load that starts its brokers itself. */
export interface Place {
  readonly bundle: string;
  readonly folder: string;
  /** Sends fewer records. */
  readonly quick: boolean;
}

/** Figures by row key; figures that could not be measured are absent. */
export type Figures = Map<string, number>;

export const TOOLS = "org.apache.kafka.tools";
const DELETE_LIMIT_MS = 30_000;

/** Runs `work` and measures the CPU seconds of the broker; NaN outside Linux. */
export async function costing<T>(broker: BrokerProcess, work: () => Promise<T>): Promise<{ result: T; cpu: number }> {
  const before = broker.cpuSeconds() ?? Number.NaN;
  const result = await work();
  return { result, cpu: (broker.cpuSeconds() ?? Number.NaN) - before };
}

/** Load of ProducerPerformance; `settings` of its producer replace those before them. */
export interface Production {
  readonly name: string;
  readonly records: number;
  readonly size: number;
  readonly partitions: number;
  readonly settings: readonly string[];
  /** File with further settings. */
  readonly file?: string;
}

async function produceTo(stage: Stage, name: string, load: Production): Promise<number> {
  const printed = await runJava(stage.java, `${TOOLS}.ProducerPerformance`, [
    ...["--topic", name, "--num-records", String(load.records), "--record-size", String(load.size)],
    ...["--throughput", "-1", "--producer-props", `bootstrap.servers=${stage.broker.bootstrap}`, "acks=all"],
    ...load.settings,
    ...(load.file === undefined ? [] : ["--command-config", load.file]),
  ]);
  const rates = [...printed.matchAll(/records sent, ([\d.]+) records\/sec/g)];
  return numberIn(rates.at(-1)?.[1], printed);
}

/**
 * Runs the load once, without measuring, into a topic that is deleted again. The measured run then uses memory pages
 * that the system has handed out before, and compiled code.
 */
async function warm(stage: Stage, load: Production): Promise<void> {
  const name = `warm-${load.name}`;
  await topic(stage.bundle, stage.broker, ["create", name, "-p", String(load.partitions)]);
  await produceTo(stage, name, load);
  await topic(stage.bundle, stage.broker, ["delete", name]);
  for (let waited = 0; waited < DELETE_LIMIT_MS; waited += 100) {
    if (!readdirSync(stage.data).some(entry => entry.startsWith(name))) return;
    await sleep(100);
  }
  console.error(`${name} is still on the disk; the figures of ${load.name} are on colder files.`);
}

/** Creates the topic and produces into it, after a warm-up; `cpu` is the broker's, in seconds. */
export async function produce(stage: Stage, load: Production): Promise<{ rate: number; cpu: number }> {
  await warm(stage, load);
  await topic(stage.bundle, stage.broker, ["create", load.name, "-p", String(load.partitions)]);
  const { result, cpu } = await costing(stage.broker, () => produceTo(stage, load.name, load));
  return { rate: result, cpu };
}

/** Parses a figure. Throws with the program's output if there is none, since the program failed or has changed. */
export function numberIn(text: string | undefined, printed: string): number {
  const value = Number(text);
  if (text === undefined || text === "" || Number.isNaN(value)) {
    throw new Error(`no figure in what the program printed:\n${printed.slice(-2000)}`);
  }
  return value;
}

const BATCHES = ["batch.size=64000", "linger.ms=5"];

/** Load of 100-byte records, in 6 partitions. */
const small = (quick: boolean): Production => ({
  ...{ name: "small", records: quick ? 500_000 : 3_000_000, size: 100, partitions: 6 },
  settings: BATCHES,
});

async function smallRecords(stage: Stage): Promise<Figures> {
  const { rate, cpu } = await produce(stage, small(stage.quick));
  return new Map([
    ["produce-100.rate", rate],
    ["produce-100.cpu", cpu],
  ]);
}

async function largeRecords(stage: Stage): Promise<Figures> {
  const load = { name: "large", records: stage.quick ? 150_000 : 1_000_000, size: 1000, partitions: 6 };
  const { rate, cpu } = await produce(stage, { ...load, settings: BATCHES });
  return new Map([
    ["produce-1000.rate", rate],
    ["produce-1000.cpu", cpu],
    ["produce-1000.cpu-gb", cpu / ((load.records * load.size) / 1e9)],
  ]);
}

/** Produces to one partition, so that a request carries one record: it would carry a batch of each partition. */
async function singleRecords(stage: Stage): Promise<Figures> {
  const load = { name: "single", records: stage.quick ? 20_000 : 100_000, size: 100, partitions: 1 };
  const { rate, cpu } = await produce(stage, { ...load, settings: ["batch.size=1", "linger.ms=0"] });
  return new Map([
    ["single.rate", rate],
    ["single.cpu", (cpu / load.records) * 1e6],
  ]);
}

/** Reads all records of a load, from `server`, with the consumer's settings in the file `settings`. */
export async function consumption(
  stage: Stage,
  load: Pick<Production, "name" | "records">,
  { server = stage.broker.bootstrap, settings }: { server?: string; settings?: string } = {},
): Promise<{ rate: number; cpuPerGb: number }> {
  const { result, cpu } = await costing(stage.broker, () =>
    runJava(stage.java, `${TOOLS}.ConsumerPerformance`, [
      ...["--topic", load.name, "--num-records", String(load.records), "--bootstrap-server", server],
      ...(settings === undefined ? [] : ["--command-config", settings]),
    ]),
  );
  const lines = result.trim().split("\n");
  // Columns: data consumed in MB is column 2; the last four are rebalance time, fetch time, MB/s and records/s.
  const row = (lines.findLast(line => /^\d{4}-\d\d-\d\d /.test(line)) ?? "").split(", ");
  const gigabytes = (numberIn(row[2], result) * 1024 * 1024) / 1e9;
  return { rate: numberIn(row[9], result), cpuPerGb: cpu / gigabytes };
}

/** Reads the records of `smallRecords` twice, and measures the second time. */
async function consume(stage: Stage): Promise<Figures> {
  const load = small(stage.quick);
  await consumption(stage, load);
  const { rate, cpuPerGb } = await consumption(stage, load);
  return new Map([
    ["consume.rate", rate],
    ["consume.cpu-gb", cpuPerGb],
  ]);
}

async function latency(stage: Stage): Promise<Figures> {
  await topic(stage.bundle, stage.broker, ["create", "latency", "-p", "1"]);
  const ask = (count: number): Promise<string> =>
    // After its output the tool fails on a class that newer clients no longer have, so ignore the exit code.
    runJavaToAnyEnd(stage.java, `${TOOLS}.EndToEndLatency`, [
      ...["--bootstrap-server", stage.broker.bootstrap, "--topic", "latency", "--producer-acks", "all"],
      ...["--num-records", String(count), "--record-size", "100"],
    ]);
  await ask(1000);
  const printed = await ask(stage.quick ? 2000 : 10_000);
  const found = (pattern: RegExp): number => numberIn(pattern.exec(printed)?.[1], printed);
  return new Map([
    ["latency.mean", found(/Avg latency: ([\d.]+)/)],
    ["latency.p99", found(/ 99th = ([\d.]+)/)],
    ["latency.p99.9", found(/ 99\.9th = ([\d.]+)/)],
  ]);
}

/** Loads by name, in running order. */
export const LOADS: Readonly<Record<string, (stage: Stage) => Promise<Figures>>> = {
  "produce-100": smallRecords,
  "produce-1000": largeRecords,
  single: singleRecords,
  consume,
  latency,
};
