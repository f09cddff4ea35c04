import type { TopicView } from "@samsa/client-kernel";
import type { BatchResult, ProducerRecord as Outgoing } from "@samsa/client-runtime";
import { type Compression, defaultCompression, type RecordHeader } from "@samsa/records";
import { KafkaJSNonRetriableError } from "../error/errors.ts";
import type { PartitionerArgs, PartitionMetadata } from "./partitioners.ts";
import type { IHeaders, Message } from "./message.ts";
import type { ProducerBatch, RecordMetadata, TopicMessages } from "./types.ts";

/** Throws KafkaJSNonRetriableError for messages that cannot be sent. */
export function checkMessages(topicMessages: readonly TopicMessages[]): void {
  for (const { topic, messages } of topicMessages) {
    if (!topic || typeof topic !== "string") throw new KafkaJSNonRetriableError("Invalid topic");
    if (!Array.isArray(messages)) {
      throw new KafkaJSNonRetriableError(`Invalid messages array [${JSON.stringify(messages)}] for topic "${topic}"`);
    }
    const without = messages.find(message => message.value === undefined);
    if (without !== undefined) {
      const said = `Invalid message without value for topic "${topic}": ${JSON.stringify(without)}`;
      throw new KafkaJSNonRetriableError(said);
    }
  }
}

/** Codec of a call, at its default level. Throws KafkaJSNonRetriableError for one that there is not. */
export function compressionOf(given: ProducerBatch["compression"]): Compression {
  for (const codec of [0, 1, 2, 3, 4] as const) if ((given ?? 0) === codec) return defaultCompression(codec);
  throw new KafkaJSNonRetriableError(`compression is one of CompressionTypes, not ${String(given)}`);
}

/** Partitions of topics, as partitioners see them: made once for each state of the metadata. */
export class TopicPartitions {
  readonly #known = new WeakMap<TopicView, PartitionMetadata[]>();

  of(view: TopicView): PartitionMetadata[] {
    const known = this.#known.get(view);
    if (known !== undefined) return known;
    const made = view.partitions.map(({ index, leaderId, replicas, inSync, offline }) => ({
      ...{ partitionErrorCode: 0, partitionId: index, leader: leaderId, replicas: [...replicas], isr: [...inSync] },
      offlineReplicas: [...offline],
    }));
    this.#known.set(view, made);
    return made;
  }
}

function dataOf(data: unknown, part: string, topic: string): string | Uint8Array | null {
  if (data === undefined || data === null) return null;
  if (typeof data === "string" || data instanceof Uint8Array) return data;
  throw new KafkaJSNonRetriableError(
    `The ${part} of a message for topic "${topic}" is a text, a Buffer or null, not a ${typeof data}`,
  );
}

function headersOf(headers: IHeaders, topic: string): RecordHeader[] {
  return Object.entries(headers).flatMap(([key, given]) =>
    (Array.isArray(given) ? given : [given]).map(one => {
      const value = dataOf(one, `header "${key}"`, topic);
      return { key, value: typeof value === "string" ? Buffer.from(value) : value };
    }),
  );
}

function timestampOf(given: unknown, topic: string): number {
  const timestamp = typeof given === "string" || typeof given === "number" ? Number(given) : NaN;
  if (Number.isSafeInteger(timestamp) && timestamp >= 0) return timestamp;
  throw new KafkaJSNonRetriableError(
    `The timestamp of a message for topic "${topic}" is a time in ms as a text, not "${String(given)}"`,
  );
}

/** Parts of a record that are the same for all messages of a topic. */
export interface TopicChoices {
  readonly topic: string;
  readonly partitions: PartitionMetadata[];
  readonly partitioner: (args: PartitionerArgs) => number;
  readonly compression: Compression;
}

/** Record of a message, in the partition that the partitioner chooses. */
export function recordOf(message: Message, choices: TopicChoices): Outgoing {
  const { topic, partitions, partitioner, compression } = choices;
  const partition = Number(partitioner({ topic, partitionMetadata: partitions, message }));
  if (!Number.isInteger(partition) || partition < 0) {
    throw new KafkaJSNonRetriableError(
      `The partitioner chose "${String(partition)}" for a message of topic "${topic}", which is no partition`,
    );
  }
  const { key, value, headers, timestamp } = message;
  return {
    topic,
    partition,
    compression,
    key: dataOf(key, "key", topic),
    value: dataOf(value, "value", topic),
    headers: headers === undefined || headers === null ? undefined : headersOf(headers, topic),
    timestamp: timestamp === undefined || timestamp === null ? undefined : timestampOf(timestamp, topic),
  };
}

/** First offsets by topic and partition, as KafkaJS tells them. */
export function placesOf(records: readonly Outgoing[], { partitions, offsets }: BatchResult): RecordMetadata[] {
  const firsts = new Map<string, { topicName: string; partition: number; first: number }>();
  for (const [i, { topic: topicName }] of records.entries()) {
    const [partition = -1, offset = -1] = [partitions[i], offsets[i]];
    const key = `${topicName}/${partition}`;
    const found = firsts.get(key);
    if (found === undefined) firsts.set(key, { topicName, partition, first: offset });
    else if (offset >= 0 && (found.first < 0 || offset < found.first)) found.first = offset;
  }
  return [...firsts.values()].map(({ topicName, partition, first }) => ({
    ...{ topicName, partition, errorCode: 0, baseOffset: String(first) },
  }));
}
