import { KafkaJSNonRetriableError } from "../error/errors.ts";

/** A partition and an offset in it. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * Offset of a text or a number. Offsets of logs are exact as numbers: a log does not grow beyond 2^53 records. Throws
 * KafkaJSNonRetriableError for what is no offset.
 */
export function offsetOf(given: unknown): number {
  const isText = typeof given === "string" && /^-?\d+$/.test(given);
  const value = typeof given === "number" || typeof given === "bigint" || isText ? Number(given) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new KafkaJSNonRetriableError(`Invalid offset, expected a long received ${String(given)}`);
}

/** Throws KafkaJSNonRetriableError for what is no partition. */
export function checkPartition(partition: unknown): asserts partition is number {
  if (typeof partition === "number" && Number.isInteger(partition) && partition >= 0) return;
  throw new KafkaJSNonRetriableError(`Invalid partition, expected a number received ${String(partition)}`);
}

/** Throws KafkaJSNonRetriableError for what is no name of a topic. */
export function checkTopic(topic: unknown): asserts topic is string {
  if (typeof topic === "string" && topic !== "") return;
  throw new KafkaJSNonRetriableError(`Invalid topic ${String(topic)}`);
}
