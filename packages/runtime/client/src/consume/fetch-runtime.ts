import {
  type CommittedOffset,
  type FetchEffect,
  Fetcher,
  type FetchOptions,
  KafkaError,
  type MetadataEffect,
  type TopicPartition,
} from "@samsa/client-kernel";
import type { FetchResponse } from "@samsa/protocol";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { ended, type Patience } from "../cluster/deadline.ts";
import { type Answer, EffectLoop } from "../cluster/effect-loop.ts";
import type { ConsumerReporter } from "./consumer-observer.ts";

/** Partition that goes on elsewhere than at its position. */
export type Moved = Extract<FetchEffect, { type: "moved" }>;
type Effect = Exclude<FetchEffect, MetadataEffect>;
type Request = Exclude<Effect, Moved>;

/** Parts of a `FetchRuntime` that depend on where its partitions come from. */
export interface FetchSources {
  /**
   * Offsets that the group has committed; partitions without one may be left out. Undefined: there is no group. A
   * rejection with a retriable `KafkaError` is tried again, another one is told to the application.
   */
  readonly committed: ((partitions: readonly TopicPartition[]) => Promise<readonly CommittedOffset[]>) | undefined;
  /** Called when a partition goes on elsewhere than at its position. */
  readonly moved: (moved: Moved) => void;
  /** Tells of requests for records; nobody by default. */
  readonly reporter?: ConsumerReporter | undefined;
}

/** Epoch of a request that closes its fetch session (KIP-227). */
const CLOSING_EPOCH = -1;

/** Carries out the effects of a `Fetcher` over the connections of a client. */
export class FetchRuntime {
  readonly fetcher: Fetcher;
  /** Turns of the fetcher. */
  readonly loop: EffectLoop<Effect>;
  readonly #client: ClusterClient;
  readonly #options: FetchOptions;
  readonly #sources: FetchSources;

  constructor(client: ClusterClient, options: FetchOptions, sources: FetchSources) {
    this.#client = client;
    this.#options = options;
    this.#sources = sources;
    this.fetcher = new Fetcher(options, client.metadata);
    this.loop = new EffectLoop(client, this.fetcher, effect => this.#carryOut(effect));
  }

  get isClosed(): boolean {
    return this.loop.isStopped;
  }

  /** Stops fetching, and closes the fetch sessions of brokers. Resolves when they know, or when the patience ends. */
  async close(patience: Patience): Promise<void> {
    if (this.isClosed) return;
    this.loop.stop();
    const closings = this.fetcher.close().flatMap(effect => (effect.type === "fetch" ? [this.#send(effect)] : []));
    const late = (): KafkaError => new KafkaError("TIMED_OUT", "the brokers do not answer in time");
    const told = ended(this.#client.env, patience, late, Promise.allSettled(closings));
    // Brokers drop sessions that nobody uses.
    await told.catch((error: unknown) => {
      this.#client.env.logger.debug("a fetch session could not be closed", { error: String(error) });
    });
  }

  #carryOut(effect: Effect): void {
    if (effect.type === "moved") this.loop.tell(() => this.#sources.moved(effect));
    else this.loop.ask(effect.ticket, this.#answerTo(effect));
  }

  async #answerTo(effect: Request): Promise<Answer> {
    const { fetcher } = this;
    const { ticket } = effect;
    switch (effect.type) {
      case "fetch": {
        const answer = await this.#fetch(effect);
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

  async #fetch(effect: Extract<FetchEffect, { type: "fetch" }>): Promise<FetchResponse> {
    const { reporter } = this.#sources;
    const observed = reporter?.fetchStarted(effect.brokerId);
    let answer: FetchResponse | undefined;
    try {
      return (answer = await this.#send(effect));
    } finally {
      reporter?.fetchEnded(observed, answer);
    }
  }

  #send({ brokerId, request, maxVersion }: Extract<FetchEffect, { type: "fetch" }>): Promise<FetchResponse> {
    const { maxWaitMs, requestTimeoutMs } = this.#options;
    return this.#client.call(brokerId, "Fetch", request, {
      // A request that closes a session does not wait behind one that waits for records.
      use: request.sessionEpoch === CLOSING_EPOCH ? "requests" : "fetches",
      timeoutMs: maxWaitMs + requestTimeoutMs,
      ...(maxVersion === undefined ? {} : { maxVersion }),
    });
  }
}
