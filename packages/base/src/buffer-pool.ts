const LARGEST = 1 << 22;
/** Limit on free buffers that are kept, in bytes. */
const KEPT_BYTES = 16 << 20;

/**
 * Pool of reusable buffers. Without it every request and read would take fresh pages from the system, and the garbage
 * collector would run for every few dozen MB that pass through. A buffer that is never given back is garbage collected.
 */
export class BufferPool {
  /** Free buffers by size, a power of two. */
  readonly #free = new Map<number, Uint8Array[]>();
  /** Memory taken and not given back yet. `give` ignores other memory, such as buffers given back twice. */
  readonly #lent = new WeakSet<ArrayBufferLike>();
  readonly #smallest: number;
  #kept = 0;

  /** Buffers of less than `smallest` bytes are not pooled; 4 KiB by default. */
  constructor(smallest = 1 << 12) {
    this.#smallest = smallest;
  }

  /** A buffer of `size` bytes with arbitrary contents. */
  take(size: number): Uint8Array {
    if (size > LARGEST || size < this.#smallest) return new Uint8Array(size);
    const room = 1 << (32 - Math.clz32(size - 1));
    let buffer = this.#free.get(room)?.pop();
    if (buffer === undefined) buffer = new Uint8Array(room);
    else this.#kept -= room;
    this.#lent.add(buffer.buffer);
    return size === room ? buffer : buffer.subarray(0, size);
  }

  /** Gives back a buffer from `take`, or a view of it. The caller may not use any part of it afterwards. */
  give(bytes: Uint8Array): void {
    const { buffer } = bytes;
    const room = buffer.byteLength;
    if (room > LARGEST || room < this.#smallest || !this.#lent.delete(buffer)) return;
    const whole = bytes.byteLength === room ? bytes : new Uint8Array(buffer);
    this.freed(whole);
    if (this.#kept + room > KEPT_BYTES) return;
    this.#kept += room;
    const free = this.#free.get(room);
    if (free === undefined) this.#free.set(room, [whole]);
    else free.push(whole);
  }

  /** Called with each buffer given back, before it is reused. */
  protected freed(_buffer: Uint8Array): void {}
}
