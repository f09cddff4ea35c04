import { concat, joined, type PartitionIndex, type ProducerEpoch, type ProducerId } from "@samsa/base";
import { VERIFICATION } from "@samsa/log";
import { Errors, type ProduceRequest } from "@samsa/protocol";
import { BatchCursor, FIELD, MAGIC } from "@samsa/records";
import type { Partition } from "../../replica/partition.ts";
import type { TopicContext } from "../../request/request-topics.ts";
import type { ClientAbility } from "../../coordinator/admission.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "config" | "env" | "transactions">;

type TopicData = ProduceRequest["topicData"][number];

/**
 * First versions whose clients know TRANSACTION_ABORTABLE, and let the broker add partitions to transactions (KIP-890).
 */
const ABORTABLE_VERSION = 11;
const ADDING_VERSION = 12;

export interface Refusal {
  readonly errorCode: number;
  readonly message: string | null;
}

/** State of a request's transaction when its batches are appended. */
export interface Transaction {
  /** Reason why no batch may be appended to a partition; undefined if there is none. */
  refusal(topic: string, index: PartitionIndex): Refusal | undefined;
  /** Value of `AppendRequest.guard` for a partition. */
  guardOf(partition: Partition): number | undefined;
}

interface Request {
  readonly parts: Needs;
  readonly context: TopicContext;
  readonly transactionalId: string;
}

/** A transactional batch and its destination. */
interface Target {
  readonly topic: string;
  readonly index: PartitionIndex;
  readonly partition: Partition;
  readonly producerId: ProducerId;
  readonly producerEpoch: ProducerEpoch;
  readonly baseSequence: number;
}

type Go = (topicData: readonly TopicData[], transaction: Transaction) => void;

/**
 * Calls `go` to append once the coordinator has verified the partitions or added them to the transaction
 * (`ReplicaManager.handleProduceAppend`). Calls `failed` if the verification fails, or if `go` throws.
 */
export function produceInTransaction(
  request: Request,
  topicData: readonly TopicData[],
  { go, failed }: { go: Go; failed: (error: unknown) => void },
): void {
  const { parts, context, transactionalId } = request;
  const { transactions } = parts;
  // The request's memory is reused once its handler returns. Its copy counts instead.
  const isBusy = transactions.isBusy(transactionalId);
  const data = isBusy ? copied(topicData) : topicData;
  let isHeld = isBusy;
  if (isHeld) context.memory?.keep();
  const free = (): void => {
    if (isHeld) context.memory?.free();
    isHeld = false;
  };
  transactions.inTurn(
    transactionalId,
    finish =>
      begin(request, data, (all, transaction) =>
        finish(() => {
          free();
          go(all, transaction);
        }),
      ),
    error => {
      free();
      failed(error);
    },
  );
}

function copied(topicData: readonly TopicData[]): TopicData[] {
  return topicData.map(topic => ({
    ...topic,
    partitionData: topic.partitionData.map(({ index, records }) => ({
      index,
      records: records === null ? null : [concat(records).slice()],
    })),
  }));
}

function targetsOf({ context }: Request, topicData: readonly TopicData[]): Target[] {
  const targets: Target[] = [];
  const batch = new BatchCursor();
  for (const topic of topicData) {
    const found = context.topics.find(topic.name, topic.topicId);
    if (typeof found === "number") continue;
    for (const { index, records } of topic.partitionData) {
      const partition = context.topics.partition(found.name, index);
      if (typeof partition === "number" || records === null) continue;
      batch.reset(joined(records));
      if (!batch.next() || batch.bytes[batch.at + FIELD.magic] !== MAGIC) continue;
      if (!batch.isTransactional || !batch.hasProducer) continue;
      const { producerId, producerEpoch, baseSequence } = batch;
      targets.push({ topic: found.name, index, partition, producerId, producerEpoch, baseSequence });
    }
  }
  return targets;
}

/** Offset of the byte of the attributes that says whether a batch is transactional. */
const ATTRIBUTES_AT = FIELD.attributes + 1;
const TRANSACTIONAL = 0x10;

