import { randomBytes, randomInt } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import { nearestNumber } from "@samsa/base";
import { Producer } from "@samsa/client-runtime";
import { clusterClient } from "../../../commands/clients/client.ts";
import type { Argument, Arguments } from "../../flags/argparse.ts";
import { type ArgumentError, ToolError } from "../../java/exits.ts";
import { javaText } from "../../java/errors.ts";
import { parseLong } from "../../java/text.ts";
import { argTool } from "../../runner/arg-tool.ts";
import { loadProperties, toolSettings } from "../../runner/client.ts";
import { thrownText } from "../../runner/jopt-tool.ts";
import { Sender } from "../../runner/sender.ts";
import { PerfStats } from "./perf-stats.ts";

const store = (name: string, help: string, more: Partial<Argument> = {}): Argument => ({
  ...{ names: [`--${name}`], action: "store", help },
  ...more,
});
const LINE_FEED = String.raw`\n`;

const ARGUMENTS: readonly Argument[] = [
  store("bootstrap-server", "Brokers, as host:port."),
  store("topic", "Topic to write to.", { isRequired: true }),
  store("num-records", "Number of records.", { isRequired: true, type: "long" }),
  store("record-size", "Size of a record in bytes.", { type: "int", group: "payload" }),
  store("payload-file", "File with payloads, of which one is chosen for each record.", { group: "payload" }),
  store("payload-monotonic", "Number the records.", { action: "true", group: "payload" }),
  store("payload-delimiter", "Text between payloads in the file.", { preset: LINE_FEED }),
  store("throughput", "Most records per second; -1: no limit.", { isRequired: true, type: "double" }),
  store("producer-props", "(DEPRECATED) The same as --command-property.", { action: "many" }),
  store("command-property", "Settings of the producer.", { action: "many" }),
  store("producer.config", "(DEPRECATED) The same as --command-config."),
  store("command-config", "File with settings of the producer."),
  store("print-metrics", "Without effect here.", { action: "true" }),
  store("transactional-id", "Transactional id."),
  store("transaction-duration-ms", "Longest transaction; 3000 by default.", { type: "long" }),
  store("warmup-records", "Records that do not count in the steady state.", { type: "long", preset: "0" }),
  store("reporting-interval", "Time between two lines in ms.", { type: "long", preset: "5000" }),
  store("record-key-range", "Number of keys.", { type: "int" }),
  store("key-distribution", "none, range or random.", { choices: ["none", "range", "random"], preset: "none" }),
];

const PREFIX = "performance-producer-";
const TRANSACTION_MS = 3000;
/** Letters of a payload. */
const A = 65;
const LETTERS = 26;
/** Records after which signals are heard. */
const TURN_RECORDS = 500;

interface Plan {
  readonly topic: string;
  readonly count: number;
  readonly warmup: number;
  readonly rate: number;
  readonly interval: number;
  readonly payload: (index: number) => Uint8Array | string;
  readonly key: (index: number) => string | null;
}

function payloadsIn(file: string, delimiter: string): string[] {
  console.log(`Reading payloads from: ${resolve(file)}`);
  if (!existsSync(file) || statSync(file).size === 0) {
    throw new ToolError("File does not exist or empty file provided.");
  }
  const payloads = readFileSync(file, "utf8").split(delimiter);
  if (payloads.at(-1) === "") payloads.pop();
  console.log(`Number of records read: ${payloads.length}`);
  return payloads;
}

function payloadOf(args: Arguments): Plan["payload"] {
  const file = args.text("payload-file");
  if (file !== undefined) {
    const delimiter = args.text("payload-delimiter") ?? LINE_FEED;
    const payloads = payloadsIn(file, delimiter === LINE_FEED ? "\n" : delimiter);
    return () => payloads[randomInt(payloads.length)] ?? "";
  }
  const size = args.number("record-size");
  if (size === undefined) return String;
  const letters = (): Uint8Array => randomBytes(size).map(byte => A + (byte % LETTERS));
  return letters;
}

function keyOf(args: Arguments): Plan["key"] {
  const range = args.number("record-key-range") ?? 1;
  const kind = args.text("key-distribution");
  if (kind === "range") return index => String(index % range);
  return kind === "random" ? () => String(randomInt(range)) : () => null;
}

type Refuse = (message: string) => ArgumentError;

function check(args: Arguments, refuse: Refuse): void {
  const [count, warmup] = [args.number("num-records") ?? 0, Math.max(0, args.number("warmup-records") ?? 0)];
  if (count <= 0) throw refuse("--num-records should be greater than zero.");
  if (warmup >= count) {
    throw refuse(
      "The value for --warmup-records must be strictly fewer than the number of records in the test, --num-records.",
    );
  }
  if ((args.number("record-size") ?? 1) <= 0) throw refuse("--record-size should be greater than zero.");
  const sources = ["bootstrap-server", "command-property", "producer-props", "producer.config", "command-config"];
  if (!sources.some(name => args.has(name))) {
    throw refuse(
      "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or --command-config must be specified.",
    );
  }
  if (args.has("command-property") && args.has("producer-props")) {
    throw refuse("--command-property and --producer-props cannot be specified together.");
  }
  if (args.has("command-config") && args.has("producer.config")) {
    throw refuse("--command-config and --producer.config cannot be specified together.");
  }
  if ((args.number("transaction-duration-ms") ?? 1) <= 0) {
    throw refuse("--transaction-duration-ms should be greater than zero.");
  }
  if ((args.number("reporting-interval") ?? 1) <= 0) {
    throw refuse("--reporting-interval should be greater than zero.");
  }
  const range = args.number("record-key-range");
  if ((range ?? 1) <= 0) throw refuse("--record-key-range should be greater than zero.");
  const isKeyed = args.text("key-distribution") !== "none";
  if (isKeyed && range === undefined) {
    throw refuse("--record-key-range is required when --key-distribution is 'range' or 'random'.");
  }
  if (!isKeyed && range !== undefined) {
    throw refuse("--key-distribution must be 'range' or 'random' when --record-key-range is specified.");
  }
}

