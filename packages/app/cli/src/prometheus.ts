import type { MetricFamily } from "@samsa/broker";
// By name and not lazily: names of a CommonJS module that is itself imported lazily are lost in the bundle.
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";

/** `families` and what Node tells of its process, as Prometheus' text; of those with the same name the first. */
export async function renderMetrics(families: readonly MetricFamily[]): Promise<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name, help, type, samples } of families) {
    // Clients call their metrics what they like.
    if (registry.getSingleMetric(name) !== undefined) continue;
    const labelNames = [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))];
    if (type === "counter") {
      const counter = new Counter({ name, help, labelNames, registers: [registry] });
      for (const { labels, value } of samples) counter.inc(labels, value);
    } else {
      const gauge = new Gauge({ name, help, labelNames, registers: [registry] });
      for (const { labels, value } of samples) gauge.set(labels, value);
    }
  }
  const text = await registry.metrics();
  registry.clear();
  return text;
}
