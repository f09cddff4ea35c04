/** Bits of a value that a bucket tells apart: 2,048 buckets for each doubling, an error below 0.1 %. */
const BITS = 11;
const HALF = 1 << (BITS - 1);
/** Doublings above the values that have a bucket each; the largest value is about 50 days in microseconds. */
const DOUBLINGS = 32;
const LARGEST = 2 ** (BITS + DOUBLINGS) - 1;

/** Distribution of times in whole microseconds, in fixed memory. */
export class Histogram {
  readonly #buckets = new Float64Array(HALF * (DOUBLINGS + 2));
  #count = 0;
  #sum = 0;
  #max = 0;

  /** Adds a time, `times` times. */
  add(micros: number, times = 1): void {
    const value = Math.min(Math.max(0, Math.round(micros)), LARGEST);
    const at = bucketOf(value);
    this.#buckets[at] = (this.#buckets[at] ?? 0) + times;
    this.#count += times;
    this.#sum += value * times;
    if (value > this.#max) this.#max = value;
  }

  get count(): number {
    return this.#count;
  }

  /** Largest value; 0 if there is none. */
  get max(): number {
    return this.#max;
  }

  /** Mean; 0 if there are no values. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  /** Least value that is not below this share of all values, from 0 to 1; 0 if there are none. */
  quantile(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let i = 0; i < this.#buckets.length; i++) {
      seen += this.#buckets[i] ?? 0;
      if (seen >= wanted) return Math.min(topOf(i), this.#max);
    }
    return this.#max;
  }

  /** Forgets all values. */
  clear(): void {
    this.#buckets.fill(0);
    this.#count = 0;
    this.#sum = 0;
    this.#max = 0;
  }
}

function bucketOf(value: number): number {
  const exponent = value < 2 * HALF ? 0 : Math.floor(Math.log2(value)) - (BITS - 1);
  // The logarithm of a number just below a power of two may be rounded up.
  const shift = exponent > 0 && value < 2 ** (exponent + BITS - 1) ? exponent - 1 : exponent;
  return shift * HALF + Math.floor(value / 2 ** shift);
}

/** Largest value of a bucket. */
function topOf(bucket: number): number {
  if (bucket < 2 * HALF) return bucket;
  const shift = Math.floor(bucket / HALF) - 1;
  return (bucket - shift * HALF + 1) * 2 ** shift - 1;
}
