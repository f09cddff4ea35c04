/** A metric with its labelled values, named as Kafka's JMX exporters name it. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly samples: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

interface RequestCount {
  readonly labels: { readonly request: string; readonly version: string };
  count: number;
  totalMs: number;
}

interface TopicCount {
  messagesIn: number;
  bytesIn: number;
  bytesOut: number;
}

/** Counters and gauges of a running broker. */
export class BrokerMetrics {
  readonly #requests = new Map<string, RequestCount>();
  readonly #topics = new Map<string, TopicCount>();
  readonly #computed: (Omit<MetricFamily, "samples"> & { readonly read: () => MetricFamily["samples"] })[] = [];
  connectionsOpened = 0;
  connectionsOpen = 0;

  request(api: string, version: number, ms: number): void {
    const key = `${api}/${version}`;
    let count = this.#requests.get(key);
    if (count === undefined) {
      count = { labels: { request: api, version: String(version) }, count: 0, totalMs: 0 };
      this.#requests.set(key, count);
    }
    count.count++;
    count.totalMs += ms;
  }

  #topic(topic: string): TopicCount {
    let count = this.#topics.get(topic);
    if (count === undefined) {
      count = { messagesIn: 0, bytesIn: 0, bytesOut: 0 };
      this.#topics.set(topic, count);
    }
    return count;
  }

  produced(topic: string, bytes: number, records: number): void {
    const count = this.#topic(topic);
    count.messagesIn += records;
    count.bytesIn += bytes;
  }

  fetched(topic: string, bytes: number): void {
    this.#topic(topic).bytesOut += bytes;
  }

  topicDeleted(topic: string): void {
    this.#topics.delete(topic);
  }

  /** Registers a gauge; `read` is called at each scrape. */
  gauge(name: string, help: string, read: () => number): void {
    this.#computed.push({ name, help, type: "gauge", read: () => [{ labels: {}, value: read() }] });
  }

  /** Registers a counter that is kept elsewhere; `read` is called at each scrape. */
  counter(name: string, help: string, read: () => number): void {
    this.#computed.push({ name, help, type: "counter", read: () => [{ labels: {}, value: read() }] });
  }

  /** Registers a counter for each value of a label. They are kept elsewhere; `read` is called at each scrape. */
  counters(name: string, help: string, label: string, read: () => Iterable<readonly [string, number]>): void {
    const samples = () => Array.from(read(), ([of, value]) => ({ labels: { [label]: of }, value }));
    this.#computed.push({ name, help, type: "counter", read: samples });
  }

  families(): MetricFamily[] {
    const requests = [...this.#requests.values()];
    const topics = [...this.#topics];
    const perTopic = (name: string, help: string, field: keyof TopicCount): MetricFamily => ({
      name: `kafka_server_brokertopicmetrics_${name}_total`,
      help,
      type: "counter",
      samples: topics.map(([topic, count]) => ({ labels: { topic }, value: count[field] })),
    });
    const single = (name: string, help: string, type: MetricFamily["type"], value: number): MetricFamily => ({
      name,
      help,
      type,
      samples: [{ labels: {}, value }],
    });
    return [
      {
        name: "kafka_network_requestmetrics_requests_total",
        help: "Requests answered.",
        type: "counter",
        samples: requests.map(({ labels, count }) => ({ labels, value: count })),
      },
      {
        name: "kafka_network_requestmetrics_totaltimems_sum",
        help: "Milliseconds from the decoding of requests to their answers, waits included.",
        type: "counter",
        samples: requests.map(({ labels, totalMs }) => ({ labels, value: totalMs })),
      },
      perTopic("messagesin", "Records produced.", "messagesIn"),
      perTopic("bytesin", "Bytes produced.", "bytesIn"),
      perTopic("bytesout", "Bytes fetched.", "bytesOut"),
      single("kafka_server_socket_server_metrics_connection_count", "Connections open.", "gauge", this.connectionsOpen),
      ...this.#computed.map(({ read, ...family }) => ({ ...family, samples: read() })),
    ];
  }
}
