import type { Labels, MetricSample, MetricSource } from "./metric.ts";
import { ScrapeRate } from "./scrape-rate.ts";

const NO_LABELS: Labels = {};
/** Software of clients that is told apart; clients choose its names. */
const MOST_SOFTWARE = 100;
/** Name of the one thread of the network, in the labels of Kafka's processors. */
const PROCESSOR = "0";

/** State of an open connection at a scrape. */
export interface OpenConnection {
  readonly listener: string;
  /** Client software (KIP-511). */
  readonly software: { readonly name: string; readonly version: string };
  /** Requests that wait for their turn, and responses that wait to be written. */
  readonly requests: number;
  readonly responses: number;
}

interface ListenerCounts {
  readonly labels: Labels;
  opened: number;
  closed: number;
  refused: number;
  readonly openRate: ScrapeRate;
  readonly closeRate: ScrapeRate;
}

/** Connections of a node by listener (`socket-server-metrics`). */
export class ConnectionMetrics {
  readonly #listeners = new Map<string, ListenerCounts>();
  /** Ways to the open connections, one for each role. */
  readonly #open: (() => Iterable<OpenConnection>)[] = [];

  /** Adds a listener, at monotonic time `now`; a listener that is known keeps its counts. */
  listener(name: string, now: number): void {
    if (this.#listeners.has(name)) return;
    this.#listeners.set(name, {
      labels: { listener: name, networkProcessor: PROCESSOR },
      ...{ opened: 0, closed: 0, refused: 0 },
      openRate: new ScrapeRate(now),
      closeRate: new ScrapeRate(now),
    });
  }

  /** Adds connections that are read at each scrape. */
  addOpen(read: () => Iterable<OpenConnection>): void {
    this.#open.push(read);
  }

  *#all(): Iterable<OpenConnection> {
    for (const read of this.#open) yield* read();
  }

  count(listener: string, what: "opened" | "closed" | "refused"): void {
    const known = this.#listeners.get(listener);
    if (known !== undefined) known[what]++;
  }

  *sources(now: () => number): Iterable<MetricSource> {
    const each = (read: (counts: ListenerCounts) => number) => () => this.#samples(read);
    const source = (
      name: string,
      type: "counter" | "gauge",
      help: string,
      read: (counts: ListenerCounts) => number,
    ): MetricSource => ({
      name: `kafka_server_socket_server_metrics_${name}`,
      aliases: [`kafka_server_socketservermetrics_${name}`],
      ...{ help, type, samples: each(read) },
    });
    yield source("connection_count", "gauge", "Connections open.", ({ opened, closed }) => opened - closed);
    yield source("connection_creation_total", "counter", "Connections opened.", ({ opened }) => opened);
    yield source("connection_close_total", "counter", "Connections closed.", ({ closed }) => closed);
    yield source("connection_creation_rate", "gauge", "Connections opened per second.", ({ openRate, opened }) =>
      openRate.read(opened, now()),
    );
    yield source("connection_close_rate", "gauge", "Connections closed per second.", ({ closeRate, closed }) =>
      closeRate.read(closed, now()),
    );
    yield source(
      "connection_refused_total",
      "counter",
      "Connections closed at once, for a limit on connections.",
      ({ refused }) => refused,
    );
    yield {
      name: "kafka_server_socket_server_metrics_connections",
      aliases: ["kafka_server_socketservermetrics_connections"],
      help: "Connections open, by the software of clients.",
      type: "gauge",
      samples: () => this.#bySoftware(),
    };
    yield this.#queue("requestqueuesize", "Requests that wait for their turn.", ({ requests }) => requests);
    yield this.#queue("responsequeuesize", "Responses that wait to be written.", ({ responses }) => responses);
  }

  #queue(name: string, help: string, size: (connection: OpenConnection) => number): MetricSource {
    const read = (): number => {
      let total = 0;
      for (const connection of this.#all()) total += size(connection);
      return total;
    };
    const samples = () => [{ labels: NO_LABELS, value: read() }];
    return { name: `kafka_network_requestchannel_${name}`, help, type: "gauge", samples };
  }

  *#samples(read: (counts: ListenerCounts) => number): Iterable<MetricSample> {
    for (const counts of this.#listeners.values()) yield { labels: counts.labels, value: read(counts) };
  }

  #bySoftware(): Iterable<MetricSample> {
    const known = new Map<string, { readonly labels: Labels; value: number }>();
    for (const { listener, software } of this.#all()) {
      const of = (name: string, version: string) => {
        const labels = { client_software_name: name, client_software_version: version, listener };
        return [JSON.stringify(labels), { ...labels, network_processor: PROCESSOR }] as const;
      };
      let [key, labels] = of(software.name, software.version);
      if (known.size >= MOST_SOFTWARE && !known.has(key)) [key, labels] = of("other", "other");
      const counted = known.get(key);
      if (counted === undefined) known.set(key, { labels, value: 1 });
      else counted.value++;
    }
    return known.values();
  }
}
