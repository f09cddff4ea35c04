import { type BrokerId, type Env, guard } from "@samsa/base";
import type { FetchResponse } from "@samsa/protocol";

/** Generation of a classic group that a member has joined. */
export interface JoinedGeneration {
  /** Id of the member that assigns the partitions. */
  readonly leaderId: string;
  /** Name of the assignor that the members have agreed on. */
  readonly protocol: string;
}

/** Hears of what a consumer does beside the application, for metrics. It is to be quick. Its errors are logged. */
export interface ConsumerObserver {
  /** False: nobody wants to hear of what begins now. Read for each request. */
  readonly isListening: boolean;
  /** The coordinator has answered a heartbeat, without an error. */
  heartbeat(): void;
  /** The member has joined a generation of a classic group. Called whether somebody listens or not. */
  joined(generation: JoinedGeneration): void;
  /** A request for records leaves for a broker. */
  fetchStarted(brokerId: BrokerId): void;
  /** Tells its end, with records of so many partitions; none after a failure. */
  fetchEnded(brokerId: BrokerId, durationMs: number, partitions: number): void;
}

/** Request for records that an observer hears of. */
export interface ObservedFetch {
  readonly brokerId: BrokerId;
  /** Monotonic time in ms. */
  readonly startedAt: number;
}

/** Tells an observer of the requests of one consumer. */
export class ConsumerReporter {
  readonly #env: Env;
  readonly #observer: ConsumerObserver;

  constructor(env: Env, observer: ConsumerObserver) {
    this.#env = env;
    this.#observer = observer;
  }

  heartbeat(): void {
    if (this.#observer.isListening) this.#tell(() => this.#observer.heartbeat());
  }

  joined(generation: JoinedGeneration): void {
    this.#tell(() => this.#observer.joined(generation));
  }

  /** Begins a request for records. Undefined if nobody listens. */
  fetchStarted(brokerId: BrokerId): ObservedFetch | undefined {
    if (!this.#observer.isListening) return undefined;
    this.#tell(() => this.#observer.fetchStarted(brokerId));
    return { brokerId, startedAt: this.#env.clock.monotonic() };
  }

  /** Ends it with its answer; undefined: with a failure. */
  fetchEnded(fetch: ObservedFetch | undefined, answer: FetchResponse | undefined): void {
    if (fetch === undefined) return;
    const durationMs = this.#env.clock.monotonic() - fetch.startedAt;
    const all = answer?.responses.flatMap(({ partitions }) => partitions) ?? [];
    const full = all.filter(({ records }) => records !== null && records.length > 0);
    this.#tell(() => this.#observer.fetchEnded(fetch.brokerId, durationMs, full.length));
  }

  #tell(call: () => void): void {
    guard(call, error => this.#env.logger.error("an observer of a consumer has failed", { error: String(error) }));
  }
}
