import { type ApiName, Apis } from "@samsa/protocol";
import { ErrorCounts } from "./error-counts.ts";
import { Histogram, QUANTILES } from "./histogram.ts";
import type { Labels, MetricSample, MetricSource } from "./metric.ts";

/** Times of one request, in µs, and its bytes. */
export interface RequestTimes {
  /** From the last byte of the request to its handler. */
  readonly queueUs: number;
  /** Within the handler. */
  readonly localUs: number;
  /** From the end of the handler to the answer: waits for records and for other brokers. */
  readonly remoteUs: number;
  /** From the answer to its write to the socket. */
  readonly responseQueueUs: number;
  /** From that write to the end of its last byte here. */
  readonly sendUs: number;
  /** Time for which the client is held back. */
  readonly throttleUs: number;
  readonly bytes: number;
}

interface Times {
  readonly total: Histogram;
  readonly queue: Histogram;
  readonly local: Histogram;
  readonly remote: Histogram;
  readonly responseQueue: Histogram;
  readonly send: Histogram;
  readonly throttle: Histogram;
  readonly bytes: Histogram;
}

/** Histograms of an API: name in Kafka, meaning, and what one unit of the recorded integers is. */
const HISTOGRAMS: readonly (readonly [field: keyof Times, name: string, help: string, unit: number])[] = [
  ["total", "totaltimems", "Time from the last byte of a request to that of its response, in ms.", 0.001],
  ["queue", "requestqueuetimems", "Time that a request waits for its handler, in ms.", 0.001],
  ["local", "localtimems", "Time within the handler of a request, in ms.", 0.001],
  ["remote", "remotetimems", "Time that a request waits for records or other brokers, in ms.", 0.001],
  ["responseQueue", "responsequeuetimems", "Time that a response waits to be written, in ms.", 0.001],
  ["send", "responsesendtimems", "Time that the write of a response takes, in ms.", 0.001],
  ["throttle", "throttletimems", "Time that a client is held back for a quota, in ms.", 0.001],
  ["bytes", "requestbytes", "Bytes of a request.", 1],
];

/** Limits of the buckets of `samsa_request_duration_seconds`, in µs: powers of two from 256 µs to 17 s. */
const BOUNDS: readonly number[] = Array.from({ length: 17 }, (_, i) => 2 ** (i + 8));

/** Requests of one API. */
export class ApiMetrics {
  readonly labels: Labels;
  readonly quantileLabels: readonly Labels[];
  readonly bucketLabels: readonly Labels[];
  readonly times: Times;
  /** Undefined for one kind of the requests of an API: errors are counted by API. */
  readonly errors: ErrorCounts | undefined;
  /** Requests answered, by version. */
  readonly versions = new Map<number, { readonly labels: Labels; count: number }>();

  /** `request`: name in metrics, which is that of the API or of one kind of its requests. */
  constructor(api: ApiName, request: string) {
    this.labels = { request };
    this.quantileLabels = QUANTILES.map(quantile => ({ request, quantile: String(quantile) }));
    this.bucketLabels = [...BOUNDS.map(us => String(us / 1e6)), "+Inf"].map(le => ({ request, le }));
    const histogram = () => new Histogram();
    this.times = {
      total: histogram(),
      queue: histogram(),
      local: histogram(),
      remote: histogram(),
      responseQueue: histogram(),
      send: histogram(),
      throttle: histogram(),
      bytes: histogram(),
    };
    this.errors = request === api ? new ErrorCounts(Apis[api].response.fields) : undefined;
  }

  /** Counts an answer: null for a request that gets none. */
  answered(version: number, response: object | null): void {
    this.errors?.add(response);
    const known = this.versions.get(version);
    if (known !== undefined) known.count++;
    else this.versions.set(version, { labels: { ...this.labels, version: String(version) }, count: 1 });
  }

  /** Records the times of a request whose response has been written. */
  sent(request: RequestTimes): void {
    const { times } = this;
    const { queueUs, localUs, remoteUs, responseQueueUs, sendUs } = request;
    times.total.record(queueUs + localUs + remoteUs + responseQueueUs + sendUs);
    times.queue.record(queueUs);
    times.local.record(localUs);
    times.remote.record(remoteUs);
    times.responseQueue.record(responseQueueUs);
    times.send.record(sendUs);
    times.throttle.record(request.throttleUs);
    times.bytes.record(request.bytes);
  }
}

/** Numbers and times of requests, by API (`RequestMetrics`). Fetches are counted as such and by who sends them. */
export class RequestMetrics {
  readonly #apis = new Map<string, ApiMetrics>();

  /** Metrics of an API. `kind`: name of one kind of its requests. */
  of(api: ApiName, kind: string = api): ApiMetrics {
    let known = this.#apis.get(kind);
    if (known === undefined) {
      known = new ApiMetrics(api, kind);
      this.#apis.set(kind, known);
    }
    return known;
  }

  /** `now`: monotonic time of the scrape. */
  *sources(now: () => number): Iterable<MetricSource> {
    const prefix = "kafka_network_requestmetrics_";
    yield {
      name: `${prefix}requests_total`,
      aliases: [`${prefix}requestspersec`],
      help: "Requests answered.",
      type: "counter",
      samples: () => this.#requests(),
    };
    yield {
      name: `${prefix}errors_total`,
      aliases: [`${prefix}errorspersec`],
      help: "Error codes in responses, NONE included.",
      type: "counter",
      samples: () => this.#errors(),
    };
    for (const [field, name, help, unit] of HISTOGRAMS) {
      const samples = () => this.#summary(field, unit, now());
      yield { name: prefix + name, help, type: "summary", samples };
    }
    yield {
      name: "samsa_request_duration_seconds",
      help: "Time from the last byte of a request to that of its response, in seconds.",
      type: "histogram",
      samples: () => this.#buckets(),
    };
  }

  *#requests(): Iterable<MetricSample> {
    for (const { versions } of this.#apis.values()) {
      for (const { labels, count } of versions.values()) yield { labels, value: count };
    }
  }

  *#errors(): Iterable<MetricSample> {
    for (const { labels, errors } of this.#apis.values()) {
      for (const [error, count] of errors ?? []) yield { labels: { ...labels, error }, value: count };
    }
  }

  *#summary(field: keyof Times, unit: number, now: number): Iterable<MetricSample> {
    for (const { labels, quantileLabels, times } of this.#apis.values()) {
      const histogram = times[field];
      const values = histogram.quantiles(now);
      for (const [i, of] of quantileLabels.entries()) yield { labels: of, value: (values[i] ?? NaN) * unit };
      yield { labels, suffix: "_sum", value: histogram.sum * unit };
      yield { labels, suffix: "_count", value: histogram.count };
    }
  }

  *#buckets(): Iterable<MetricSample> {
    for (const { labels, bucketLabels, times } of this.#apis.values()) {
      const { total } = times;
      const { count } = total;
      for (const [i, of] of bucketLabels.entries()) {
        const bound = BOUNDS[i];
        yield { labels: of, suffix: "_bucket", value: bound === undefined ? count : total.below(bound) };
      }
      yield { labels, suffix: "_sum", value: total.sum / 1e6 };
      yield { labels, suffix: "_count", value: count };
    }
  }
}
