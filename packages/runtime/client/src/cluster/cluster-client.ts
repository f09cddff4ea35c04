import { type BrokerId, type Env, ExponentialBackoff, type Timer } from "@samsa/base";
import {
  type BrokerView,
  KafkaError,
  type MetadataEffect,
  type MetadataQuestion,
  MetadataState,
  type Moment,
  retryBackoff,
  type TopicView,
} from "@samsa/client-kernel";
import { type ApiName, Apis, Errors, type MetadataResponse } from "@samsa/protocol";
import {
  type BrokerLink,
  type CallOptions,
  endpointText,
  type NodeApiVersions,
  type RequestFor,
  type ResponseOf,
} from "@samsa/wire";
import { BrokerPool, type LinkUse } from "./broker-pool.ts";
import { type ClusterSettings, CONTROLLER_ENDPOINTS } from "./cluster-settings.ts";
import { type Coordinator, type CoordinatorKind, Coordinators } from "./coordinators.ts";
import { holding, pause, patiently, type Patience } from "./deadline.ts";
import { isLastingFailure, isMisrouted, kafkaErrorOf } from "./failures.ts";

/** Options of a call. */
export interface ClusterCallOptions extends CallOptions {
  /** Connection to use; that of requests by default. */
  readonly use?: LinkUse;
}

/** Hears of the connections and requests of a client, for its metrics. */
export interface CallObserver {
  /** A connection was made. */
  connected(): void;
  /** A broker has answered a request after `tookMs`. */
  answered(id: BrokerId, api: ApiName, response: object, tookMs: number): void;
}

/**
 * Client of one cluster: connections, metadata and coordinators, which producers, consumers and admins share. It begins
 * to connect with the first call.
 */
export class ClusterClient {
  readonly env: Env;
  readonly settings: ClusterSettings;
  readonly metadata: MetadataState;
  readonly #pool: BrokerPool;
  readonly #coordinators: Coordinators;
  readonly #backoff: ExponentialBackoff;
  /** Callbacks after each answer about metadata, and each failure to get one. */
  readonly #observers = new Set<() => void>();
  /** Observer of connections and requests; there is one at most, since a client serves one producer or consumer. */
  #callObserver: CallObserver | undefined;
  #timer: Timer | undefined;
  /** Why the last question about metadata failed. */
  #lastFailure: unknown;
  /** Number of questions about metadata that have failed. */
  #failures = 0;
  #isClosed = false;

