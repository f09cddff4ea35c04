import { type BufferPool, entryAt, type Offset } from "@samsa/base";
import { cutBatches } from "./cut.ts";
import type { ReadOptions, ReadResult } from "./reads.ts";

/** Contiguous batches in memory with the offsets [first, next). */
interface Run {
  readonly first: Offset;
  readonly next: Offset;
  readonly bytes: Uint8Array;
  readonly slab: Slab;
}

/** Memory that the runs of all logs share, filled from front to end. */
interface Slab {
  readonly bytes: Uint8Array;
  used: number;
  /** Reads that still use this memory. */
  pins: number;
  /** Tails that have runs in it. */
  readonly tails: Set<Tail>;
  evicted: boolean;
}

const LARGEST_SLAB = 1 << 20;
const SLABS = 16;

/**
 * Cache of recent batches of all logs; evicts the oldest first. Appended records are copied here, so that the buffer of
 * their request is free at once, and the memory is reused.
 */
export class TailPool {
  readonly limit: number;
  private readonly buffers: BufferPool;
  private readonly slabBytes: number;
  private used = 0;
  /** Oldest first; the last one is being filled. */
  private slabs: Slab[] = [];

  constructor(limit: number, buffers: BufferPool) {
    this.limit = limit;
    this.buffers = buffers;
    this.slabBytes = Math.min(LARGEST_SLAB, Math.ceil(limit / SLABS));
  }

  /** Copies `bytes` into the cache. The next `copy` overwrites them unless `keep` follows. */
  copy(bytes: Uint8Array): Uint8Array {
    const slab = this.withRoom(bytes.length);
    const copy = slab.bytes.subarray(slab.used, slab.used + bytes.length);
    copy.set(bytes);
    return copy;
  }

  /** Makes the last copied bytes a run of `tail`. */
  keep(tail: Tail, size: number): Slab {
    const slab = this.slabs[this.slabs.length - 1] as Slab;
    slab.used += size;
    slab.tails.add(tail);
    return slab;
  }

  private withRoom(size: number): Slab {
    const last = this.slabs.at(-1);
    if (last !== undefined && last.used + size <= last.bytes.length) return last;
    const bytes = this.buffers.take(Math.max(size, this.slabBytes));
    this.used += bytes.length;
    this.evict();
    const slab = { bytes, used: 0, pins: 0, tails: new Set<Tail>(), evicted: false };
    this.slabs.push(slab);
    return slab;
  }

  private evict(): void {
    let count = 0;
    for (; this.used > this.limit && count < this.slabs.length; count++) {
      const slab = entryAt(this.slabs, count);
      // Batches that are not in a file yet can be read nowhere else.
      if (![...slab.tails].every(tail => tail.canEvict(slab))) break;
      for (const tail of slab.tails) tail.evict(slab);
      this.used -= slab.bytes.length;
      slab.evicted = true;
      if (slab.pins === 0) this.buffers.give(slab.bytes);
    }
    this.slabs.splice(0, count);
  }

  /** Protects the memory of runs until the returned function is called, once. */
  pin(slabs: ReadonlySet<Slab>): () => void {
    for (const slab of slabs) slab.pins++;
    return () => {
      for (const slab of slabs) {
        slab.pins--;
        if (slab.evicted && slab.pins === 0) this.buffers.give(slab.bytes);
      }
    };
  }
}

/** Recent batches of one log. */
export class Tail {
  private readonly pool: TailPool;
  private all: Run[] = [];
  /** Offsets below this are in the file. */
  written: Offset = 0;

  constructor(pool: TailPool) {
    this.pool = pool;
  }

  /** Adds the last copied bytes as the offsets [first, next). */
  push(first: Offset, next: Offset, bytes: Uint8Array): void {
    this.all.push({ first, next, bytes, slab: this.pool.keep(this, bytes.length) });
  }

  /** Number of runs in `slab`, which are the oldest if there are any. */
  private inSlab(slab: Slab): number {
    let count = 0;
    while (this.all[count]?.slab === slab) count++;
    return count;
  }

  canEvict(slab: Slab): boolean {
    const count = this.inSlab(slab);
    return count === 0 || entryAt(this.all, count - 1).next <= this.written;
  }

  evict(slab: Slab): void {
    this.all.splice(0, this.inSlab(slab));
  }

  clear(): void {
    this.all = [];
  }

  /** Whole batches from the one that contains `offset`; undefined if it is not in memory. */
  read(options: ReadOptions): ReadResult | undefined {
    const start = this.find(options.offset);
    if (start < 0) return undefined;
    const chunks: Uint8Array[] = [];
    const slabs = new Set<Slab>();
    let size = 0;
    let nextOffset = options.offset;
    for (let i = start; i < this.all.length; i++) {
      const run = this.all[i] as Run;
      if (run.first >= options.limitOffset) break;
      const left = options.maxBytes - size;
      const whole = run.next <= options.limitOffset && run.bytes.length <= left && i > start;
      const cut = whole ? run : cutBatches(run.bytes, options, left, size === 0 && options.minOneMessage);
      if (cut.bytes.length === 0) break;
      join(chunks, cut.bytes);
      slabs.add(run.slab);
      size += cut.bytes.length;
      nextOffset = "nextOffset" in cut ? cut.nextOffset : run.next;
      if (nextOffset < run.next) break;
    }
    if (size === 0) return { error: 0, chunks, size, nextOffset };
    return { error: 0, chunks, size, nextOffset, release: this.pool.pin(slabs) };
  }

  has(offset: Offset): boolean {
    return this.find(offset) >= 0;
  }

  /** Index of the run with `offset`; -1 if it is not in memory. */
  private find(offset: Offset): number {
    const { all } = this;
    if (all.length === 0 || offset < (all[0] as Run).first) return -1;
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((all[middle] as Run).next <= offset) low = middle + 1;
      else high = middle;
    }
    return low < all.length ? low : -1;
  }
}

/** Appends `bytes` to `chunks`; extends the last chunk if they follow it in memory. */
function join(chunks: Uint8Array[], bytes: Uint8Array): void {
  const last = chunks.at(-1);
  if (last === undefined || last.buffer !== bytes.buffer || last.byteOffset + last.length !== bytes.byteOffset) {
    chunks.push(bytes);
    return;
  }
  chunks[chunks.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + bytes.length);
}
