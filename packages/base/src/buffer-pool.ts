const LARGEST = 1 << 20;
/** Bytes of free buffers that are kept. */
const KEPT_BYTES = 16 << 20;

/**
 * Buffers that are used again. Without them every request and every read takes fresh pages from the system, and the
 * garbage collector runs for every few dozen MB that pass through. A buffer that is never given back costs only memory,
 * until it is collected.
 */
export class BufferPool {
  /** By size, a power of two. */
  readonly #free = new Map<number, Uint8Array[]>();
  /** Out of this pool and not back yet: what is given twice, or was never from here, is not taken. */
  readonly #lent = new WeakSet<ArrayBufferLike>();
  readonly #smallest: number;
  #kept = 0;

  /** Buffers of less than `smallest` bytes are not worth the trouble: 4 KiB. */
  constructor(smallest = 1 << 12) {
    this.#smallest = smallest;
  }

  /** `size` bytes with whatever was in them. */
  take(size: number): Uint8Array {
    if (size > LARGEST || size < this.#smallest) return new Uint8Array(size);
    const room = 1 << (32 - Math.clz32(size - 1));
    let buffer = this.#free.get(room)?.pop();
    if (buffer === undefined) buffer = new Uint8Array(room);
    else this.#kept -= room;
    this.#lent.add(buffer.buffer);
    return size === room ? buffer : buffer.subarray(0, size);
  }

  /** Gives back what `take` gave, or a view of it; nobody may look at any of it afterwards. */
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

  /** Called with what has come back, before anybody else gets it. */
  protected freed(_buffer: Uint8Array): void {}
}
