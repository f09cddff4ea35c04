import { microseconds } from "../turn/histogram.ts";
import type { ApiMetrics, RequestTimes } from "../turn/request-metrics.ts";
import type { RequestMemory } from "../request/request-context.ts";
import type { RequestBudget } from "./request-budget.ts";

/** Position of a reply in the order of its connection, memory of its request, and times on its way. */
export class Slot implements RequestMemory, RequestTimes {
  /** Key of the request's API. */
  readonly key: number;
  readonly bytes: number;
  readonly #budget: RequestBudget;
  #holders = 1;
  done = false;
  chunks: readonly Uint8Array[] | undefined;
  /** Called when the chunks have been sent. */
  sent: (() => void) | undefined;
  queueUs = 0;
  localUs = 0;
  remoteUs = 0;
  responseQueueUs = 0;
  sendUs = 0;
  throttleUs = 0;
  #version = 0;
  /** Monotonic times of the answer and of its write, in ms. */
  #answeredAt = 0;
  #writtenAt = 0;
  #metrics: ApiMetrics | undefined;
  /** Metrics of the kind of request that this is, which count it, too. */
  #kind: ApiMetrics | undefined;

  constructor(budget: RequestBudget, bytes: number, key: number) {
    this.#budget = budget;
    this.bytes = bytes;
    this.key = key;
  }

  keep(): void {
    if (this.#holders > 0) this.#holders++;
  }

  free(): void {
    if (this.#holders > 0 && --this.#holders === 0) this.#budget.give(this.bytes);
  }

  /** Frees the memory, whoever holds it. */
  end(): void {
    if (this.#holders > 0) this.#budget.give(this.bytes);
    this.#holders = 0;
  }

  /** Begins to count the request, which has waited for `queuedMs`. */
  count(metrics: ApiMetrics, kind: ApiMetrics | undefined, version: number, queuedMs: number): void {
    this.#metrics = metrics;
    this.#kind = kind;
    this.#version = version;
    this.queueUs = microseconds(queuedMs);
  }

  /** Counts the answer at monotonic time `now`, after `localMs` in its handler and `remoteMs` of waits. */
  answered(response: object | null, now: number, localMs: number, remoteMs: number): void {
    this.localUs = microseconds(localMs);
    this.remoteUs = microseconds(remoteMs);
    this.#answeredAt = now;
    this.#metrics?.answered(this.#version, response);
    this.#kind?.answered(this.#version, response);
  }

  /** The response is given to the socket at monotonic time `now`. */
  written(now: number): void {
    this.#writtenAt = now;
    this.responseQueueUs = microseconds(now - this.#answeredAt);
  }

  /** Counts the times of the request, whose response the socket has taken in full at monotonic time `now`. */
  settled(now: number): void {
    if (this.#metrics === undefined) return;
    this.sendUs = microseconds(now - this.#writtenAt);
    this.#metrics.sent(this);
    this.#kind?.sent(this);
  }
}
