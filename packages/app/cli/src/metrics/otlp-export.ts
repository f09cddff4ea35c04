// Import names statically: the bundle loses the names of CommonJS modules that are imported lazily.
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  type CollectionResult,
  type DataPoint,
  DataPointType,
  type Histogram,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import type { Logger } from "@samsa/base";
import type { MetricSample } from "@samsa/broker";
import { VERSION } from "../terminal/version.ts";
import type { Rendered } from "./exposition.ts";

/** Metrics of a node, and the receiver that they are sent to. */
export interface OtlpExport {
  /** Base address of an OTLP receiver over HTTP: `/v1/metrics` is added. */
  readonly endpoint: string;
  readonly intervalMs: number;
  readonly nodeId: number;
  readonly clusterId: string;
  readonly metrics: () => Iterable<Rendered>;
  readonly logger: Logger;
}

/** Longest time of one export, in ms. */
const TIMEOUT_MS = 5000;
/** Longest time that collecting holds the event loop in one turn, in ms. */
const SLICE_MS = 2;
/** OTLP's codes for the type of values; the enumeration is of a package that is not needed otherwise. */
const DOUBLE = 1;
const SCOPE = { name: "samsa", version: VERSION };

type Time = [seconds: number, nanoseconds: number];
type Point = DataPoint<number>;

/** Times of the data points of one collection. */
interface Times {
  readonly startTime: Time;
  readonly endTime: Time;
}

const timeOf = (ms: number): Time => [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];

function metric(name: string, help: string, type: "gauge" | "counter", dataPoints: Point[]): MetricData {
  const descriptor = { name, description: help, unit: "", valueType: DOUBLE };
  const aggregationTemporality = AggregationTemporality.CUMULATIVE;
  if (type === "gauge") {
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints };
  }
  return { descriptor, aggregationTemporality, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
}

/** Builds the histograms of samples by bucket; the buckets of a histogram are adjacent, and end with its count. */
function histograms(samples: Iterable<MetricSample>, times: Times): DataPoint<Histogram>[] {
  const points: DataPoint<Histogram>[] = [];
  let buckets = { boundaries: [] as number[], counts: [] as number[] };
  let before = 0;
  let sum = 0;
  for (const { labels, suffix, value } of samples) {
    if (suffix === "_bucket") {
      const bound = Number(labels["le"] === "+Inf" ? Infinity : labels["le"]);
      if (bound < Infinity) buckets.boundaries.push(bound);
      buckets.counts.push(value - before);
      before = value;
    } else if (suffix === "_sum") sum = value;
    else {
      points.push({ ...times, attributes: { ...labels }, value: { buckets, count: value, sum } });
      buckets = { boundaries: [], counts: [] };
      before = 0;
    }
  }
  return points;
}

/** Converts a metric; quantiles become a gauge, with their count and sum beside them. */
function converted({ name, help, type, samples: of }: Rendered, times: Times): MetricData[] {
  const samples = typeof of === "function" ? of() : of;
  if (type === "histogram") {
    const descriptor = { name, description: help, unit: "", valueType: DOUBLE };
    const dataPoints = histograms(samples, times);
    const aggregationTemporality = AggregationTemporality.CUMULATIVE;
    return [{ descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints }];
  }
  const parts = new Map<string, Point[]>();
  for (const { labels, suffix = "", value } of samples) {
    // A summary without values in its window has no quantiles, and OTLP's JSON has no NaN.
    if (!Number.isFinite(value)) continue;
    const points = parts.get(suffix) ?? [];
    parts.set(suffix, points);
    points.push({ ...times, attributes: labels, value });
  }
  return Array.from(parts, ([suffix, points]) => {
    const kind = type === "counter" || suffix !== "" ? "counter" : "gauge";
    return metric(name + suffix, help, kind, points);
  });
}

/** Collects all metrics; lets other work go first after each `SLICE_MS`. */
async function collect(metrics: Iterable<Rendered>, resource: Resource, began: Time): Promise<CollectionResult> {
  const times: Times = { startTime: began, endTime: timeOf(Date.now()) };
  const found: MetricData[] = [];
  const names = new Set<string>();
  let until = performance.now() + SLICE_MS;
  for (const one of metrics) {
    if (names.has(one.name)) continue;
    names.add(one.name);
    found.push(...converted(one, times));
    if (performance.now() < until) continue;
    await new Promise(resolve => {
      setImmediate(resolve);
    });
    until = performance.now() + SLICE_MS;
  }
  return { resourceMetrics: { resource, scopeMetrics: [{ scope: SCOPE, metrics: found }] }, errors: [] };
}

/** Exporter that says in the log when its receiver cannot be reached, and when it can be again. */
class ToldExporter extends OTLPMetricExporter {
  readonly #told: (fault: Error | undefined) => void;
  #isFailing = false;

  constructor(url: string, told: (fault: Error | undefined) => void) {
    super({ url, timeoutMillis: TIMEOUT_MS });
    this.#told = told;
  }

  override export(...[items, done]: Parameters<OTLPMetricExporter["export"]>): void {
    super.export(items, result => {
      const isFailing = result.code !== 0;
      if (isFailing !== this.#isFailing) this.#told(isFailing ? (result.error ?? new Error("no reason")) : undefined);
      this.#isFailing = isFailing;
      done(result);
    });
  }
}

/** Sends metrics to an OTLP receiver, at each interval. Returns what ends it, after a last export. */
export function exportMetrics({ endpoint, intervalMs, nodeId, clusterId, metrics, logger }: OtlpExport) {
  const url = `${endpoint.replace(/\/+$/, "")}/v1/metrics`;
  const resource = resourceFromAttributes({
    "service.name": "samsa",
    "service.version": VERSION,
    "service.namespace": clusterId,
    "service.instance.id": String(nodeId),
  });
  const began = timeOf(Date.now() - process.uptime() * 1000);
  const exporter = new ToldExporter(url, fault => {
    if (fault === undefined) logger.info("metrics are exported again", { url });
    else logger.warn("metrics cannot be exported", { url, reason: fault.message });
  });
  const reader = new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: Math.min(intervalMs, TIMEOUT_MS),
    metricProducers: [{ collect: () => collect(metrics(), resource, began) }],
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  return () => provider.shutdown({ timeoutMillis: TIMEOUT_MS });
}
