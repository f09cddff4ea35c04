import type { MetricFamily, TelemetryPush, TelemetrySink } from "@samsa/broker";
import { readMetricsData } from "./otlp.ts";

/** Bounds of the series kept for one client, and for all clients. */
export interface ClientMetricsLimits {
  readonly seriesOfClient: number;
  readonly series: number;
}

const LIMITS: ClientMetricsLimits = { seriesOfClient: 2000, series: 20_000 };
/** Maximum length of a series' name and labels, as JSON. Longer series are left out. */
const LONGEST_SERIES = 1024;
/** Maximum number of data points read from one push. */
const MOST_POINTS = 10_000;
/** Number of push intervals without a push after which a client is forgotten. */
const SILENT_INTERVALS = 3;
/** Minimum time without a push before a client is forgotten: scrapes come about once a minute. */
const SILENT_MS = 300_000;
const SWEEP_MS = 1000;

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  monotonic: boolean;
  value: number;
  /** Time of the last push. */
  at: number;
  /** The value is a sum of deltas. Without new deltas it is unchanged, so the series does not expire. */
  summed: boolean;
}

interface Client {
  readonly series: Map<string, Series>;
  at: number;
  silentMs: number;
}

/** Converts a name for Prometheus: letters, digits, underscores, no leading digit, at most one leading underscore. */
function legalName(name: string): string {
  const plain = name.replace(/[^a-zA-Z0-9_]/g, "_").replace(/^_{2,}/, "_");
  return /^[0-9]/.test(plain) || plain === "" ? `_${plain}` : plain;
}

/** Replaces lone surrogates, which cannot be encoded in UTF-8. */
const legalText = (text: string): string => text.toWellFormed();

/** Metrics pushed by clients (KIP-714), as series for Prometheus. */
export class ClientMetrics implements TelemetrySink {
  readonly #now: () => number;
  readonly #limits: ClientMetricsLimits;
  readonly #clients = new Map<string, Client>();
  #size = 0;
  #leftOut = 0;
  #swept = -Infinity;

  /** `now` returns milliseconds of the monotonic clock. */
  constructor(now: () => number, limits: ClientMetricsLimits = LIMITS) {
    this.#now = now;
    this.#limits = limits;
  }

  push({ clientInstanceId, clientId, terminating, pushIntervalMs, metrics }: TelemetryPush): void {
    const now = this.#now();
    this.#sweep(now);
    // Parse the whole push before it has any effect.
    const found = readMetricsData(metrics, MOST_POINTS);
    if (terminating) {
      this.#forget(clientInstanceId);
      return;
    }
    const client = this.#clients.get(clientInstanceId) ?? { series: new Map<string, Series>(), at: 0, silentMs: 0 };
    client.at = now;
    client.silentMs = Math.max(SILENT_MS, pushIntervalMs * SILENT_INTERVALS);
    const owner = { client_instance_id: clientInstanceId, client_id: legalText(clientId) };
    for (const { name, monotonic, delta, points } of found) {
      const series = { name: legalName(name), monotonic, delta };
      for (const { attributes, value } of points) {
        const labels: Record<string, string> = {};
        for (const [label, text] of attributes) labels[legalName(label)] = legalText(text);
        this.#put(client, { ...series, labels: { ...labels, ...owner }, value, at: now });
      }
    }
    if (client.series.size > 0) this.#clients.set(clientInstanceId, client);
  }

  #put(client: Client, point: Omit<Series, "summed"> & { readonly delta: boolean }): void {
    const { name, labels, monotonic, delta, value, at } = point;
    const key = JSON.stringify([name, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
    const known = client.series.get(key);
    const next = delta ? (known?.value ?? 0) + value : value;
    // A counter must be finite and not negative.
    if (monotonic && !(value >= 0 && next >= 0 && next < Infinity)) return;
    if (known !== undefined) {
      known.value = next;
      known.monotonic = monotonic;
      known.summed = delta;
      known.at = at;
      return;
    }
    const { seriesOfClient, series } = this.#limits;
    if (client.series.size >= seriesOfClient || this.#size >= series || key.length > LONGEST_SERIES) {
      this.#leftOut++;
      return;
    }
    client.series.set(key, { name, labels, monotonic, value, at, summed: delta });
    this.#size++;
  }

  #forget(id: string): void {
    this.#size -= this.#clients.get(id)?.series.size ?? 0;
    this.#clients.delete(id);
  }

  /** Forgets silent clients, and series that the other clients no longer push. */
  #sweep(now: number): void {
    if (now - this.#swept < SWEEP_MS) return;
    this.#swept = now;
    for (const [id, { series, at, silentMs }] of this.#clients) {
      if (now - at > silentMs) {
        this.#forget(id);
        continue;
      }
      for (const [key, one] of series) {
        if (one.summed || now - one.at <= silentMs) continue;
        series.delete(key);
        this.#size--;
      }
    }
  }

  families(): MetricFamily[] {
    this.#sweep(this.#now());
    const named = new Map<string, Series[]>();
    for (const { series } of this.#clients.values()) {
      for (const one of series.values()) {
        const same = named.get(one.name);
        if (same === undefined) named.set(one.name, [one]);
        else same.push(one);
      }
    }
    const leftOut: MetricFamily = {
      name: "samsa_client_metrics_left_out_total",
      help: "Values pushed by clients and left out, as there are too many series or their labels are too long.",
      type: "counter",
      samples: [{ labels: {}, value: this.#leftOut }],
    };
    return [
      leftOut,
      ...[...named].map(([name, samples]): MetricFamily => {
        // Clients may disagree on the type.
        const type = samples.every(({ monotonic }) => monotonic) ? "counter" : "gauge";
        return { name, help: "Pushed by clients (KIP-714).", type, samples };
      }),
    ];
  }
}
