import { errorOf, Errors, type Infer, type Apis } from "@samsa/protocol";
import { KafkaError } from "../error/kafka-error.ts";
import type { BatchFailure } from "./effects.ts";

/** Answer for one partition of a Produce request. */
export type PartitionAnswer = Infer<
  (typeof Apis)["Produce"]["response"]
>["responses"][number]["partitionResponses"][number];

/** Errors after which the leader must be looked up (`InvalidMetadataException`). */
const STALE_METADATA: ReadonlySet<number> = new Set(
  [
    Errors.UNKNOWN_TOPIC_OR_PARTITION,
    Errors.LEADER_NOT_AVAILABLE,
    Errors.NOT_LEADER_OR_FOLLOWER,
    Errors.REPLICA_NOT_AVAILABLE,
    Errors.NETWORK_EXCEPTION,
    Errors.KAFKA_STORAGE_ERROR,
    Errors.LISTENER_NOT_FOUND,
    Errors.FENCED_LEADER_EPOCH,
    Errors.UNKNOWN_LEADER_EPOCH,
    Errors.UNKNOWN_TOPIC_ID,
    Errors.INCONSISTENT_TOPIC_ID,
  ].map(({ code }) => code),
);

/** True if the metadata of the topic is out of date. */
export function isStaleMetadata(code: number): boolean {
  return STALE_METADATA.has(code);
}

/** True if the broker misses a sequence before that of the batch, so the batch was not written. */
export function isSequenceGap(code: number): boolean {
  return code === Errors.OUT_OF_ORDER_SEQUENCE_NUMBER.code || code === Errors.UNKNOWN_PRODUCER_ID.code;
}

/** True if the same batch may be sent again. */
export function isRetriable(code: number): boolean {
  return errorOf(code).retriable;
}

/** Errors of the records of a batch that the broker refused; some may have errors of their own (KIP-467). */
export function failureOf(what: string, answer: PartitionAnswer): BatchFailure {
  const { errorCode, recordErrors, errorMessage } = answer;
  const error = KafkaError.of(errorCode, what, errorMessage);
  if (recordErrors.length === 0) return { error, records: new Map() };
  // With one bad record the error of the batch is its error.
  const code = recordErrors.length === 1 ? errorCode : Errors.INVALID_RECORD.code;
  const records = recordErrors.map(({ batchIndex, batchIndexErrorMessage }): [number, KafkaError] => [
    batchIndex,
    KafkaError.of(code, what, batchIndexErrorMessage ?? errorMessage),
  ]);
  const others = `${what}: another record of the batch was refused, so this one was not written`;
  return { error: new KafkaError("BATCH_REFUSED", others, { cause: error }), records: new Map(records) };
}
