import { Alarm, ignored, type Uuid } from "@samsa/base";
import {
  ClientMetrics,
  KafkaError,
  selected,
  SumDeltas,
  type TelemetryDomain,
  TelemetrySession,
  type TelemetryStep,
  type TelemetrySubscription,
} from "@samsa/client-kernel";
import { type Codec, compress, defaultCompression } from "@samsa/records";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { patiently, type Patience } from "../cluster/deadline.ts";
import { metricsData } from "./metrics-data.ts";

/** Parts of a `TelemetryReporter` beside its client. */
export interface TelemetryParts {
  readonly domain: TelemetryDomain;
  /** Attributes of the client: `transactional_id`, `group_id`, … */
  readonly resource: () => Readonly<Record<string, string>>;
  /** Number of assigned partitions of a member of a group. */
  readonly assigned?: () => number;
}

/** Longest time in ms that a close waits for its last push. */
const LAST_PUSH_MS = 1000;
const CODECS: readonly number[] = [0, 1, 2, 3, 4] satisfies Codec[];

function isCodec(type: number): type is Codec {
  return CODECS.includes(type);
}

function throttledMs(response: object): number {
  return "throttleTimeMs" in response && typeof response.throttleTimeMs === "number" ? response.throttleTimeMs : 0;
}

/**
 * Metrics of a client, pushed to the brokers that subscribe to them (KIP-714, `ClientTelemetryReporter`). It begins once
 * a broker is known, and ends for good if the cluster has no telemetry. The client is that of one producer or consumer.
 */
export class TelemetryReporter {
  readonly metrics: ClientMetrics;
  readonly #client: ClusterClient;
  readonly #parts: TelemetryParts;
  readonly #session = new TelemetrySession();
  readonly #deltas = new SumDeltas();
  readonly #alarm: Alarm;
  readonly #unobserve: () => void;
  readonly #waiting = new Set<() => void>();
  /** Codecs that have failed here. */
  readonly #unusable = new Set<Codec>();
  /** Time of the last push with growths, in ms since the epoch. */
  #since: number;

  constructor(client: ClusterClient, parts: TelemetryParts) {
    const { clock } = client.env;
    this.#client = client;
    this.#parts = parts;
    this.#since = clock.now();
    const metrics = new ClientMetrics(parts.domain, clock.monotonic());
    this.metrics = metrics;
    this.#alarm = new Alarm(client.env, () => this.#pump());
    client.observeCalls({
      connected: () => metrics.connected(clock.monotonic()),
      answered: (id, api, response, tookMs) => {
        metrics.answered(id, api, { tookMs, throttledMs: throttledMs(response) }, clock.monotonic());
      },
    });
    this.#unobserve = client.settings.pushMetrics ? client.observe(() => this.#pump()) : () => undefined;
  }

  /**
   * Id of the client in the telemetry of the cluster. Waits until a broker gives it; rejects with ILLEGAL_STATE if there is
   * no telemetry.
   */
  clientInstanceId(patience: Patience): Promise<Uuid> {
    const client = this.#client;
    const late = (): KafkaError => new KafkaError("TIMED_OUT", "no broker has given an id for telemetry in time");
    return patiently(client.env, patience, late, (resolve, reject) => {
      const look = (): void => {
        const id = this.#session.clientInstanceId;
        if (id !== undefined) resolve(id);
        else if (!client.settings.pushMetrics || this.#session.isOver) {
          reject(new KafkaError("ILLEGAL_STATE", "the client has no telemetry, or the cluster does not take it"));
        }
      };
      this.#waiting.add(look);
      look();
      client.ready(patience).then(() => this.#pump(), reject);
      return () => this.#waiting.delete(look);
    });
  }

  /** Pushes for the last time, if a broker wants it, within a second. */
  async close(): Promise<void> {
    this.#unobserve();
    this.#alarm.cancel();
    this.#session.terminate();
    this.#wake();
    const step = this.#session.next(this.#now);
    if (step.type === "push" && !this.#client.isClosed) {
      await this.#push(step).catch(ignored("the client closes in any case"));
    }
  }

  get #now(): number {
    return this.#client.env.clock.monotonic();
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  #pump(): void {
    const client = this.#client;
    // Before that, a call would wait for a connection that nothing else needs.
    if (client.isClosed || client.metadata.brokers.size === 0) return;
    const step = this.#session.next(this.#now);
    if (step.type === "wait") {
      this.#alarm.set(step.until);
      return;
    }
    this.#perform(step)
      .catch((error: unknown) => {
        const isRetriable = error instanceof KafkaError && error.retriable;
        if (!(error instanceof KafkaError))
          client.env.logger.warn("metrics cannot be pushed", { error: String(error) });
        this.#session.failed(isRetriable, this.#now);
      })
      .finally(() => {
        this.#wake();
        this.#pump();
      });
  }

  async #perform(step: Exclude<TelemetryStep, { type: "wait" }>): Promise<void> {
    const client = this.#client;
    if (step.type === "push") {
      this.#session.pushed(await this.#push(step), this.#now);
      return;
    }
    const { clientInstanceId } = step;
    const response = await client.callAny("GetTelemetrySubscriptions", { clientInstanceId });
    this.#session.subscribed(response, this.#now, client.env.random.next());
  }

  /** Returns the error code of the answer. */
  async #push({ subscription, isTerminating }: Extract<TelemetryStep, { type: "push" }>): Promise<number> {
    const { clientInstanceId, subscriptionId } = subscription;
    const [compressionType, metrics] = this.#compressed(this.#measured(subscription), subscription);
    const request = { clientInstanceId, subscriptionId, terminating: isTerminating, compressionType, metrics };
    const options = isTerminating ? { timeoutMs: LAST_PUSH_MS } : {};
    return (await this.#client.callAny("PushTelemetry", request, options)).errorCode;
  }

  #measured(subscription: TelemetrySubscription): Uint8Array {
    const { assigned, resource } = this.#parts;
    const all = selected(this.metrics.measure(this.#now, assigned?.()), subscription);
    const { isDelta } = subscription;
    const time = this.#client.env.clock.now();
    const measurements = isDelta ? this.#deltas.of(all) : all;
    const data = metricsData({ measurements, resource: resource(), time, since: this.#since, isDelta });
    if (isDelta) this.#since = time;
    return data;
  }

  /** Compresses with the first codec that both sides have. */
  #compressed(plain: Uint8Array, { compressionTypes }: TelemetrySubscription): [Codec, Uint8Array] {
    const codec = compressionTypes.filter(isCodec).find(type => !this.#unusable.has(type)) ?? 0;
    try {
      return [codec, compress(plain, defaultCompression(codec), this.#client.env.codecs)];
    } catch (error) {
      // Node 20 has no zstd.
      this.#client.env.logger.debug("metrics are pushed uncompressed", { error: String(error) });
      this.#unusable.add(codec);
      return [0, plain];
    }
  }
}
