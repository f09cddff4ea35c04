import type { PartitionIndex, Timer } from "@samsa/base";
import {
  type AcknowledgeResults,
  type AcknowledgeType,
  KafkaError,
  type Moment,
  type ShareEffect,
  ShareFetcher,
  type ShareFetchOptions,
} from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { patiently, type Patience } from "../cluster/deadline.ts";
import { ShareRecord } from "./share-record.ts";

/** End of acknowledgements of one partition. */
export interface Acknowledged {
  readonly topic: string;
  readonly partition: PartitionIndex;
  /** Number of records, and of offsets without one. */
  readonly count: number;
  /** Undefined: the broker has taken them. */
  readonly error: KafkaError | undefined;
}

/** Listeners of a `ShareRuntime`. */
export interface ShareListeners {
  readonly acknowledged: (acknowledged: Acknowledged) => void;
  readonly unreadable: (error: KafkaError) => void;
}

type Request = Extract<ShareEffect, { readonly ticket: number }>;

/** Most rounds of effects in one turn; more would be a state machine that never comes to rest. */
const MOST_ROUNDS = 100;
/** Most commits that wait at a time. */
const MOST_COMMITS = 1000;

/** Carries out the effects of a `ShareFetcher` over the connections of a client. */
export class ShareRuntime {
  readonly fetcher: ShareFetcher;
  readonly #client: ClusterClient;
  readonly #options: ShareFetchOptions;
  readonly #listeners: ShareListeners;
  readonly #unobserve: () => void;
  /** Callers that wait for a change. */
  readonly #waiting = new Set<() => void>();
  readonly #commits = new Map<number, (results: AcknowledgeResults) => void>();
  #timer: Timer | undefined;
  /** Monotonic time for which the timer is set; Infinity: it is not. */
  #timerAt = Infinity;
  #isTurnSoon = false;
  /** A bug, or the end of the client or of the membership. */
  #crash: { readonly error: unknown } | undefined;
  #isClosing = false;
  #isClosed = false;

