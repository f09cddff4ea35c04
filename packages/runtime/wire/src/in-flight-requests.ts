import { invariant } from "@samsa/base";

const LARGEST_ID = 0x7fffffff;

interface InFlight<T> {
  readonly correlationId: number;
  /** Monotonic time in ms at which the request times out. */
  readonly deadline: number;
  readonly request: T;
}

/**
 * Requests of one connection that wait for their replies, oldest first (`InFlightRequests`). A broker replies in the
 * order of the requests, so only the oldest can be completed.
 */
export class InFlightRequests<T> {
  readonly #limit: number;
  readonly #requests: InFlight<T>[] = [];
  #correlationId = 0;

  /** `limit` is the most requests in flight. */
  constructor(limit: number) {
    invariant(limit > 0, "a connection may have a request in flight");
    this.#limit = limit;
  }

  get size(): number {
    return this.#requests.length;
  }

  get full(): boolean {
    return this.#requests.length >= this.#limit;
  }

  /** Correlation id for the next request: an int32 that is not negative. */
  nextCorrelationId(): number {
    this.#correlationId = this.#correlationId === LARGEST_ID ? 0 : this.#correlationId + 1;
    return this.#correlationId;
  }

  /** Adds a request that has been sent with `correlationId`. */
  add(correlationId: number, deadline: number, request: T): void {
    invariant(!this.full, "a request may be in flight");
    this.#requests.push({ correlationId, deadline, request });
  }

  /** Removes the oldest request and returns it, if the reply with `correlationId` is its reply; else undefined. */
  complete(correlationId: number): T | undefined {
    if (this.expected() !== correlationId) return undefined;
    return this.#requests.shift()?.request;
  }

  /** Correlation id of the oldest request; undefined if there is none. */
  expected(): number | undefined {
    return this.#requests[0]?.correlationId;
  }

  /** Earliest deadline; Infinity if nothing is in flight. */
  nextDeadline(): number {
    return this.#requests.reduce((first, { deadline }) => Math.min(first, deadline), Infinity);
  }

  /** Oldest request whose deadline has come at `now`. It stays in flight: its connection is to be closed. */
  expired(now: number): T | undefined {
    return this.#requests.find(({ deadline }) => deadline <= now)?.request;
  }

  /** Removes all requests, and returns them oldest first. */
  clear(): T[] {
    return this.#requests.splice(0).map(({ request }) => request);
  }
}