/** True if the first batch of any partition is transactional (`RequestUtils.hasTransactionalRecords`). */
export function hasTransactionalBatch({ topicData }: ProduceRequest): boolean {
  for (const { partitionData } of topicData) {
    for (const { records } of partitionData) {
      const [first] = records ?? [];
      if (records === null || first === undefined) continue;
      const bytes = first.length > ATTRIBUTES_AT ? first : joined(records);
      if (bytes[FIELD.magic] === MAGIC && ((bytes[ATTRIBUTES_AT] ?? 0) & TRANSACTIONAL) !== 0) return true;
    }
  }
  return false;
}

function begin(request: Request, topicData: readonly TopicData[], go: Go): void {
  const { parts, context, transactionalId } = request;
  const targets = targetsOf(request, topicData);
  const [first] = targets;
  if (
    first !== undefined &&
    targets.some(t => t.producerId !== first.producerId || t.producerEpoch !== first.producerEpoch)
  ) {
    const refusal = { errorCode: Errors.INVALID_PRODUCER_ID_MAPPING.code, message: null };
    return go(topicData, { refusal: () => refusal, guardOf: () => undefined });
  }
  const ability = {
    addsByWriting: context.version >= ADDING_VERSION,
    knowsAbortable: context.version >= ABORTABLE_VERSION,
  };
  const verifies = parts.config["transaction.partition.verification.enable"];
  if (first === undefined || !(ability.addsByWriting || verifies)) return go(topicData, UNGUARDED);
  const now = parts.env.clock.now();
  const guards = new Map<Partition, number>();
  const stale = new Set<Partition>();
  const unknown = new Map<string, Set<PartitionIndex>>();
  for (const target of targets) {
    const { topic, index, partition } = target;
    if (partition.fault !== 0) continue;
    const guard = partition.startVerification(target, ability.addsByWriting, now);
    if (guard === VERIFICATION.STALE) {
      stale.add(partition);
      continue;
    }
    guards.set(partition, guard);
    if (guard !== VERIFICATION.OPEN) unknown.set(topic, (unknown.get(topic) ?? new Set()).add(index));
  }
  const guardOf = (partition: Partition): number | undefined => (verifies ? (guards.get(partition) ?? 0) : undefined);
  const staleRefusal = (topic: string, index: PartitionIndex): Refusal | undefined => {
    const partition = stale.size === 0 ? 0 : context.topics.partition(topic, index);
    return typeof partition !== "number" && stale.has(partition) ? STALE : undefined;
  };
  if (unknown.size === 0) return go(topicData, { refusal: staleRefusal, guardOf });
  // The coordinator answers later, if it is another broker or has to write. The copy counts as the memory until then.
  const data = copied(topicData);
  const producer = { id: first.producerId, epoch: first.producerEpoch };
  context.memory?.keep();
  parts.transactions.admit({ transactionalId, producer, partitions: unknown, ability, patient: true }, errorOf => {
    context.memory?.free();
    const refusal = (topic: string, index: PartitionIndex): Refusal | undefined =>
      unknown.get(topic)?.has(index) === true ? refusalOf(errorOf(topic, index), ability) : staleRefusal(topic, index);
    go(data, { refusal, guardOf });
  });
}

const STALE: Refusal = { errorCode: Errors.INVALID_PRODUCER_EPOCH.code, message: null };

const UNGUARDED: Transaction = { refusal: () => undefined, guardOf: () => undefined };

const COORDINATOR_AWAY: ReadonlyMap<number, string> = new Map(
  (["NETWORK_EXCEPTION", "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"] as const).map(
    name => [Errors[name].code, name],
  ),
);

/** Maps errors that old clients would not retry to an error that they do retry, without a refresh of metadata. */
function refusalOf(errorCode: number, { addsByWriting }: ClientAbility): Refusal | undefined {
  if (errorCode === 0) return undefined;
  if (errorCode === Errors.INVALID_TXN_STATE.code) {
    return { errorCode, message: "Partition was not added to the transaction" };
  }
  const isBusy = errorCode === Errors.CONCURRENT_TRANSACTIONS.code && !addsByWriting;
  const underlying = isBusy ? "CONCURRENT_TRANSACTIONS" : COORDINATOR_AWAY.get(errorCode);
  if (underlying === undefined) return { errorCode, message: null };
  const why = "Unable to verify the partition has been added to the transaction.";
  return {
    errorCode: Errors.NOT_ENOUGH_REPLICAS.code,
    message: `${why} Underlying error: ${underlying}`,
  };
}
