import type { Labels, MetricSample } from "./metric.ts";

/** Counts of values below 8 are exact; each octave above has 8 buckets, so that a bucket is at most 12.5 % wide. */
const SUB_BITS = 3;
const SUB_BUCKETS = 1 << SUB_BITS;
/** Largest value that is told apart from larger ones. */
const LARGEST = 0x7fffffff;
/** Number of buckets for the values from 0 to `LARGEST`. */
const BUCKETS = (31 - SUB_BITS) * SUB_BUCKETS + SUB_BUCKETS;
/** Least time between the snapshots that begin the window of quantiles, in ms. */
const SNAPSHOT_MS = 150_000;

/** Quantiles that Kafka's histograms have (`Histogram` of Yammer's metrics). */
export const QUANTILES = [0.5, 0.75, 0.95, 0.98, 0.99, 0.999] as const;

/** Bucket of an integer from 0 to `LARGEST`. */
function bucketOf(value: number): number {
  if (value < 2 * SUB_BUCKETS) return value;
  const shift = 31 - Math.clz32(value) - SUB_BITS;
  return (shift << SUB_BITS) + (value >>> shift);
}

/** Least value of a bucket. */
function leastOf(bucket: number): number {
  if (bucket < 2 * SUB_BUCKETS) return bucket;
  const shift = (bucket >> SUB_BITS) - 1;
  return (SUB_BUCKETS + (bucket & (SUB_BUCKETS - 1))) * 2 ** shift;
}

/**
 * Log-linear histogram of integers. To record is one increment of a fixed array. Quantiles are those of the last 2.5 to
 * 5 minutes, as long as they are read that often: each read may keep a copy of the counts, from which later reads count.
 */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #sum = 0;
  #older: Uint32Array | undefined;
  #newer: Uint32Array | undefined;
  #newerAt = -Infinity;

  /** Records a value; it is cut to an integer from 0 to `LARGEST`. */
  record(value: number): void {
    const cut = value >= LARGEST ? LARGEST : value > 0 ? value | 0 : 0;
    const bucket = bucketOf(cut);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sum += cut;
  }

  /** Sum of all values. */
  get sum(): number {
    return this.#sum;
  }

  /** Number of all values. */
  get count(): number {
    let count = 0;
    for (const one of this.#counts) count += one;
    return count;
  }

  /** Number of values below `limit`, which must be a power of two. */
  below(limit: number): number {
    const end = bucketOf(limit);
    let count = 0;
    for (let bucket = 0; bucket < end; bucket++) count += this.#counts[bucket] as number;
    return count;
  }

  /** Reads `QUANTILES` at monotonic time `now`; NaN without values in the window. */
  quantiles(now: number): readonly number[] {
    if (now - this.#newerAt >= SNAPSHOT_MS) {
      const free = this.#older ?? new Uint32Array(BUCKETS);
      // The first window begins with the process.
      this.#older = this.#newer ?? new Uint32Array(BUCKETS);
      free.set(this.#counts);
      this.#newer = free;
      this.#newerAt = now;
    }
    const base = this.#older;
    let total = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) total += this.#since(base, bucket);
    return QUANTILES.map(quantile => (total === 0 ? NaN : this.#valueAt(base, quantile * total)));
  }

  #since(base: Uint32Array | undefined, bucket: number): number {
    // The counts wrap around as those of the copy do.
    return ((this.#counts[bucket] as number) - ((base?.[bucket] as number | undefined) ?? 0)) >>> 0;
  }

  /** Value with `rank` values up to it, in proportion within its bucket. */
  #valueAt(base: Uint32Array | undefined, rank: number): number {
    let before = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const count = this.#since(base, bucket);
      if (count > 0 && before + count >= rank) {
        const least = leastOf(bucket);
        return least + ((rank - before) / count) * (leastOf(bucket + 1) - least);
      }
      before += count;
    }
    return NaN;
  }
}

/** Cuts a time in ms to whole µs. */
export function microseconds(ms: number): number {
  return ms <= 0 ? 0 : Math.min(LARGEST, ms * 1000) | 0;
}

const NO_LABELS: Labels = {};
const QUANTILE_LABELS: readonly Labels[] = QUANTILES.map(quantile => ({ quantile: String(quantile) }));

/**
 * Samples of a histogram as a summary without further labels. `unit`: what a recorded integer stands for; `now`:
 * monotonic time.
 */
export function* summary(
  histogram: Histogram,
  { unit, now }: { readonly unit: number; readonly now: number },
): Iterable<MetricSample> {
  const values = histogram.quantiles(now);
  for (const [i, labels] of QUANTILE_LABELS.entries()) yield { labels, value: (values[i] ?? NaN) * unit };
  yield { labels: NO_LABELS, suffix: "_sum", value: histogram.sum * unit };
  yield { labels: NO_LABELS, suffix: "_count", value: histogram.count };
}
