import { OutputLimitError } from "./bytes.ts";

const SMALLEST = 1 << 12;
/** Memory that is kept for the next use, in bytes. */
const KEPT_BYTES = 1 << 22;

/**
 * Output of a decompression, which codecs append to. Memory that is used again for one batch after the other saves
 * fresh pages and garbage collections (Kafka's `BufferSupplier`).
 */
export class DecompressionBuffer {
  /** Memory, of which the first `length` bytes are output. It moves when it grows. */
  bytes = new Uint8Array(0);
  length = 0;
  /** Largest output, in bytes. */
  limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Empties the buffer, for an output of at most `limit` bytes. Contents given before are no longer valid. */
  reset(limit: number): this {
    this.limit = limit;
    this.length = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = new Uint8Array(0);
    return this;
  }

  /** Makes room for `count` more bytes. Throws `OutputLimitError` for `codec` if they exceed the limit. */
  room(count: number, codec: string): void {
    const needed = this.length + count;
    if (needed > this.limit) throw new OutputLimitError(codec, this.limit);
    if (needed > this.bytes.length) this.#grow(needed);
  }

  /**
   * Makes room for about `count` more bytes and for at least one. The memory may have one byte more than the limit, so
   * that a codec which does not know the size of its output finds out whether it is too large.
   */
  guess(count: number): void {
    const needed = Math.min(this.length + Math.max(1, count), this.limit + 1);
    if (needed > this.bytes.length) this.#grow(needed);
  }

  /** Counts `count` bytes that were written behind the output. Throws `OutputLimitError` beyond the limit. */
  advance(count: number, codec: string): void {
    if (this.length + count > this.limit) throw new OutputLimitError(codec, this.limit);
    this.length += count;
  }

  append(chunk: Uint8Array, codec: string): void {
    this.room(chunk.length, codec);
    this.bytes.set(chunk, this.length);
    this.length += chunk.length;
  }

  /** The output, a view that is valid until `reset`. */
  contents(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  #grow(needed: number): void {
    const size = Math.min(Math.max(needed, 2 * this.bytes.length, SMALLEST), Math.max(needed, this.limit + 1));
    const grown = new Uint8Array(size);
    grown.set(this.contents());
    this.bytes = grown;
  }
}
