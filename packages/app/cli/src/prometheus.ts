import type { MetricFamily } from "@samsa/broker";
// By name and not lazily: names of a CommonJS module that is itself imported lazily are lost in the bundle.
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";

/** Metrics of the process as Prometheus' text. Watches Node from its making on, so a process makes one. */
export class Exposition {
  /** Node's own metrics, with the observers that feed them. */
  readonly #process = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.#process });
  }

  /** `families` and Node's metrics; of families with the same name the first. */
  async render(families: readonly MetricFamily[]): Promise<string> {
    const registry = new Registry();
    for (const { name, help, type, samples } of families) {
      // Clients call their metrics what they like.
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
    return `${await this.#process.metrics()}\n${await registry.metrics()}`;
  }
}
