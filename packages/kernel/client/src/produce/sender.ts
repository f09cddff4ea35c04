import {
  type BrokerId,
  ExponentialBackoff,
  type Int64,
  type LeaderEpoch,
  nearestNumber,
  type Offset,
  type Uuid,
  ZERO_UUID,
} from "@samsa/base";
import { type Apis, Errors, type Infer } from "@samsa/protocol";
import type { PartitionView } from "../cluster/cluster-view.ts";
import { type LeaderHint, leaderHint } from "../cluster/leader-hint.ts";
import { retryBackoff } from "../cluster/retry-backoff.ts";
import { KafkaError } from "../error/kafka-error.ts";
import { type Accumulator, type ProducerParts, wholeFailure } from "./accumulator.ts";
import type { PartitionQueue, ProducerBatch } from "./partition-queue.ts";
import { Chance } from "./partitioner.ts";
import { failureOf, isRetriable, isSequenceGap, isStaleMetadata, type PartitionAnswer } from "./produce-errors.ts";
import type { TransactionManager } from "./transaction-manager.ts";

/** Response to a Produce request. */
export type ProduceAnswer = Infer<(typeof Apis)["Produce"]["response"]>;

/** A Produce request under way. */
interface Call<T> {
  readonly brokerId: BrokerId;
  readonly batches: readonly ProducerBatch<T>[];
  /** Names of the topics by id, as they were when the request left. */
  readonly names: Map<Uuid, string>;
  /** Bytes of the batches. */
  size: number;
}

/** Number to make a part of one. */
const TWO_31 = 0x80000000;

/** Answer for a partition, as far as it matters; for requests that had none it is made up. */
type Verdict = Pick<PartitionAnswer, "errorCode" | "baseOffset" | "logAppendTimeMs" | "logStartOffset">;

/** Sends batches, and decides what their answers mean (`Sender`). */
export class Sender<T> {
  /** The producer is closed: batches do not linger. */
  isClosing = false;
  readonly #parts: ProducerParts<T>;
  readonly #accumulator: Accumulator<T>;
  /** Undefined: the producer is not idempotent. */
  readonly #transactions: TransactionManager<T> | undefined;
  readonly #backoff: ExponentialBackoff;
  readonly #chance: Chance;
  readonly #calls = new Map<number, Call<T>>();
  /** Partitions whose sequences have a gap, perhaps. */
  readonly #troubled = new Set<PartitionQueue<T>>();
  #nextId = 0;
  #deadline = Infinity;

  constructor(
    parts: ProducerParts<T>,
    accumulator: Accumulator<T>,
    transactions: TransactionManager<T> | undefined,
    seed: number,
  ) {
    this.#parts = parts;
    this.#accumulator = accumulator;
    this.#transactions = transactions;
    this.#chance = new Chance(~seed);
    this.#backoff = new ExponentialBackoff(retryBackoff(parts.settings));
  }