function propertiesOf(args: Arguments): Map<string, string> {
  for (const [old, now] of [
    ["producer-props", "command-property"],
    ["producer.config", "command-config"],
  ] as const) {
    if (!args.has(old)) continue;
    console.log(`Option --${old} has been deprecated and will be removed in a future version. Use --${now} instead.`);
  }
  const properties = loadProperties(args.text("producer.config") ?? args.text("command-config"));
  for (const text of [...args.texts("producer-props"), ...args.texts("command-property")]) {
    const [name = "", value, ...more] = text.split("=");
    if (value === undefined || value === "" || more.length > 0) throw new ToolError(`Invalid property: ${text}`);
    properties.set(name, value);
  }
  for (const name of ["key.serializer", "value.serializer"]) properties.delete(name);
  if (!properties.has("client.id")) properties.set("client.id", "perf-producer-client");
  const id = args.text("transactional-id") ?? properties.get("transactional.id");
  if (id !== undefined || args.has("transaction-duration-ms")) {
    properties.set("transactional.id", id ?? `${PREFIX}${randomBytes(12).toString("hex")}`);
  }
  return properties;
}

/** Sends all records, in transactions if `transactionMs` is given, and prints the lines meanwhile. */
async function send(producer: Producer, plan: Plan, transactionMs: number | undefined): Promise<PerfStats[]> {
  const { topic, count, warmup, rate, interval, payload, key } = plan;
  if (warmup > 0) {
    console.log(`Warmup first ${warmup} records. Steady state results will print after the complete test summary.`);
  }
  const all = new PerfStats(interval, false);
  let steady: PerfStats | undefined;
  const sender = new Sender(producer);
  const began = performance.now();
  let begin: number | undefined;
  for (let i = 0; i < count; i++) {
    if (transactionMs !== undefined && begin === undefined) {
      producer.beginTransaction();
      begin = performance.now();
    }
    const value = payload(i);
    const bytes = value.length;
    const start = Date.now();
    if (warmup > 0 && i === warmup) {
      steady = new PerfStats(interval, true);
      all.isQuiet = true;
    }
    const counted = steady;
    await sender.send({ topic, key: key(i), value }, error => {
      if (error !== undefined) return console.error(javaText(error));
      const now = Date.now();
      all.add(now - start, bytes, now);
      counted?.add(now - start, bytes, now);
    });
    if (begin !== undefined && transactionMs !== undefined && performance.now() - begin >= transactionMs) {
      await producer.commitTransaction();
      begin = undefined;
    }
    const due = rate > 0 ? (i * 1000) / rate : 0;
    const early = due - (performance.now() - began);
    if (early >= 1) await pause(early);
    else if (i % TURN_RECORDS === 0) await turn();
  }
  if (begin !== undefined) await producer.commitTransaction();
  return steady === undefined ? [all] : [all, steady];
}

/** kafka-producer-perf-test (`ProducerPerformance`). */
export const kafkaProducerPerfTest = argTool({
  prog: "kafka-producer-perf-test",
  helps: true,
  table: { description: "Measures how fast records are written.", arguments: ARGUMENTS, requiredGroups: ["payload"] },
  run: async (args, refuse) => {
    if (args.has("print-metrics")) console.error("WARN --print-metrics is not available here and has no effect.");
    check(args, refuse);
    const plan: Plan = {
      topic: args.text("topic") ?? "",
      count: nearestNumber(parseLong(args.text("num-records") ?? "") ?? 0),
      warmup: Math.max(0, args.number("warmup-records") ?? 0),
      rate: args.number("throughput") ?? -1,
      interval: args.number("reporting-interval") ?? 0,
      payload: payloadOf(args),
      key: keyOf(args),
    };
    const properties = propertiesOf(args);
    const isTransactional = properties.has("transactional.id");
    const durationMs = args.number("transaction-duration-ms") ?? TRANSACTION_MS;
    const settings = await toolSettings(args.text("bootstrap-server"), properties, "KafkaProducer");
    const client = clusterClient(settings, { allowAutoTopicCreation: true });
    const producer = new Producer(client, settings.producer);
    try {
      if (isTransactional) await producer.initTransactions();
      const stats = await send(producer, plan, isTransactional ? durationMs : undefined);
      await producer.flush();
      for (const each of stats) each.printTotal();
      return 0;
    } finally {
      await producer.close();
      client.close();
    }
  },
  failed: error => {
    console.error(`Exception in thread "main" ${thrownText(error)}`);
    return 1;
  },
});
