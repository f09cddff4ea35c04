import type { BrokerId } from "@samsa/base";
import type { ApiName } from "@samsa/protocol";
import { SampledStat } from "./sampled-stat.ts";

/** Kind of a client, as the names of its metrics begin. */
export type TelemetryDomain = "producer" | "consumer" | "consumer.share";

/** Value of a metric. */
export interface Measurement {
  /** Name as brokers subscribe to it: `org.apache.kafka.producer.connection.creation.total`. */
  readonly name: string;
  /** A sum never decreases, and may be sent as its growth. */
  readonly kind: "gauge" | "sum";
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** Times of a request, in ms. */
export interface RequestTimes {
  readonly tookMs: number;
  /** Time for which the node throttles the client. */
  readonly throttledMs: number;
}

/** Number of nodes that have metrics of their own; those that come later have none. */
const MOST_NODES = 1000;
const PREFIX = "org.apache.kafka";

/** Metrics of the time that requests take, beside those of each node. */
const LATENCIES: Readonly<Record<TelemetryDomain, Readonly<Partial<Record<ApiName, string>>>>> = {
  producer: {},
  consumer: { Fetch: "fetch.manager.fetch.latency", OffsetCommit: "coordinator.commit.latency" },
  "consumer.share": { ShareFetch: "fetch.manager.fetch.latency" },
};

/** Metrics of the time for which brokers throttle requests. */
const THROTTLES: Readonly<Record<TelemetryDomain, Readonly<Partial<Record<ApiName, string>>>>> = {
  producer: { Produce: "produce.throttle.time" },
  consumer: { Fetch: "fetch.manager.fetch.throttle.time" },
  "consumer.share": { ShareFetch: "fetch.manager.fetch.throttle.time" },
};

/** Metrics of a client that brokers may subscribe to: those that KIP-714 asks of every client. Times are in ms. */
export class ClientMetrics {
  readonly #domain: TelemetryDomain;
  /** Mean and largest value of each name. */
  readonly #times = new Map<string, SampledStat>();
  readonly #nodes = new Map<BrokerId, SampledStat>();
  readonly #creations: SampledStat;
  #created = 0;
  #rebalanceMs = 0;
  readonly #idleRatio: SampledStat;
  /** Times at which the application asked for records, and at which it last got some. */
  #askedAt = 0;
  #gotAt: number;

  constructor(domain: TelemetryDomain, now: number) {
    this.#domain = domain;
    this.#creations = new SampledStat(now);
    this.#idleRatio = new SampledStat(now);
    this.#gotAt = now;
  }

  /** A connection was made. */
  connected(now: number): void {
    this.#created++;
    this.#creations.record(1, now);
  }

  /** A node has answered a request. */
  answered(node: BrokerId, api: ApiName, { tookMs, throttledMs }: RequestTimes, now: number): void {
    let times = this.#nodes.get(node);
    if (times === undefined && this.#nodes.size < MOST_NODES) this.#nodes.set(node, (times = new SampledStat(now)));
    times?.record(tookMs, now);
    const latency = LATENCIES[this.#domain][api];
    if (latency !== undefined) this.#time(latency, tookMs, now);
    const throttle = THROTTLES[this.#domain][api];
    if (throttle !== undefined) this.#time(throttle, throttledMs, now);
  }

  /** A batch of a producer has waited for `ms` before it was sent. */
  queued(ms: number, now: number): void {
    this.#time("record.queue.time", ms, now);
  }

  /** A group has rebalanced within `ms`. */
  rebalanced(ms: number, now: number): void {
    this.#rebalanceMs += ms;
    this.#time("coordinator.rebalance.latency", ms, now);
  }

  /** The application asks for records. */
  asked(now: number): void {
    this.#askedAt = now;
  }

  /** The application gets records. The part of the time since it last got some for which it has waited is the idle ratio. */
  given(now: number): void {
    const all = now - this.#gotAt;
    if (all > 0) this.#idleRatio.record((now - this.#askedAt) / all, now);
    this.#gotAt = now;
  }

  /** All metrics that have a value; `assigned` is the number of partitions of a consumer of a group. */
  measure(now: number, assigned?: number): Measurement[] {
    const all: Measurement[] = [];
    const put = (kind: Measurement["kind"], name: string, value: number | undefined, labels = {}): void => {
      if (value !== undefined) all.push({ kind, name: `${PREFIX}.${this.#domain}.${name}`, value, labels });
    };
    const putTimes = (name: string, times: SampledStat, labels = {}): void => {
      put("gauge", `${name}.avg`, times.average(now), labels);
      put("gauge", `${name}.max`, times.max(now), labels);
    };
    put("gauge", "connection.creation.rate", this.#creations.rate(now));
    put("sum", "connection.creation.total", this.#created);
    for (const [node, times] of this.#nodes) putTimes("node.request.latency", times, { node_id: `node-${node}` });
    for (const [name, times] of this.#times) putTimes(name, times);
    if (this.#domain === "consumer") {
      put("gauge", "poll.idle.ratio.avg", this.#idleRatio.average(now));
      if (assigned !== undefined) {
        put("gauge", "coordinator.assigned.partitions", assigned);
        put("sum", "coordinator.rebalance.latency.total", this.#rebalanceMs);
      }
    }
    return all;
  }

  #time(name: string, ms: number, now: number): void {
    let times = this.#times.get(name);
    if (times === undefined) this.#times.set(name, (times = new SampledStat(now)));
    times.record(ms, now);
  }
}