  /** Time at which `poll` has something to do, unless an answer comes first. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Sends what may leave now, and gives up what has taken too long. */
  poll(now: number): void {
    this.#deadline = Infinity;
    this.#expire(now);
    if (this.#transactions !== undefined) this.#pollTransactions(this.#transactions, now);
    while (this.#sendRound(now));
    for (const { createdMs } of this.#accumulator.incomplete) {
      this.#wakeAt(createdMs + this.#parts.settings.deliveryTimeoutMs);
      break;
    }
  }

  #wakeAt(time: number): void {
    if (time < this.#deadline) this.#deadline = time;
  }

  #pollTransactions(transactions: TransactionManager<T>, now: number): void {
    this.#resolveSequences(transactions);
    const doom = transactions.takeDoom() ?? (transactions.state === "FATAL_ERROR" ? transactions.lastError : undefined);
    if (doom !== undefined) this.abortAll(doom);
    else if (transactions.isAborting) this.#abortWaiting(transactions.lastError);
    const hasIncomplete = this.#accumulator.incomplete.size > 0;
    transactions.poll(now, hasIncomplete);
    this.#wakeAt(transactions.nextDeadline(hasIncomplete));
  }

  // Batches that leave

  /** Sends at most one request to each broker; false if nothing was left to send. */
  #sendRound(now: number): boolean {
    const ready = this.#readyBrokers(now);
    if (ready.size === 0) return false;
    const calls = new Map<BrokerId, Call<T> & { batches: ProducerBatch<T>[]; isFull: boolean }>();
    const { active } = this.#accumulator;
    for (const queue of active) {
      const batch = queue.waiting[0];
      const leader = this.#leaderOf(queue);
      if (batch === undefined || leader === undefined || !ready.has(leader.leaderId)) continue;
      if (!this.#mayLeave(queue, batch) || this.#backsOffUntil(batch, leader.leaderEpoch) > now) continue;
      let call = calls.get(leader.leaderId);
      if (call === undefined) {
        call = { brokerId: leader.leaderId, batches: [], names: new Map(), size: 0, isFull: false };
        calls.set(leader.leaderId, call);
      }
      // A batch that is larger than any request goes alone.
      const isTooMuch = call.size + batch.size > this.#parts.settings.maxRequestBytes && call.batches.length > 0;
      if (call.isFull || isTooMuch) {
        call.isFull = true;
        continue;
      }
      this.#drain(queue, batch, leader.leaderEpoch);
      call.batches.push(batch);
      call.size += batch.size;
    }
    for (const call of calls.values()) {
      for (const { queue } of call.batches) {
        // The partition goes to the end of the line.
        active.delete(queue);
        if (queue.waiting.length > 0) active.add(queue);
      }
      this.#send(call, now);
    }
    return calls.size > 0;
  }

  /** Brokers that take a request, and that a batch must go to now. The others of their batches go along. */
  #readyBrokers(now: number): Set<BrokerId> {
    const { brokers, out } = this.#parts;
    const ready = new Set<BrokerId>();
    for (const queue of this.#accumulator.active) {
      const batch = queue.waiting[0];
      if (batch === undefined) continue;
      const leader = this.#leaderOf(queue);
      if (leader === undefined) {
        out.refresh(queue.topic);
        continue;
      }
      const { leaderId, leaderEpoch } = leader;
      if (ready.has(leaderId) || !this.#mayLeave(queue, batch)) continue;
      const time = this.#readyAt(queue, batch, leaderId, leaderEpoch);
      if (time > now) {
        this.#wakeAt(time);
        continue;
      }
      if (brokers.isFree(leaderId, now)) ready.add(leaderId);
      else {
        brokers.blocked(leaderId, now);
        const until = brokers.throttledUntil(leaderId);
        if (until > now) this.#wakeAt(until);
      }
    }
    return ready;
  }

  #leaderOf({ topic, partition }: PartitionQueue<T>): PartitionView | undefined {
    const view = this.#parts.cluster.topic(topic)?.partitions[partition];
    return view === undefined || view.leaderId < 0 ? undefined : view;
  }

