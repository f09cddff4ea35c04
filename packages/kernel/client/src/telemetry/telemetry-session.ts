import { type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors, type GetTelemetrySubscriptionsResponse } from "@samsa/protocol";
import type { Measurement } from "./client-metrics.ts";

/** Metrics that a broker wants, and how. */
export interface TelemetrySubscription {
  readonly clientInstanceId: Uuid;
  readonly subscriptionId: number;
  readonly pushIntervalMs: number;
  /** Codecs by their numbers, the preferred one first. */
  readonly compressionTypes: readonly number[];
  /** Sums are sent as their growth since the last push. */
  readonly isDelta: boolean;
  /** Beginnings of names; [""] stands for all metrics. */
  readonly prefixes: readonly string[];
}

/** Action that a session calls for. */
export type TelemetryStep =
  | { readonly type: "wait"; readonly until: number }
  /** Ask GetTelemetrySubscriptions; ZERO_UUID: the broker gives an id. */
  | { readonly type: "subscribe"; readonly clientInstanceId: Uuid }
  /** Push the metrics of the subscription. */
  | { readonly type: "push"; readonly subscription: TelemetrySubscription; readonly isTerminating: boolean };

type State = "subscriptionNeeded" | "pushNeeded" | "inProgress" | "terminatingPushNeeded" | "over";

/** Interval if a broker gives none that can be, in ms. */
const DEFAULT_INTERVAL_MS = 300_000;
/** Least time between two questions of which the first was refused, in ms. */
const RETRY_MS = 1000;
/** Bounds of the part of an interval that passes before the first push: clients that start together do not push together. */
const [FIRST_PUSH_AT, FIRST_PUSH_SPREAD] = [0.5, 1];

function prefixesOf(requested: readonly string[]): readonly string[] {
  return requested.length === 1 && requested[0] === "*" ? [""] : requested;
}

/** Metrics of a subscription; one whose name begins with several of the prefixes comes once. */
export function selected(all: readonly Measurement[], { prefixes }: TelemetrySubscription): Measurement[] {
  return all.filter(({ name }) => prefixes.some(prefix => name.startsWith(prefix)));
}

/**
 * Telemetry of a client: asks a broker what it wants, and pushes it at an interval (KIP-714,
 * `ClientTelemetryReporter.DefaultClientTelemetrySender`). At most one request is under way. Times are monotonic, in ms.
 */
export class TelemetrySession {
  #state: State = "subscriptionNeeded";
  #subscription: TelemetrySubscription | undefined;
  #dueAt = -Infinity;

  /** Id of the client; undefined: no broker has given one yet. */
  get clientInstanceId(): Uuid | undefined {
    return this.#subscription?.clientInstanceId;
  }

  /** True if nothing is ever pushed any more. */
  get isOver(): boolean {
    return this.#state === "over";
  }

  /** Next step. One that is a request is under way until `subscribed`, `pushed` or `failed` is called. */
  next(now: number): TelemetryStep {
    const state = this.#state;
    if (state === "inProgress" || state === "over") return { type: "wait", until: Infinity };
    if (state === "terminatingPushNeeded") return this.#push(true);
    if (this.#dueAt > now) return { type: "wait", until: this.#dueAt };
    if (state === "pushNeeded") return this.#push(false);
    this.#state = "inProgress";
    return { type: "subscribe", clientInstanceId: this.clientInstanceId ?? ZERO_UUID };
  }

  #push(isTerminating: boolean): TelemetryStep {
    const subscription = this.#subscription;
    if (subscription === undefined) throw new Error("a push has a subscription");
    this.#state = isTerminating ? "over" : "inProgress";
    return { type: "push", subscription, isTerminating };
  }

  /** The broker has answered which metrics it wants. `chance` is from 0 to 1. */
  subscribed(response: GetTelemetrySubscriptionsResponse, now: number, chance: number): void {
    if (this.#state !== "inProgress") return;
    if (response.errorCode !== 0) {
      this.#refused(response.errorCode, now);
      // A question that is refused is not asked again at once, or a broker could keep the client busy.
      this.#dueAt = Math.max(this.#dueAt, now + RETRY_MS);
      return;
    }
    const { clientInstanceId, subscriptionId, acceptedCompressionTypes, requestedMetrics } = response;
    if (clientInstanceId === ZERO_UUID) {
      this.#state = "over";
      return;
    }
    const pushIntervalMs = response.pushIntervalMs > 0 ? response.pushIntervalMs : DEFAULT_INTERVAL_MS;
    const prefixes = prefixesOf(requestedMetrics);
    this.#subscription = {
      ...{ clientInstanceId, subscriptionId, pushIntervalMs, prefixes },
      compressionTypes: acceptedCompressionTypes,
      isDelta: response.deltaTemporality,
    };
    const isWanted = prefixes.length > 0;
    this.#wait(isWanted ? "pushNeeded" : "subscriptionNeeded", now);
    if (isWanted) this.#dueAt = now + Math.round((FIRST_PUSH_AT + FIRST_PUSH_SPREAD * chance) * pushIntervalMs);
  }

  /** The broker has answered a push. */
  pushed(errorCode: number, now: number): void {
    if (this.#state !== "inProgress") return;
    if (errorCode === 0) this.#wait("pushNeeded", now);
    else this.#refused(errorCode, now);
  }

  /** A request has no answer. */
  failed(isRetriable: boolean, now: number): void {
    if (this.#state !== "inProgress") return;
    this.#state = isRetriable ? "subscriptionNeeded" : "over";
    this.#dueAt = now + DEFAULT_INTERVAL_MS;
  }

  /** The client closes. A last push follows if a broker wants metrics; the answer to a request under way is dropped. */
  terminate(): void {
    const isWanted = this.#subscription !== undefined && this.#subscription.prefixes.length > 0;
    const isSubscribed = this.#state === "pushNeeded" || this.#state === "inProgress";
    this.#state = isWanted && isSubscribed ? "terminatingPushNeeded" : "over";
  }

  #wait(state: State, now: number): void {
    this.#state = state;
    this.#dueAt = now + (this.#subscription?.pushIntervalMs ?? DEFAULT_INTERVAL_MS);
  }

  /** Asks for the subscription again, at once or later, or gives up (`ClientTelemetryUtils.maybeFetchErrorIntervalMs`). */
  #refused(errorCode: number, now: number): void {
    switch (errorCode) {
      case Errors.UNKNOWN_SUBSCRIPTION_ID.code:
      case Errors.UNSUPPORTED_COMPRESSION_TYPE.code:
        this.#wait("subscriptionNeeded", now);
        this.#dueAt = now;
        return;
      case Errors.TELEMETRY_TOO_LARGE.code:
      case Errors.THROTTLING_QUOTA_EXCEEDED.code:
        this.#wait("subscriptionNeeded", now);
        return;
      default:
        this.#state = "over";
    }
  }
}

/** Sums as their growth since the last call. */
export class SumDeltas {
  readonly #last = new Map<string, number>();

  of(measurements: readonly Measurement[]): Measurement[] {
    return measurements.map(one => {
      if (one.kind !== "sum") return one;
      // Names of sums have no labels, so there are only a few.
      const before = this.#last.get(one.name) ?? 0;
      this.#last.set(one.name, one.value);
      return { ...one, value: one.value - before };
    });
  }
}
