import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Contender, topic } from "./contenders.ts";
import type { Java } from "./java.ts";
import { type Figures, LOADS } from "./loads.ts";
import { type BrokerProcess, freePort } from "./process.ts";
import { sleep } from "./system/sleep.ts";
import { LOAD_SETTINGS } from "./request-loads.ts";
import { RESTARTING, WIDE } from "./wide.ts";
import { median } from "./system/quantile.ts";

/** Options of `measure`. */
export interface MeasureOptions {
  readonly bundle: string;
  /** Kafka's jars; undefined to skip the loads. */
  readonly java: Java | undefined;
  /** Empty folder for the contender's files. */
  readonly folder: string;
  readonly quick: boolean;
  /** Names of the only measurements; undefined for all. */
  readonly only: readonly string[] | undefined;
  /** Includes the loads of `wide.ts`. */
  readonly wide: boolean;
  /** Folder for CPU profiles of the loads. */
  readonly profile: string | undefined;
}

/** Values of `--only`. */
export const NAMES: readonly string[] = [
  ...["start", ...Object.keys(LOADS), "partitions"],
  ...Object.keys(WIDE),
  ...Object.keys(RESTARTING),
];

const MANY = 1000;
const STARTS = 5;
const IDLE_MS = 3000;

async function starts(contender: Contender, options: MeasureOptions): Promise<Figures> {
  const folder = join(options.folder, "starts");
  await contender.prepare(folder);
  const times: number[] = [];
  // Do not count the first start, in which Kafka elects a leader and writes its first records.
  for (let i = 0; i <= STARTS; i++) {
    const broker = await contender.start(folder);
    if (i > 0) times.push(broker.startMs);
    await broker.stop();
  }
  return new Map([["start.ms", median(times)]]);
}

async function partitions(contender: Contender, options: MeasureOptions): Promise<Figures> {
  const folder = join(options.folder, "partitions");
  await contender.prepare(folder);
  let broker = await contender.start(folder);
  const times = { clean: [] as number[], killed: [] as number[] };
  const rounds = options.quick ? 1 : 3;
  try {
    await topic(options.bundle, broker, ["create", "many", "-p", String(MANY)]);
    for (let round = 0; round < rounds; round++) {
      await broker.stop();
      broker = await contender.start(folder);
      times.clean.push(broker.startMs);
      await sleep(2000);
      await broker.kill();
      broker = await contender.start(folder);
      times.killed.push(broker.startMs);
      await sleep(2000);
    }
  } finally {
    await broker.stop();
  }
  return new Map([
    ["partitions.clean", median(times.clean)],
    ["partitions.killed", median(times.killed)],
  ]);
}

/** Longest turn of the event loop since the last call, in ms; undefined if the broker does not report it. */
async function longestTurn(httpPort: number): Promise<number | undefined> {
  const text = await fetch(`http://127.0.0.1:${httpPort}/metrics`).then(
    response => response.text(),
    () => "",
  );
  const found = /^samsa_event_loop_longest_turn_seconds (\S+)$/m.exec(text);
  return found === null ? undefined : Number(found[1]) * 1000;
}

function set(figures: Figures, key: string, value: number | undefined): void {
  if (value !== undefined) figures.set(key, value);
}

async function loads(contender: Contender, java: Java, options: MeasureOptions): Promise<Figures> {
  const { bundle, quick, only, profile } = options;
  const folder = join(options.folder, "loads");
  await contender.prepare(folder);
  const httpPort = await freePort();
  const broker: BrokerProcess = await contender.start(folder, { httpPort, profile });
  const figures: Figures = new Map();
  try {
    await sleep(IDLE_MS);
    set(figures, "memory.idle", broker.residentMiB());
    await longestTurn(httpPort);
    const stage = { java, bundle, broker, quick, data: join(folder, "data") };
    for (const [name, load] of Object.entries(LOADS)) {
      // Consuming needs the records of produce-100.
      const wanted = selected(only, name) || (name === "produce-100" && selected(only, "consume"));
      if (!wanted) continue;
      console.error(`${contender.name}: ${name}`);
      for (const [key, value] of await load(stage)) figures.set(key, value);
    }
    set(figures, "turn.longest", await longestTurn(httpPort));
    set(figures, "memory.loaded", broker.residentMiB());
  } finally {
    await broker.stop();
  }
  return figures;
}

async function wide(contender: Contender, java: Java, options: MeasureOptions): Promise<Figures> {
  const { bundle, quick, only, profile } = options;
  const figures: Figures = new Map();
  for (const [name, load] of Object.entries(WIDE)) {
    if (!selected(only, name)) continue;
    // Use a new broker for each load, because each leaves much data behind.
    const folder = join(options.folder, name);
    await contender.prepare(folder);
    const broker = await contender.start(folder, { profile, settings: LOAD_SETTINGS[name] ?? [] });
    console.error(`${contender.name}: ${name}`);
    try {
      const stage = { java, bundle, broker, quick, data: join(folder, "data") };
      for (const [key, value] of await load(stage, folder)) figures.set(key, value);
    } finally {
      await broker.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return figures;
}

/** Measures the idle memory, for runs without Java clients. */
async function idle(contender: Contender, options: MeasureOptions): Promise<Figures> {
  const folder = join(options.folder, "idle");
  await contender.prepare(folder);
  const broker = await contender.start(folder);
  await sleep(IDLE_MS);
  const figures: Figures = new Map();
  set(figures, "memory.idle", broker.residentMiB());
  await broker.stop();
  return figures;
}

function selected(only: readonly string[] | undefined, name: string): boolean {
  return only === undefined || only.includes(name);
}

/** Runs the selected measurements of one contender. */
export async function measure(contender: Contender, options: MeasureOptions): Promise<Figures> {
  const { only, java, profile } = options;
  mkdirSync(options.folder, { recursive: true });
  const figures: Figures = new Map();
  const add = async (title: string, part: Promise<Figures>): Promise<void> => {
    console.error(`${contender.name}: ${title}`);
    for (const [key, value] of await part) figures.set(key, value);
  };
  try {
    const restarts = (name: string): boolean => profile === undefined && selected(only, name);
    if (restarts("start")) await add("start", starts(contender, options));
    if (java === undefined) await add("idle", idle(contender, options));
    else if (Object.keys(LOADS).some(name => selected(only, name))) await add("loads", loads(contender, java, options));
    const wider = options.wide || only !== undefined;
    if (java !== undefined && wider) await add("wide", wide(contender, java, options));
    for (const [name, load] of Object.entries(RESTARTING)) {
      if (java === undefined || !wider || !restarts(name)) continue;
      const folder = join(options.folder, name);
      await add(name, load(contender, java, { ...options, folder }));
      rmSync(folder, { recursive: true, force: true });
    }
    if (restarts("partitions")) await add("partitions", partitions(contender, options));
  } finally {
    rmSync(options.folder, { recursive: true, force: true });
  }
  return figures;
}
