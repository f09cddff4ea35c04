import { type KafkaClient, type TypedConsumer, type TypedRecord } from "@samsa/client";
import type { BrokerProcess } from "../processes/broker.ts";
import { run } from "../processes/child.ts";
import { type Java, Missing } from "../processes/runtimes.ts";

/** Longest time for which a consumer waits for its records, in ms. */
const TAKE_MS = 20_000;
const TOOLS = "org.apache.kafka.tools";

/** Log of clients whose warnings are expected. */
export const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** A check's parts: a broker, a client of it, and Kafka's programs. */
export interface Stage {
  readonly vendor: "Apache Kafka" | "Samsa";
  readonly broker: BrokerProcess;
  readonly client: KafkaClient;
  readonly java: Java | Missing;
}

/** Check of the client: passes unless it rejects; `Missing` skips it. */
export interface ClientCheck {
  readonly name: string;
  readonly run: (stage: Stage) => Promise<Missing | undefined | void>;
}

/** Reads `count` records. Rejects if they do not come in time. */
export async function take<K, V>(consumer: TypedConsumer<K, V>, count: number): Promise<TypedRecord<K, V>[]> {
  const found: TypedRecord<K, V>[] = [];
  const signal = AbortSignal.timeout(TAKE_MS);
  try {
    for await (const record of consumer.records({ signal })) {
      found.push(record);
      if (found.length === count) break;
    }
  } catch (error) {
    throw new Error(`${found.length} of ${count} records came: ${String(error)}`, { cause: error });
  }
  return found;
}

/** Starts of all partitions of a topic, for `assign`. */
export function fromBeginning(topic: string, partitions: number) {
  return Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset: "beginning" as const }));
}

/** Creates a topic and waits until its partitions are led. */
export async function createTopic({ client }: Stage, name: string, partitions = 1): Promise<void> {
  const { topics } = client.admin();
  (await topics.create([{ name, partitions, replicationFactor: 1 }])).orThrow();
}

/** Runs a program of Kafka's tools and returns the lines of its output. */
export function runTool(java: Java, main: string, args: readonly string[], input = ""): Promise<string[]> {
  const program = java(`${TOOLS}.${main}`, ...args);
  return run(program.command, program.args, { input });
}
