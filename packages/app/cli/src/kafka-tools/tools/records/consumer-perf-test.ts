import { KafkaError } from "@samsa/client-kernel";
import { Consumer } from "@samsa/client-runtime";
import { clusterClient } from "../../../commands/clients/client.ts";
import { ToolError } from "../../java/exits.ts";
import { COMMON_FLAGS, type Flag, option, toggle } from "../../flags/flag.ts";
import type { Chosen } from "../../flags/jopt.ts";
import { dateFormat } from "../../java/date-format.ts";
import { keyValues, loadProperties, toolSettings } from "../../runner/client.ts";
import { joptTool, printJavaMessage } from "../../runner/jopt-tool.ts";

const MB = 1024 * 1024;
const SOME_GROUPS = 100_000;
const POLL_MS = 100;

const FLAGS = {
  ...COMMON_FLAGS,
  "bootstrap-server": option("server to connect to", "REQUIRED: brokers, as host:port."),
  topic: option("topic", "Topic to read."),
  include: option("Java regex (String)", "Pattern of names of topics to read."),
  group: option("gid", "Group of the consumer; perf-consumer- and a number by default."),
  "fetch-size": option("size", "Most bytes of a partition in an answer.", { type: "int", preset: String(MB) }),
  "command-property": option("prop1=val1", "Setting of the consumer; may be repeated."),
  "from-latest": toggle("Begin with new records if the group has no offsets."),
  "socket-buffer-size": option("size", "Without effect: Node decides.", { type: "int", preset: String(2 * MB) }),
  "consumer.config": option("config file", "(DEPRECATED) The same as --command-config."),
  "command-config": option("config file", "File with settings of the consumer."),
  "show-detailed-stats": toggle("Print a line for each interval."),
  timeout: option("milliseconds", "Longest time between records.", { type: "long", preset: "10000", isOptional: true }),
  messages: option("count", "(DEPRECATED) The same as --num-records.", { type: "long" }),
  "num-records": option("count", "REQUIRED: number of records to read.", { type: "long" }),
  "reporting-interval": option("interval_ms", "Time between two lines.", { type: "long", preset: "5000" }),
  "date-format": option("date format", "Format of times.", { preset: "yyyy-MM-dd HH:mm:ss:SSS" }),
  "print-metrics": toggle("Without effect here."),
  "hide-header": toggle("Print no header."),
} as const satisfies Readonly<Record<string, Flag>>;

type Name = keyof typeof FLAGS;

function check(chosen: Chosen<Name>): void {
  chosen.require("bootstrap-server");
  chosen.exactlyOne("topic", "include");
  chosen.exactlyOne("messages", "num-records");
  chosen.exclude("consumer.config", ["command-config"]);
  if (chosen.has("messages")) console.log("Warning: --messages is deprecated. Use --num-records instead.");
  if (chosen.has("consumer.config")) {
    console.log("Warning: --consumer.config is deprecated. Use --command-config instead.");
  }
  if (chosen.has("socket-buffer-size")) {
    console.error("WARN --socket-buffer-size has no effect: Node decides about the buffers of sockets.");
  }
  if (chosen.has("print-metrics")) console.error("WARN --print-metrics is not available here and has no effect.");
}

function propertiesOf(chosen: Chosen<Name>): Map<string, string> {
  const properties = loadProperties(chosen.text(chosen.has("consumer.config") ? "consumer.config" : "command-config"));
  for (const [key, value] of keyValues(chosen.texts("command-property"))) properties.set(key, value);
  properties.set("group.id", chosen.text("group") ?? `perf-consumer-${Math.floor(Math.random() * SOME_GROUPS)}`);
  properties.set("max.partition.fetch.bytes", String(chosen.number("fetch-size")));
  properties.set("auto.offset.reset", chosen.has("from-latest") ? "latest" : "earliest");
  properties.set("check.crcs", "false");
  if (!properties.has("client.id")) properties.set("client.id", "perf-consumer-client");
  for (const name of ["key.deserializer", "value.deserializer"]) properties.delete(name);
  return properties;
}

/** Counts of a run, and the time that the group has taken to assign partitions. */
class Reading {
  records = 0;
  bytes = 0;
  joinMs = 0;
  joinMsOfInterval = 0;
  joinStart = Date.now();
  assigned = 0;

  join(count: number): void {
    if (this.assigned === 0) {
      this.joinMs += Date.now() - this.joinStart;
      this.joinMsOfInterval += Date.now() - this.joinStart;
    }
    this.assigned += count;
  }

  leave(count: number): void {
    this.assigned -= count;
    if (this.assigned === 0) this.joinStart = Date.now();
  }
}

interface Bounds {
  readonly most: number;
  readonly timeoutMs: number;
  readonly interval: number;
  readonly show: ((from: Interval, now: number) => void) | undefined;
}

/** Counts at the last line. */
interface Interval {
  readonly at: number;
  readonly records: number;
  readonly bytes: number;
}

