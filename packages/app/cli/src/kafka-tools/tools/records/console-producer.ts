import { KafkaError } from "@samsa/client-kernel";
import { Producer, type ProducerRecord } from "@samsa/client-runtime";
import { clusterClient } from "../../../commands/clients/client.ts";
import { readLines } from "../../../commands/clients/line-reader.ts";
import { OptionError, ToolError, UsageError } from "../../java/exits.ts";
import type { Chosen } from "../../flags/jopt.ts";
import { javaText } from "../../java/errors.ts";
import { checkServers, keyValues, loadProperties, toolSettings } from "../../runner/client.ts";
import { joptTool, thrownText } from "../../runner/jopt-tool.ts";
import { Sender } from "../../runner/sender.ts";
import { CONSOLE_PRODUCER_FLAGS, type ConsoleProducerFlag } from "./console-producer-flags.ts";
import { LineMessageReader } from "./line-message-reader.ts";

type Options = Chosen<ConsoleProducerFlag>;

const LINE_READER = "org.apache.kafka.tools.LineMessageReader";

/** Options that are other names of newer ones: the old name, the new one. */
const RENAMED: readonly (readonly [ConsoleProducerFlag, ConsoleProducerFlag])[] = [
  ["producer-property", "command-property"],
  ["producer.config", "command-config"],
  ["property", "reader-property"],
];

/** Options that are settings of the producer. */
const SETTINGS: readonly (readonly [ConsoleProducerFlag, string])[] = [
  ["timeout", "linger.ms"],
  ["request-required-acks", "acks"],
  ["request-timeout-ms", "request.timeout.ms"],
  ["message-send-max-retries", "retries"],
  ["retry-backoff-ms", "retry.backoff.ms"],
  ["max-memory-bytes", "buffer.memory"],
  ["batch-size", "batch.size"],
  ["max-partition-memory-bytes", "batch.size"],
  ["metadata-expiry-ms", "metadata.max.age.ms"],
  ["max-block-ms", "max.block.ms"],
];

function check(chosen: Options): void {
  chosen.require("topic");
  for (const [old, now] of [RENAMED[1], RENAMED[0], RENAMED[2]].flatMap(pair => (pair === undefined ? [] : [pair]))) {
    if (chosen.has(now) && chosen.has(old)) {
      throw new UsageError(`Options --${now} and --${old} cannot be specified together.`);
    }
  }
  for (const [old, now] of RENAMED) {
    if (!chosen.has(old)) continue;
    console.log(`Warning: --${old} is deprecated and will be removed in a future version. Use --${now} instead.`);
  }
  if (chosen.has("max-partition-memory-bytes")) {
    console.log(
      "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. Use --batch-size instead.",
    );
  }
  checkServers(chosen.text("bootstrap-server"));
}

/** Name under which an option that has two was given. */
function given(chosen: Options, now: ConsoleProducerFlag): ConsoleProducerFlag {
  const old = RENAMED.find(([, name]) => name === now)?.[0];
  return old !== undefined && chosen.has(old) ? old : now;
}

function producerSettings(chosen: Options): Map<string, string> {
  const properties = loadProperties(chosen.text(given(chosen, "command-config")));
  for (const [key, value] of keyValues(chosen.texts(given(chosen, "command-property")))) properties.set(key, value);
  const codec = chosen.text("compression-codec") ?? "";
  const isCompressed = chosen.has("compression-codec");
  properties.set("compression.type", isCompressed ? (codec === "" ? "gzip" : codec) : "none");
  if (!properties.has("client.id")) properties.set("client.id", "console-producer");
  for (const name of ["key.serializer", "value.serializer"]) properties.delete(name);
  for (const [option, setting] of SETTINGS) {
    if (!chosen.has(option) && properties.has(setting)) continue;
    const type = CONSOLE_PRODUCER_FLAGS[option] as { readonly type?: string };
    const value = type.type === undefined ? chosen.text(option) : chosen.number(option);
    if (value !== undefined) properties.set(setting, String(value));
  }
  if (chosen.has("socket-buffer-size")) {
    console.error("WARN --socket-buffer-size has no effect: Node decides about the buffers of sockets.");
  }
  return properties;
}

function readerOf(chosen: Options): LineMessageReader {
  const name = chosen.text("line-reader") ?? "";
  if (name !== LINE_READER) throw new ToolError(name, "java.lang.ClassNotFoundException");
  const properties = loadProperties(chosen.text("reader-config"));
  const topic = chosen.text("topic") ?? "";
  for (const [key, value] of keyValues(chosen.texts(given(chosen, "reader-property")))) properties.set(key, value);
  return new LineMessageReader(topic, properties);
}

function lengthOf(data: ProducerRecord["value"] | undefined): string {
  if (data === undefined || data === null) return "null";
  return `${typeof data === "string" ? Buffer.byteLength(data) : data.length} bytes`;
}

function report({ topic, key, value }: ProducerRecord, error: KafkaError): void {
  console.error(
    `ERROR Error when sending message to topic ${topic} with key: ${lengthOf(key)}, value: ${lengthOf(value)} with error: ${javaText(error)}`,
  );
}

async function sendLines(producer: Producer, reader: LineMessageReader, isSync: boolean, stop: AbortSignal) {
  const sender = new Sender(producer);
  const prompt = process.stdin.isTTY && process.stdout.isTTY ? ">" : "";
  process.stdout.write(prompt);
  for await (const lines of readLines([], stop)) {
    for (const line of lines) {
      const record = reader.read(line);
      if (isSync) await producer.send(record);
      else {
        await sender.send(record, error => {
          if (error !== undefined) report(record, error);
        });
      }
      process.stdout.write(prompt);
    }
  }
}

/** kafka-console-producer (`ConsoleProducer`): writes the lines of standard input. */
export const kafkaConsoleProducer = joptTool<ConsoleProducerFlag>({
  about: "Reads lines from standard input and writes them to a topic.",
  flags: CONSOLE_PRODUCER_FLAGS,
  mistakes: "usage",
  run: async chosen => {
    check(chosen);
    const reader = readerOf(chosen);
    const properties = producerSettings(chosen);
    const settings = await toolSettings(chosen.text("bootstrap-server"), properties, "KafkaProducer");
    const client = clusterClient(settings, { allowAutoTopicCreation: true });
    const stop = new AbortController();
    const onSignal = (): void => {
      stop.abort();
      process.stdin.destroy();
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
    const producer = new Producer(client, settings.producer);
    try {
      await sendLines(producer, reader, chosen.has("sync"), stop.signal);
      return 0;
    } finally {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
      await producer.flush();
      await producer.close();
      client.close();
    }
  },
  failed: error => {
    console.error(error instanceof OptionError ? error.message : thrownText(error));
    return 1;
  },
});
