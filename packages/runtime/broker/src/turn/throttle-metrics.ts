import { LatencyWindow } from "./latency-window.ts";
import type { Labels, MetricSample, MetricSource } from "./metric.ts";

/** Most clients whose throttle times are told apart: those throttled last. */
const MOST_CLIENTS = 1000;
/** Most characters of a name in labels: clients choose theirs. */
const LONGEST_NAME = 256;
/** Windows of the averages: those of Kafka's metrics by default. */
const WINDOWS = { ms: 30_000, count: 2 };

const KINDS = ["produce", "fetch", "request"] as const;
/** Quota that holds a client back. */
export type ThrottleKind = (typeof KINDS)[number];

interface Throttled {
  readonly labels: Labels;
  readonly times: LatencyWindow;
}

/** Times for which quotas hold back clients, by user and client id (`ClientQuotaManager`). */
export class ThrottleMetrics {
  readonly #clients: Readonly<Record<ThrottleKind, Map<string, Throttled>>> = {
    produce: new Map(),
    fetch: new Map(),
    request: new Map(),
  };

  /** Counts a throttle time of more than 0 ms at monotonic time `now`. */
  add(
    kind: ThrottleKind,
    { user, clientId }: { readonly user: string; readonly clientId: string },
    ms: number,
    now: number,
  ): void {
    const clients = this.#clients[kind];
    const labels = { user: user.slice(0, LONGEST_NAME), client_id: clientId.slice(0, LONGEST_NAME) };
    const key = JSON.stringify([labels.user, labels.client_id]);
    const known = clients.get(key) ?? { labels, times: new LatencyWindow(WINDOWS) };
    // Keep the map in the order of the last throttle.
    clients.delete(key);
    clients.set(key, known);
    known.times.add(now, ms);
    if (clients.size > MOST_CLIENTS) for (const [oldest] of clients) return void clients.delete(oldest);
  }

  *sources(now: () => number): Iterable<MetricSource> {
    for (const kind of KINDS) {
      yield {
        name: `kafka_server_${kind}_throttle_time`,
        help: `Average time for which a quota (${kind}) has held a client back in the last minute, in ms.`,
        type: "gauge",
        samples: () => this.#samples(kind, now()),
      };
    }
  }

  *#samples(kind: ThrottleKind, now: number): Iterable<MetricSample> {
    for (const { labels, times } of this.#clients[kind].values()) {
      const average = times.average(now);
      yield { labels, value: Number.isNaN(average) ? 0 : average };
    }
  }
}