async function read(consumer: Consumer, reading: Reading, bounds: Bounds): Promise<void> {
  const { most, timeoutMs, interval, show } = bounds;
  let last: Interval = { at: Date.now(), records: 0, bytes: 0 };
  let consumedAt = Date.now();
  const idle = new AbortController();
  const watch = setInterval(() => Date.now() - consumedAt > timeoutMs && idle.abort(), POLL_MS);
  const stream = consumer.batches({ signal: idle.signal });
  try {
    for await (const batch of stream) {
      const now = Date.now();
      consumedAt = now;
      const count = batch.forEach(record => {
        reading.bytes += Math.max(0, record.keyLength) + Math.max(0, record.valueLength);
      });
      reading.records += count;
      if (now - last.at >= interval) {
        show?.(last, now);
        reading.joinMsOfInterval = 0;
        last = { at: now, records: reading.records, bytes: reading.bytes };
      }
      if (reading.records >= most) break;
    }
  } catch (error) {
    if (!(error instanceof KafkaError) || !idle.signal.aborted) throw error;
  } finally {
    clearInterval(watch);
    await stream.return();
  }
  if (reading.records < most) {
    console.log(
      `WARNING: Exiting before consuming the expected number of records: timeout (${timeoutMs} ms) exceeded. You can use the --timeout option to increase the timeout.`,
    );
  }
}

const fixed = (...values: readonly number[]): string[] => values.map(value => value.toFixed(4));

function printInterval(reading: Reading, format: (ms: number) => string): (from: Interval, now: number) => void {
  return ({ at, records, bytes }, now) => {
    const ms = now - at;
    const [newRecords, newMegabytes] = [reading.records - records, (reading.bytes - bytes) / MB];
    const fetchMs = ms - reading.joinMsOfInterval;
    const rate = (value: number, over: number): number => (over <= 0 ? 0 : (1000 * value) / over);
    console.log(
      [
        ...[format(now), "0", ...fixed(reading.bytes / MB, rate(newMegabytes, ms)), String(reading.records)],
        ...[...fixed(rate(newRecords, ms)), String(reading.joinMsOfInterval), String(fetchMs)],
        ...fixed(rate(newMegabytes, fetchMs), rate(newRecords, fetchMs)),
      ].join(", "),
    );
  };
}

async function run(chosen: Chosen<Name>): Promise<void> {
  const interval = chosen.number("reporting-interval") ?? 0;
  if (interval <= 0) throw new ToolError("Reporting interval must be greater than 0.");
  const isDetailed = chosen.has("show-detailed-stats");
  const format = dateFormat(chosen.text("date-format") ?? "");
  const most = chosen.number("messages") ?? chosen.number("num-records") ?? 0;
  const timeoutMs = chosen.number("timeout") ?? 0;
  if (!chosen.has("hide-header")) {
    const heads =
      "data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec";
    console.log(`${isDetailed ? "time, threadId" : "start.time, end.time"}, ${heads}`);
  }
  const properties = propertiesOf(chosen);
  const settings = await toolSettings(chosen.text("bootstrap-server"), properties, "KafkaConsumer");
  const client = clusterClient(settings, { allowAutoTopicCreation: true });
  const start = Date.now();
  const reading = new Reading();
  const group = {
    ...settings.group,
    groupId: properties.get("group.id") ?? "",
    protocol: settings.group.protocol ?? ("classic" as const),
  };
  const listener = {
    assigned: (partitions: readonly unknown[]) => reading.join(partitions.length),
    revoked: (partitions: readonly unknown[]) => reading.leave(partitions.length),
  };
  const consumer = new Consumer(client, settings.consumer, { group, listener });
  try {
    const topic = chosen.text("topic");
    await consumer.subscribe(topic === undefined ? { pattern: chosen.text("include") ?? "" } : { topics: [topic] });
    const show = isDetailed ? printInterval(reading, format) : undefined;
    await read(consumer, reading, { most, timeoutMs, interval, show });
    const end = Date.now();
    if (isDetailed) return;
    const [seconds, fetchMs] = [(end - start) / 1000, end - start - reading.joinMs];
    const megabytes = reading.bytes / MB;
    console.log(
      [
        ...[format(start), format(end), ...fixed(megabytes, megabytes / seconds), String(reading.records)],
        ...[...fixed(reading.records / seconds), String(reading.joinMs), String(fetchMs)],
        ...fixed(megabytes / (fetchMs / 1000), reading.records / (fetchMs / 1000)),
      ].join(", "),
    );
  } finally {
    await consumer.close();
    client.close();
  }
}

/** kafka-consumer-perf-test (`ConsumerPerformance`). */
export const kafkaConsumerPerfTest = joptTool<Name>({
  about: "Measures how fast records are read.",
  flags: FLAGS,
  mistakes: "usage",
  run: async chosen => {
    check(chosen);
    await run(chosen);
    return 0;
  },
  failed: printJavaMessage,
});
