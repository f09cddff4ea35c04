import { DecompressionBuffer, type Offset } from "@samsa/base";
import { BatchCursor, RecordCursor, type Tools } from "@samsa/records";

/** Data of a record that a dead letter carries; views that are valid until the next record is looked up. */
export interface RecordData {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

/** Batches that were read from a log. */
export interface LogRead {
  /** Runs of whole batches; none if nothing can be read. */
  readonly chunks: readonly Uint8Array[];
  /** Called once the chunks are not needed any more. */
  readonly release?: (() => void) | undefined;
}

/** Place of a batch that was read. */
interface PlacedBatch {
  readonly chunk: Uint8Array;
  readonly at: number;
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
}

const NOTHING: LogRead = { chunks: [] };

/**
 * Records of a partition by offset, for their dead letters (`ShareGroupDLQRecordFetcher`): as many as can be read. A
 * record larger than `limit`, or in a compressed batch whose records are larger than that together, is left out, so that
 * memory is bounded. Fast for offsets that grow.
 */
export class OriginalRecords {
  /** Bytes that were read and decompressed so far. */
  bytes = 0;
  readonly #readFrom: (offset: Offset) => LogRead;
  readonly #tools: Tools;
  readonly #limit: number;
  readonly #output: DecompressionBuffer;
  readonly #records = new RecordCursor();
  readonly #cursor = new BatchCursor();
  #read = NOTHING;
  #batches: readonly PlacedBatch[] = [];
  /** Offset from which the log was read. */
  #from: Offset = 0;
  /** Index of the batch in which the last record was looked up. */
  #index = 0;
  /** Index of the batch whose records are open; −1: none. */
  #open = -1;
  /** True if the open batch cannot be read. */
  #isUnreadable = false;

  constructor(readFrom: (offset: Offset) => LogRead, tools: Tools, limit: number) {
    this.#readFrom = readFrom;
    this.#tools = tools;
    this.#limit = limit;
    this.#output = new DecompressionBuffer(limit);
  }

  /** Record at an offset; undefined if it is not there or cannot be had. */
  at(offset: Offset): RecordData | undefined {
    const last = this.#batches.at(-1);
    if (last === undefined || offset < this.#from || offset > last.lastOffset) this.#load(offset);
    const batches = this.#batches;
    if (batches[this.#index] === undefined || offset < (batches[this.#index] as PlacedBatch).baseOffset) {
      this.#index = 0;
    }
    let batch = batches[this.#index];
    while (batch !== undefined && batch.lastOffset < offset) batch = batches[++this.#index];
    if (batch === undefined || offset < batch.baseOffset) return undefined;
    try {
      return this.#find(batch, offset);
    } catch {
      // Codecs have errors of their own. A dead letter without its record is better than none.
      this.#isUnreadable = true;
      return undefined;
    }
  }

  #find(batch: PlacedBatch, offset: Offset): RecordData | undefined {
    const records = this.#records;
    if (this.#open !== this.#index) this.#openBatch(batch);
    if (this.#isUnreadable) return undefined;
    if (records.offset >= offset) records.rewind();
    do {
      if (!records.next()) return undefined;
    } while (records.offset < offset);
    const isFound = records.offset === offset && records.size <= this.#limit;
    return isFound ? { key: records.key(), value: records.value() } : undefined;
  }

  #openBatch({ chunk, at }: PlacedBatch): void {
    const cursor = this.#cursor.reset(chunk, at);
    this.#open = this.#index;
    this.#isUnreadable = true;
    if (!cursor.next()) return;
    // The offset of a cursor that has not read a record yet is before all records.
    this.#records.offset = -1;
    this.#records.open(cursor, this.#tools.codecs, this.#output.reset(this.#limit));
    this.bytes += this.#output.length;
    this.#isUnreadable = false;
  }

  #load(offset: Offset): void {
    this.close();
    this.#read = this.#readFrom(offset);
    this.#from = offset;
    const batches: PlacedBatch[] = [];
    for (const chunk of this.#read.chunks) {
      this.bytes += chunk.length;
      const cursor = this.#cursor.reset(chunk);
      while (cursor.next()) {
        const { at, baseOffset, lastOffset } = cursor;
        batches.push({ chunk, at, baseOffset, lastOffset });
      }
    }
    this.#batches = batches;
  }

  /** Gives back what was read last. */
  close(): void {
    this.#read.release?.();
    this.#read = NOTHING;
    this.#batches = [];
    this.#index = 0;
    this.#open = -1;
  }
}
