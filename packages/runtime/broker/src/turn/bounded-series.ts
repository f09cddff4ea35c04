import type { BrokerMetrics } from "./metrics.ts";
import type { MetricSample } from "./metric.ts";

/** Most partitions of a node, and most offsets of its groups, that have series of their own in one metric. */
export const MOST_SERIES = 10_000;

/** Most items beyond the limit that are counted: a scrape must not hold the event loop for what it leaves out. */
const MOST_COUNTED = 20_000;

/** Limits the series of a metric, and counts the items that are left out at a scrape. */
export class BoundedSeries {
  readonly #most: number;
  readonly #leftOut = new Map<string, number>();

  constructor(metrics: Pick<BrokerMetrics, "add">, most: number = MOST_SERIES) {
    this.#most = most;
    metrics.add({
      name: "samsa_metrics_left_out",
      help: `Series that a metric lacks, as it would have more than ${most}; counted up to ${MOST_COUNTED}.`,
      type: "gauge",
      samples: () => Array.from(this.#leftOut, ([metric, value]) => ({ labels: { metric }, value })),
    });
  }

  /** Samples of a metric, up to the limit: of each item, one or none. Later items are counted only. */
  *limit<T>(
    metric: string,
    items: Iterable<T>,
    sampleOf: (item: T) => MetricSample | undefined,
  ): Iterable<MetricSample> {
    let count = 0;
    let leftOut = 0;
    for (const item of items) {
      if (count >= this.#most) {
        if (++leftOut >= MOST_COUNTED) break;
        continue;
      }
      const sample = sampleOf(item);
      if (sample === undefined) continue;
      count++;
      yield sample;
    }
    if (leftOut > 0) this.#leftOut.set(metric, leftOut);
    else this.#leftOut.delete(metric);
  }
}
