/** Change of the estimate with a batch that compresses better, or worse, than it says. */
const IMPROVEMENT = 0.005;
const DETERIORATION = 0.05;
/** Margin between the estimate and the size that is expected (`COMPRESSION_RATE_ESTIMATION_FACTOR`). */
const MARGIN = 1.05;

/** Estimate of the compressed size of a topic's batches, as a part of their size (`CompressionRatioEstimator`). */
export class CompressionRatio {
  #estimate = 1;

  get estimate(): number {
    return this.#estimate;
  }

  /** Uncompressed bytes that become about `bytes`. */
  expand(bytes: number): number {
    return Math.floor(bytes / (this.#estimate * MARGIN));
  }

  /** Takes the ratio of a batch. */
  observe(ratio: number): void {
    const estimate = this.#estimate;
    if (ratio > estimate) this.#estimate = Math.max(estimate + DETERIORATION, ratio);
    else if (ratio < estimate) this.#estimate = Math.max(estimate - IMPROVEMENT, ratio);
  }

  /** Begins anew, because a batch was larger than the broker allows. */
  reset(ratio: number): void {
    this.#estimate = Math.max(1, ratio);
  }
}
