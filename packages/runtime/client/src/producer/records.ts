import type { Offset, PartitionIndex } from "@samsa/base";
import type { KafkaError } from "@samsa/client-kernel";
import type { Compression, RecordData, WritableHeader } from "@samsa/records";

/** A record for `Producer.send`. Text is written as UTF-8. */
export interface ProducerRecord {
  readonly topic: string;
  /** Undefined: the partition of the key, or one that the producer chooses. */
  readonly partition?: PartitionIndex | undefined;
  readonly key?: RecordData | undefined;
  readonly value: RecordData;
  readonly headers?: readonly WritableHeader[] | undefined;
  /** Milliseconds since the epoch; now by default. */
  readonly timestamp?: number | undefined;
  /** Codec of the batch with the record; that of the producer by default. */
  readonly compression?: Compression | undefined;
}

/** Place of a record that is written. */
export interface RecordMetadata {
  readonly topic: string;
  readonly partition: PartitionIndex;
  /** −1 if it is not known: with acks of 0, or for a repeated batch that the broker knows without its offset. */
  readonly offset: Offset;
  /** Timestamp of the record in the log: its own, or that of the broker if the topic has log append time. */
  readonly timestamp: number;
}

/** Outcome of `Producer.sendBatch`, by the index of the record. */
export interface BatchResult {
  /** Partition of each record; −1 if it has none because it failed before. */
  readonly partitions: Int32Array;
  /** Offset of each record; −1 if it is not known or the record failed. */
  readonly offsets: Float64Array;
  /** Errors of the records that failed; empty if all are written. */
  readonly failures: ReadonlyMap<number, KafkaError>;
}

/** Called with the end of a record: its error, or its place. */
export type Acknowledge = (error: KafkaError | undefined, metadata: RecordMetadata | undefined) => void;

/** Records that failed and that nobody waits for: they were offered without a callback. */
export interface LostRecords {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly count: number;
  readonly error: KafkaError;
}
