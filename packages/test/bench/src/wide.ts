import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Contender, topic } from "./contenders.ts";
import { clients } from "./clients.ts";
import { cluster, clusterMany } from "./cluster.ts";
import { decisionCost, imageBytes } from "./decisions.ts";
import { type Java, runJava, runJavaFile, runJavaToAnyEnd } from "./java.ts";
import { costing, type Figures, numberIn, type Place, type Stage, TOOLS } from "./loads.ts";
import { loading } from "./loading.ts";
import type { BrokerProcess } from "./process.ts";
import { acls, tls } from "./secured.ts";
import { sleep } from "./system/sleep.ts";
import { REQUEST_LOADS } from "./request-loads.ts";

/** Loads of `--wide`: compression, many readers, a backlog, a mixture, a start after a kill, 10,000 partitions, requests of many clients. */

const RECORD_BYTES = 1000;
const CODECS = ["gzip", "snappy", "lz4", "zstd"] as const;

interface Job {
  readonly name: string;
  readonly records: number;
  readonly throughput?: number;
  readonly settings?: readonly string[];
  /** File with one record per line; without it, records have random content. */
  readonly payload?: string;
}

/** Produces records. Returns records per second, and the 99th percentile of the acknowledgement latency in ms. */
async function produce(stage: Stage, job: Job): Promise<{ rate: number; p99: number }> {
  const payload = job.payload === undefined ? ["--record-size", String(RECORD_BYTES)] : ["--payload-file", job.payload];
  const printed = await runJava(stage.java, `${TOOLS}.ProducerPerformance`, [
    ...["--topic", job.name, "--num-records", String(job.records), ...payload],
    ...["--throughput", String(job.throughput ?? -1), "--producer-props"],
    ...[`bootstrap.servers=${stage.broker.bootstrap}`, "acks=all", "batch.size=64000", "linger.ms=5"],
    ...(job.settings ?? []),
  ]);
  const last = printed.trim().split("\n").at(-1) ?? "";
  return {
    rate: numberIn(/records sent, ([\d.]+) records\/sec/.exec(last)?.[1], printed),
    p99: numberIn(/ ([\d.]+) ms 99th/.exec(last)?.[1], printed),
  };
}

function consume(stage: Stage, name: string, records: number): Promise<string> {
  return runJava(stage.java, `${TOOLS}.ConsumerPerformance`, [
    ...["--topic", name, "--num-records", String(records), "--bootstrap-server", stage.broker.bootstrap],
    ...["--timeout", "60000"],
  ]);
}

function megabytesPerSecond(printed: string): number {
  const rows = printed.trim().split("\n");
  // The last columns are rebalance time, fetch time, fetch MB/s and fetch records/s.
  const row = (rows.findLast(line => /^\d{4}-\d\d-\d\d /.test(line)) ?? "").split(", ");
  return numberIn(row[8], printed);
}

