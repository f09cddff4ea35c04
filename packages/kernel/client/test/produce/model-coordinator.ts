/** Dumb model of a transaction coordinator, in both versions of the protocol of transactions. */
import { Errors } from "@samsa/protocol";
import type { ProduceCall, TransactionAnswer, TransactionCall } from "../../src/index.ts";
import type { ModelCluster } from "./model-cluster.ts";

const PRODUCER_ID = 7n;

/** Coordinator of one transactional id, and of the group whose offsets its transactions commit. */
export class ModelCoordinator {
  epoch = -1;
  isOngoing = false;
  /** Result of the last transaction that has ended. */
  #lastResult: boolean | undefined;
  /** The epoch was raised by the request with the one before, which may be repeated. */
  #wasRaised = false;
  readonly #partitions = new Set<number>();
  readonly #pending = new Map<number, number>();
  /** Offsets that are committed. */
  readonly offsets = new Map<number, number>();
  readonly #cluster: ModelCluster;
  readonly #isV2: boolean;

  constructor(cluster: ModelCluster, isV2: boolean) {
    this.#cluster = cluster;
    this.#isV2 = isV2;
    cluster.admit = (call, index) => this.#admit(call, index);
  }

  /** A broker asks before it appends a batch. */
  #admit(call: ProduceCall, index: number): number {
    const { records } = call.request.topicData[0]?.partitionData.find(data => data.index === index) ?? {};
    const bytes = records?.[0] ?? new Uint8Array(0);
    const epoch = new DataView(bytes.buffer, bytes.byteOffset).getInt16(51);
    if (epoch !== this.epoch) return Errors.INVALID_PRODUCER_EPOCH.code;
    if (this.#isV2) {
      this.isOngoing = true;
      this.#partitions.add(index);
      return 0;
    }
    return this.isOngoing && this.#partitions.has(index) ? 0 : Errors.INVALID_TXN_STATE.code;
  }

  #end(isCommitted: boolean): void {
    for (const index of this.#partitions) this.#cluster.partitions[index]?.mark(PRODUCER_ID, isCommitted, this.epoch);
    if (isCommitted) for (const [partition, offset] of this.#pending) this.offsets.set(partition, offset);
    this.#partitions.clear();
    this.#pending.clear();
    this.isOngoing = false;
    this.#lastResult = isCommitted;
  }

  /** Another producer takes the transactional id. */
  fence(): void {
    if (this.isOngoing) this.#end(false);
    this.epoch += 2;
    this.#wasRaised = false;
  }

  /** Handles a request. */
  handle(call: TransactionCall): TransactionAnswer {
    switch (call.api) {
      case "InitProducerId": {
        const { producerId = -1n, producerEpoch = -1 } = call.request;
        const errorCode = this.#init(producerId, producerEpoch);
        return initAnswer(errorCode, this.epoch);
      }
      case "AddPartitionsToTxn": {
        const { v3AndBelowTopics: topics = [], v3AndBelowProducerEpoch: epoch } = call.request;
        const code = epoch === this.epoch ? 0 : Errors.INVALID_PRODUCER_EPOCH.code;
        for (const { partitions } of topics)
          if (code === 0) for (const index of partitions) this.#partitions.add(index);
        if (code === 0) this.isOngoing = true;
        return partitionsAnswer(call, code);
      }
      case "AddOffsetsToTxn": {
        const errorCode = call.request.producerEpoch === this.epoch ? 0 : Errors.PRODUCER_FENCED.code;
        if (errorCode === 0) this.isOngoing = true;
        return { api: "AddOffsetsToTxn", response: { throttleTimeMs: 0, errorCode } };
      }
      case "TxnOffsetCommit": {
        const isKnown = this.isOngoing || this.#isV2;
        const code = call.request.producerEpoch === this.epoch && isKnown ? 0 : Errors.INVALID_PRODUCER_EPOCH.code;
        if (code === 0) this.isOngoing = true;
        for (const { partitions } of call.request.topics) {
          for (const { partitionIndex, committedOffset } of partitions) {
            if (code === 0) this.#pending.set(partitionIndex, Number(committedOffset));
          }
        }
        return offsetsAnswer(call, code);
      }
      case "EndTxn": {
        const errorCode = this.#endTxn(call.request.producerEpoch, call.request.committed);
        return endAnswer(errorCode, this.#isV2 && errorCode === 0 ? this.epoch : -1);
      }
    }
  }

  #init(producerId: bigint, epoch: number): number {
    if (producerId >= 0n && epoch === this.epoch - 1 && this.#wasRaised) return 0;
    if (producerId >= 0n && epoch !== this.epoch) return Errors.PRODUCER_FENCED.code;
    if (this.isOngoing) {
      // The coordinator aborts with a higher epoch, which fences what is still on its way.
      this.epoch++;
      this.#end(false);
    }
    this.epoch++;
    this.#wasRaised = producerId >= 0n;
    this.#lastResult = undefined;
    return 0;
  }

  #endTxn(epoch: number, committed: boolean): number {
    if (this.#isV2 && epoch === this.epoch - 1 && this.#wasRaised && this.#lastResult === committed) return 0;
    if (epoch !== this.epoch) return Errors.PRODUCER_FENCED.code;
    if (!this.isOngoing) {
      const isRepeated = !this.#isV2 && this.#lastResult === committed;
      if (!isRepeated && (committed || !this.#isV2)) return Errors.INVALID_TXN_STATE.code;
    }
    if (this.#isV2) this.epoch++;
    this.#wasRaised = this.#isV2;
    if (this.isOngoing) this.#end(committed);
    this.#lastResult = committed;
    return 0;
  }

  /** The answer with an error instead, as the API has it. */
  static refusal(call: TransactionCall, errorCode: number): TransactionAnswer {
    switch (call.api) {
      case "InitProducerId":
        return initAnswer(errorCode, -1);
      case "AddPartitionsToTxn":
        return partitionsAnswer(call, errorCode);
      case "AddOffsetsToTxn":
        return { api: "AddOffsetsToTxn", response: { throttleTimeMs: 0, errorCode } };
      case "TxnOffsetCommit":
        return offsetsAnswer(call, errorCode);
      case "EndTxn":
        return endAnswer(errorCode, -1);
    }
  }
}

function initAnswer(errorCode: number, producerEpoch: number): TransactionAnswer {
  const rest = { ongoingTxnProducerId: -1n, ongoingTxnProducerEpoch: -1 };
  return {
    api: "InitProducerId",
    response: { throttleTimeMs: 0, errorCode, producerId: PRODUCER_ID, producerEpoch, ...rest },
  };
}

function endAnswer(errorCode: number, producerEpoch: number): TransactionAnswer {
  const producerId = producerEpoch < 0 ? -1n : PRODUCER_ID;
  return { api: "EndTxn", response: { throttleTimeMs: 0, errorCode, producerId, producerEpoch } };
}

function partitionsAnswer(
  call: TransactionCall & { readonly api: "AddPartitionsToTxn" },
  code: number,
): TransactionAnswer {
  const resultsByTopicV3AndBelow = (call.request.v3AndBelowTopics ?? []).map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map(partitionIndex => ({ partitionIndex, partitionErrorCode: code })),
  }));
  return {
    api: "AddPartitionsToTxn",
    response: { throttleTimeMs: 0, errorCode: 0, resultsByTransaction: [], resultsByTopicV3AndBelow },
  };
}

function offsetsAnswer(
  call: TransactionCall & { readonly api: "TxnOffsetCommit" },
  errorCode: number,
): TransactionAnswer {
  const topics = call.request.topics.map(({ topicId, partitions }) => ({
    name: "",
    topicId: topicId ?? ("" as never),
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }));
  return { api: "TxnOffsetCommit", response: { throttleTimeMs: 0, topics } };
}
