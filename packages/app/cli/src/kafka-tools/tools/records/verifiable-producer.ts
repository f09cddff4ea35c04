import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import type { KafkaError } from "@samsa/client-kernel";
import { Producer, type RecordMetadata } from "@samsa/client-runtime";
import { clusterClient } from "../../../commands/clients/client.ts";
import { toJson } from "../../../terminal/json.ts";
import type { Argument, Arguments } from "../../flags/argparse.ts";
import type { ArgumentError } from "../../java/exits.ts";
import { javaClass, javaMessage } from "../../java/errors.ts";
import { argTool } from "../../runner/arg-tool.ts";
import { loadProperties, toolSettings } from "../../runner/client.ts";
import { thrownText } from "../../runner/jopt-tool.ts";
import { Sender } from "../../runner/sender.ts";

const store = (name: string, help: string, more: Partial<Argument> = {}): Argument => ({
  ...{ names: [`--${name}`], action: "store", help },
  ...more,
});

const ARGUMENTS: readonly Argument[] = [
  store("topic", "Topic to write to.", { isRequired: true }),
  store("bootstrap-server", "REQUIRED: brokers, as host:port.", { group: "connection" }),
  store("max-messages", "Number of records; -1: until the process ends.", { type: "int", preset: "-1" }),
  store("throughput", "Most records per second; below 0: no limit.", { type: "int", preset: "-1" }),
  store("acks", "Acknowledgements to wait for.", { choices: ["0", "1", "-1"], preset: "-1" }),
  store("producer.config", "(DEPRECATED) The same as --command-config."),
  store("message-create-time", "Timestamp of the first record, in ms.", { type: "long", preset: "-1" }),
  store("value-prefix", "Number before each value, with a dot.", { type: "int" }),
  store("repeating-keys", "Number of keys, from 0 on, again and again.", { type: "int" }),
  store("command-config", "File with settings of the producer."),
];

/** Records after which signals are heard. */
const TURN_RECORDS = 500;

function event(name: string, facts: Readonly<Record<string, unknown>> = {}): void {
  console.log(toJson({ timestamp: Date.now(), name, ...facts }));
}

interface Plan {
  readonly topic: string;
  readonly most: number;
  readonly rate: number;
  readonly prefix: string;
  readonly keys: number | undefined;
  readonly createTime: number | undefined;
}

function planOf(args: Arguments): Plan {
  const [most, prefix, time] = [
    args.number("max-messages") ?? -1,
    args.text("value-prefix"),
    args.number("message-create-time"),
  ];
  return {
    topic: args.text("topic") ?? "",
    most: most < 0 ? Infinity : most,
    rate: args.number("throughput") ?? -1,
    prefix: prefix === undefined ? "" : `${prefix}.`,
    keys: args.number("repeating-keys"),
    createTime: time === undefined || time === -1 ? undefined : time,
  };
}

function propertiesOf(args: Arguments, refuse: (message: string) => ArgumentError): Map<string, string> {
  const properties = new Map([
    ["acks", args.text("acks") ?? "-1"],
    // The tool tells of every failure.
    ["retries", "0"],
  ]);
  if (args.has("producer.config") && args.has("command-config")) {
    throw refuse("Options --producer.config and --command-config are mutually exclusive.");
  }
  if (args.has("producer.config")) {
    console.log(
      "Option --producer.config has been deprecated and will be removed in a future version. Use --command-config instead.",
    );
  }
  try {
    for (const [key, value] of loadProperties(args.text("producer.config") ?? args.text("command-config"))) {
      properties.set(key, value);
    }
  } catch (error) {
    throw refuse(javaMessage(error));
  }
  for (const name of ["key.serializer", "value.serializer"]) properties.delete(name);
  return properties;
}

/** Numbers of a run. */
interface Counts {
  sent: number;
  acked: number;
}

async function send(producer: Producer, plan: Plan, counts: Counts, signal: AbortSignal): Promise<void> {
  const { topic, most, rate, prefix, keys, createTime } = plan;
  const sender = new Sender(producer);
  const began = performance.now();
  const startTime = Date.now();
  let time = createTime;
  for (let i = 0; i < most && !signal.aborted; i++) {
    const key = keys === undefined ? null : String(i % keys);
    const value = `${prefix}${i}`;
    const record = { topic, key, value, ...(time === undefined ? {} : { timestamp: time }) };
    if (time !== undefined) time += Date.now() - startTime;
    counts.sent++;
    await sender.send(record, (error: KafkaError | undefined, metadata: RecordMetadata | undefined) => {
      if (error === undefined) {
        counts.acked++;
        const { partition = -1, offset = -1 } = metadata ?? {};
        return event("producer_send_success", { key, value, topic, partition, offset });
      }
      const exception = `class org.apache.kafka.common.errors.${javaClass(error)}`;
      event("producer_send_error", { key, value, topic, exception, message: javaMessage(error) });
    });
    const due = rate >= 0 ? ((i + 1) * 1000) / Math.max(rate, 1) : 0;
    const early = due - (performance.now() - began);
    if (early >= 1) await pause(early);
    else if (i % TURN_RECORDS === 0) await turn();
  }
}

/** kafka-verifiable-producer (`VerifiableProducer`). */
export const kafkaVerifiableProducer = argTool({
  prog: "verifiable-producer",
  helps: true,
  table: {
    description: "Writes numbers, and prints a line of JSON for each.",
    arguments: ARGUMENTS,
    requiredGroups: ["connection"],
  },
  run: async (args, refuse) => {
    const plan = planOf(args);
    const properties = propertiesOf(args, refuse);
    const settings = await toolSettings(args.text("bootstrap-server"), properties, "KafkaProducer");
    const client = clusterClient(settings, { allowAutoTopicCreation: true, clientId: "producer-1" });
    const producer = new Producer(client, settings.producer);
    const stop = new AbortController();
    const onSignal = (): void => stop.abort();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
    const counts: Counts = { sent: 0, acked: 0 };
    const start = Date.now();
    event("startup_complete");
    try {
      await send(producer, plan, counts, stop.signal);
    } finally {
      await producer.flush();
      await producer.close();
      client.close();
    }
    event("shutdown_complete");
    const rate = 1000 * (counts.acked / Math.max(1, Date.now() - start));
    event("tool_data", { ...counts, target_throughput: plan.rate, avg_throughput: rate });
    return 0;
  },
  failed: error => {
    console.error(`Exception in thread "main" ${thrownText(error)}`);
    return 1;
  },
});
