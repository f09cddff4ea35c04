import type { Offset } from "@samsa/base";
import { KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import { Admin, type ClusterClient, type ConsumedBatch, Consumer, type PartitionStart } from "@samsa/client-runtime";
import { clientSettings, type Common } from "../../settings/client-settings.ts";
import { clusterClient, reached } from "./client.ts";
import { type Place, placeOf } from "./place.ts";
import { type FormatOptions, recordFilter, recordFormat } from "./record-format.ts";
import { Failure } from "../../terminal/failure.ts";
import { ByteOutput } from "../../terminal/output.ts";
import { Progress } from "../../terminal/progress.ts";

/** Options of `samsa consume`. */
export interface ConsumeOptions extends Common, FormatOptions {
  readonly from: string;
  readonly partition: readonly string[];
  readonly follow?: boolean;
  readonly max?: string;
  readonly filter?: string;
  readonly committed?: boolean;
}

/** Most records of a turn; between turns the output is written and signals are heard. */
const TURN_RECORDS = 10_000;
/** Interval at which the positions are compared with the ends, in ms. */
const WATCH_MS = 20;

function limitOf(text: string | undefined): number {
  if (text === undefined) return Infinity;
  if (!/^\d{1,15}$/.test(text)) throw new Failure(`--max wants a number of records, not "${text}"`);
  return Number(text);
}

/** `samsa consume`: prints records of topics. Without `--follow` it ends where the logs end as it begins. */
export async function consume(topics: readonly string[], options: ConsumeOptions): Promise<void> {
  const format = recordFormat(options);
  const matches = recordFilter(options.filter);
  const limit = limitOf(options.max);
  const place = placeOf(options.from, "--from");
  const follows = options.follow === true || options.from === "latest";
  const settings = clientSettings(options);
  const client = clusterClient(settings);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
  const output = new ByteOutput();
  const progress = new Progress("read");
  try {
    await reached(client);
    const partitions = await partitionsOf(client, topics, options.partition);
    const consumer = new Consumer(client, {
      maxPollRecords: TURN_RECORDS,
      ...settings.consumer,
      ...(options.committed === true ? { isolation: "read_committed" } : {}),
      reset: "earliest",
    });
    const ends = follows ? undefined : await endsOf(consumer, partitions);
    consumer.assign(await startsOf(client, partitions, place));
    await printAll({ consumer, ends, limit, signal: stop.signal, output, progress }, batch => {
      let printed = 0;
      const { topic, partition } = batch;
      batch.forEach(record => {
        if (printed >= limit - progress.count) return;
        const shown = { topic, partition, record };
        if (!matches(shown)) return;
        format(shown, output);
        printed++;
      });
      return printed;
    });
    output.flush();
    await consumer.close();
  } finally {
    progress.end();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
    client.close();
  }
}

interface Printing {
  readonly consumer: Consumer;
  /** Offsets at which to end; undefined: never. */
  readonly ends: Ends | undefined;
  readonly limit: number;
  readonly signal: AbortSignal;
  readonly output: ByteOutput;
  readonly progress: Progress;
}

async function printAll(printing: Printing, print: (batch: ConsumedBatch) => number): Promise<void> {
  const { consumer, ends, limit, signal, output, progress } = printing;
  const isOver = (): boolean => {
    if (progress.count >= limit || output.closed || signal.aborted) return true;
    if (ends === undefined) return false;
    return [...ends.values()].every(({ topic, partition, end }) => consumer.status(topic, partition).position >= end);
  };
  const over = new AbortController();
  // The last records of a log may be markers of transactions, after which no batch comes.
  const watch = setInterval(() => isOver() && over.abort(), WATCH_MS);
  const stream = consumer.batches({ signal: AbortSignal.any([signal, over.signal]) });
  try {
    for (;;) {
      let batch = stream.poll();
      if (isOver()) break;
      if (batch === undefined) {
        output.flush();
        const next = await stream.next();
        if (next.done === true) break;
        batch = next.value;
      }
      progress.add(print(batch));
    }
  } catch (error) {
    if (!(error instanceof KafkaError) || error.name !== "ABORTED") throw error;
  } finally {
    clearInterval(watch);
    await stream.return();
  }
}

/** Partitions of the topics, or those of them that are named. */
async function partitionsOf(
  client: ClusterClient,
  topics: readonly string[],
  only: readonly string[],
): Promise<TopicPartition[]> {
  const wanted = only.map(text => {
    if (!/^\d{1,9}$/.test(text)) throw new Failure(`--partition wants a number, not "${text}"`);
    return Number(text);
  });
  const described = (await new Admin(client).topics.describe(topics)).orThrow();
  return [...described.values()].flatMap(({ name: topic, partitions }) => {
    const missing = wanted.find(index => index >= partitions.length);
    if (missing !== undefined)
      throw new Failure(`${topic} has no partition ${missing}, only ${partitions.length} of them`);
    const indexes = wanted.length > 0 ? wanted : partitions.map(({ partition }) => partition);
    return indexes.map(partition => ({ topic, partition }));
  });
}

type Ends = Map<string, TopicPartition & { readonly end: Offset }>;

async function endsOf(consumer: Consumer, partitions: readonly TopicPartition[]): Promise<Ends> {
  const found = (await consumer.endOffsets(partitions)).orThrow();
  return new Map([...found].map(([key, { topic, partition, offset: end }]) => [key, { topic, partition, end }]));
}

async function startsOf(
  client: ClusterClient,
  partitions: readonly TopicPartition[],
  place: Place,
): Promise<PartitionStart[]> {
  if ("offset" in place) return partitions.map(entry => ({ ...entry, offset: place.offset }));
  const { at } = place;
  if (typeof at === "string") {
    return partitions.map(entry => ({ ...entry, offset: at === "earliest" ? "beginning" : "end" }));
  }
  const found = await new Admin(client).offsets(partitions.map(entry => ({ ...entry, at })));
  return partitions.map(entry => {
    const { offset } = found.value(partitionKey(entry.topic, entry.partition));
    return { ...entry, offset: offset < 0 ? "end" : offset };
  });
}
