import { type BufferPool, MalformedError } from "@samsa/base";

const SIZE_BYTES = 4;
/** Default of `trust`. */
const TRUST = 64 * 1024;
/** Capacity of a frame's buffer that may be reserved per received byte. */
const TRUST_FACTOR = 8;

/**
 * Splits a byte stream into frames: a signed 32-bit size and that many bytes. Frames are copies that belong to the
 * caller. A frame that spans chunks is gathered in a buffer that grows with the received bytes, not with the announced
 * size, which alone reserves `trust` bytes at most. `maxSize` is `socket.request.max.bytes`. Large frames come from
 * `buffers`, and the caller may give them back.
 */
export class FrameSplitter {
  private maxSize: number;
  private readonly buffers: BufferPool;
  private readonly trust: number;
  /** Bytes of the unfinished frame, its size prefix included. */
  private pending: Uint8Array = new Uint8Array(0);
  private filled = 0;

  constructor(maxSize: number, buffers: BufferPool, trust = TRUST) {
    this.maxSize = maxSize;
    this.buffers = buffers;
    this.trust = trust;
  }

  /** Sets the limit for frames from here on. */
  set limit(maxSize: number) {
    this.maxSize = maxSize;
  }

  /** Number of bytes of the unfinished frame. */
  held(): number {
    return this.filled;
  }

  /**
   * Frames that `chunk` completes, without their size prefixes. The caller may reuse `chunk` afterwards. Throws
   * `MalformedError` if a size is negative or above `maxSize`; the stream cannot be continued then.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    const start = this.filled > 0 ? this.resume(chunk, frames) : 0;
    const end = this.wholeFrames(chunk, start);
    if (end > start) this.copyFrames(chunk.subarray(start, end), frames);
    if (end < chunk.length) this.hold(chunk, end, chunk.length);
    return frames;
  }

  private copyFrames(whole: Uint8Array, frames: Uint8Array[]): void {
    const first = SIZE_BYTES + this.sizeAt(whole, 0);
    // Small frames share one copy, which is not from the pool.
    const own = first === whole.length ? this.buffers.take(first) : new Uint8Array(whole.length);
    own.set(whole);
    for (let at = 0; at < own.length; ) {
      const size = this.sizeAt(own, at);
      frames.push(own.subarray(at + SIZE_BYTES, at + SIZE_BYTES + size));
      at += SIZE_BYTES + size;
    }
  }

  /** End of the last whole frame in `chunk` from `start` on. */
  private wholeFrames(chunk: Uint8Array, start: number): number {
    let at = start;
    while (chunk.length - at >= SIZE_BYTES) {
      const next = at + SIZE_BYTES + this.sizeAt(chunk, at);
      if (next > chunk.length) break;
      at = next;
    }
    return at;
  }

  /** Continues the unfinished frame. Returns the number of bytes taken from `chunk`. */
  private resume(chunk: Uint8Array, frames: Uint8Array[]): number {
    let at = 0;
    if (this.filled < SIZE_BYTES) {
      at = Math.min(SIZE_BYTES - this.filled, chunk.length);
      this.hold(chunk, 0, at);
      if (this.filled < SIZE_BYTES) return at;
    }
    const total = SIZE_BYTES + this.sizeAt(this.pending, 0);
    const end = at + Math.min(total - this.filled, chunk.length - at);
    this.hold(chunk, at, end);
    if (this.filled === total) {
      frames.push(this.pending.subarray(SIZE_BYTES, total));
      // The frame now belongs to the caller.
      this.pending = new Uint8Array(0);
      this.filled = 0;
    }
    return end;
  }

  private hold(chunk: Uint8Array, from: number, to: number): void {
    const needed = this.filled + to - from;
    if (needed > this.pending.length) {
      const grown = this.buffers.take(this.capacity(chunk, from, needed));
      grown.set(this.pending.subarray(0, this.filled));
      this.buffers.give(this.pending);
      this.pending = grown;
    }
    this.pending.set(chunk.subarray(from, to), this.filled);
    this.filled = needed;
  }

  private capacity(chunk: Uint8Array, from: number, needed: number): number {
    if (needed < SIZE_BYTES) return SIZE_BYTES;
    // The factor keeps the total copying linear; the announced size and the received bytes bound the memory.
    const known = this.filled >= SIZE_BYTES;
    if (!known && this.filled > 0) return needed;
    const total = SIZE_BYTES + (known ? this.sizeAt(this.pending, 0) : this.sizeAt(chunk, from));
    return Math.min(total, Math.max(TRUST_FACTOR * needed, this.trust));
  }

  private sizeAt(bytes: Uint8Array, at: number): number {
    const size =
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number);
    if (size < 0 || size > this.maxSize)
      throw new MalformedError(`a frame of ${size} bytes; the limit is ${this.maxSize}`);
    return size;
  }
}
