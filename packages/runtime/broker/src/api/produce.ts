import { concat, DiskError, ZERO_UUID } from "@samsa/base";
import { Errors, type ProduceRequest } from "@samsa/protocol";
import { BatchCursor, type Codec, rebuildBatch, type Validation } from "@samsa/records";
import type { Broker } from "../broker.ts";
import type { Partition } from "../partition.ts";
import type { RequestContext } from "../requests.ts";
import { INTERNAL_TOPICS } from "../topics.ts";

type TopicData = ProduceRequest["topicData"][number];

interface PartitionResult {
  readonly index: number;
  errorCode: number;
  baseOffset: number;
  logAppendTimeMs: number;
  logStartOffset: number;
  recordErrors: readonly { batchIndex: number; batchIndexErrorMessage: string }[];
  errorMessage: string | null;
}

/** First version in which a topic is named by its id (KIP-516). */
const TOPIC_ID_VERSION = 13;
/** First version whose clients understand zstd. */
const ZSTD_VERSION = 7;
/** May write to internal topics: what Kafka's own tools call themselves. */
const ADMIN_CLIENT = "__admin_client";

function refused(index: number, errorCode: number, errorMessage: string | null = null): PartitionResult {
  return {
    index,
    errorCode,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    errorMessage,
  };
}

/** Tells of one request when all its partitions are written. */
class Production {
  readonly responses: { name: string; topicId: TopicData["topicId"]; partitionResponses: PartitionResult[] }[] = [];
  #waiting = 1;
  readonly #finish: (responses: Production["responses"]) => void;

  constructor(finish: (responses: Production["responses"]) => void) {
    this.#finish = finish;
  }

  wait(): void {
    this.#waiting++;
  }

  done(): void {
    if (--this.#waiting === 0) this.#finish(this.responses);
  }
}

export function produce(
  broker: Broker,
  request: ProduceRequest,
  context: RequestContext,
  reply: (response: object | null) => void,
): void {
  const { acks } = request;
  const production = new Production(responses => {
    if (acks === 0) {
      // Nobody listens: an error is told by closing, which the client takes as a reason to look again.
      const failed = responses.some(({ partitionResponses }) => partitionResponses.some(p => p.errorCode !== 0));
      if (failed) context.close("a produce request with acks=0 failed");
      else reply(null);
      return;
    }
    reply({ responses, throttleTimeMs: 0 });
  });
  const validAcks = acks === -1 || acks === 0 || acks === 1;
  for (const topic of request.topicData) {
    const partitionResponses = topic.partitionData.map(({ index, records }) =>
      validAcks
        ? produceTo({ acks, broker, context, production }, topic, index, records)
        : refused(index, Errors.INVALID_REQUIRED_ACKS.code),
    );
    production.responses.push({ name: topic.name, topicId: topic.topicId, partitionResponses });
  }
  production.done();
}

interface Producing {
  readonly acks: number;
  readonly broker: Broker;
  readonly context: RequestContext;
  readonly production: Production;
}

function produceTo(
  producing: Producing,
  topic: TopicData,
  index: number,
  chunks: readonly Uint8Array[] | null,
): PartitionResult {
  const { broker, context } = producing;
  const byId = context.version >= TOPIC_ID_VERSION;
  const name = byId ? broker.topics.nameOf(topic.topicId) : topic.name;
  if (name === undefined) {
    const unknown = topic.topicId === ZERO_UUID ? Errors.UNKNOWN_TOPIC_OR_PARTITION : Errors.UNKNOWN_TOPIC_ID;
    return refused(index, unknown.code);
  }
  if (INTERNAL_TOPICS.has(name) && context.clientId !== ADMIN_CLIENT) {
    return refused(index, Errors.INVALID_TOPIC_EXCEPTION.code);
  }
  const partition = broker.topics.partition(name, index);
  if (partition === undefined) return refused(index, Errors.UNKNOWN_TOPIC_OR_PARTITION.code);
  if (partition.fault !== 0) return refused(index, partition.fault);
  const bytes = chunks === null ? new Uint8Array(0) : chunks.length === 1 ? chunks[0] : concat(chunks);
  return appendTo(producing, partition, index, bytes);
}

function appendTo(producing: Producing, partition: Partition, index: number, bytes: Uint8Array): PartitionResult {
  const { broker, context, production } = producing;
  const now = broker.env.clock.now();
  const rules = context.version >= ZSTD_VERSION ? partition.rules : { ...partition.rules, allowZstd: false };
  const found = broker.validator.validate(bytes, rules, now);
  if (found.error !== 0) {
    const result = refused(index, found.error, found.message);
    result.recordErrors = found.faults.map(({ index: at, message }) => ({
      batchIndex: at,
      batchIndexErrorMessage: message,
    }));
    return result;
  }
  if (producing.acks === -1 && partition.minInSync > 1) {
    return refused(index, Errors.NOT_ENOUGH_REPLICAS.code);
  }
  if (found.transactional) return refused(index, Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED.code);
  return write({ broker, production, partition, index, now }, bytes, found);
}

interface Write {
  readonly broker: Broker;
  readonly production: Production;
  readonly partition: Partition;
  readonly index: number;
  readonly now: number;
}

function write(
  { broker, production, partition, index, now }: Write,
  bytes: Uint8Array,
  found: Validation,
): PartitionResult {
  const stored = found.rebuild ? rebuilt(broker, partition, bytes) : bytes;
  const result = refused(index, 0);
  try {
    const { log, leaderEpoch } = partition;
    const added = log.append(stored, {
      origin: "client",
      now,
      leaderEpoch,
      maxTimestamps: [found.maxTimestamp],
    });
    if (added.error !== 0) return refused(index, added.error);
    result.baseOffset = added.firstOffset;
    result.logAppendTimeMs = added.logAppendTime;
    result.logStartOffset = log.startOffset;
    broker.metrics.produced(log.topic, stored.length, found.count);
    production.wait();
    partition.appended(added.duplicate ? 0 : stored.length, added.lastOffset + 1, errorCode => {
      if (errorCode !== 0) Object.assign(result, refused(index, errorCode));
      production.done();
    });
    return result;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    partition.fail(Errors.KAFKA_STORAGE_ERROR.code);
    return refused(index, Errors.KAFKA_STORAGE_ERROR.code);
  }
}

/** The batch in the codec that the topic wants. */
function rebuilt(broker: Broker, partition: Partition, bytes: Uint8Array): Uint8Array {
  const batch = new BatchCursor(bytes);
  batch.next();
  const { compression } = partition.log.config;
  // Gaps alone are no reason to change the codec.
  const wanted = compression === "producer" ? { codec: batch.codec as Codec, level: -1 } : compression;
  return rebuildBatch(batch, { compression: wanted }, broker.tools);
}
