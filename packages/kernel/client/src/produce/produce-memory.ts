/**
 * Memory of a producer's batches (`BufferPool`, `buffer.memory`). Buffers of the usual size are used again once nothing
 * refers to them.
 */
export class ProduceMemory {
  readonly #total: number;
  readonly #usual: number;
  readonly #free: Uint8Array[] = [];
  /** Bytes that batches hold; the free buffers are not part of it. */
  #used = 0;

  /** `total` bytes in all, in buffers of `usual` bytes mostly. */
  constructor(total: number, usual: number) {
    this.#total = total;
    this.#usual = usual;
  }

  get used(): number {
    return this.#used;
  }

  /** A buffer of `size` bytes with arbitrary contents; undefined if that exceeds the total. */
  take(size: number): Uint8Array | undefined {
    if (this.#used + size > this.#total) return undefined;
    this.#used += size;
    const kept = size === this.#usual ? this.#free.pop() : undefined;
    while (this.#used + this.#free.length * this.#usual > this.#total) this.#free.pop();
    return kept ?? new Uint8Array(size);
  }

  /** Counts `size` bytes of memory that the caller has made; they may exceed the total. */
  charge(size: number): void {
    this.#used += size;
  }

  /** Gives `size` bytes back. Their memory may still be in use elsewhere, and is not used again. */
  release(size: number): void {
    this.#used -= size;
  }

  /** Gives a buffer back that nothing refers to any more. */
  give(buffer: Uint8Array): void {
    this.#used -= buffer.length;
    const kept = (this.#free.length + 1) * this.#usual;
    if (buffer.length === this.#usual && this.#used + kept <= this.#total) this.#free.push(buffer);
  }
}
