import type { Offset } from "@samsa/base";
import { batchSizeBound, BatchWriter, NO_SEQUENCE, type Tools, type WritableHeader } from "@samsa/records";
import { type DeadLetters, deadLetterHeaders } from "./dead-letter.ts";
import type { RecordData } from "./original-records.ts";

/** Dead letter as a record to write. */
interface NewLetter extends RecordData {
  readonly timestamp: number;
  readonly headers: readonly WritableHeader[];
}

const SMALLEST_BYTES = 4096;
const EMPTY: RecordData = { key: null, value: null };
const NO_PRODUCER = { producerId: -1n, producerEpoch: -1, baseSequence: NO_SEQUENCE, transactional: false };
const NO_COMPRESSION = { codec: 0, level: 0 } as const;

/** Batch of dead letters for one partition, at most `maxBytes` large unless a single letter is larger. */
export class DeadLetterBatch {
  readonly #maxBytes: number;
  readonly #writer: BatchWriter;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#writer = new BatchWriter(new Uint8Array(Math.min(SMALLEST_BYTES, Math.max(0, maxBytes))));
  }

  get count(): number {
    return this.#writer.count;
  }

  /** Bytes of the batch. */
  get size(): number {
    return this.#writer.size;
  }

  /**
   * Adds the dead letter of the record at `offset`; `timestamp` is the current time in ms since the epoch. False if it
   * does not fit behind others. Without others a letter that does not fit goes without the data of its record, as its
   * headers are better than nothing; if even they do not fit, it is for the leader to refuse it.
   */
  add(letters: DeadLetters, offset: Offset, data: RecordData | undefined, timestamp: number): boolean {
    const headers = deadLetterHeaders(letters, offset);
    const put = ({ key, value }: RecordData, limit: number): boolean =>
      this.#put({ timestamp, key, value, headers }, limit);
    if (put(data ?? EMPTY, this.#maxBytes)) return true;
    return this.count === 0 && (put(EMPTY, this.#maxBytes) || put(EMPTY, Infinity));
  }

  /** Appends a record unless the batch would be larger than `limit`. */
  #put({ timestamp, key, value, headers }: NewLetter, limit: number): boolean {
    const writer = this.#writer;
    if (writer.append(timestamp, key, value, headers)) return true;
    const wanted = Math.max(2 * writer.memory.length, writer.size + batchSizeBound(key, value, headers));
    const size = Math.min(wanted, limit);
    if (size <= writer.memory.length) return false;
    writer.move(new Uint8Array(size));
    return writer.append(timestamp, key, value, headers);
  }

  /** Completes the batch, which is not compressed. Nothing can be added afterwards. */
  finish(tools: Tools): Uint8Array {
    return this.#writer.finish(NO_PRODUCER, NO_COMPRESSION, tools);
  }
}