  /** Time at which the first batch of a partition is to leave. */
  #readyAt(queue: PartitionQueue<T>, batch: ProducerBatch<T>, leaderId: BrokerId, leaderEpoch: LeaderEpoch): number {
    if (batch.attempts > 0) return this.#backsOffUntil(batch, leaderEpoch);
    const { settings, brokers } = this.#parts;
    const isDue =
      batch.isClosed ||
      queue.waiting.length > 1 ||
      this.isClosing ||
      this.#accumulator.isExhausted ||
      this.#accumulator.isFlushing ||
      this.#transactions?.isCompleting === true ||
      (settings.adaptiveLinger && brokers.isIdle(leaderId));
    return isDue ? -Infinity : batch.waitsSince + settings.lingerMs;
  }

  /** Time until which a batch waits before its next attempt; a new leader ends the wait (KIP-951). */
  #backsOffUntil(batch: ProducerBatch<T>, leaderEpoch: LeaderEpoch): number {
    return batch.attempts === 0 || leaderEpoch > batch.leaderEpoch ? -Infinity : batch.waitsSince + batch.backoffMs;
  }

  /** True if the state of the partition lets the batch leave, whenever that is. */
  #mayLeave(queue: PartitionQueue<T>, batch: ProducerBatch<T>): boolean {
    const { maxInFlight } = this.#parts.settings;
    // With one request in flight records keep their order, even if the leader moves meanwhile.
    if (maxInFlight === 1 && queue.onWire > 0) return false;
    const transactions = this.#transactions;
    if (transactions === undefined) return true;
    if (!transactions.mayProduce(queue) || queue.isBroken) return false;
    // Only the first of the batches that are tried again may leave: its answer decides about the others.
    if (batch.hasSequence) return queue.inFlight[0] === batch;
    if (queue.isUnresolved || queue.span >= (queue.isKnown ? maxInFlight : 1)) return false;
    return queue.inFlight.length === 0 || !queue.isStale(transactions.producer);
  }

  #drain(queue: PartitionQueue<T>, batch: ProducerBatch<T>, leaderEpoch: LeaderEpoch): void {
    const { settings, tools } = this.#parts;
    queue.waiting.shift();
    const transactions = this.#transactions;
    if (transactions !== undefined && !batch.hasSequence) {
      if (queue.isStale(transactions.producer)) queue.restart(transactions.producer, tools.crc32c);
      batch.isTransactional = transactions.isTransactional;
      queue.number(batch, tools.crc32c);
    }
    const isFirstAttempt = batch.bytes === undefined;
    batch.seal(tools, this.#accumulator.memory);
    // Small batches compress badly, and say nothing about full ones.
    if (isFirstAttempt && batch.compression.codec !== 0 && batch.rawSize * 2 >= settings.batchBytes) {
      this.#accumulator.topics.get(queue.topic)?.ratio.observe(batch.size / Math.max(1, batch.rawSize));
    }
    if (!queue.inFlight.includes(batch)) queue.inFlight.push(batch);
    queue.onWire++;
    batch.isOnWire = true;
    batch.wasFirst = queue.inFlight[0] === batch;
    batch.leaderEpoch = leaderEpoch;
  }

  #send(call: Call<T>, now: number): void {
    const { settings, cluster, brokers, out } = this.#parts;
    const id = this.#nextId++;
    this.#calls.set(id, call);
    brokers.began(call.brokerId);
    const topics = new Map<string, { index: number; records: Uint8Array[] }[]>();
    for (const { queue, bytes } of call.batches) {
      const partition = { index: queue.partition, records: bytes === undefined ? [] : [bytes] };
      const partitions = topics.get(queue.topic);
      if (partitions === undefined) topics.set(queue.topic, [partition]);
      else partitions.push(partition);
    }
    const topicData = [...topics].map(([name, partitionData]) => {
      const topicId = cluster.topic(name)?.id ?? ZERO_UUID;
      call.names.set(topicId, name);
      return { name, topicId, partitionData };
    });
    // Version 13 names topics by id, so all ids must be known.
    const named = topicData.every(({ topicId }) => topicId !== ZERO_UUID) ? 13 : 12;
    const maxVersion = Math.min(named, this.#transactions?.produceVersion ?? 13);
    const { transactionalId, acks, ackTimeoutMs: timeoutMs } = settings;
    const request = { transactionalId, acks, timeoutMs, topicData };
    const queuedMs = call.batches.map(({ createdMs }) => now - createdMs);
    out.push({ type: "produce", id, brokerId: call.brokerId, request, maxVersion, queuedMs });
  }

  // Answers

  /** Takes the response to a request; undefined if there is none, with acks of 0. */
  answered(id: number, response: ProduceAnswer | undefined, now: number): void {
    const call = this.#end(id, response?.throttleTimeMs ?? 0, now);
    if (call === undefined) return;
    const waiting = new Set(call.batches);
    const leaders: LeaderHint[] = [];
    for (const { name, topicId, partitionResponses } of response?.responses ?? []) {
      const topic = name === "" ? call.names.get(topicId) : name;
      for (const answer of partitionResponses) {
        for (const batch of waiting) {
          if (batch.queue.topic !== topic || batch.queue.partition !== answer.index) continue;
          waiting.delete(batch);
          this.#complete(batch, answer, now, () => failureOf(describe(batch), answer));
          const hint = leaderHint(batch.queue, answer.errorCode, answer.currentLeader);
          if (hint !== undefined) leaders.push(hint);
          break;
        }
      }
    }
    if (leaders.length > 0) this.#parts.out.push({ type: "leaders", leaders, nodes: response?.nodeEndpoints ?? [] });
    // The answer lacks a partition, or none was wanted.
    const code = response === undefined ? 0 : Errors.NETWORK_EXCEPTION.code;
    // Without an answer nobody knows when the socket no longer needs the memory.
    if (response === undefined) for (const batch of waiting) batch.isTainted = true;
    for (const batch of waiting) this.#complete(batch, made(code), now, () => lostFailure(batch, code));
  }

  /** Takes the failure of a request. */
  failed(id: number, error: KafkaError, now: number): void {
    const call = this.#end(id, 0, now);
    if (call === undefined) return;
    const code = codeOf(error);
    for (const batch of call.batches) {
      batch.isTainted = true;
      this.#complete(batch, made(code), now, () => wholeFailure(error));
    }
  }

  #end(id: number, throttleMs: number, now: number): Call<T> | undefined {
    const call = this.#calls.get(id);
    if (call === undefined) return undefined;
    this.#calls.delete(id);
    this.#parts.brokers.ended(call.brokerId, throttleMs, now);
    for (const batch of call.batches) {
      batch.isOnWire = false;
      batch.queue.onWire--;
    }
    return call;
  }

  #complete(batch: ProducerBatch<T>, answer: Verdict, now: number, failure: () => ReturnType<typeof failureOf>): void {
    const { errorCode } = answer;
    const { queue } = batch;
    if (isStaleMetadata(errorCode)) this.#parts.out.refresh(queue.topic);
    if (batch.isDone) {
      // The batch was given up on the wire. If it was written after all, no sequence is missing.
      if (errorCode === 0) queue.acknowledged(batch, nearestNumber(answer.baseOffset));
      this.#accumulator.release(batch);
    } else if (errorCode === 0 || errorCode === Errors.DUPLICATE_SEQUENCE_NUMBER.code) {
      this.#acknowledge(batch, errorCode === 0 ? nearestNumber(answer.baseOffset) : -1, answer.logAppendTimeMs);
    } else if (errorCode === Errors.MESSAGE_TOO_LARGE.code && batch.count > 1) {
      this.#accumulator.split(batch);
    } else if (this.#mayRetry(batch, answer)) this.#retry(batch, now);
    else this.#giveUp(batch, failure());
  }

  #acknowledge(batch: ProducerBatch<T>, baseOffset: Offset, logAppendTime: Int64): void {
    batch.queue.acknowledged(batch, baseOffset);
    this.#accumulator.settle(batch, baseOffset, logAppendTime);
  }

  #mayRetry(batch: ProducerBatch<T>, answer: Verdict): boolean {
    const { errorCode } = answer;
    // An aborted transaction needs none of its batches.
    if (batch.attempts >= this.#parts.settings.retries || this.#transactions?.isAborting === true) return false;
    if (!isSequenceGap(errorCode) || this.#transactions === undefined) return isRetriable(errorCode);
    // The batches before it are still on their way, or were when it left.
    if (!batch.wasFirst) return true;
    if (!this.#transactions.isTransactional) {
      this.#trouble(batch.queue).isBroken = true;
      return true;
    }
    if (errorCode !== Errors.UNKNOWN_PRODUCER_ID.code) return false;
    if (answer.logStartOffset < 0) return true;
    // All that the producer has written was deleted, and the broker has forgotten it (KIP-360).
    if (batch.queue.ackedOffset >= answer.logStartOffset) return false;
    this.#trouble(batch.queue).isBroken = true;
    return true;
  }

  #trouble(queue: PartitionQueue<T>): PartitionQueue<T> {
    this.#troubled.add(queue);
    return queue;
  }

  #retry(batch: ProducerBatch<T>, now: number): void {
    batch.backoffMs = this.#backoff.delayMs(batch.attempts, this.#chance.next() / TWO_31);
    batch.attempts++;
    batch.waitsSince = now;
    const { queue } = batch;
    queue.putBack(batch);
    this.#accumulator.active.add(queue);
  }

  /** Ends a batch with an error of the broker, or because it took too long. */
  #giveUp(batch: ProducerBatch<T>, failure: ReturnType<typeof failureOf>): void {
    if (batch.hasSequence && this.#transactions?.isTransactional === false)
      this.#trouble(batch.queue).isUnresolved = true;
    this.#accumulator.settle(batch, -1, -1, failure);
    this.#transactions?.batchFailed(failure.error.name === "BATCH_REFUSED" ? causeOf(failure.error) : failure.error);
  }

  // Sequences

  /** Decides about partitions whose broker may miss a sequence, once none of their batches is on the wire. */
  #resolveSequences(transactions: TransactionManager<T>): void {
    if (this.#troubled.size === 0 || transactions.state === "FATAL_ERROR") return;
    const broken: PartitionQueue<T>[] = [];
    for (const queue of this.#troubled) {
      if (queue.onWire > 0) continue;
      if (!queue.isBroken) {
        if (queue.inFlight.length > 0) continue;
        if (queue.isSettled) {
          // A later batch was acknowledged, so the one in doubt was written.
          queue.isUnresolved = false;
          this.#troubled.delete(queue);
          continue;
        }
        queue.isBroken = true;
      }
      broken.push(queue);
    }
    if (broken.length === 0) return;
    // In a transaction the broker has forgotten the partition; otherwise a new epoch makes it forget.
    if (!transactions.isTransactional && !this.#renew(transactions, broken)) return;
    for (const queue of broken) {
      this.#troubled.delete(queue);
      queue.restart(transactions.producer, this.#parts.tools.crc32c);
    }
  }

  /** Begins a new epoch, to which partitions change when they have none in flight. False: there is none yet. */
  #renew(transactions: TransactionManager<T>, broken: readonly PartitionQueue<T>[]): boolean {
    if (!transactions.hasProducerId) return false;
    return broken.every(queue => queue.isStale(transactions.producer)) || transactions.bumpIdempotentEpoch();
  }

  // Batches that are given up

  /** Gives up the batches that are older than the delivery timeout. */
  #expire(now: number): void {
    const { deliveryTimeoutMs } = this.#parts.settings;
    for (const batch of this.#accumulator.incomplete) {
      if (batch.createdMs + deliveryTimeoutMs > now) return;
      const age = Math.round(now - batch.createdMs);
      const tries = batch.attempts + (batch.isOnWire ? 1 : 0);
      const message = `${describe(batch)}: no acknowledgement within ${age} ms and ${tries} attempts`;
      this.#giveUp(batch, wholeFailure(new KafkaError("DELIVERY_TIMED_OUT", message)));
    }
  }

  /** Gives up all batches. */
  abortAll(error: KafkaError): void {
    for (const batch of this.#accumulator.incomplete) this.#accumulator.settle(batch, -1, -1, wholeFailure(error));
  }

  /** Gives up the batches of a transaction that is aborted, those excepted that are on the wire. */
  #abortWaiting(reason: KafkaError | undefined): void {
    for (const batch of this.#accumulator.incomplete) {
      if (batch.isOnWire) continue;
      const message = `${describe(batch)}: the transaction was aborted before the record was written`;
      const error = reason ?? new KafkaError("TRANSACTION_ABORTED", message);
      if (batch.hasSequence) this.#transactions?.sequenceLost();
      this.#accumulator.settle(batch, -1, -1, wholeFailure(error));
    }
  }
}

function describe<T>({ queue, count }: ProducerBatch<T>): string {
  return `batch of ${count} records for partition ${queue.partition} of topic ${queue.topic}`;
}

function made(errorCode: number): Verdict {
  return { errorCode, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 };
}

function lostFailure<T>(batch: ProducerBatch<T>, code: number): ReturnType<typeof failureOf> {
  return wholeFailure(KafkaError.of(code, describe(batch)));
}

/** Kafka's code of the failure of a request. */
function codeOf(error: KafkaError): number {
  if (error.code !== undefined && error.code !== 0) return error.code;
  if (error.name === "TIMED_OUT") return Errors.REQUEST_TIMED_OUT.code;
  return error.retriable ? Errors.NETWORK_EXCEPTION.code : Errors.UNKNOWN_SERVER_ERROR.code;
}

function causeOf(error: KafkaError): KafkaError {
  return error.cause instanceof KafkaError ? error.cause : error;
}
