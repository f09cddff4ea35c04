import { MalformedError } from "@samsa/base";

const SIZE_BYTES = 4;
/** How much more than has arrived may be reserved on the word of a size prefix. */
const TRUST = 64 * 1024;

/**
 * Cuts a byte stream into frames: a signed 32-bit size and that many bytes. A frame within one chunk comes out as a
 * slice of it; one that spans chunks is gathered in a buffer that grows with what has arrived, not with what was
 * announced. `maxSize` is `socket.request.max.bytes`.
 */
export class FrameSplitter {
  private readonly maxSize: number;
  /** Bytes of the unfinished frame, its size prefix included. */
  private pending: Uint8Array = new Uint8Array(0);
  private filled = 0;

  constructor(maxSize: number) {
    this.maxSize = maxSize;
  }

  /** Bytes held back until their frame is complete. */
  held(): number {
    return this.filled;
  }

  /**
   * The frames that `chunk` completes, without their size prefixes; they share memory with it. Throws
   * `MalformedError` when a size is negative or above `maxSize`; the stream is lost then.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let at = this.filled > 0 ? this.resume(chunk, frames) : 0;
    while (at < chunk.length) {
      const left = chunk.length - at;
      if (left < SIZE_BYTES) break;
      const size = this.sizeAt(chunk, at);
      if (left < SIZE_BYTES + size) break;
      frames.push(chunk.subarray(at + SIZE_BYTES, at + SIZE_BYTES + size));
      at += SIZE_BYTES + size;
    }
    if (at < chunk.length) this.hold(chunk, at, chunk.length);
    return frames;
  }

  /** Goes on with the unfinished frame; returns how much of `chunk` it took. */
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
      const grown = new Uint8Array(this.capacity(chunk, from, needed));
      grown.set(this.pending.subarray(0, this.filled));
      this.pending = grown;
    }
    this.pending.set(chunk.subarray(from, to), this.filled);
    this.filled = needed;
  }

  private capacity(chunk: Uint8Array, from: number, needed: number): number {
    if (needed < SIZE_BYTES) return SIZE_BYTES;
    // Doubling keeps the copying linear; the announced size and what has arrived keep the memory bounded.
    const known = this.filled >= SIZE_BYTES;
    if (!known && this.filled > 0) return needed;
    const total = SIZE_BYTES + (known ? this.sizeAt(this.pending, 0) : this.sizeAt(chunk, from));
    return Math.min(total, needed + Math.max(needed, TRUST));
  }

  private sizeAt(bytes: Uint8Array, at: number): number {
    const size = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    if (size < 0 || size > this.maxSize)
      throw new MalformedError(`a frame of ${size} bytes; the limit is ${this.maxSize}`);
    return size;
  }
}
