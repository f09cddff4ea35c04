import type { BrokerId, Int64, Offset, PartitionIndex } from "@samsa/base";
import type { Apis, Draft, Infer, ProduceRequest } from "@samsa/protocol";
import type { Compression, RecordData, WritableHeader } from "@samsa/records";
import type { LeaderNews } from "../cluster/leader-hint.ts";
import type { KafkaError } from "../error/kafka-error.ts";

/** A record to send. */
export interface OutgoingRecord {
  readonly topic: string;
  /** Undefined: the producer chooses. */
  readonly partition?: PartitionIndex | undefined;
  readonly key: RecordData;
  readonly value: RecordData;
  readonly headers?: readonly WritableHeader[] | undefined;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** Codec of the record's batch; that of the producer by default. */
  readonly compression?: Compression | undefined;
}

/** Results of `append` that are no partition. */
export const APPEND = {
  /** No memory: the caller waits for the effect `room`. */
  NO_ROOM: -1,
  /** The topic, or the partition that the record names, is not in the view of the cluster. */
  UNKNOWN: -2,
} as const;

/** Records of one ticket that follow each other in a batch, and in the call that the ticket stands for. */
export interface Run<T> {
  readonly ticket: T;
  /** Index of the first record in the batch. */
  readonly first: number;
  /** Index of the first record in the call. */
  readonly index: number;
  count: number;
}

/** End of a batch. */
export interface Delivery<T> {
  readonly type: "delivered";
  readonly topic: string;
  readonly partition: PartitionIndex;
  /** Records of the batch, those without a ticket included. */
  readonly count: number;
  readonly runs: readonly Run<T>[];
  /** Offset of the first record; −1 if it is not known: with acks of 0, or for a duplicate that the broker had forgotten. */
  readonly baseOffset: Offset;
  /** Time of all records if the topic has log append time; else −1. */
  readonly logAppendTime: Int64;
  /** Undefined: the records are written. */
  readonly failure: BatchFailure | undefined;
}

/** Reasons for which a batch failed. */
export interface BatchFailure {
  /** Error of records that `records` does not have. */
  readonly error: KafkaError;
  /** Errors by the index of the record in the batch (KIP-467). */
  readonly records: ReadonlyMap<number, KafkaError>;
}

/** A Produce request, from its effect until its answer. */
export interface ProduceCall {
  readonly type: "produce";
  /** The caller gives it back with the answer. */
  readonly id: number;
  readonly brokerId: BrokerId;
  readonly request: ProduceRequest;
  /** Highest version that the state of transactions allows. */
  readonly maxVersion: number;
  /** Times in ms that each batch has waited since its first record. */
  readonly queuedMs: readonly number[];
}

/** APIs of idempotence and transactions. */
export type TransactionApi = "InitProducerId" | "AddPartitionsToTxn" | "AddOffsetsToTxn" | "TxnOffsetCommit" | "EndTxn";

interface TransactionCallOf<N extends TransactionApi> {
  readonly type: "transaction";
  readonly id: number;
  readonly api: N;
  readonly request: Draft<(typeof Apis)[N]["request"]>;
  /** Coordinator to ask; undefined: any broker. */
  readonly coordinator: Coordinator | undefined;
  /** Highest version that the state of transactions allows. */
  readonly maxVersion: number;
}

/** A coordinator, by what it is responsible for. */
export interface Coordinator {
  readonly type: "transaction" | "group";
  /** Transactional id or group id. */
  readonly key: string;
}

/** A request of idempotence or transactions, from its effect until its answer. At most one is under way. */
export type TransactionCall = { readonly [N in TransactionApi]: TransactionCallOf<N> }[TransactionApi];

/** Answer to a `TransactionCall`. */
export type TransactionAnswer = {
  readonly [N in TransactionApi]: { readonly api: N; readonly response: Infer<(typeof Apis)[N]["response"]> };
}[TransactionApi];

/** Actions for the caller of a producer's state machine. */
export type ProducerEffect<T> =
  /** Send it, and call `answered` or `failed` exactly once. */
  | ProduceCall
  /** Send it, and call `transactionAnswered` or `transactionFailed` exactly once. */
  | TransactionCall
  /** The coordinator may have moved: look it up before the next request to it. */
  | { readonly type: "findCoordinator"; readonly coordinator: Coordinator }
  /** The metadata of these topics is missing or out of date. */
  | { readonly type: "refreshMetadata"; readonly topics: readonly string[] }
  | LeaderNews
  | Delivery<T>
  /** There is memory again after `append` found none. */
  | { readonly type: "room" }
  /** The operation with this token has ended: a flush, the close, or an operation of transactions. */
  | { readonly type: "settled"; readonly token: number; readonly error: KafkaError | undefined };

/** Collects the effects of one input. */
export class Outbox<T> {
  #effects: ProducerEffect<T>[] = [];
  readonly #stale = new Set<string>();

  push(effect: ProducerEffect<T>): void {
    this.#effects.push(effect);
  }

  settle(token: number, error?: KafkaError): void {
    this.#effects.push({ type: "settled", token, error });
  }

  /** Asks for the metadata of a topic, once for each `take`. */
  refresh(topic: string): void {
    this.#stale.add(topic);
  }

  /** The effects since the last call, in order. */
  take(): readonly ProducerEffect<T>[] {
    if (this.#stale.size > 0) {
      this.#effects.push({ type: "refreshMetadata", topics: [...this.#stale] });
      this.#stale.clear();
    }
    const effects = this.#effects;
    if (effects.length > 0) this.#effects = [];
    return effects;
  }
}
