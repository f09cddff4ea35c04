import { ignored, type Timer } from "@samsa/base";
import {
  type CommittedOffset,
  type FetchEffect,
  Fetcher,
  type FetchOptions,
  KafkaError,
  type Moment,
  type TopicPartition,
} from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { patiently, type Patience } from "../cluster/deadline.ts";

/** Partition that goes on elsewhere than at its position. */
export type Moved = Extract<FetchEffect, { type: "moved" }>;
type Request = Exclude<FetchEffect, { type: "refreshMetadata" | "leaders" | "moved" }>;

/** Parts of a `FetchRuntime` that depend on where its partitions come from. */
export interface FetchSources {
  /**
   * Offsets that the group has committed; partitions without one may be left out. Undefined: there is no group. A
   * rejection with a retriable `KafkaError` is tried again, another one is told to the application.
   */
  readonly committed: ((partitions: readonly TopicPartition[]) => Promise<readonly CommittedOffset[]>) | undefined;
  /** Called when a partition goes on elsewhere than at its position. */
  readonly moved: (moved: Moved) => void;
}

/** Most rounds of effects in one turn; more would be a state machine that never comes to rest. */
const MOST_ROUNDS = 100;

/** Epoch of a request that closes its fetch session (KIP-227). */
const CLOSING_EPOCH = -1;

/** Carries out the effects of a `Fetcher` over the connections of a client. */
export class FetchRuntime {
  readonly fetcher: Fetcher;
  readonly #client: ClusterClient;
  readonly #options: FetchOptions;
  readonly #sources: FetchSources;
  readonly #unobserve: () => void;
  /** Callers that wait for a change. */
  readonly #waiting = new Set<() => void>();
  #timer: Timer | undefined;
  /** Monotonic time for which the timer is set; Infinity: it is not. */
  #timerAt = Infinity;
  /** A bug, or the end of the client, after which nothing is fetched any more. */
  #crash: { readonly error: unknown } | undefined;
  #isClosed = false;

