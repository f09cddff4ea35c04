import { ConnectionMetrics } from "./connection-metrics.ts";
import { Histogram, summary } from "./histogram.ts";
import type { Labels, MetricFamily, MetricSample, MetricSource } from "./metric.ts";
import { RequestMetrics } from "./request-metrics.ts";
import { ThrottleMetrics } from "./throttle-metrics.ts";
import { TopicMetrics } from "./topic-metrics.ts";

const NO_LABELS: Labels = {};

/** Metrics of a running node: counters that requests move, and values that are read at each scrape. */
export class BrokerMetrics {
  readonly requests = new RequestMetrics();
  readonly topics = new TopicMetrics();
  readonly connections = new ConnectionMetrics();
  readonly throttles = new ThrottleMetrics();
  /** Times of flushes of logs, in µs. */
  readonly flushes = new Histogram();
  readonly #sources: MetricSource[] = [];

  /** Adds a metric. */
  add(source: MetricSource): void {
    this.#sources.push(source);
  }

  /** Adds a gauge; `read` is called at each scrape. */
  gauge(name: string, help: string, read: () => number, ...aliases: readonly string[]): void {
    this.#single("gauge", { name, help, aliases }, read);
  }

  /** Adds a counter that is kept elsewhere; `read` is called at each scrape. */
  counter(name: string, help: string, read: () => number, ...aliases: readonly string[]): void {
    this.#single("counter", { name, help, aliases }, read);
  }

  #single(type: "counter" | "gauge", named: Pick<MetricSource, "name" | "help" | "aliases">, read: () => number): void {
    this.add({ ...named, type, samples: () => [{ labels: NO_LABELS, value: read() }] });
  }

  /** Adds a counter for each value of a label. They are kept elsewhere; `read` is called at each scrape. */
  counters(name: string, help: string, label: string, read: () => Iterable<readonly [string, number]>): void {
    const samples = (): MetricSample[] => Array.from(read(), ([of, value]) => ({ labels: { [label]: of }, value }));
    this.add({ name, help, type: "counter", samples });
  }

  /** All metrics. `now`: monotonic clock, for the window of quantiles. */
  *sources(now: () => number): Iterable<MetricSource> {
    yield* this.requests.sources(now);
    yield* this.topics.sources();
    yield* this.connections.sources(now);
    yield* this.throttles.sources(now);
    yield {
      name: "kafka_log_logflushstats_logflushrateandtimems",
      help: "Time of a flush of the files of a log, in ms.",
      type: "summary",
      samples: () => summary(this.flushes, { unit: 0.001, now: now() }),
    };
    yield* this.#sources;
  }

  /** All metrics with their values now. */
  families(now: () => number): MetricFamily[] {
    return Array.from(this.sources(now), ({ samples, ...metric }) => ({ ...metric, samples: [...samples()] }));
  }
}
