import { KafkaError, type TopicPartition } from "@samsa/client-kernel";
import { type ConsumedBatch, Consumer } from "@samsa/client-runtime";
import { clusterClient } from "../../../commands/clients/client.ts";
import { toJson } from "../../../terminal/json.ts";
import type { Argument, Arguments } from "../../flags/argparse.ts";
import { type ArgumentError, ToolError } from "../../java/exits.ts";
import { javaMessage, javaText } from "../../java/errors.ts";
import { argTool } from "../../runner/arg-tool.ts";
import { loadProperties, toolSettings } from "../../runner/client.ts";
import { thrownText } from "../../runner/jopt-tool.ts";

const store = (name: string, help: string, more: Partial<Argument> = {}): Argument => ({
  ...{ names: [`--${name}`], action: "store", help },
  ...more,
});

const ARGUMENTS: readonly Argument[] = [
  store("bootstrap-server", "REQUIRED: brokers, as host:port.", { isRequired: true }),
  store("topic", "Topic to read.", { isRequired: true }),
  store("group-protocol", "classic or consumer.", { preset: "classic" }),
  store("group-remote-assignor", "Assignor of the coordinator, with the consumer protocol."),
  store("group-id", "Group of the consumer.", { isRequired: true }),
  store("group-instance-id", "Id of a static member."),
  store("max-messages", "Number of records; -1: until the process ends.", { type: "int", preset: "-1" }),
  store("session-timeout", "Session timeout in ms, with the classic protocol.", { type: "int" }),
  store("verbose", "Print every record.", { action: "true" }),
  store("enable-autocommit", "Commit at intervals.", { action: "true" }),
  store("close-timeout", "Longest time of the end in ms.", { type: "int", preset: "30000" }),
  store("reset-policy", "earliest, latest or none.", { preset: "earliest" }),
  store("assignment-strategy", "Assignor of the classic protocol.", {
    preset: "org.apache.kafka.clients.consumer.RangeAssignor",
  }),
  store("consumer.config", "(DEPRECATED) The same as --command-config."),
  store("command-config", "File with settings of the consumer."),
];

function event(name: string, facts: Readonly<Record<string, unknown>> = {}): void {
  console.log(toJson({ timestamp: Date.now(), name, ...facts }));
}

function protocolOf(text: string): "classic" | "consumer" {
  const name = text.toLowerCase();
  if (name === "classic" || name === "consumer") return name;
  throw new ToolError(`No enum constant org.apache.kafka.clients.consumer.GroupProtocol.${text.toUpperCase()}`);
}

function propertiesOf(args: Arguments, refuse: (message: string) => ArgumentError): Map<string, string> {
  if (args.has("consumer.config") && args.has("command-config")) {
    throw refuse("Options --consumer.config and --command-config are mutually exclusive.");
  }
  if (args.has("consumer.config")) {
    console.log(
      "Option --consumer.config has been deprecated and will be removed in a future version. Use --command-config instead.",
    );
  }
  let properties: Map<string, string>;
  try {
    properties = loadProperties(args.text("consumer.config") ?? args.text("command-config"));
  } catch (error) {
    throw refuse(javaMessage(error));
  }
  const protocol = protocolOf(args.text("group-protocol") ?? "");
  const set = (setting: string, value: string | undefined): void => {
    if (value !== undefined) properties.set(setting, value);
  };
  set("group.protocol", protocol);
  if (protocol === "consumer") set("group.remote.assignor", args.text("group-remote-assignor"));
  else {
    set("partition.assignment.strategy", args.text("assignment-strategy"));
    set("session.timeout.ms", args.text("session-timeout"));
  }
  set("group.id", args.text("group-id"));
  set("group.instance.id", args.text("group-instance-id"));
  set("enable.auto.commit", String(args.isTrue("enable-autocommit")));
  set("auto.offset.reset", args.text("reset-policy"));
  for (const name of ["key.deserializer", "value.deserializer"]) properties.delete(name);
  return properties;
}