  constructor(client: ClusterClient, options: FetchOptions, sources: FetchSources) {
    this.#client = client;
    this.#options = options;
    this.#sources = sources;
    this.fetcher = new Fetcher(options, client.metadata);
    this.#unobserve = client.observe(() => {
      this.#checkTopics();
      this.turn();
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Does what the last inputs of `fetcher` call for. To be called after each. */
  turn(): void {
    if (this.#isClosed) return;
    if (this.#client.isClosed) this.#end(new KafkaError("CLOSED", "the client is closed"));
    this.#guard(() => {
      const moment = this.#moment();
      for (let rounds = 0; ; rounds++) {
        const effects = this.fetcher.poll(moment);
        for (const effect of effects) this.#carryOut(effect);
        if (effects.length === 0 && this.fetcher.nextDeadline() > moment.now) break;
        if (rounds === MOST_ROUNDS) throw new Error("the fetcher does not come to rest");
      }
      this.#setTimer(moment.now);
    });
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves at the next change: an answer, an error or a seek. Rejects when the patience ends. */
  changed(patience: Patience): Promise<void> {
    const late = (): KafkaError => new KafkaError("TIMED_OUT", "nothing has come in time");
    return patiently(this.#client.env, patience, late, resolve => {
      const wake = (): void => resolve();
      this.#waiting.add(wake);
      return () => void this.#waiting.delete(wake);
    });
  }

  /** Throws what has stopped the runtime, if anything has. */
  checkHealth(): void {
    if (this.#crash !== undefined) throw this.#crash.error;
  }

  /** Stops for good: whoever waits for records gets the error. */
  fail(error: KafkaError): void {
    this.#crash ??= { error };
    this.#timer?.cancel();
    for (const wake of [...this.#waiting]) wake();
  }

  /** Stops fetching, and closes the fetch sessions of brokers. Resolves when they know, or when the patience ends. */
  async close(patience: Patience): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unobserve();
    this.#timer?.cancel();
    const closings = this.fetcher.close().flatMap(effect => (effect.type === "fetch" ? [this.#send(effect)] : []));
    for (const wake of [...this.#waiting]) wake();
    const late = (): KafkaError => new KafkaError("TIMED_OUT", "the brokers do not answer in time");
    const told = patiently<void>(this.#client.env, patience, late, (resolve, reject) => {
      Promise.allSettled(closings).then(() => resolve(), reject);
      return ignored("the calls end by themselves");
    });
    // Brokers drop sessions that nobody uses.
    await told.catch((error: unknown) => {
      this.#client.env.logger.debug("a fetch session could not be closed", { error: String(error) });
    });
  }

  #moment(): Moment {
    const { clock, random } = this.#client.env;
    return { now: clock.monotonic(), wall: clock.now(), chance: random.next() };
  }

  #setTimer(now: number): void {
    const deadline = this.fetcher.nextDeadline();
    if (deadline === this.#timerAt) return;
    this.#timerAt = deadline;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (deadline === Infinity) return;
    this.#timer = this.#client.env.timers.after(deadline - now, () => {
      this.#timerAt = Infinity;
      this.turn();
    });
  }

  #carryOut(effect: FetchEffect): void {
    switch (effect.type) {
      case "refreshMetadata":
        return this.#client.refresh();
      case "leaders":
        return this.#client.hint(effect.leaders, effect.nodes);
      case "moved":
        return this.#sources.moved(effect);
      default:
        this.#ask(effect).catch((error: unknown) => this.#stop(error));
    }
  }

  /** Sends a request, and gives its answer or its failure to the fetcher. Rejects if there is a bug. */
  async #ask(effect: Request): Promise<void> {
    const { fetcher } = this;
    const { ticket } = effect;
    let take: (moment: Moment) => void;
    try {
      take = await this.#answerTo(effect);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      take = moment => fetcher.failed(ticket, error, moment);
    }
    if (this.#isClosed) return;
    take(this.#moment());
    this.turn();
  }

  async #answerTo(effect: Request): Promise<(moment: Moment) => void> {
    const { fetcher } = this;
    const { ticket } = effect;
    switch (effect.type) {
      case "fetch": {
        const answer = await this.#send(effect);
        return moment => fetcher.fetched(ticket, answer, moment);
      }
      case "listOffsets": {
        const answer = await this.#client.call(effect.brokerId, "ListOffsets", effect.request);
        return moment => fetcher.listed(ticket, answer, moment);
      }
      case "offsetForLeaderEpoch": {
        const answer = await this.#client.call(effect.brokerId, "OffsetForLeaderEpoch", effect.request);
        return moment => fetcher.validated(ticket, answer, moment);
      }
      case "committedOffsets": {
        const offsets = (await this.#sources.committed?.(effect.partitions)) ?? [];
        return moment => fetcher.committed(ticket, offsets, moment);
      }
    }
  }

  #send({ brokerId, request, maxVersion }: Extract<FetchEffect, { type: "fetch" }>) {
    const { maxWaitMs, requestTimeoutMs } = this.#options;
    return this.#client.call(brokerId, "Fetch", request, {
      // A request that closes a session does not wait behind one that waits for records.
      use: request.sessionEpoch === CLOSING_EPOCH ? "requests" : "fetches",
      timeoutMs: maxWaitMs + requestTimeoutMs,
      ...(maxVersion === undefined ? {} : { maxVersion }),
    });
  }

  #guard(step: () => void): void {
    if (this.#crash !== undefined) return;
    try {
      step();
    } catch (error) {
      this.#stop(error);
    }
  }

  /** Tells the application of topics that it may not read, or whose names cannot be, and of credentials that fail. */
  #checkTopics(): void {
    const { metadata, securityFailure } = this.#client;
    if (securityFailure !== undefined) this.fetcher.raise(securityFailure);
    for (const topic of new Set(this.fetcher.assigned().map(one => one.topic))) {
      const code = metadata.topicError(topic);
      if (code === 0) continue;
      const error = KafkaError.of(code, `topic ${topic}`);
      if (!error.retriable) this.fetcher.raise(error);
    }
  }

  #stop(error: unknown): void {
    this.#client.env.logger.error("a consumer has stopped after a bug", { error: String(error) });
    this.#end(error);
  }

  #end(error: unknown): void {
    this.#crash ??= { error };
    this.#timer?.cancel();
    for (const wake of [...this.#waiting]) wake();
  }
}
