import type { Int64 } from "@samsa/base";
import { KafkaError, partitionKey, type TopicPartition } from "@samsa/client-kernel";
import type { AbortTransaction, Admin, PartitionProducer } from "@samsa/client-runtime";
import type { Common } from "../../settings/client-settings.ts";
import { Failure } from "../../terminal/failure.ts";
import { toJson } from "../../terminal/json.ts";
import { dash, known, printTable } from "../../terminal/table.ts";
import { administered } from "./client.ts";
import { partitionsOf } from "./partitions.ts";
import { durationOf } from "./place.ts";

/** Partitions that one call asks about at most. */
const BATCH = 500;

interface ListOptions extends Common {
  readonly state?: readonly string[];
  readonly openFor?: string;
  readonly pattern?: string;
}

/** Time in ISO 8601, or the number if no date is that far; a dash for −1. */
function timeText(ms: Int64): string {
  const at = Number(ms);
  if (at < 0) return "-";
  return at <= 8.64e15 ? new Date(at).toISOString() : String(ms);
}

/** `samsa txn list`. */
export function list(options: ListOptions): Promise<void> {
  const { state: states = [], pattern } = options;
  const openForMs = options.openFor === undefined ? undefined : durationOf(options.openFor, "--open-for");
  return administered(options, async admin => {
    const found = await admin.transactions.list({
      states,
      ...(openForMs === undefined ? {} : { openForMs }),
      ...(pattern === undefined ? {} : { pattern }),
    });
    found.sort((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1));
    if (options.json === true) return console.log(toJson(found));
    const rows = found.map(({ transactionalId, producerId, state }) => [transactionalId, String(producerId), state]);
    printTable(["TRANSACTION", "PRODUCER", "STATE"], rows);
  });
}

/** `samsa txn describe`. */
export function describe(ids: readonly string[], options: Common): Promise<void> {
  return administered(options, async admin => {
    const found = [...(await admin.transactions.describe(ids)).orThrow().values()];
    if (options.json === true) return console.log(toJson(found));
    const rows = found.map(
      ({ transactionalId, producerId, producerEpoch, state, timeoutMs, startedAt, partitions }) => [
        transactionalId,
        ...[String(producerId), String(producerEpoch), state, String(timeoutMs), timeText(startedAt)],
        partitions.length === 0 ? "-" : partitions.map(({ topic, partition }) => `${topic}:${partition}`).join(" "),
      ],
    );
    printTable(["TRANSACTION", "PRODUCER", "EPOCH", "STATE", "TIMEOUT MS", "STARTED", "PARTITIONS"], rows);
  });
}

/** Producer of a partition. */
type Placed = TopicPartition & PartitionProducer;

/** Producers of partitions, in their order. Rejects with the first error of a partition. */
async function producersOf(admin: Admin, partitions: readonly TopicPartition[]): Promise<Placed[]> {
  const all: Placed[] = [];
  for (let i = 0; i < partitions.length; i += BATCH) {
    const batch = partitions.slice(i, i + BATCH);
    const found = await admin.transactions.describeProducers(batch);
    for (const { topic, partition } of batch) {
      const producers = found.value(partitionKey(topic, partition));
      all.push(...producers.map(producer => ({ topic, partition, ...producer })));
    }
  }
  return all;
}

function showProducers(producers: readonly Placed[]): void {
  const rows = producers.map(producer => [
    producer.topic,
    ...[String(producer.partition), String(producer.producerId), String(producer.producerEpoch)],
    ...[dash(known(producer.coordinatorEpoch)), dash(known(producer.lastSequence)), timeText(producer.lastTimestamp)],
    dash(known(producer.transactionStart)),
  ]);
  const head = [
    "TOPIC",
    "PARTITION",
    "PRODUCER",
    "EPOCH",
    "COORDINATOR EPOCH",
    "SEQUENCE",
    "LAST RECORD",
    "OPEN SINCE",
  ];
  printTable(head, rows);
}

/** `samsa txn producers`: what the leaders of partitions know of their producers. */
export function producers(partitions: readonly string[], options: Common): Promise<void> {
  return administered(options, async admin => {
    const found = await producersOf(admin, await partitionsOf(admin, partitions, "txn producers"));
    if (options.json === true) return console.log(toJson(found));
    showProducers(found);
  });
}

interface HangingOptions extends Common {
  readonly topic: readonly string[];
  readonly longerThan: string;
}

/**
 * `samsa txn find-hanging`: transactions that partitions hold open, and that no coordinator will end (KIP-664). The last
 * record is old, and no transaction of this producer has the partition.
 */
export function findHanging(options: HangingOptions): Promise<void> {
  const oldMs = durationOf(options.longerThan, "--longer-than");
  return administered(options, async admin => {
    const topics =
      options.topic.length > 0 ? options.topic : (await admin.topics.list({ internal: true })).map(({ name }) => name);
    const partitions = await partitionsOf(admin, topics, "--topic");
    const now = Date.now();
    const all = await producersOf(admin, partitions);
    const open = all.filter(one => one.transactionStart >= 0 && now - Number(one.lastTimestamp) > oldMs);
    const hanging = open.length === 0 ? [] : await unknownOf(admin, open);
    if (options.json === true) return console.log(toJson(hanging));
    if (hanging.length === 0) return console.log("No hanging transactions.");
    showProducers(hanging);
  });
}

