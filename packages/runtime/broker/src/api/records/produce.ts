import { type Int64, joined, type Offset, type PartitionIndex } from "@samsa/base";
import type { AppendResult } from "@samsa/log";
import type { TopicImage } from "@samsa/metadata";
import { Errors, type ProduceRequest } from "@samsa/protocol";
import type { Acks } from "@samsa/replica";
import { isCompressed, type Judgement, type JudgeRules } from "@samsa/records";
import type { Partition } from "../../replica/partition.ts";
import type { TopicContext } from "../../request/request-topics.ts";
import { INTERNAL_TOPICS } from "../../config/internal-topics.ts";
import type { BrokerNode } from "../../metadata/broker-nodes.ts";
import { type CurrentLeader, CurrentLeaders } from "./current-leaders.ts";
import { election } from "./election.ts";
import { hasTransactionalBatch, produceInTransaction, type Transaction } from "./produce-transaction.ts";
import type { TopicHandler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "env" | "config" | "judging" | "metrics" | "node" | "topics" | "transactions">;

type TopicData = ProduceRequest["topicData"][number];

interface PartitionResult {
  readonly index: PartitionIndex;
  errorCode: number;
  baseOffset: Offset;
  logAppendTimeMs: Int64;
  logStartOffset: Offset;
  recordErrors: readonly { batchIndex: number; batchIndexErrorMessage: string }[];
  errorMessage: string | null;
  currentLeader?: CurrentLeader;
}

/** Errors of an append that Kafka answers without the log start offset (`ReplicaManager.appendToLocalLog`). */
const STARTLESS: ReadonlySet<number> = new Set([
  Errors.CORRUPT_MESSAGE.code,
  Errors.MESSAGE_TOO_LARGE.code,
  Errors.RECORD_LIST_TOO_LARGE.code,
  Errors.KAFKA_STORAGE_ERROR.code,
]);

/** First version whose responses name the current leader (KIP-951). */
const LEADER_VERSION = 10;
/** First version whose clients support zstd. */
const ZSTD_VERSION = 7;
/** Client id of Kafka's own tools, which may write to internal topics. */
const ADMIN_CLIENT = "__admin_client";

function refused(index: PartitionIndex, errorCode: number, errorMessage: string | null = null): PartitionResult {
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

/** Replies to a Produce request once all its partitions are written. */
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

  /** Replies UNKNOWN_SERVER_ERROR for all partitions, unless a reply was sent already. */
  fail(topicData: ProduceRequest["topicData"]): void {
    this.refuse(topicData, Errors.UNKNOWN_SERVER_ERROR.code);
  }

  /** Replies an error code for all partitions, unless a reply was sent already. */
  refuse(topicData: ProduceRequest["topicData"], code: number): void {
    if (this.#waiting <= 0) return;
    this.#waiting = 0;
    this.#finish(
      topicData.map(({ name, topicId, partitionData }) => ({
        name,
        topicId,
        partitionResponses: partitionData.map(({ index }) => refused(index, code)),
      })),
    );
  }
}

export const produce: TopicHandler<"Produce", Needs> = (parts, request, context, reply) => {
  const { acks } = request;
  const production = new Production(responses => {
    if (acks === 0) {
      // With acks=0 the client gets no response: on an error the connection is closed, so that the client refreshes its
      // metadata.
      if (responses.some(hasFailed)) context.close("a produce request with acks=0 failed");
      else reply(null);
      return;
    }
    const isPlain = context.version < LEADER_VERSION || !responses.some(hasFailed);
    if (isPlain) return reply({ responses, throttleTimeMs: 0 });
    reply({ responses, throttleTimeMs: 0, nodeEndpoints: nameLeaders(parts, context, responses) });
  });
  if (request.transactionalId === null && hasTransactionalBatch(request)) {
    const { code } = Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return production.refuse(request.topicData, code);
  }
  const validAcks = acks === -1 || acks === 0 || acks === 1;
  const all = (topicData: ProduceRequest["topicData"], transaction?: Transaction): void => {
    const producing = {
      acks: acks === -1 ? ("IN_SYNC" as const) : ("LEADER" as const),
      timeoutMs: request.timeoutMs,
      parts,
      context,
      production,
      transaction,
    };
    for (const topic of topicData) {
      const found = context.topics.find(topic.name, topic.topicId);
      const partitionResponses = topic.partitionData.map(({ index, records }) =>
        validAcks ? produceTo(producing, found, index, records) : refused(index, Errors.INVALID_REQUIRED_ACKS.code),
      );
      if (partitionResponses.length > 0)
        production.responses.push({ name: topic.name, topicId: topic.topicId, partitionResponses });
    }
    production.done();
  };
  const { transactionalId, topicData } = request;
  if (transactionalId === null || !validAcks) return all(topicData);
  const failed = (error: unknown): void => {
    parts.env.logger.error("a produce request failed", { transactionalId, error });
    production.fail(topicData);
  };
  produceInTransaction({ parts, context, transactionalId }, topicData, { go: all, failed });
};

function hasFailed({ partitionResponses }: Production["responses"][number]): boolean {
  return partitionResponses.some(({ errorCode }) => errorCode !== 0);
}

/** Adds the leaders of partitions that other brokers lead to their results; returns the endpoints of these leaders. */
function nameLeaders(parts: Needs, context: TopicContext, responses: Production["responses"]): readonly BrokerNode[] {
  const leaders = new CurrentLeaders(parts, context.listener);
  for (const { name, topicId, partitionResponses } of responses) {
    for (const result of partitionResponses) {
      const topic = context.topics.nameOf(name, topicId) ?? "";
      const currentLeader = leaders.after(result.errorCode, topic, result.index);
      if (currentLeader !== undefined) result.currentLeader = currentLeader;
    }
  }
  return leaders.endpoints;
}

interface Producing {
  readonly acks: Acks;
  readonly timeoutMs: number;
  readonly parts: Needs;
  readonly context: TopicContext;
  readonly production: Production;
  /** Transaction of the batches; undefined if the request has no transactional id. */
  readonly transaction: Transaction | undefined;
}

function produceTo(
  producing: Producing,
  topic: TopicImage | number,
  index: PartitionIndex,
  chunks: readonly Uint8Array[] | null,
): PartitionResult {
  const { parts, context } = producing;
  if (typeof topic === "number") return refused(index, topic);
  const { name } = topic;
  parts.metrics.topics.add(name, "totalProduceRequests", 1);
  if (INTERNAL_TOPICS.has(name) && context.clientId !== ADMIN_CLIENT) {
    return refused(index, Errors.INVALID_TOPIC_EXCEPTION.code);
  }
  const partition = leaderOrCandidate(producing, name, index);
  if (typeof partition === "number") return refused(index, partition);
  const fault = partition.leader === undefined ? 0 : partition.appendFault(producing.acks);
  if (fault !== 0) {
    parts.metrics.topics.produceFailed(name, fault, 0);
    return refused(index, fault);
  }
  const refusal = producing.transaction?.refusal(name, index);
  if (refusal !== undefined) return refused(index, refusal.errorCode, refusal.message);
  const bytes = chunks === null ? new Uint8Array(0) : joined(chunks);
  const result = refused(index, 0);
  try {
    appendTo(producing, partition, bytes, result);
  } catch (error) {
    // A bug fails the batch of this partition, not the whole request.
    failed(parts, result, error);
  }
  return result;
}

/** Partition for an append, now or after an election that is awaited; else an error code. */
function leaderOrCandidate({ context, transaction }: Producing, name: string, index: PartitionIndex) {
  const partition = context.topics.leader(name, index);
  // A transaction has been verified for partitions that are led here.
  const mayWait = partition === Errors.NOT_LEADER_OR_FOLLOWER.code && transaction === undefined;
  return mayWait ? (context.topics.candidate(name, index) ?? partition) : partition;
}

function failed(parts: Needs, result: PartitionResult, error: unknown): void {
  parts.env.logger.error("a batch could not be appended", { error });
  fail(result, Errors.UNKNOWN_SERVER_ERROR.code);
}

/** Validates a batch, on the event loop if it is small, and appends it after earlier batches of the partition. */
function appendTo(producing: Producing, partition: Partition, bytes: Uint8Array, result: PartitionResult): void {
  const { parts, context, production } = producing;
  const now = parts.env.clock.now();
  const rules = context.version >= ZSTD_VERSION ? partition.rules : withoutZstd(partition.rules);
  const judged = parts.judging.isLarge(bytes, rules) ? undefined : judgeSmall(parts, bytes, rules, now);
  const { order } = partition;
  const isLed = partition.leader !== undefined;
  if (judged !== undefined && !order.busy && isLed) {
    settle(producing, partition, { judged, rules, now }, result);
    return;
  }
  // The request's memory is reused once its handler returns.
  const judging = judged === undefined ? parts.judging.later(bytes.slice(), rules, now) : Promise.resolve(kept(judged));
  // Batches behind one that waits for the election are refused with it, so that they do not overtake it.
  const later =
    isLed || order.busy ? judging : Promise.all([judging, election(parts.env, partition)]).then(([of]) => of);
  production.wait();
  context.memory?.keep();
  order.add(
    later,
    judgement => {
      context.memory?.free();
      if (partition.fault === 0) settle(producing, partition, { judged: judgement, rules, now }, result);
      else fail(result, partition.fault);
      production.done();
    },
    error => {
      context.memory?.free();
      failed(parts, result, error);
      production.done();
    },
  );
}

function kept({ validation, bytes }: Judgement): Judgement {
  return { validation, bytes: bytes.slice() };
}

function withoutZstd(rules: JudgeRules): JudgeRules {
  return { ...rules, validation: { ...rules.validation, allowZstd: false } };
}

/**
 * Validates a batch on the event loop; undefined if its decompressed size is above the limit there, so that the result
 * is still open.
 */
function judgeSmall(parts: Needs, bytes: Uint8Array, rules: JudgeRules, now: number): Judgement | undefined {
  const judged = parts.judging.now(bytes, rules, now);
  return judged.validation.error === Errors.INVALID_RECORD.code && isCompressed(bytes) ? undefined : judged;
}

/**
 * True if the request contains no batch to validate; Kafka sends no error message then
 * (`ProduceRequest.validateRecords`).
 */
function emptyHanded({ early, error }: Judgement["validation"]): boolean {
  return early && error === Errors.INVALID_RECORD.code;
}

interface Judged {
  readonly judged: Judgement;
  /** Rules that the batch was validated against; the topic's settings may have changed since. */
  readonly rules: JudgeRules;
  readonly now: number;
}

function settle(
  producing: Producing,
  partition: Partition,
  { judged, rules, now }: Judged,
  result: PartitionResult,
): void {
  const { validation, bytes } = judged;
  const { parts, production } = producing;
  if (validation.error !== 0) {
    const recordErrors = validation.faults.map(({ index: at, message }) => ({
      batchIndex: at,
      batchIndexErrorMessage: message,
    }));
    parts.metrics.topics.produceFailed(partition.topic, validation.error, bytes.length);
    const refusal = refused(result.index, validation.error, emptyHanded(validation) ? null : validation.message);
    const logStartOffset = validation.early || STARTLESS.has(validation.error) ? -1 : partition.startOffset;
    Object.assign(result, { ...refusal, logStartOffset, recordErrors });
    return;
  }
  const { transaction } = producing;
  if (validation.transactional && transaction === undefined) {
    return fail(result, Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED.code);
  }
  let added: AppendResult;
  try {
    const request = {
      origin: "client" as const,
      now,
      maxTimestamps: [validation.maxTimestamp],
      timestampType: rules.validation.timestampType,
      guard: validation.transactional ? transaction?.guardOf(partition) : undefined,
    };
    const done = (errorCode: number): void => {
      // The records are in the log: the client learns where (`DelayedProduce`).
      result.errorCode = errorCode;
      production.done();
    };
    added = partition.appendAsLeader(bytes, request, { acks: producing.acks, timeoutMs: producing.timeoutMs, done });
  } catch (error) {
    return failed(parts, result, error);
  }
  if (added.error !== 0) {
    parts.metrics.topics.produceFailed(partition.topic, added.error, bytes.length);
    fail(result, added.error);
    if (!STARTLESS.has(added.error)) result.logStartOffset = partition.startOffset;
    return;
  }
  production.wait();
  result.baseOffset = added.firstOffset;
  result.logAppendTimeMs = added.logAppendTime;
  result.logStartOffset = partition.startOffset;
  parts.metrics.topics.produced(partition.topic, bytes.length, validation.count);
}

function fail(result: PartitionResult, errorCode: number): void {
  Object.assign(result, refused(result.index, errorCode));
}