/** Writes a file of repetitive log lines and returns its path. */
function logLines(folder: string): string {
  const file = join(folder, "lines.txt");
  const words = ["GET", "/api/v1/orders", "200", "user", "session", "latency", "cache", "miss", "eu-west", "trace"];
  const lines = Array.from({ length: 2000 }, (_, i) => {
    let line = `{"time":${1_700_000_000_000 + i * 37},"id":"${((i * 2654435761) >>> 0).toString(16)}"`;
    for (let k = 0; line.length < RECORD_BYTES - 30; k++)
      line += `,"${words[(i * 7 + k * 3) % 10]}${k}":${(i * 31 + k * 17) % 997}`;
    return `${line}}`;
  });
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

async function compressed(stage: Stage, folder: string): Promise<Figures> {
  const payload = logLines(folder);
  const records = stage.quick ? 100_000 : 500_000;
  const figures: Figures = new Map();
  for (const codec of CODECS) {
    const settings = [`compression.type=${codec}`];
    const name = `codec-${codec}`;
    await topic(stage.bundle, stage.broker, ["create", name, "-p", "6"]);
    await produce(stage, { name, records: records / 5, payload, settings });
    const { result, cpu } = await costing(stage.broker, () => produce(stage, { name, records, payload, settings }));
    figures.set(`codec-${codec}.rate`, result.rate);
    figures.set(`codec-${codec}.cpu-gb`, cpu / ((records * RECORD_BYTES) / 1e9));
  }
  return figures;
}

const READERS = 8;

async function fanOut(stage: Stage): Promise<Figures> {
  const records = stage.quick ? 100_000 : 500_000;
  await topic(stage.bundle, stage.broker, ["create", "fan", "-p", "6"]);
  await produce(stage, { name: "fan", records });
  const read = (): Promise<string> =>
    runJavaFile(stage.java, "FanOut.java", [stage.broker.bootstrap, "fan", String(records), String(READERS)]);
  await read();
  const { result, cpu } = await costing(stage.broker, read);
  const [, seconds, bytes] = /([\d.]+) seconds, (\d+) bytes/.exec(result) ?? [];
  const gigabytes = numberIn(bytes, result) / 1e9;
  return new Map([
    ["fan-out.rate", (gigabytes * 1000) / numberIn(seconds, result)],
    ["fan-out.cpu-gb", cpu / gigabytes],
  ]);
}

/** Measures a consumer that reads a backlog while a producer continues. */
async function backlog(stage: Stage): Promise<Figures> {
  const records = stage.quick ? 400_000 : 4_000_000;
  await topic(stage.bundle, stage.broker, ["create", "backlog", "-p", "6"]);
  await produce(stage, { name: "backlog", records });
  const throughput = 10_000;
  const [reading, writing] = await Promise.all([
    consume(stage, "backlog", records),
    produce(stage, { name: "backlog", records: throughput * (stage.quick ? 8 : 30), throughput }),
  ]);
  return new Map([
    ["backlog.rate", megabytesPerSecond(reading)],
    ["backlog.p99", writing.p99],
  ]);
}

/** Measures the end-to-end latency of single records next to a busy producer and consumer. */
async function mixture(stage: Stage): Promise<Figures> {
  await topic(stage.bundle, stage.broker, ["create", "beside", "-p", "6"]);
  await topic(stage.bundle, stage.broker, ["create", "mixed", "-p", "1"]);
  const throughput = 10_000;
  const records = throughput * (stage.quick ? 10 : 40);
  const beside = [produce(stage, { name: "beside", records, throughput }), consume(stage, "beside", records)];
  await sleep(2000);
  const printed = await runJavaToAnyEnd(stage.java, `${TOOLS}.EndToEndLatency`, [
    ...["--bootstrap-server", stage.broker.bootstrap, "--topic", "mixed", "--producer-acks", "all"],
    ...["--num-records", stage.quick ? "1000" : "5000", "--record-size", "100"],
  ]);
  await Promise.all(beside);
  const found = (pattern: RegExp): number => numberIn(pattern.exec(printed)?.[1], printed);
  return new Map([
    ["mixed.p99", found(/ 99th = ([\d.]+)/)],
    ["mixed.p99.9", found(/ 99\.9th = ([\d.]+)/)],
  ]);
}

const MANY = 10_000;
const PART = 1000;

/** Measures a start after many writes and a kill, with segments of 100 MiB. */
async function killed(contender: Contender, java: Java, { bundle, folder, quick }: Place): Promise<Figures> {
  await contender.prepare(folder);
  let broker: BrokerProcess = await contender.start(folder);
  try {
    await topic(bundle, broker, ["create", "written", "-p", "1", "-c", "segment.bytes=104857600"]);
    const stage = { java, bundle, broker, quick, data: join(folder, "data") };
    await produce(stage, { name: "written", records: quick ? 400_000 : 4_000_000 });
    await broker.kill();
    broker = await contender.start(folder);
    return new Map([["killed.start", broker.startMs]]);
  } finally {
    await broker.stop();
  }
}

/** Measures memory, produce rate and starts with 10,000 partitions. */
async function tenThousand(contender: Contender, java: Java, { bundle, folder, quick }: Place): Promise<Figures> {
  await contender.prepare(folder);
  let broker: BrokerProcess = await contender.start(folder);
  const figures: Figures = new Map();
  const decisions = quick ? 500 : 3000;
  try {
    figures.set("ten-thousand.decision-few", await decisionCost(broker, decisions));
    for (let i = 0; i < MANY / PART; i++) await topic(bundle, broker, ["create", `many-${i}`, "-p", String(PART)]);
    await sleep(3000);
    const memory = broker.residentMiB();
    if (memory !== undefined) figures.set("ten-thousand.memory", memory);
    figures.set("ten-thousand.decision-many", await decisionCost(broker, decisions));
    if (contender.name === "Samsa") figures.set("ten-thousand.image", imageBytes(MANY));
    const stage = { java, bundle, broker, quick, data: join(folder, "data") };
    const { result, cpu } = await costing(broker, () =>
      Promise.all([0, 1, 2].map(i => produce(stage, { name: `many-${i}`, records: quick ? 50_000 : 200_000 }))),
    );
    figures.set(
      "ten-thousand.rate",
      result.reduce((sum, { rate }) => sum + rate, 0),
    );
    figures.set("ten-thousand.cpu", cpu);
    await broker.stop();
    broker = await contender.start(folder);
    figures.set("ten-thousand.clean", broker.startMs);
    await sleep(2000);
    await broker.kill();
    broker = await contender.start(folder);
    figures.set("ten-thousand.killed", broker.startMs);
  } finally {
    await broker.stop();
  }
  return figures;
}

/** Loads that stop and start their broker themselves, by name. */
export const RESTARTING: Readonly<
  Record<string, (contender: Contender, java: Java, place: Place) => Promise<Figures>>
> = { tls, acls, killed, loading, "ten-thousand": tenThousand, cluster, "cluster-many": clusterMany };

/** Loads of `--wide` by name, in running order. */
export const WIDE: Readonly<Record<string, (stage: Stage, folder: string) => Promise<Figures>>> = {
  codecs: compressed,
  "fan-out": fanOut,
  backlog,
  mixture,
  clients,
  ...REQUEST_LOADS,
};
