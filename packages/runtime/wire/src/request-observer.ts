import { type Env, guard } from "@samsa/base";
import type { Api } from "@samsa/protocol";
import type { Endpoint } from "./endpoint.ts";

/** Request that a connection has sent. */
export interface SentRequest {
  readonly endpoint: Endpoint;
  readonly clientId: string;
  readonly api: Api;
  readonly version: number;
  readonly correlationId: number;
  /** Wall clock at which it was sent, in ms since the epoch. */
  readonly sentAt: number;
  /** Time in ms for which it has waited before, for room in flight or for the socket. */
  readonly waitedMs: number;
}

/**
 * Hears of the requests of connections, those of their setup included: for metrics and traces. It is called between
 * requests, so it is to be quick. Its errors are logged.
 */
export interface RequestObserver {
  /** False: nobody wants to hear of requests that are sent now. Read for each of them. */
  readonly isListening: boolean;
  /**
   * The response has come, of `size` bytes, `durationMs` after the request was sent. A request without a response is told
   * once the socket has it, with a size of 0.
   */
  answered(request: SentRequest, durationMs: number, size: number): void;
  /** The response has not come in time: the connection is about to be closed. */
  timedOut(request: SentRequest): void;
  /** This many requests wait for room in flight, or for the socket. Called when that has changed. */
  waiting(endpoint: Endpoint, clientId: string, count: number): void;
}

/** Request that an observer hears of. */
export interface ObservedRequest {
  readonly facts: SentRequest;
  /** Monotonic time in ms at which it was sent. */
  readonly sentAt: number;
}

/** Tells an observer of the requests of one connection. */
export class RequestReporter {
  readonly #env: Env;
  readonly #endpoint: Endpoint;
  readonly #clientId: string;
  readonly #observer: RequestObserver;
  /** Last number of waiting requests that was told. */
  #waiting = 0;

  constructor(env: Env, endpoint: Endpoint, clientId: string, observer: RequestObserver) {
    this.#env = env;
    this.#endpoint = endpoint;
    this.#clientId = clientId;
    this.#observer = observer;
  }

  /** Begins a request that is called for at the monotonic time `calledAt`. Undefined if nobody listens. */
  sent(
    { api, version, calledAt }: { readonly api: Api; readonly version: number; readonly calledAt: number },
    correlationId: number,
  ): ObservedRequest | undefined {
    if (!this.#observer.isListening) return undefined;
    const { clock } = this.#env;
    const sentAt = clock.monotonic();
    const [endpoint, clientId] = [this.#endpoint, this.#clientId];
    const facts = { endpoint, clientId, api, version, correlationId, sentAt: clock.now(), waitedMs: sentAt - calledAt };
    return { facts, sentAt };
  }

  answered(request: ObservedRequest | undefined, size: number): void {
    if (request === undefined) return;
    const durationMs = this.#env.clock.monotonic() - request.sentAt;
    this.#tell(() => this.#observer.answered(request.facts, durationMs, size));
  }

  timedOut(request: ObservedRequest | undefined): void {
    if (request !== undefined) this.#tell(() => this.#observer.timedOut(request.facts));
  }

  waiting(count: number): void {
    if (count === this.#waiting || !this.#observer.isListening) return;
    this.#waiting = count;
    this.#tell(() => this.#observer.waiting(this.#endpoint, this.#clientId, count));
  }

  #tell(call: () => void): void {
    guard(call, error => this.#env.logger.error("an observer of requests has failed", { error: String(error) }));
  }
}
