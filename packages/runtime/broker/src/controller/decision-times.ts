import type { Logger } from "@samsa/base";
import { Histogram, microseconds } from "../turn/histogram.ts";

/** Times from requests of the controller to the commit of their decisions (`EventPerformanceMonitor`). */
export class DecisionTimes {
  readonly #logger: Logger;
  readonly #slowMs: number;
  #count = 0;
  #totalMs = 0;
  #slowest = { request: "", ms: 0 };
  /** Times of all decisions, in µs. */
  readonly histogram = new Histogram();

  /** `slowMs`: time from which a decision is logged at once. */
  constructor(logger: Logger, slowMs: number) {
    this.#logger = logger;
    this.#slowMs = slowMs;
  }

  /** Takes note of a decision that is committed, also if it refuses its request. */
  add(request: string, ms: number): void {
    this.#count++;
    this.histogram.record(microseconds(ms));
    this.#totalMs += ms;
    if (this.#slowest.request === "" || ms > this.#slowest.ms) this.#slowest = { request, ms };
    if (ms >= this.#slowMs) this.#logger.error("a decision of the controller was exceptionally slow", { request, ms });
  }

  /** Logs the decisions since the last report. */
  report(): void {
    const { request: slowest, ms: slowestMs } = this.#slowest;
    const decisions = this.#count;
    const averageMs = decisions === 0 ? 0 : this.#totalMs / decisions;
    this.#logger.debug("decisions of the controller", { decisions, averageMs, slowest, slowestMs });
    this.#count = 0;
    this.#totalMs = 0;
    this.#slowest = { request: "", ms: 0 };
  }
}
