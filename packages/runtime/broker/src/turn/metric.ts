/** Labels of a sample. An object that is used at each scrape is rendered once. */
export type Labels = Readonly<Record<string, string>>;

/** Value of a metric with its labels. */
export interface MetricSample {
  readonly labels: Labels;
  readonly value: number;
  /** End of the name, for the parts of a summary and of a histogram; default: none. */
  readonly suffix?: "_count" | "_sum" | "_bucket";
}

/** A metric: its name, as Kafka's JMX exporters write it, and its kind. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "summary" | "histogram";
  /** Names under which other exporters have the same samples. */
  readonly aliases?: readonly string[];
}

/** A metric with the way to its values, which is used at each scrape. */
export interface MetricSource extends Metric {
  /** Reads the values, one at a time: the reader may pause for other work, and values may change meanwhile. */
  readonly samples: () => Iterable<MetricSample>;
}

/** Number of items. */
export function countOf(items: Iterable<unknown>): number {
  let count = 0;
  const iterator = items[Symbol.iterator]();
  while (iterator.next().done !== true) count++;
  return count;
}

/** A metric with its values at one time. */
export interface MetricFamily extends Metric {
  readonly samples: readonly MetricSample[];
}
