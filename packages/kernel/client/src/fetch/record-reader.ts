import { type LeaderEpoch, messageOf, type Offset, type PartitionIndex, viewOf } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { BatchCursor, MAGIC, RecordCursor, type TimestampType, type Tools } from "@samsa/records";
import { KafkaError } from "../error/kafka-error.ts";
import type { AbortedTransactions } from "./aborted-transactions.ts";

/** Partition that a reader reads. */
export interface ReadProgress {
  readonly topic: string;
  readonly index: PartitionIndex;
  /** Offset of the next record to give out. */
  position: Offset;
  /** Leader epoch of the last batch that was read; −1: not known. */
  positionEpoch: LeaderEpoch;
  /** The application may have records of the partition now. */
  readonly isReadable: boolean;
  /** The application is done with the records that it has. */
  settle(): void;
  /** Takes the reader back after its last batch. */
  finish(reader: RecordReader): void;
  /** Takes the reader back before a batch that cannot be read. */
  break(reader: RecordReader, error: KafkaError): void;
}

/** Fetched batches, and how to read them. */
export interface FetchedBatches {
  readonly bytes: Uint8Array;
  /** Undefined: all records are given out. */
  readonly aborted: AbortedTransactions | undefined;
  readonly checkCrcs: boolean;
  readonly tools: Tools;
}

/** End of fetched batches. */
export interface Extent {
  /** Offset after the last whole batch; −1: there is none. */
  readonly nextOffset: Offset;
  /** Leader epoch of that batch. */
  readonly epoch: LeaderEpoch;
}

/** Finds the end of fetched batches. Throws `MalformedError` for an offset that cannot be. */
export function extentOf(bytes: Uint8Array): Extent {
  const batch = new BatchCursor(bytes);
  let extent: Extent = { nextOffset: -1, epoch: -1 };
  // A broker may cut the last batch short; `next` stops before it.
  while (batch.next()) extent = { nextOffset: batch.lastOffset + 1, epoch: batch.leaderEpoch };
  return extent;
}

/**
 * Reads the records of one partition from one Fetch response (`CompletedFetch`), one after the other, without an
 * allocation for each. The position of the partition moves with it: over control batches, aborted transactions and the
 * gaps of compaction too. Records below the position are skipped.
 */
export class RecordReader {
  /** Current record, from the `next` that has returned true to the following one. Its keys and values are views. */
  readonly record = new RecordCursor();
  /** Size of the batches. */
  readonly bytes: number;
  /** The partition has dropped the records, or they are all read. */
  isOver = false;
  readonly #progress: ReadProgress;
  readonly #batch: BatchCursor;
  #fetched: FetchedBatches;
  #epoch: LeaderEpoch = -1;
  /** `record` is the next one to give out. */
  #isPeeked = false;
  /** Offset after the current batch; −1: there is none. */
  #batchEnd: Offset = -1;

  constructor(progress: ReadProgress, fetched: FetchedBatches) {
    this.#progress = progress;
    this.#fetched = fetched;
    this.#batch = new BatchCursor(fetched.bytes);
    this.bytes = fetched.bytes.length;
  }

  get topic(): string {
    return this.#progress.topic;
  }

  get partition(): PartitionIndex {
    return this.#progress.index;
  }

  /** Leader epoch of the current record's batch. */
  get leaderEpoch(): LeaderEpoch {
    return this.#epoch;
  }

  /** Timestamp type of the current record's batch. */
  get timestampType(): TimestampType {
    return this.#batch.timestampType;
  }

  /**
   * Moves to the next record that the application is to see. False: all are read, or the partition is paused, moved or
   * taken away, or what follows is corrupt, which the partition then reports. Only after a pause may it go on.
   */
  next(): boolean {
    if (!this.peek()) return false;
    this.#isPeeked = false;
    this.#progress.position = this.record.offset + 1;
    this.#progress.positionEpoch = this.#epoch;
    return true;
  }

  /** `next`, but the record is not given out yet: the position stays before it, and the following `next` gives it. */
  peek(): boolean {
    const progress = this.#progress;
    const { record } = this;
    if (this.isOver || !progress.isReadable) return false;
    if (this.#isPeeked) return true;
    try {
      do {
        while (record.next()) if (record.offset >= progress.position) return (this.#isPeeked = true);
      } while (this.#nextBatch());
    } catch (error) {
      progress.break(this, this.#corruption(error));
      return false;
    }
    progress.finish(this);
    return false;
  }

  /** Copies the batches if they are a small part of the memory of their answer, which they would keep otherwise. */
  detach(): void {
    const { bytes } = this.#fetched;
    if (2 * bytes.length > bytes.buffer.byteLength) return;
    const copy = bytes.slice();
    // All positions are those in the batches, so they stay.
    this.#fetched = { ...this.#fetched, bytes: copy };
    this.#batch.bytes = copy;
    this.#batch.view = viewOf(copy);
    if (this.record.bytes === bytes) this.record.bytes = copy;
  }

  /** Marks the records that were given out as processed. */
  settle(): void {
    this.#progress.settle();
  }

  /** Moves to the next batch with records for the application. False at the end. */
  #nextBatch(): boolean {
    const { record } = this;
    const { aborted, checkCrcs, tools } = this.#fetched;
    const progress = this.#progress;
    const batch = this.#batch;
    for (;;) {
      // The last record of a batch may be compacted away, so the batch says where the next one begins.
      if (this.#batchEnd > progress.position) {
        progress.position = this.#batchEnd;
        progress.positionEpoch = this.#epoch;
      }
      if (!batch.next()) return false;
      if (batch.magic !== MAGIC) throw new Error(`format ${batch.magic} is not supported`);
      if (checkCrcs && !batch.intact(tools.crc32c)) throw new Error("the checksum does not match");
      this.#epoch = batch.leaderEpoch;
      this.#batchEnd = batch.lastOffset + 1;
      if (batch.isControl) {
        aborted?.passMarker(batch, record.open(batch, tools.codecs));
        record.left = 0;
      } else if (aborted?.covers(batch) !== true && this.#batchEnd > progress.position) {
        record.open(batch, tools.codecs);
        return true;
      }
    }
  }

  #corruption(cause: unknown): KafkaError {
    const { topic, index, position } = this.#progress;
    const reason = messageOf(cause);
    const text = `the records of ${topic}-${index} from offset ${position} cannot be read: ${reason}`;
    return new KafkaError("CORRUPT_MESSAGE", text, { error: Errors.CORRUPT_MESSAGE, cause });
  }
}