  constructor(client: ClusterClient, options: ShareFetchOptions, listeners: ShareListeners) {
    this.#client = client;
    this.#options = options;
    this.#listeners = listeners;
    this.fetcher = new ShareFetcher(options, client.metadata);
    this.#unobserve = client.observe(() => {
      this.#checkTopics();
      this.turn();
    });
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Next record that is there; undefined: none. Throws the error that the application is to be told. */
  take(): ShareRecord | undefined {
    this.checkHealth();
    const now = this.now();
    for (;;) {
      const taken = this.fetcher.take(now);
      if (taken === undefined) return undefined;
      if (taken instanceof KafkaError) throw taken;
      if (taken.next(now)) return new ShareRecord(taken);
    }
  }

  /** Fetches records, up to `count`, unless that is under way. */
  want(count: number): void {
    this.fetcher.want(count);
    this.turn();
  }

  /** Acknowledges a record, along with others of this turn. Throws as `ShareFetcher.acknowledge`. */
  acknowledge(record: ShareRecord, type: AcknowledgeType): void {
    const { acquired, slot } = record.account;
    this.fetcher.acknowledge(acquired, slot, type, this.now());
    this.#turnSoon();
  }

  /** Waits for the ends of all acknowledgements so far. */
  commit(patience: Patience): Promise<AcknowledgeResults> {
    this.checkHealth();
    if (this.#commits.size >= MOST_COMMITS) {
      throw new KafkaError("BUFFER_EXHAUSTED", `${MOST_COMMITS} commits wait for brokers already`);
    }
    const late = (): KafkaError =>
      new KafkaError("TIMED_OUT", "the brokers have not taken all acknowledgements in time");
    return patiently(this.#client.env, patience, late, (resolve, reject) => {
      const token = this.fetcher.commit();
      this.#commits.set(token, resolve);
      const look = (): void => {
        if (this.#crash !== undefined) reject(this.#crash.error);
        else if (this.#isClosed) reject(new KafkaError("CLOSED", "the consumer is closed"));
      };
      const unwatch = this.watch(look);
      this.turn();
      return () => {
        this.#commits.delete(token);
        unwatch();
      };
    });
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
        if (rounds === MOST_ROUNDS) throw new Error("the share fetcher does not come to rest");
      }
      this.#setTimer(moment.now);
    });
    this.#wake();
  }

  /** Calls `callback` at each change. Returns the way to end that. */
  watch(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => void this.#waiting.delete(callback);
  }

  /** Resolves at the next change. Rejects when the patience ends. */
  changed(patience: Patience): Promise<void> {
    const late = (): KafkaError => new KafkaError("TIMED_OUT", "nothing has come in time");
    return patiently(this.#client.env, patience, late, resolve => this.watch(() => resolve()));
  }

  /** Throws what has stopped the runtime, if anything has. */
  checkHealth(): void {
    if (this.#crash !== undefined) throw this.#crash.error;
  }

  /** Stops for good: whoever waits gets the error. */
  fail(error: KafkaError): void {
    this.#end(error);
  }

  /** Sends the acknowledgements so far, and closes the share sessions. Resolves when brokers know, or the patience ends. */
  async close(patience: Patience): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.fetcher.close();
    this.turn();
    try {
      while (!this.fetcher.isClosed && this.#crash === undefined) await this.changed(patience);
    } catch (error) {
      // Brokers end the sessions along with the connections.
      this.#client.env.logger.debug("a share session could not be closed", { error: String(error) });
    }
    this.#isClosed = true;
    this.#unobserve();
    this.#timer?.cancel();
    this.#wake();
  }

  now(): number {
    return this.#client.env.clock.monotonic();
  }

  #moment(): Moment {
    const { clock, random } = this.#client.env;
    return { now: clock.monotonic(), wall: clock.now(), chance: random.next() };
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Takes one turn for all acknowledgements of a loop that does not wait. */
  #turnSoon(): void {
    if (this.#isTurnSoon) return;
    this.#isTurnSoon = true;
    this.#client.env.timers.soon(() => {
      this.#isTurnSoon = false;
      this.turn();
    });
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

  #carryOut(effect: ShareEffect): void {
    switch (effect.type) {
      case "refreshMetadata":
        return this.#client.refresh();
      case "leaders":
        return this.#client.hint(effect.leaders, effect.nodes);
      case "acknowledged":
        return this.#listeners.acknowledged(effect);
      case "unreadable":
        return this.#listeners.unreadable(effect.error);
      case "committed":
        return this.#commits.get(effect.token)?.(effect.results);
      default:
        this.#ask(effect).catch((error: unknown) => this.#stop(error));
    }
  }

  /** Sends a request, and gives its answer or its failure to the fetcher. Rejects if there is a bug. */
  async #ask(effect: Request): Promise<void> {
    let take: (moment: Moment) => void;
    try {
      take = await this.#answerTo(effect);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      take = moment => this.fetcher.failed(effect.ticket, error, moment);
    }
    if (this.#isClosed) return;
    take(this.#moment());
    this.turn();
  }

  async #answerTo(effect: Request): Promise<(moment: Moment) => void> {
    const { fetcher } = this;
    const { ticket, brokerId } = effect;
    // The broker ends the session along with the connection, so all of its requests go through one.
    const options = {
      use: "fetches",
      timeoutMs: this.#options.maxWaitMs + this.#client.settings.requestTimeoutMs,
    } as const;
    if (effect.type === "shareFetch") {
      const answer = await this.#client.call(brokerId, "ShareFetch", effect.request, options);
      return moment => fetcher.fetched(ticket, answer, moment);
    }
    let used = 0;
    const request = (version: number) => {
      used = version;
      return effect.request(version);
    };
    const answer = await this.#client.call(brokerId, "ShareAcknowledge", request, options);
    return moment => fetcher.acknowledged(ticket, answer, used, moment);
  }

  #guard(step: () => void): void {
    if (this.#crash !== undefined) return;
    try {
      step();
    } catch (error) {
      this.#stop(error);
    }
  }

  /** Tells the application of topics that it may not read, or whose names cannot be. */
  #checkTopics(): void {
    const { metadata } = this.#client;
    for (const topic of new Set(this.fetcher.assigned().map(one => one.topic))) {
      const code = metadata.topicError(topic);
      if (code === 0) continue;
      const error = KafkaError.of(code, `topic ${topic}`);
      if (!error.retriable) this.fetcher.raise(error);
    }
  }

  #stop(error: unknown): void {
    this.#client.env.logger.error("a share consumer has stopped after a bug", { error: String(error) });
    this.#end(error);
  }

  #end(error: unknown): void {
    this.#crash ??= { error };
    this.#timer?.cancel();
    this.#wake();
  }
}