/** Picks the open transactions whose coordinator does not know that their partition is part of them. */
async function unknownOf(admin: Admin, open: readonly Placed[]): Promise<Placed[]> {
  const listed = await admin.transactions.list({ producerIds: [...new Set(open.map(({ producerId }) => producerId))] });
  const described = await admin.transactions.describe(listed.map(({ transactionalId }) => transactionalId));
  const expected = new Set<string>();
  for (const { transactionalId, producerId } of listed) {
    const transaction = described.get(transactionalId);
    // A transaction may end between the two questions.
    if (transaction instanceof KafkaError && transaction.name === "TRANSACTIONAL_ID_NOT_FOUND") continue;
    const { partitions } = described.value(transactionalId);
    for (const { topic, partition } of partitions) expected.add(`${producerId} ${partitionKey(topic, partition)}`);
  }
  return open.filter(
    ({ producerId, topic, partition }) => !expected.has(`${producerId} ${partitionKey(topic, partition)}`),
  );
}

interface AbortOptions extends Common {
  readonly startOffset?: string;
  readonly producerId?: string;
  readonly producerEpoch?: string;
  readonly coordinatorEpoch?: string;
}

function whole(text: string, option: string, bound: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!(value <= bound)) throw new Failure(`${option} wants a whole number up to ${bound}, not "${text}"`);
  return value;
}

/** Marker that the options describe; undefined if it is to be looked up. Throws `Failure`. */
function markerOf(options: AbortOptions): Omit<AbortTransaction, "topic" | "partition"> | undefined {
  const { startOffset, producerId, producerEpoch, coordinatorEpoch } = options;
  const given = [producerId, producerEpoch, coordinatorEpoch].filter(value => value !== undefined).length;
  if (startOffset !== undefined && given === 0) return undefined;
  if (startOffset !== undefined || producerId === undefined || producerEpoch === undefined || given < 3) {
    throw new Failure("give --start-offset, or all of --producer-id, --producer-epoch and --coordinator-epoch");
  }
  if (!/^\d{1,19}$/.test(producerId)) throw new Failure(`--producer-id wants a whole number, not "${producerId}"`);
  return {
    producerId: BigInt(producerId),
    producerEpoch: whole(producerEpoch, "--producer-epoch", 32_767),
    // Partitions tell −1 of a producer that has had no marker yet.
    coordinatorEpoch:
      coordinatorEpoch === "-1" ? 0 : whole(coordinatorEpoch ?? "", "--coordinator-epoch", 2_147_483_647),
  };
}

/** `samsa txn abort`: ends a transaction that hangs in one partition (KIP-664). */
export function abort(place: string, options: AbortOptions): Promise<void> {
  const given = markerOf(options);
  const start = given === undefined ? whole(options.startOffset ?? "", "--start-offset", Number.MAX_SAFE_INTEGER) : 0;
  if (!/^[^:]+:\d{1,10}$/.test(place)) throw new Failure(`txn abort wants topic:partition, not "${place}"`);
  return administered(options, async admin => {
    const partitions = await partitionsOf(admin, [place], "txn abort");
    for (const partition of partitions) {
      const marker = given ?? (await openAt(admin, partition, start));
      await admin.transactions.abort({ ...partition, ...marker });
      const { producerId, producerEpoch, coordinatorEpoch } = marker;
      const facts = { ...partition, producerId, producerEpoch, coordinatorEpoch };
      if (options.json === true) console.log(toJson(facts));
      else console.log(`Aborted the transaction of producer ${producerId} in ${place}.`);
    }
  });
}

/** Producer whose transaction begins at an offset. Rejects with a `Failure`. */
async function openAt(
  admin: Admin,
  partition: TopicPartition,
  start: number,
): Promise<Omit<AbortTransaction, "topic" | "partition">> {
  const found = (await producersOf(admin, [partition])).find(({ transactionStart }) => transactionStart === start);
  if (found === undefined) {
    throw new Failure(`no transaction of ${partition.topic}:${partition.partition} is open since offset ${start}`);
  }
  const { producerId, producerEpoch, coordinatorEpoch } = found;
  return { producerId, producerEpoch, coordinatorEpoch: Math.max(0, coordinatorEpoch) };
}

/** `samsa txn terminate`: aborts open transactions through their coordinator, and fences their producers. */
export function terminate(ids: readonly string[], options: Common): Promise<void> {
  return administered(options, async admin => {
    // A coordinator makes a transaction of an id that it does not know.
    (await admin.transactions.describe(ids)).orThrow();
    const fenced = (await admin.transactions.fence(ids)).orThrow();
    if (options.json === true) {
      return console.log(toJson([...fenced].map(([transactionalId, now]) => ({ transactionalId, ...now }))));
    }
    for (const id of ids) console.log(`Terminated transaction ${id}.`);
  });
}
