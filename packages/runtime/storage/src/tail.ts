/** A run of batches in memory: the offsets [first, next). */
interface Run {
  readonly first: number;
  readonly next: number;
  readonly bytes: Uint8Array;
}

/** How much of all logs' ends is kept in memory, oldest out first. */
export class TailPool {
  readonly limit: number;
  private used = 0;
  private queue: Tail[] = [];
  private head = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  add(tail: Tail, size: number): void {
    this.used += size;
    this.queue.push(tail);
    while (this.used > this.limit && this.head < this.queue.length) {
      const oldest = this.queue[this.head];
      // What is not in the file yet can be read nowhere else.
      if (oldest.runs > 0 && !oldest.canEvict) break;
      this.head++;
      oldest.evict();
    }
    if (this.head > 1024 && this.head * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    }
  }

  release(size: number): void {
    this.used -= size;
  }
}

const SMALL_SHARE = 4;
const SMALL_BUFFER = 16384;

/** The recently appended end of one log. */
export class Tail {
  private readonly pool: TailPool;
  private all: Run[] = [];
  /** Everything before this offset is in the file. */
  written = 0;

  constructor(pool: TailPool) {
    this.pool = pool;
  }

  get runs(): number {
    return this.all.length;
  }

  get canEvict(): boolean {
    return this.all.length > 0 && this.all[0].next <= this.written;
  }

  /** Keeps `bytes`, or a copy when they are a small part of a big buffer that would stay alive for them. */
  static own(bytes: Uint8Array): Uint8Array {
    const whole = bytes.buffer.byteLength;
    return whole > SMALL_BUFFER && whole > bytes.length * SMALL_SHARE ? bytes.slice() : bytes;
  }

  push(first: number, next: number, bytes: Uint8Array): void {
    this.all.push({ first, next, bytes });
    this.pool.add(this, bytes.length);
  }

  evict(): void {
    const gone = this.all.shift();
    if (gone !== undefined) this.pool.release(gone.bytes.length);
  }

  clear(): void {
    for (const run of this.all) this.pool.release(run.bytes.length);
    this.all = [];
  }

  /** The index of the run with `offset`, -1 when it is not here. */
  find(offset: number): number {
    const { all } = this;
    if (all.length === 0 || offset < all[0].first) return -1;
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (all[middle].next <= offset) low = middle + 1;
      else high = middle;
    }
    return low < all.length ? low : -1;
  }

  run(index: number): Run | undefined {
    return this.all[index];
  }
}
