import type { Segment } from "./segment.ts";

/**
 * Bounds the memory of indexes that were read: beyond `limit` bytes, the least recently used ones are dropped, and read
 * again on demand. Excludes the active segment.
 */
export class IndexCache {
  readonly limit: number;
  readonly #sizes = new Map<Segment, number>();
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Marks the indexes of a segment as used now. */
  use(segment: Segment): void {
    const size = segment.indexBytes;
    this.#used += size - (this.#sizes.get(segment) ?? 0);
    this.#sizes.delete(segment);
    this.#sizes.set(segment, size);
    if (this.#used <= this.limit) return;
    for (const oldest of this.#sizes.keys()) {
      if (this.#used <= this.limit || oldest === segment) return;
      oldest.release();
      this.forget(oldest);
    }
  }

  /** Removes a segment from the cache. */
  forget(segment: Segment): void {
    this.#used -= this.#sizes.get(segment) ?? 0;
    this.#sizes.delete(segment);
  }
}
