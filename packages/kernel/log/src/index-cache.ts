import type { Segment } from "./segment.ts";

/**
 * Bounds the memory of indexes that were read: beyond `limit` bytes those that were not used for the longest are
 * forgotten, and read again when they are needed. Segments that are being written to are not in here.
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

  /** Notes that a segment's indexes are in use now. */
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

  /** The segment is gone. */
  forget(segment: Segment): void {
    this.#used -= this.#sizes.get(segment) ?? 0;
    this.#sizes.delete(segment);
  }
}
