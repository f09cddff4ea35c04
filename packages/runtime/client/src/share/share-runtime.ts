import { guard, type PartitionIndex } from "@samsa/base";
import {
  type AcknowledgeResults,
  type AcknowledgeType,
  KafkaError,
  type MetadataEffect,
  type ShareEffect,
  ShareFetcher,
  type ShareFetchOptions,
} from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { patiently, type Patience } from "../cluster/deadline.ts";
import { type Answer, EffectLoop } from "../cluster/effect-loop.ts";
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

type Effect = Exclude<ShareEffect, MetadataEffect>;
type Request = Extract<Effect, { readonly ticket: number }>;

/** Most commits that wait at a time. */
const MOST_COMMITS = 1000;

/** Carries out the effects of a `ShareFetcher` over the connections of a client. */
export class ShareRuntime {
  readonly fetcher: ShareFetcher;
  /** Turns of the fetcher. */
  readonly loop: EffectLoop<Effect>;
  readonly #client: ClusterClient;
  readonly #options: ShareFetchOptions;
  readonly #listeners: ShareListeners;
  readonly #commits = new Map<number, (results: AcknowledgeResults) => void>();
  #isClosing = false;

  constructor(client: ClusterClient, options: ShareFetchOptions, listeners: ShareListeners) {
    this.#client = client;
    this.#options = options;
    this.#listeners = listeners;
    this.fetcher = new ShareFetcher(options, client.metadata);
    this.loop = new EffectLoop(client, this.fetcher, effect => this.#carryOut(effect));
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Next record that is there; undefined: none. Throws the error that the application is to be told. */
  take(): ShareRecord | undefined {
    this.loop.checkHealth();
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
    this.loop.turn();
  }

  /** Acknowledges a record, along with others of this turn. Throws as `ShareFetcher.acknowledge`. */
  acknowledge(record: ShareRecord, type: AcknowledgeType): void {
    const { acquired, slot } = record.account;
    this.fetcher.acknowledge(acquired, slot, type, this.now());
    this.loop.turnSoon();
  }

  /** Waits for the ends of all acknowledgements so far. */
  commit(patience: Patience): Promise<AcknowledgeResults> {
    this.loop.checkHealth();
    if (this.#commits.size >= MOST_COMMITS) {
      throw new KafkaError("BUFFER_EXHAUSTED", `${MOST_COMMITS} commits wait for brokers already`);
    }
    const late = (): KafkaError =>
      new KafkaError("TIMED_OUT", "the brokers have not taken all acknowledgements in time");
    return patiently(this.#client.env, patience, late, (resolve, reject) => {
      const token = this.fetcher.commit();
      this.#commits.set(token, resolve);
      const unwatch = this.loop.watch(() => guard(() => this.loop.checkHealth(), reject));
      this.loop.turn();
      return () => {
        this.#commits.delete(token);
        unwatch();
      };
    });
  }

  /** Sends the acknowledgements so far, and closes the share sessions. Resolves when brokers know, or the patience ends. */
  async close(patience: Patience): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.fetcher.close();
    this.loop.turn();
    try {
      while (!this.fetcher.isClosed) {
        this.loop.checkHealth();
        await this.loop.changed(patience);
      }
    } catch (error) {
      // Brokers end the sessions along with the connections.
      this.#client.env.logger.debug("a share session could not be closed", { error: String(error) });
    }
    this.loop.stop();
  }

  now(): number {
    return this.#client.env.clock.monotonic();
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case "acknowledged":
        return this.loop.tell(() => this.#listeners.acknowledged(effect));
      case "unreadable":
        return this.loop.tell(() => this.#listeners.unreadable(effect.error));
      case "committed":
        return this.#commits.get(effect.token)?.(effect.results);
      default:
        this.loop.ask(effect.ticket, this.#answerTo(effect));
    }
  }

  async #answerTo(effect: Request): Promise<Answer> {
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
}
