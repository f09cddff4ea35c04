import type { MetricFamily } from "@samsa/broker";
// Import names statically: the bundle loses the names of a CommonJS module that is imported lazily.
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";

/** Sample of the event loop's lag that no measurement stands behind. */
const NO_SAMPLE = /^nodejs_eventloop_lag_\w+ (?:Nan|9223372036\S*)\n/gm;

/** Renders metrics in Prometheus' text format. It observes Node from its construction on, so create one per process. */
export class Exposition {
  /** Registry of Node's own metrics, with the observers that feed them. */
  readonly #process = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.#process });
  }

  /** Renders Node's metrics and `families`. Of families with equal names, the first one counts. */
  async render(families: readonly MetricFamily[]): Promise<string> {
    const registry = new Registry();
    for (const { name, help, type, samples } of families) {
      // Metrics of clients may have any name, so skip names that are taken.
      if (this.#process.getSingleMetric(name) !== undefined || registry.getSingleMetric(name) !== undefined) continue;
      const labelNames = [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))];
      if (type === "counter") {
        const counter = new Counter({ name, help, labelNames, registers: [registry] });
        for (const { labels, value } of samples) counter.inc(labels, value);
      } else {
        const gauge = new Gauge({ name, help, labelNames, registers: [registry] });
        for (const { labels, value } of samples) gauge.set(labels, value);
      }
    }
    const own = await this.#process.metrics();
    // Without a sample since the last scrape the histogram of the event loop has sentinels for figures.
    return `${own.replaceAll(NO_SAMPLE, "")}\n${await registry.metrics()}`;
  }
}
