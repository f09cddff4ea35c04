import { checkTransition, type Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { partitionKey } from "../cluster/cluster-view.ts";
import { KafkaError } from "../error/kafka-error.ts";
import type { ProducerParts } from "./accumulator.ts";
import type { Coordinator, TransactionAnswer, TransactionApi } from "./effects.ts";
import { NO_PRODUCER, type ProducerIdAndEpoch } from "./producer-id.ts";
import { PREVIOUS_PRODUCER_STATES, type ProducerState } from "./producer-state.ts";
import { isFatalOfBatch, lookupVerdict, type Verdict, verdictOf, withFlags } from "./transaction-errors.ts";
import { type OperationName, TransactionOperation } from "./transaction-operation.ts";
import {
  type AddPartitionsRequest,
  callOf,
  type GroupMembership,
  type OffsetsRequest,
  offsetsByPartition,
  priorityOf,
  type TransactionMember,
  type TransactionOffset,
  type TransactionRequest,
} from "./transaction-requests.ts";

/** Features of the cluster that transactions depend on. */
export interface TransactionFeatures {
  /** `transaction.version` of the finalized features; from 2 on partitions join a transaction by themselves (KIP-890). */
  readonly transactionVersion: number;
  /** Highest version of InitProducerId of the coordinator; from 3 on a producer can raise its epoch (KIP-360). */
  readonly initProducerIdVersion: number;
}

/** Delay before the first partition of a transaction is added again, while the last transaction still ends, in ms. */
const CONCURRENT_BACKOFF_MS = 20;
/** Last epoch of a producer id. */
const LAST_EPOCH = 0x7fff;

/**
 * Producer id, epoch and transactions of a producer (`TransactionManager`), for both versions of the protocol of
 * transactions. One request is under way at a time. Operations return why they are not possible now, or nothing; then
 * the effect `settled` ends them.
 */
export class TransactionManager<T> {
  producer = NO_PRODUCER;
  /** Number of the current transaction. */
  serial = 0;
  #state: ProducerState = "UNINITIALIZED";
  #lastError: KafkaError | undefined;
  #isV2 = false;
  #features: TransactionFeatures = { transactionVersion: 0, initProducerIdVersion: 0 };
  /** The transaction exists at the coordinator, so it must be ended there. */
  #isStarted = false;
  /** The epoch must be raised before the next transaction. */
  #needsBump = false;
  #doom: KafkaError | undefined;
  /** An idempotent producer asks for a producer id at once, and later only for batches. */
  #hasAsked = false;
  /** Partitions to add to the transaction. */
  #newMembers: TransactionMember[] = [];
  /** Partitions that the coordinator has added to this transaction. */
  #joined = 0;
  /** Requests by priority. */
  #requests: TransactionRequest[] = [];
  #underWay: { readonly id: number; readonly request: TransactionRequest } | undefined;
  #nextId = 0;
  readonly #parts: ProducerParts<T>;
  readonly #operation: TransactionOperation<T>;

  constructor(parts: ProducerParts<T>) {
    this.#parts = parts;
    this.#operation = new TransactionOperation(parts.out);
  }

  get state(): ProducerState {
    return this.#state;
  }

  get isTransactional(): boolean {
    return this.#parts.settings.transactionalId !== null;
  }

  /** Error of the states ABORTABLE_ERROR and FATAL_ERROR. */
  get lastError(): KafkaError | undefined {
    return this.#lastError;
  }

  get hasProducerId(): boolean {
    return this.producer.producerId >= 0n;
  }

  get isCompleting(): boolean {
    return this.#state === "COMMITTING_TRANSACTION" || this.#state === "ABORTING_TRANSACTION";
  }

  /** The transaction, if there is one, can only be aborted, or is being aborted. */
  get isAborting(): boolean {
    return this.#state === "ABORTABLE_ERROR" || this.#state === "ABORTING_TRANSACTION";
  }

  /** A transaction is open or being ended. */
  get isInTransaction(): boolean {
    return (
      this.#state === "IN_TRANSACTION" ||
      this.isCompleting ||
      (this.isTransactional && this.#state === "ABORTABLE_ERROR")
    );
  }

  /** Operation that the application began and whose outcome it has not taken. */
  get unfinished(): OperationName | undefined {
    return this.#operation.unfinished;
  }

  /** Highest version of Produce: from 12 on it adds the partition to the transaction. */
  get produceVersion(): number {
    return this.isTransactional && !this.#isV2 ? 11 : 13;
  }

  /** Takes news of the features; they take effect between transactions. */
  learn(features: TransactionFeatures): void {
    this.#features = features;
  }

  // Operations of the application

  initTransactions(token: number): KafkaError | undefined {
    return this.#begin("initTransactions", token, () => {
      if (this.#state !== "UNINITIALIZED") return this.#illegal("initTransactions");
      this.#setState("INITIALIZING");
      this.#enqueue({ api: "InitProducerId", isBump: false, notBefore: -Infinity });
      return undefined;
    });
  }

  beginTransaction(): KafkaError | undefined {
    const refusal = this.#refusal("beginTransaction");
    if (refusal !== undefined) return refusal;
    if (this.#state !== "READY") return this.#illegal("beginTransaction");
    this.#setState("IN_TRANSACTION");
    this.serial++;
    return undefined;
  }

  commitTransaction(token: number): KafkaError | undefined {
    return this.#begin("commitTransaction", token, () => {
      if (this.#state !== "IN_TRANSACTION") return this.#lastError ?? this.#illegal("commitTransaction");
      this.#setState("COMMITTING_TRANSACTION");
      this.#addNewMembers();
      this.#enqueueEnd(true);
      return undefined;
    });
  }

  abortTransaction(token: number): KafkaError | undefined {
    return this.#begin("abortTransaction", token, () => {
      if (this.#state === "FATAL_ERROR") return this.#lastError;
      if (this.#state !== "IN_TRANSACTION" && this.#state !== "ABORTABLE_ERROR")
        return this.#illegal("abortTransaction");
      this.#setState("ABORTING_TRANSACTION");
      this.#dropRequests(new KafkaError("TRANSACTION_ABORTED", "the transaction was aborted"));
      this.#enqueueEnd(false);
      return undefined;
    });
  }

  /** Commits offsets of a consumer with the transaction; `token` is settled once they are part of it. */
  sendOffsets(token: number, offsets: readonly TransactionOffset[], group: GroupMembership): KafkaError | undefined {
    const refusal = this.#refusal("sendOffsetsToTransaction");
    if (refusal !== undefined) return refusal;
    if (this.#state !== "IN_TRANSACTION") return this.#illegal("sendOffsetsToTransaction");
    if (group.groupId === "")
      return new KafkaError("INVALID_ARGUMENT", "the offsets of a consumer without a group cannot be committed");
    if (offsets.length === 0) {
      this.#parts.out.settle(token);
      return undefined;
    }
    const isV2 = this.#isV2;
    if (isV2) this.#isStarted = true;
    const api = isV2 ? "TxnOffsetCommit" : "AddOffsetsToTxn";
    this.#enqueue({ api, token, group, offsets: offsetsByPartition(offsets), isV2, notBefore: -Infinity });
    return undefined;
  }

  /** The application waits no longer for `token`: the operation goes on, and the same call takes its outcome. */
  abandon(token: number): void {
    this.#operation.abandon(token);
  }

  #begin(name: OperationName, token: number, start: () => KafkaError | undefined): KafkaError | undefined {
    if (!this.isTransactional) return this.#noTransactions(name);
    if (this.#operation.joins(name, token)) return undefined;
    const refusal = this.#operation.obstacle(name) ?? start();
    if (refusal === undefined) this.#operation.start(name, token);
    return refusal;
  }

  #refusal(name: string): KafkaError | undefined {
    if (!this.isTransactional) return this.#noTransactions(name);
    return this.#operation.obstacle(name) ?? this.#lastError;
  }

  #noTransactions(name: string): KafkaError {
    return new KafkaError("ILLEGAL_STATE", `a producer without a transactional id has no ${name}`);
  }

  #illegal(name: string): KafkaError {
    return new KafkaError("ILLEGAL_STATE", `${name} is not possible in the state ${this.#state}`);
  }

  // Partitions of the transaction

  /** Error of a record that is sent now. */
  refusalOfRecord(): KafkaError | undefined {
    if (this.#state === "IN_TRANSACTION" || (!this.isTransactional && this.#state !== "FATAL_ERROR")) return undefined;
    return this.#lastError ?? this.#operation.obstacle("send") ?? this.#illegal("send");
  }

  /** Adds the partition of a record that was appended to the transaction. */
  join(member: TransactionMember): void {
    if (!this.isTransactional || member.transaction === this.serial) return;
    member.transaction = this.serial;
    member.isJoined = this.#isV2;
    if (this.#isV2) this.#isStarted = true;
    else this.#newMembers.push(member);
  }

  /** True if batches of the partition may leave. */
  mayProduce(member: TransactionMember): boolean {
    if (!this.hasProducerId || this.#state === "FATAL_ERROR") return false;
    return !this.isTransactional || (member.transaction === this.serial && member.isJoined);
  }

  // Errors of batches

  /** Error that all batches fail with, although the producer goes on; once. */
  takeDoom(): KafkaError | undefined {
    const doom = this.#doom;
    this.#doom = undefined;
    return doom;
  }

  /** Takes the error of a batch that was given up. */
  batchFailed(error: KafkaError): void {
    if (isFatalOfBatch(error.name)) this.#toFatal(error);
    else if (this.isTransactional && this.isInTransaction) this.#toAbortable(error);
  }

  /** A record of the transaction was not even appended: without it the transaction is not whole. */
  sendFailed(error: KafkaError): void {
    if (this.#state === "IN_TRANSACTION") this.#abortable(error);
  }

  /** The broker may miss a sequence of the transaction that the producer has given up. */
  sequenceLost(): void {
    if (!this.isInTransaction) return;
    const message = "a record of the transaction may not have been written";
    this.#toAbortable(new KafkaError("DELIVERY_TIMED_OUT", message));
  }

  #toAbortable(error: KafkaError): void {
    if (this.#isV2) this.#abortable(error);
    else if (this.#features.initProducerIdVersion >= 3) {
      this.#needsBump = true;
      this.#abortable(error);
    } else {
      // Without a new epoch the sequences of later batches would not fit those of the lost ones.
      this.#toFatal(error);
    }
  }

  #abortable(error: KafkaError): void {
    // The first error is the cause of those after it.
    if (this.isAborting) return;
    this.#setState("ABORTABLE_ERROR", withFlags(error, { abortable: true }));
  }

  #toFatal(error: KafkaError): void {
    if (this.#state !== "FATAL_ERROR") this.#setState("FATAL_ERROR", withFlags(error, { fatal: true }));
  }

  /** Ends everything, because the producer is closed. */
  close(error: KafkaError): void {
    this.#toFatal(error);
  }

  #setState(to: ProducerState, error?: KafkaError): void {
    checkTransition(PREVIOUS_PRODUCER_STATES, this.#state, to);
    this.#state = to;
    this.#lastError = error;
    if (error !== undefined) this.#dropRequests(error);
    const isEnd = to === "READY" || to === "UNINITIALIZED" || error !== undefined;
    if (isEnd) this.#operation.end(error);
  }

  #dropRequests(error: KafkaError): void {
    const requests = this.#requests;
    this.#requests = [];
    this.#newMembers = [];
    for (const request of requests) if ("token" in request) this.#parts.out.settle(request.token, error);
  }

  // Producer id and epoch of an idempotent producer

  /** Raises the epoch; false if that was the last one, and a new producer id is asked for. */
  bumpIdempotentEpoch(): boolean {
    const { producerId, producerEpoch } = this.producer;
    if (producerEpoch < LAST_EPOCH) {
      this.producer = { producerId, producerEpoch: producerEpoch + 1 };
      return true;
    }
    this.producer = NO_PRODUCER;
    if (this.#state === "READY") this.#setState("UNINITIALIZED");
    return false;
  }

  // Requests

  #enqueue(request: TransactionRequest): void {
    const priority = priorityOf(request);
    const at = this.#requests.findIndex(other => priorityOf(other) > priority);
    this.#requests.splice(at < 0 ? this.#requests.length : at, 0, request);
  }

  #enqueueEnd(committed: boolean): void {
    this.#enqueue({ api: "EndTxn", committed, isV2: this.#isV2, notBefore: -Infinity });
    const isV2 = this.#features.transactionVersion >= 2;
    // The first epoch of version 2 must be new (KIP-890).
    if (isV2 && !this.#isV2) this.#needsBump = true;
    this.#isV2 = isV2;
  }

  #addNewMembers(): void {
    if (this.#newMembers.length === 0) return;
    this.#enqueue({ api: "AddPartitionsToTxn", members: this.#newMembers, notBefore: -Infinity });
    this.#newMembers = [];
  }

  /** Sends the next request, if there is one and none is under way. */
  poll(now: number, hasIncompleteBatches: boolean): void {
    if (this.#underWay !== undefined || this.#state === "FATAL_ERROR") return;
    const isWanted = hasIncompleteBatches || !this.#hasAsked;
    if (!this.isTransactional && this.#state === "UNINITIALIZED" && isWanted) {
      this.#hasAsked = true;
      this.#setState("INITIALIZING");
      this.#enqueue({ api: "InitProducerId", isBump: false, notBefore: -Infinity });
    }
    this.#addNewMembers();
    let request: TransactionRequest | undefined = this.#requests[0];
    if (request === undefined || (request.api === "EndTxn" && hasIncompleteBatches) || request.notBefore > now) return;
    this.#requests.shift();
    if (request.api === "EndTxn" && !this.#isStarted) {
      this.#transactionEnded();
      request = this.#requests.shift();
      if (request === undefined) return;
    }
    const id = this.#nextId++;
    this.#underWay = { id, request };
    const { settings, cluster } = this.#parts;
    this.#parts.out.push(callOf(id, request, { ...settings, producer: this.producer, cluster }));
  }

  /** Time at which the next request may be sent; Infinity if none waits for its time. */
  nextDeadline(hasIncompleteBatches: boolean): number {
    const request = this.#requests[0];
    if (this.#underWay !== undefined || request === undefined) return Infinity;
    return request.api === "EndTxn" && hasIncompleteBatches ? Infinity : request.notBefore;
  }

  /** A transaction has ended: the next may begin, once the epoch is raised if need be. */
  #transactionEnded(): void {
    this.#isStarted = false;
    this.#joined = 0;
    this.#newMembers = [];
    if (!this.#needsBump) {
      this.#setState("READY");
      return;
    }
    this.#needsBump = false;
    this.#setState("INITIALIZING");
    this.#enqueue({ api: "InitProducerId", isBump: true, notBefore: -Infinity });
  }

  // Answers

  /** Takes the answer to the request `id`. */
  answered(id: number, answer: TransactionAnswer, now: number): void {
    const request = this.#underWay?.request;
    if (request === undefined || this.#underWay?.id !== id) return;
    this.#underWay = undefined;
    switch (answer.api) {
      case "InitProducerId": {
        const { errorCode, producerId, producerEpoch } = answer.response;
        if (errorCode === 0) this.#initialized({ producerId, producerEpoch }, "isBump" in request && request.isBump);
        else this.#judge(request, errorCode, now);
        return;
      }
      case "AddPartitionsToTxn":
        if (request.api !== "AddPartitionsToTxn") return;
        return this.#partitionsAdded(request, answer.response.resultsByTopicV3AndBelow, now);
      case "AddOffsetsToTxn":
        if (request.api !== "AddOffsetsToTxn") return;
        if (answer.response.errorCode !== 0) return this.#judge(request, answer.response.errorCode, now);
        this.#isStarted = true;
        return this.#next({ ...request, api: "TxnOffsetCommit", notBefore: -Infinity });
      case "TxnOffsetCommit":
        if (request.api !== "TxnOffsetCommit") return;
        return this.#offsetsCommitted(request, answer.response.topics, now);
      case "EndTxn": {
        const { errorCode, producerId, producerEpoch } = answer.response;
        if (errorCode !== 0) return this.#judge(request, errorCode, now);
        if (this.#state === "FATAL_ERROR") return;
        if (producerId >= 0n) this.producer = { producerId, producerEpoch };
        return this.#transactionEnded();
      }
    }
  }

  #initialized(producer: ProducerIdAndEpoch, isBump: boolean): void {
    if (this.#state !== "INITIALIZING") return;
    // The features are known at the latest from the coordinator that has just answered.
    if (!isBump) this.#isV2 = this.#features.transactionVersion >= 2;
    this.producer = producer;
    this.#setState("READY");
  }

  #partitionsAdded(
    request: AddPartitionsRequest,
    topics: readonly { readonly name: string; readonly resultsByPartition: readonly PartitionResult[] }[],
    now: number,
  ): void {
    const codes = new Map<string, number>();
    for (const { name, resultsByPartition } of topics) {
      for (const { partitionIndex, partitionErrorCode } of resultsByPartition) {
        codes.set(partitionKey(name, partitionIndex), partitionErrorCode);
      }
    }
    let worst = 0;
    for (const { topic, partition } of request.members) {
      // A partition that the answer lacks is asked for again.
      const code = codes.get(partitionKey(topic, partition)) ?? Errors.COORDINATOR_NOT_AVAILABLE.code;
      if (code !== 0 && (worst === 0 || worst === Errors.OPERATION_NOT_ATTEMPTED.code)) worst = code;
    }
    if (worst !== 0) return this.#judge(request, worst, now);
    this.#isStarted = true;
    this.#joined += request.members.length;
    for (const member of request.members) if (member.transaction === this.serial) member.isJoined = true;
  }

  #offsetsCommitted(
    request: OffsetsRequest,
    topics: readonly {
      name: string;
      topicId: Uuid;
      partitions: readonly { partitionIndex: number; errorCode: number }[];
    }[],
    now: number,
  ): void {
    let worst = 0;
    let isLookup = false;
    for (const { name, topicId, partitions } of topics) {
      const topic = name === "" ? this.#parts.cluster.topicOf(topicId)?.name : name;
      if (topic === undefined) continue;
      for (const { partitionIndex, errorCode } of partitions) {
        if (errorCode === 0) {
          request.offsets.delete(partitionKey(topic, partitionIndex));
          continue;
        }
        const verdict = verdictOf(request.api, errorCode);
        if (verdict === "lookup") isLookup = true;
        else if (verdict !== "retry" && worst === 0) worst = errorCode;
      }
    }
    if (worst !== 0) return this.#judge(request, worst, now);
    if (request.offsets.size === 0) this.#parts.out.settle(request.token);
    else this.#retry(request, now, isLookup);
  }

  /** The request `id` had no answer, or its coordinator could not be found. */
  failed(id: number, error: KafkaError, now: number): void {
    const request = this.#underWay?.request;
    if (request === undefined || this.#underWay?.id !== id) return;
    this.#underWay = undefined;
    if (error.retriable) this.#retry(request, now, true);
    else this.#decide(request, lookupVerdict(error.name), error, now);
  }

  #judge(request: TransactionRequest, code: number, now: number): void {
    const error = KafkaError.of(code, this.#subject(request));
    if (request.api === "AddPartitionsToTxn" && code === Errors.CONCURRENT_TRANSACTIONS.code && this.#joined === 0) {
      const { retryBackoffMs } = this.#parts.settings;
      this.#retry(request, now + Math.min(CONCURRENT_BACKOFF_MS, retryBackoffMs) - retryBackoffMs, false);
      return;
    }
    this.#decide(request, verdictOf(request.api, code), error, now);
  }

  #subject({ api }: { readonly api: TransactionApi }): string {
    const { transactionalId } = this.#parts.settings;
    return transactionalId === null ? api : `${api} of transactional id ${transactionalId}`;
  }

  #decide(request: TransactionRequest, verdict: Verdict, error: KafkaError, now: number): void {
    switch (verdict) {
      case "retry":
      case "lookup":
        return this.#retry(request, now, verdict === "lookup");
      case "fenced":
        return this.#fail(request, KafkaError.of(Errors.PRODUCER_FENCED.code, this.#subject(request)), true);
      case "fatal":
        return this.#fail(request, error, true);
      case "uninitialized":
        if (this.#state !== "INITIALIZING") return;
        this.#setState("ABORTABLE_ERROR", error);
        this.#setState("UNINITIALIZED");
        this.#doom = error;
        return;
      case "bump":
        if (!this.#isV2 && this.#features.initProducerIdVersion >= 3) this.#needsBump = true;
        else if (!this.#isV2) return this.#fail(request, error, true);
        return this.#fail(request, error, false);
      case "mismatch": {
        const message = `the offsets were not committed with the transaction: ${error.message}`;
        return this.#fail(request, new KafkaError("COMMIT_FAILED", message, { cause: error }), false);
      }
      case "abort":
        return this.#fail(request, error, false);
    }
  }

  #fail(request: TransactionRequest, error: KafkaError, isFatal: boolean): void {
    const flagged = withFlags(error, isFatal ? { fatal: true } : { abortable: true });
    if ("token" in request) this.#parts.out.settle(request.token, flagged);
    if (isFatal) return this.#toFatal(flagged);
    if (this.#state !== "ABORTING_TRANSACTION") {
      if (this.#state !== "FATAL_ERROR") this.#abortable(flagged);
      return;
    }
    if (request.api !== "EndTxn") return;
    // The transaction cannot be aborted. A new epoch ends it as well.
    if (this.#needsBump) this.#transactionEnded();
    else this.#toFatal(flagged);
  }

  #retry(request: TransactionRequest, now: number, isLookup: boolean): void {
    if (isLookup) {
      const coordinator = this.#coordinatorOf(request);
      if (coordinator !== undefined) this.#parts.out.push({ type: "findCoordinator", coordinator });
    }
    request.notBefore = now + this.#parts.settings.retryBackoffMs;
    this.#next(request);
  }

  /** Queues a request again, unless the state of the transaction has made it pointless. */
  #next(request: TransactionRequest): void {
    const isUseful = request.api === "EndTxn" || request.api === "InitProducerId" || !this.isAborting;
    if (isUseful && this.#state !== "FATAL_ERROR") this.#enqueue(request);
    else if ("token" in request) {
      this.#parts.out.settle(
        request.token,
        this.#lastError ?? new KafkaError("TRANSACTION_ABORTED", "the transaction was aborted"),
      );
    }
  }

  #coordinatorOf(request: TransactionRequest): Coordinator | undefined {
    const { transactionalId } = this.#parts.settings;
    if (request.api === "TxnOffsetCommit") return { type: "group", key: request.group.groupId };
    return transactionalId === null ? undefined : { type: "transaction", key: transactionalId };
  }
}

interface PartitionResult {
  readonly partitionIndex: number;
  readonly partitionErrorCode: number;
}