const textOf = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());

/** Reads records of a batch, at most so many, and tells of them. Returns how many, and the offset after the last. */
function consume(batch: ConsumedBatch, most: number, isVerbose: boolean) {
  const { topic, partition } = batch;
  let [count, first, last] = [0, -1, -1];
  while (count < most) {
    const record = batch.next();
    if (record === undefined) break;
    if (count === 0) first = record.offset;
    last = record.offset;
    count++;
    if (!isVerbose) continue;
    const facts = { key: textOf(record.key), value: textOf(record.value), topic, partition, offset: record.offset };
    event("record_data", facts);
  }
  batch.settle();
  const summary = { topic, partition, count, minOffset: first, maxOffset: last };
  event("records_consumed", { count, partitions: count === 0 ? [] : [summary] });
  return { count, offset: last + 1 };
}

async function commit(consumer: Consumer, place: TopicPartition, offset: number): Promise<void> {
  const offsets = [{ ...place, offset }];
  try {
    await consumer.commit(offsets);
    event("offsets_committed", { offsets, success: true });
  } catch (error) {
    if (!(error instanceof KafkaError) || error.name === "FENCED_INSTANCE_ID") throw error;
    event("offsets_committed", { offsets, error: javaMessage(error), success: false });
  }
}

async function readAll(consumer: Consumer, args: Arguments, signal: AbortSignal): Promise<void> {
  const wanted = args.number("max-messages") ?? -1;
  const most = wanted < 0 ? Infinity : wanted;
  const commitsItself = args.isTrue("enable-autocommit");
  let consumed = 0;
  const stream = consumer.batches({ signal });
  try {
    while (consumed < most) {
      const next = await stream.next();
      if (next.done === true) break;
      const { topic, partition } = next.value;
      const { count, offset } = consume(next.value, most - consumed, args.isTrue("verbose"));
      consumed += count;
      if (!commitsItself && count > 0) await commit(consumer, { topic, partition }, offset);
    }
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    if (!signal.aborted)
      console.error(`ERROR Error during processing, terminating consumer process: ${javaText(error)}`);
  } finally {
    await stream.return();
  }
}

/** kafka-verifiable-consumer (`VerifiableConsumer`). */
export const kafkaVerifiableConsumer = argTool({
  prog: "verifiable-consumer",
  helps: true,
  table: {
    description: "Reads a topic with a group, and prints a line of JSON for each event.",
    arguments: ARGUMENTS,
  },
  run: async (args, refuse) => {
    const properties = propertiesOf(args, refuse);
    const settings = await toolSettings(args.text("bootstrap-server"), properties, "KafkaConsumer");
    const client = clusterClient(settings, { allowAutoTopicCreation: true });
    const stop = new AbortController();
    const onSignal = (): void => {
      event("shutdown_requested");
      stop.abort();
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
    const named = (partitions: readonly TopicPartition[]) => ({
      partitions: partitions.map(({ topic, partition }) => ({ topic, partition })),
    });
    const listener = {
      assigned: (partitions: readonly TopicPartition[]) => event("partitions_assigned", named(partitions)),
      revoked: (partitions: readonly TopicPartition[]) => event("partitions_revoked", named(partitions)),
    };
    const group = { ...settings.group, groupId: args.text("group-id") ?? "" };
    const consumer = new Consumer(client, settings.consumer, { group, listener });
    event("startup_complete");
    try {
      await consumer.subscribe([args.text("topic") ?? ""]);
      await readAll(consumer, args, stop.signal);
    } finally {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
      await consumer.close({ timeoutMs: args.number("close-timeout") ?? 0 });
      client.close();
    }
    event("shutdown_complete");
    return 0;
  },
  failed: error => {
    console.error(`Exception in thread "main" ${thrownText(error)}`);
    return 1;
  },
});
