import { setTimeout as sleep } from "node:timers/promises";
import { KafkaError } from "@samsa/client-kernel";
import { Admin as Runtime, type ClusterClient } from "@samsa/client-runtime";
import { kafkaJSError, protocolError } from "../error/convert.ts";
import {
  KafkaJSAggregateError,
  KafkaJSBrokerNotFound,
  KafkaJSCreateTopicError,
  KafkaJSDeleteTopicRecordsError,
  KafkaJSError,
  KafkaJSNonRetriableError,
  KafkaJSTimeout,
} from "../error/errors.ts";
import type { Logger } from "../log/logger.ts";
import { offsetOf } from "../values/offset.ts";
import { checkConfigEntries, checkTopics } from "./checks.ts";
import type { Admin, ITopicConfig, ITopicMetadata, SeekEntry } from "./types.ts";

const TIMEOUT = 5000;
const WAIT_MS = 100;
const LEADER_NOT_AVAILABLE = 5;
const TOPIC_ALREADY_EXISTS = 36;
const NOT_CONTROLLER = 41;

interface Result {
  readonly name: string;
  readonly errorCode: number;
  readonly errorMessage?: string | null;
}

/** Asks again as long as no controller takes the request. */
function ofController<R>(
  client: ClusterClient,
  ask: () => Promise<R>,
  results: (answer: R) => readonly Result[],
): Promise<R> {
  return client.retrying(client.patience(), async () => {
    const answer = await ask();
    if (results(answer).some(({ errorCode }) => errorCode === NOT_CONTROLLER)) {
      throw KafkaError.of(NOT_CONTROLLER, "the controller");
    }
    return answer;
  });
}

export async function listTopics(client: ClusterClient): Promise<string[]> {
  return (await new Runtime(client).topics.list({ internal: true })).map(({ name }) => name);
}

function requested({
  topic: name,
  numPartitions = -1,
  replicationFactor = -1,
  replicaAssignment = [],
  configEntries,
}: ITopicConfig) {
  const isAssigned = replicaAssignment.length > 0;
  return {
    name,
    numPartitions: isAssigned ? -1 : numPartitions,
    replicationFactor: isAssigned ? -1 : replicationFactor,
    assignments: replicaAssignment.map(({ partition, replicas }) => ({
      partitionIndex: partition,
      brokerIds: replicas,
    })),
    configs: (configEntries ?? []).map(({ name: key, value }) => ({ name: key, value })),
  };
}

/** Creates topics; false: all of them exist. */
export async function createTopics(
  client: ClusterClient,
  { topics, validateOnly = false, timeout = TIMEOUT, waitForLeaders = true }: Parameters<Admin["createTopics"]>[0],
): Promise<boolean> {
  const ask = () => client.callAny("CreateTopics", { topics: topics.map(requested), validateOnly, timeoutMs: timeout });
  const answer = await ofController(client, ask, ({ topics: results }) => results);
  const failed = answer.topics.filter(({ errorCode }) => errorCode !== 0);
  if (failed.length > 0) {
    if (failed.every(({ errorCode }) => errorCode === TOPIC_ALREADY_EXISTS)) return false;
    const errors = failed.map(
      ({ name, errorCode, errorMessage }) =>
        new KafkaJSCreateTopicError(protocolError(errorCode, `topic ${name}`, errorMessage), name),
    );
    // The first reason is part of the message, which is often all that a log has.
    throw new KafkaJSAggregateError(
      `Topic creation errors: ${errors.map(({ message }) => message).join("; ")}`,
      errors,
    );
  }
  if (waitForLeaders && !validateOnly)
    await leaders(
      client,
      topics.map(({ topic }) => topic),
      timeout,
    );
  return true;
}

/** Throws for topics that cannot be created. */
export function checkNewTopics(topics: unknown): void {
  checkTopics(topics, "topics");
  for (const { topic, configEntries } of topics as readonly ITopicConfig[]) checkConfigEntries(topic, configEntries);
}

/** Waits until all partitions of topics have leaders. */
async function leaders(client: ClusterClient, names: readonly string[], timeout: number): Promise<void> {
  const deadline = Date.now() + timeout;
  for (;;) {
    const { topics } = await client.callAny("Metadata", {
      topics: names.map(name => ({ name })),
      allowAutoTopicCreation: false,
    });
    const isLed = topics.every(
      ({ errorCode, partitions }) => errorCode === 0 && partitions.every(({ leaderId }) => leaderId >= 0),
    );
    if (isLed) return;
    if (Date.now() + WAIT_MS >= deadline) throw new KafkaJSTimeout("Timed out while waiting for topic leaders");
    await sleep(WAIT_MS);
  }
}

export async function deleteTopics(client: ClusterClient, topics: readonly string[], timeout = TIMEOUT): Promise<void> {
  const timeoutMs = Math.max(timeout, client.settings.apiTimeoutMs);
  (await new Runtime(client).topics.delete(topics, { timeoutMs })).orThrow();
}

export async function createPartitions(
  client: ClusterClient,
  { topicPartitions, validateOnly = false, timeout = TIMEOUT }: Parameters<Admin["createPartitions"]>[0],
): Promise<boolean> {
  const topics = topicPartitions.map(({ topic: name, count, assignments }) => ({
    ...{ name, count },
    assignments: assignments?.map(brokerIds => ({ brokerIds })) ?? null,
  }));
  const ask = () => client.callAny("CreatePartitions", { topics, validateOnly, timeoutMs: timeout });
  const { results } = await ofController(client, ask, answer => answer.results);
  for (const { name, errorCode, errorMessage } of results) {
    if (errorCode !== 0) throw protocolError(errorCode, `topic ${name}`, errorMessage);
  }
  return true;
}