  constructor(env: Env, settings: ClusterSettings) {
    this.env = env;
    this.settings = settings;
    this.metadata = new MetadataState(settings);
    this.#pool = new BrokerPool(env, settings, {
      connected: () => this.#callObserver?.connected(),
      clusterId: () => this.metadata.clusterId,
    });
    this.#coordinators = new Coordinators(request => this.callAny("FindCoordinator", request));
    this.#backoff = new ExponentialBackoff(retryBackoff(settings));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Why the last question about metadata failed, as a sentence; undefined if it was answered. */
  get failure(): string | undefined {
    const reason = this.#lastFailure;
    return reason instanceof Error ? reason.message : undefined;
  }

  /** Failure of TLS or SASL, or of the kind of the servers, because of which there is no metadata. */
  get lastingFailure(): KafkaError | undefined {
    return isLastingFailure(this.#lastFailure) ? this.#lastFailure : undefined;
  }

  /** Patience of a call without a timeout of its own (`default.api.timeout.ms`). */
  patience(options: { readonly timeoutMs?: number | undefined; readonly signal?: Patience["signal"] } = {}): Patience {
    const { timeoutMs = this.settings.apiTimeoutMs, signal } = options;
    return { deadline: this.env.clock.monotonic() + timeoutMs, signal };
  }

  /** Sends a request to a broker, once. Rejects with a `KafkaError`. */
  async call<N extends ApiName>(
    id: BrokerId,
    api: N,
    request: RequestFor<N>,
    options: ClusterCallOptions = {},
  ): Promise<ResponseOf<N>> {
    return this.#callBroker(this.#brokerOf(id), api, request, options);
  }

  /** `call` of a request that has no response. Resolves once the socket has it. */
  async tell<N extends ApiName>(
    id: BrokerId,
    api: N,
    request: RequestFor<N>,
    options: ClusterCallOptions = {},
  ): Promise<void> {
    const link = this.#pool.link(this.#brokerOf(id), options.use ?? "requests");
    await this.#guarded(link.tell(api, request, options));
  }

  /**
   * Sends a request to the broker with the fewest requests in flight, or to the active controller if the client knows
   * controllers only, once. Rejects with a `KafkaError`.
   */
  async callAny<N extends ApiName>(api: N, request: RequestFor<N>, options: CallOptions = {}): Promise<ResponseOf<N>> {
    this.#checkOpen();
    if (this.settings.nodes === "controllers") {
      // Requests to controllers are few, and the active one may have changed.
      await this.renewed(this.patience({ timeoutMs: this.settings.requestTimeoutMs }));
      return this.call(this.metadata.controllerId, api, request, options);
    }
    return this.#guarded(this.#pool.leastLoaded(this.metadata.brokers.values()).call(api, request, options));
  }

  /** Sends a request to a coordinator, once, and looks for the coordinator before if it is not known. */
  async callCoordinator<N extends ApiName>(
    { kind, key }: { readonly kind: CoordinatorKind; readonly key: string },
    api: N,
    request: RequestFor<N>,
    options: ClusterCallOptions = {},
  ): Promise<ResponseOf<N>> {
    this.#checkOpen();
    this.#checkBrokers("coordinators");
    const { id, host, port } = await this.#coordinators.find(kind, key);
    try {
      return await this.#callBroker(this.metadata.broker(id) ?? { id, host, port, rack: null }, api, request, options);
    } catch (error) {
      // Another broker may have become the coordinator of a broker that does not answer.
      this.#coordinators.forget(kind, key);
      throw error;
    }
  }

  /** Address of a coordinator. Looks for it, once, if it is not known; rejects with a `KafkaError`. */
  coordinator(kind: CoordinatorKind, key: string): Promise<Coordinator> {
    this.#checkOpen();
    return this.#coordinators.find(kind, key);
  }

  /** Looks for a coordinator again at the next call, as after NOT_COORDINATOR. */
  forgetCoordinator(kind: CoordinatorKind, key: string): void {
    this.#coordinators.forget(kind, key);
  }

  /** API versions and features of a broker; undefined while there is no connection to it. */
  versionsOf(id: BrokerId): NodeApiVersions | undefined {
    const broker = this.metadata.broker(id);
    return broker === undefined ? undefined : this.#pool.link(broker, "requests").versions;
  }

  /** API versions and features of a broker, or of any, once. Rejects with a `KafkaError`. */
  apiVersions(id?: BrokerId): Promise<ResponseOf<"ApiVersions">> {
    const { name: clientSoftwareName, version: clientSoftwareVersion } = this.settings.software;
    const request = (version: number) => (version < 3 ? {} : { clientSoftwareName, clientSoftwareVersion });
    return id === undefined ? this.callAny("ApiVersions", request) : this.call(id, "ApiVersions", request);
  }

  /** True if a broker serves an API, and the cluster has finalized a feature at level 1 or above. */
  async hasFeature(name: string, api: ApiName, patience: Patience): Promise<boolean> {
    const { apiKeys, finalizedFeatures } = await this.retrying(patience, () => this.apiVersions());
    const level = finalizedFeatures.find(feature => feature.name === name)?.maxVersionLevel ?? 0;
    return level >= 1 && apiKeys.some(({ apiKey }) => apiKey === Apis[api].key);
  }

  /** Repeats `attempt` while it fails with a retriable error, with backoff, until the caller gives up. */
  retrying<T>(patience: Patience, attempt: () => Promise<T>): Promise<T> {
    return holding(this.env, () => this.#retrying(patience, attempt));
  }

  async #retrying<T>(patience: Patience, attempt: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof KafkaError) || !error.retriable || this.#isClosed) throw error;
        const delay = this.#backoff.delayMs(failures, this.env.random.next());
        if (this.env.clock.monotonic() + delay >= patience.deadline) throw error;
        await pause(this.env, delay, patience);
      }
    }
  }

  /** Metadata of a topic: what is known, or what a broker says. Rejects if it does not exist when the patience ends. */
  async topic(name: string, patience: Patience): Promise<TopicView> {
    this.#checkBrokers("partitions");
    this.metadata.use(name, this.env.clock.monotonic());
    const known = this.metadata.topic(name);
    if (known !== undefined) return known;
    return this.#until(
      patience,
      `topic ${name}`,
      () => this.metadata.topic(name),
      () => this.metadata.topicError(name),
    );
  }

  /** Brokers of the cluster, once metadata of any kind is known. Rejects when the patience ends. */
  async ready(patience: Patience): Promise<ReadonlyMap<BrokerId, BrokerView>> {
    if (this.metadata.clusterId === undefined) this.metadata.requestUpdate();
    const { metadata } = this;
    return this.#until(patience, "the cluster", () => (metadata.brokers.size > 0 ? metadata.brokers : undefined));
  }

  /**
   * Connects to the first bootstrap server that answers. Rejects with BROKERS_UNREACHABLE, and the reason of each, if
   * none does: for programs that rather say so than wait. A failure that lasts is told at once.
   */
  async connect(): Promise<void> {
    const failures: KafkaError[] = [];
    for (const link of this.#pool.bootstrap) {
      this.#checkOpen();
      try {
        await link.ready();
        return;
      } catch (error) {
        const failure = kafkaErrorOf(error);
        if (!(failure instanceof KafkaError) || isLastingFailure(failure)) throw failure;
        failures.push(failure);
      }
    }
    const [first] = failures;
    if (first !== undefined && failures.length === 1) throw first;
    throw new KafkaError("BROKERS_UNREACHABLE", failures.map(({ message }) => message).join("; "));
  }

  /** Asks for metadata that is newer than this call. Rejects when the patience ends. */
  async renewed(patience: Patience): Promise<void> {
    const { version } = this.metadata;
    this.metadata.requestUpdate();
    await this.#until(patience, "the cluster", () => (this.metadata.version === version ? undefined : true));
  }

  /** Asks for metadata again as soon as the backoff allows. */
  refresh(): void {
    this.metadata.requestUpdate();
    this.#pump();
  }

  /** Takes leaders that an answer names (KIP-951), and asks for the metadata in any case. */
  heed(effect: MetadataEffect): void {
    if (effect.type === "leaders") this.metadata.hint(effect.leaders, effect.nodes);
    this.refresh();
  }

  /** Time and chance for an input of a state machine. */
  moment(): Moment {
    const { clock, random } = this.env;
    return { now: clock.monotonic(), wall: clock.now(), chance: random.next() };
  }

  /** Calls `observer` after each answer about metadata and each failure to get one. Returns the way to end that. */
  observe(observer: () => void): () => void {
    this.#observers.add(observer);
    return () => void this.#observers.delete(observer);
  }

  /** Lets `observer` hear of connections and requests from now on. */
  observeCalls(observer: CallObserver): void {
    this.#callObserver = observer;
  }

  /** Looks after the metadata: asks if something is due. To be called after `metadata.use` or `hold`. */
  wake(): void {
    this.#pump();
  }

  /** Closes all connections. Calls on their way are rejected. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#pool.disconnect();
    this.#notify();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new KafkaError("CLOSED", "the client is closed");
  }

  /** Throws if the client knows controllers only. */
  #checkBrokers(what: string): void {
    if (this.settings.nodes === "brokers") return;
    const error = Errors.UNSUPPORTED_ENDPOINT_TYPE;
    throw new KafkaError(error.name, `${what} are known to brokers; this client knows controllers only`, { error });
  }

  #brokerOf(id: BrokerId): BrokerView {
    this.#checkOpen();
    const broker = this.metadata.broker(id);
    if (broker !== undefined) return broker;
    this.refresh();
    throw new KafkaError("BROKERS_UNREACHABLE", `broker ${id} is not known at the moment`);
  }

  async #callBroker<N extends ApiName>(
    broker: BrokerView,
    api: N,
    request: RequestFor<N>,
    options: ClusterCallOptions,
  ): Promise<ResponseOf<N>> {
    const link = this.#pool.link(broker, options.use ?? "requests");
    const { clock } = this.env;
    const began = clock.monotonic();
    const response = await this.#guarded(link.call(api, request, options));
    this.#callObserver?.answered(broker.id, api, response, clock.monotonic() - began);
    return response;
  }

  /** Turns a failure of the connection into a `KafkaError`. Leaders may have moved then. */
  async #guarded<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      if (this.#isClosed) throw new KafkaError("CLOSED", "the client is closed", { cause: error });
      if (isMisrouted(error)) this.metadata.requestRebootstrap();
      this.refresh();
      throw kafkaErrorOf(error);
    }
  }

  #until<T>(
    patience: Patience,
    about: string,
    find: () => T | undefined,
    errorCode: () => number = () => 0,
  ): Promise<T> {
    const late = (): KafkaError => {
      const code = errorCode();
      if (code !== 0) return KafkaError.of(code, about);
      const why = this.failure === undefined ? "" : `: ${this.failure}`;
      return new KafkaError("TIMED_OUT", `no metadata of ${about} in time${why}`, { cause: this.#lastFailure });
    };
    const failuresBefore = this.#failures;
    return patiently(this.env, patience, late, (resolve, reject) => {
      const look = (): void => {
        const found = find();
        const code = errorCode();
        if (this.#isClosed) reject(new KafkaError("CLOSED", "the client is closed"));
        else if (found !== undefined) resolve(found);
        else if (this.#failures > failuresBefore && isLastingFailure(this.#lastFailure)) reject(this.#lastFailure);
        else if (code !== 0 && !KafkaError.of(code, about).retriable) reject(KafkaError.of(code, about));
      };
      const stop = this.observe(look);
      look();
      this.#pump();
      return stop;
    });
  }

  /** Does what is due about metadata, and sets the timer for the next time. */
  #pump(): void {
    if (this.#isClosed) return;
    const now = this.env.clock.monotonic();
    this.#timer?.cancel();
    this.#timer = undefined;
    const step = this.metadata.next(now);
    switch (step.type) {
      case "wait":
        if (step.until < Infinity) this.#timer = this.env.timers.after(step.until - now, () => this.#pump());
        return;
      case "rebootstrap":
        this.#pool.disconnect();
        this.#coordinators.clear();
        this.metadata.rebootstrapped(now);
        this.#pump();
        return;
      case "ask":
        this.metadata.asked(step, now);
        this.#askMetadata(step).catch((error: unknown) => {
          this.env.logger.error("the metadata cannot be asked for", { error: String(error) });
        });
    }
  }

  async #askMetadata({ topics }: MetadataQuestion): Promise<void> {
    const { env, metadata, settings } = this;
    try {
      const link = this.#pool.leastLoaded(metadata.brokers.values());
      const response =
        settings.nodes === "controllers"
          ? await controllersOf(link)
          : await link.call("Metadata", {
              topics: topics === null ? null : topics.map(name => ({ name })),
              allowAutoTopicCreation: settings.allowAutoTopicCreation,
            });
      if (this.#isClosed) return;
      metadata.received(response, env.clock.monotonic(), env.random.next());
      this.#pool.retain(metadata.brokers);
      this.#lastFailure = undefined;
    } catch (error) {
      if (this.#isClosed) return;
      if (isMisrouted(error)) metadata.requestRebootstrap();
      this.#lastFailure = kafkaErrorOf(error);
      this.#failures++;
      metadata.failed(env.clock.monotonic(), env.random.next());
      // If none of the known brokers can be reached, the cluster may have moved (KIP-899).
      const { brokers } = metadata;
      if (brokers.size > 0 && this.#pool.areAllLost(brokers.values())) metadata.requestRebootstrap();
    }
    this.#notify();
    this.#pump();
  }

  #notify(): void {
    for (const observer of [...this.#observers]) observer();
  }
}

/** The controllers and the active one, as metadata. */
async function controllersOf(link: BrokerLink): Promise<MetadataResponse> {
  const answer = await link.call("DescribeCluster", {
    includeClusterAuthorizedOperations: false,
    endpointType: CONTROLLER_ENDPOINTS,
  });
  const { errorCode, throttleTimeMs, clusterId, controllerId, clusterAuthorizedOperations } = answer;
  const isHere = errorCode === 0 && answer.endpointType !== CONTROLLER_ENDPOINTS;
  const code = isHere ? Errors.MISMATCHED_ENDPOINT_TYPE.code : errorCode;
  if (code !== 0) throw KafkaError.of(code, `the controllers at ${endpointText(link.endpoint)}`);
  const brokers = answer.brokers.map(({ brokerId: nodeId, host, port, rack }) => ({ nodeId, host, port, rack }));
  return { throttleTimeMs, clusterId, controllerId, clusterAuthorizedOperations, brokers, topics: [], errorCode: 0 };
}
