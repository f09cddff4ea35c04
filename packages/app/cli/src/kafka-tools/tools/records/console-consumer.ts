import { KafkaError } from "@samsa/client-kernel";
import { Consumer } from "@samsa/client-runtime";
import { clusterClient } from "../../../commands/clients/client.ts";
import { ByteOutput } from "../../../terminal/output.ts";
import { ToolError } from "../../java/exits.ts";
import { javaText } from "../../java/errors.ts";
import { toolSettings } from "../../runner/client.ts";
import { joptTool, printUncaught, thrownText } from "../../runner/jopt-tool.ts";
import { CONSOLE_CONSUMER_FLAGS, type ConsoleConsumerFlag } from "./console-consumer-flags.ts";
import { type Reading, readingOf } from "./console-consumer-settings.ts";

/** Longest wait of a timer of Node, in ms. */
const LONGEST_WAIT = 2_147_483_647;
/** Records after which the output is written and signals are heard. */
const TURN_RECORDS = 500;

const CONSUMER_PROTOCOL =
  "The consumer rebalance protocol (KIP-848) is production-ready! Set group.protocol=consumer to try it out. See https://kafka.apache.org/documentation/#consumer_rebalance_protocol";

/** Prints records until there are enough, none come in time, or `signal` aborts. */
async function printRecords(consumer: Consumer, reading: Reading, signal: AbortSignal): Promise<void> {
  const { most, timeoutMs, format, skipsErrors } = reading;
  const output = new ByteOutput();
  let count = 0;
  const isEnough = (): boolean => most !== -1 && count >= most;
  const idle = new AbortController();
  const stream = consumer.batches({ max: TURN_RECORDS, signal: AbortSignal.any([signal, idle.signal]) });
  try {
    while (!isEnough() && !signal.aborted) {
      let batch = stream.poll();
      if (batch === undefined) {
        output.flush();
        const timer = Number.isFinite(timeoutMs)
          ? setTimeout(() => idle.abort(), Math.min(timeoutMs, LONGEST_WAIT))
          : undefined;
        const next = await stream.next().finally(() => clearTimeout(timer));
        if (next.done === true) break;
        batch = next.value;
      } else await new Promise(resolve => setImmediate(resolve));
      while (!isEnough()) {
        const record = batch.next();
        if (record === undefined) break;
        count++;
        try {
          format(record, output);
        } catch (error) {
          if (!skipsErrors || !(error instanceof ToolError)) throw error;
          console.error(`ERROR Error processing message, skipping this message: ${thrownText(error)}`);
        }
      }
      batch.settle();
      if (output.closed) {
        console.error("Unable to write to standard out, closing consumer.");
        break;
      }
    }
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    if (idle.signal.aborted) {
      console.error(
        "ERROR Error processing message, terminating consumer process: org.apache.kafka.common.errors.TimeoutException",
      );
    } else if (!signal.aborted) {
      console.error(`ERROR Error processing message, terminating consumer process: ${javaText(error)}`);
    }
  } finally {
    output.flush();
    await stream.return();
    console.error(`Processed a total of ${count} messages`);
  }
}

async function consume(reading: Reading): Promise<void> {
  const { topic, include, partition, offset, properties, servers } = reading;
  const settings = await toolSettings(servers, properties, "KafkaConsumer");
  const client = clusterClient(settings, { allowAutoTopicCreation: true });
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
  try {
    const protocol = settings.group.protocol ?? "classic";
    if (partition === undefined && protocol === "classic") console.error(CONSUMER_PROTOCOL);
    const group = { ...settings.group, groupId: properties.get("group.id") ?? "", protocol };
    const consumer = new Consumer(client, settings.consumer, partition === undefined ? { group } : {});
    try {
      if (partition !== undefined) consumer.assign([{ topic: topic ?? "", partition, offset }]);
      else await consumer.subscribe(topic === undefined ? { pattern: include ?? "" } : { topics: [topic] });
      await printRecords(consumer, reading, stop.signal);
    } finally {
      await consumer.close();
    }
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
    client.close();
  }
  if (stop.signal.aborted && reading.events) console.log("shutdown_complete");
}

/** kafka-console-consumer (`ConsoleConsumer`): prints records. */
export const kafkaConsoleConsumer = joptTool<ConsoleConsumerFlag>({
  about: "Reads topics and prints their records.",
  flags: CONSOLE_CONSUMER_FLAGS,
  mistakes: "usage",
  run: async chosen => {
    const reading = readingOf(chosen);
    try {
      await consume(reading);
      return 0;
    } catch (error) {
      console.error(`ERROR Unknown error when running consumer: ${thrownText(error)}`);
      return 1;
    }
  },
  failed: printUncaught,
});