/** Describes topics, or all of them. */
export async function topicMetadata(client: ClusterClient, names: readonly string[]): Promise<ITopicMetadata[]> {
  return client.retrying(client.patience(), async () => {
    const { topics } = await client.callAny("Metadata", {
      topics: names.length === 0 ? null : names.map(name => ({ name })),
      allowAutoTopicCreation: false,
    });
    return topics.map(({ name, errorCode, partitions }) => {
      const what = `topic ${name ?? ""}`;
      if (errorCode === LEADER_NOT_AVAILABLE) throw KafkaError.of(errorCode, what);
      if (errorCode !== 0) throw protocolError(errorCode, what);
      return {
        name: name ?? "",
        partitions: partitions.map(one => ({
          ...{ partitionErrorCode: one.errorCode, partitionId: one.partitionIndex, leader: one.leaderId },
          ...{ replicas: [...one.replicaNodes], isr: [...one.isrNodes], offlineReplicas: [...one.offlineReplicas] },
        })),
      };
    });
  });
}

/** Indices of a topic's partitions, in order. Throws UNKNOWN_TOPIC_OR_PARTITION if there is no such topic. */
export async function partitionsOf(client: ClusterClient, topic: string): Promise<number[]> {
  const [found] = await topicMetadata(client, [topic]);
  return (found?.partitions ?? []).map(({ partitionId }) => partitionId).sort((a, b) => a - b);
}

type Spec = "earliest" | "latest" | { readonly timestamp: number };

async function offsetsAt(
  client: ClusterClient,
  topic: string,
  partitions: readonly number[],
  at: Spec,
): Promise<Map<number, number>> {
  const specs = partitions.map(partition => ({ topic, partition, at }));
  const found = (await new Runtime(client).offsets(specs)).orThrow();
  return new Map([...found.values()].map(({ partition, offset }) => [partition, offset]));
}

/** Ends of the partitions of a topic. */
export async function topicOffsets(
  client: ClusterClient,
  topic: string,
): Promise<(SeekEntry & { readonly high: string; readonly low: string })[]> {
  const partitions = await partitionsOf(client, topic);
  const [high, low] = await Promise.all([
    offsetsAt(client, topic, partitions, "latest"),
    offsetsAt(client, topic, partitions, "earliest"),
  ]);
  return partitions.map(partition => {
    const end = String(high.get(partition) ?? -1);
    return { partition, offset: end, high: end, low: String(low.get(partition) ?? -1) };
  });
}

/** Offsets of the first messages at or after a time; without a time, the ends. */
export async function offsetsByTime(
  client: ClusterClient,
  topic: string,
  timestamp: number | undefined,
): Promise<SeekEntry[]> {
  if (timestamp !== undefined && !Number.isSafeInteger(timestamp)) {
    throw new KafkaJSNonRetriableError(`The timestamp is a time in ms, not ${String(timestamp)}`);
  }
  const partitions = await partitionsOf(client, topic);
  const ends = await offsetsAt(client, topic, partitions, "latest");
  const found = timestamp === undefined ? ends : await offsetsAt(client, topic, partitions, { timestamp });
  return partitions.map(partition => {
    const offset = found.get(partition) ?? -1;
    return { partition, offset: String(offset >= 0 ? offset : (ends.get(partition) ?? -1)) };
  });
}

const UNCHANGED =
  "The requested offset is before the earliest offset maintained on the partition - no records will be deleted from this partition";

/** Deletes the messages before offsets of partitions. */
export async function deleteRecords(
  client: ClusterClient,
  { topic, partitions }: Parameters<Admin["deleteTopicRecords"]>[0],
  logger: Logger,
): Promise<void> {
  const ends = new Map((await topicOffsets(client, topic)).map(entry => [entry.partition, entry]));
  const unknown = partitions.filter(({ partition }) => !ends.has(partition));
  if (unknown.length > 0) {
    const error = new KafkaJSBrokerNotFound("Could not find the leader for the partition", { retriable: false });
    throw new KafkaJSDeleteTopicRecordsError({
      topic,
      partitions: unknown.map(({ partition, offset }) => ({ partition, offset, error })),
    });
  }
  const wanted = partitions.map(({ partition, offset }) => ({ topic, partition, offset: offsetOf(offset) }));
  for (const { partition, offset } of wanted) {
    if (offset !== -1 && offset < Number(ends.get(partition)?.low)) {
      logger.warn(UNCHANGED, { topic, partition, offset: String(offset) });
    }
  }
  const outcomes = await new Runtime(client).topics.deleteRecords(wanted);
  const failed = wanted.flatMap(({ partition, offset }) => {
    const outcome = outcomes.of(topic, partition);
    const failure = outcome instanceof KafkaError ? kafkaJSError(outcome) : undefined;
    return failure instanceof KafkaJSError ? [{ partition, offset: String(offset), error: failure }] : [];
  });
  if (failed.length === 0) return;
  const error = new KafkaJSDeleteTopicRecordsError({ topic, partitions: failed });
  // As KafkaJS tells what brokers have refused for good.
  throw error.retriable ? error : new KafkaJSNonRetriableError(error, { cause: error });
}
