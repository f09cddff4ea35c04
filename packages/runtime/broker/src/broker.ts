import { BufferPool, ConfigError, type Env, nearestNumber, parseConfig, type Timer } from "@samsa/base";
import { EMPTY_IMAGE, type MetadataImage } from "@samsa/metadata";
import { Errors } from "@samsa/protocol";
import { BatchJudge, type Tools } from "@samsa/records";
import { adviceOf, LogCleaner, LogDirError, LogDirs } from "@samsa/storage";
import { announced, type ServedApi, servedApis } from "./apis.ts";
import { ALLOW_ALL, type Authorizer } from "./network/authorizer.ts";
import { AutoTopicCreation } from "./controller/auto-topic-creation.ts";
import { checkBrokerConfigs, namedAnew } from "./config/config-checks.ts";
import { type BrokerConfig, brokerConfigs } from "./config/configs.ts";
import { ClientConnection, type ConnectionHost, RequestBudget } from "./network/connection.ts";
import { ConnectionLimits } from "./limits/connection-limits.ts";
import { Control } from "./controller/control.ts";
import { FetchSessions } from "./replica/fetch-sessions.ts";
import { Forwarding } from "./controller/forwarding.ts";
import { groupConfig } from "./config/group-limits.ts";
import { Groups } from "./coordinator/groups.ts";
import { HeldBytes } from "./limits/held-bytes.ts";
import { Judging, type RemoteJudge } from "./limits/judging.ts";
import { type Endpoint, type ListenerPlan, listenerSettings, planListeners } from "./network/listeners.ts";
import { metadataLogConfig } from "./controller/metadata-log.ts";
import { BrokerMetrics } from "./metrics.ts";
import { Moves, type Placed } from "./replica/moves.ts";
import { OpenListeners } from "./network/open-listeners.ts";
import type { Watcher } from "./replica/partition.ts";
import type { BrokerNode, BrokerParts } from "./parts.ts";
import { checkProtection } from "./config/protection.ts";
import { Quotas } from "./limits/quotas.ts";
import { RequestHandler } from "./network/request-handler.ts";
import { expireProducers, retain } from "./replica/retention.ts";
import { addGauges } from "./gauges.ts";
import { cleanerSettings, cordonFault, logConfig, Settings } from "./config/settings.ts";
import { ClientTelemetry, type TelemetrySink } from "./limits/telemetry.ts";
import { ShareGroups } from "./share/share-groups.ts";
import { METADATA_TOPIC, Topics } from "./replica/topics.ts";
import { transactionHost, Transactions } from "./coordinator/transactions.ts";
import { Turn } from "./turn.ts";

export interface BrokerOptions {
  /** The settings as the user wrote them; see `brokerConfigs`. */
  readonly settings: ReadonlyMap<string, string>;
  /** Cluster id for a directory that is formatted at this start; random if missing. */
  readonly clusterId?: string;
  /** Called with the reason when the broker cannot continue and has closed itself. */
  readonly onHalt?: (reason: string) => void;
  /** Bytes of recent batches kept in memory; default: 16 MiB. */
  readonly tailBytes?: number;
  /**
   * Most bytes held for requests that have not arrived in full, and again for replies not yet sent; default: 256 MiB.
   */
  readonly heldBytes?: number;
  /** Logs of a new topic that are created in one turn of the event loop; default: 50. */
  readonly openAtOnce?: number;
  /** Pool of memory for requests and reads. */
  readonly buffers?: BufferPool;
  /** Validates large batches off the event loop; without it they are validated on the event loop. */
  readonly judge?: RemoteJudge;
  /** Receives the metrics that clients push (KIP-714); without it the telemetry APIs are not announced. */
  readonly telemetry?: TelemetrySink;
  /** Decides which actions clients may perform; default: all. */
  readonly authorizer?: Authorizer;
}

/** Interval of flushes, removals and checkpoints. */
const TICK_MS = 1000;
const OPEN_AT_ONCE = 50;
const HELD_BYTES = 256 * 1024 * 1024;
/** A client that has taken nothing of its reply for so long is closed if memory for replies is short. */
const STALLED_MS = 30_000;
/** Interval of snapshots and trimming of the metadata log (`KafkaRaftClient`). */
const METADATA_MS = 60_000;
/** Interval at which idle quota meters are removed. */
const QUOTA_EXPIRY_MS = 60_000;
const NOWHERE: ReadonlyMap<string, Endpoint> = new Map();
/** Time that a stop waits for requests in progress. */
const GOODBYE_MS = 2000;

/** A Kafka broker and controller in one process: a complete single node. */
export class Broker {
  readonly env: Env;
  /** Current settings; some change at run time. */
  config: BrokerConfig;
  readonly settings: Settings;
  readonly turn: Turn;
  readonly tools: Tools;
  readonly judging: Judging;
  readonly sessions: FetchSessions;
  readonly metrics = new BrokerMetrics();
  readonly buffers: BufferPool;
  readonly dirs: LogDirs;
  readonly moves: Moves;
  readonly #cleaner: LogCleaner;
  readonly topics: Topics;
  readonly groups: Groups;
  readonly transactions: Transactions;
  readonly shares: ShareGroups;
  readonly quotas: Quotas;
  readonly telemetry: ClientTelemetry | undefined;
  /** Bytes of replies that clients have not taken yet; above the limit fetches return no records. */
  readonly unsent: HeldBytes<ClientConnection>;
  readonly control: Control;
  readonly pendingFetches = new Set<Watcher>();
  readonly forwarding: Forwarding;
  readonly autoTopics: AutoTopicCreation;
  readonly #apis: ReadonlyMap<number, ServedApi>;
  readonly #authorizer: Authorizer;
  #plan: ListenerPlan;
  /** Undefined until listeners are opened. */
  #listeners: OpenListeners | undefined;
  readonly #listenerOf = new WeakMap<ClientConnection, string>();
  readonly #connections = new Set<ClientConnection>();
  /** Names of settings without an effect that were logged already: each is logged once. */
  readonly #idle = new Set<string>();
  readonly #limits = new ConnectionLimits(() => this.config);
  readonly #timers = new Map<string, Timer>();
  readonly #onHalt: (reason: string) => void;
  #started = false;
  /** True while the log directories are opened. */
  #reading = true;
  #closing: Promise<void> | undefined;

  /** Opens the data directory and reads it. Throws `ConfigError`, `LogDirError` or `DiskError`. */
  private constructor(env: Env, options: BrokerOptions) {
    this.env = env;
    this.#onHalt = options.onHalt ?? (() => {});
    this.buffers = options.buffers ?? new BufferPool();
    const given = namedAnew(options.settings);
    checkBrokerConfigs(given.keys(), name => given.get(name));
    this.config = parseConfig(brokerConfigs, name => given.get(name));
    checkProtection(given, this.config);
    this.settings = new Settings(this.config["node.id"], given);
    // Report faults of the listener settings before anything is done.
    this.#plan = planListeners(listenerSettings(this.config, this.env.network.hostName));
    this.turn = new Turn(env.timers, error => env.logger.error("a task failed", { error }));
    this.tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };
    this.judging = new Judging(new BatchJudge(this.tools), options.judge);
    this.sessions = new FetchSessions(this.config["max.incremental.fetch.session.cache.slots"], () =>
      env.random.next(),
    );
    this.unsent = new HeldBytes(options.heldBytes ?? HELD_BYTES);
    const { config } = this;
    this.quotas = new Quotas(
      { count: config["quota.window.num"], ms: config["quota.window.size.seconds"] * 1000 },
      { count: config["controller.quota.window.num"], ms: config["controller.quota.window.size.seconds"] * 1000 },
      host => env.network.resolve(host),
    );
    const maxBytes = this.config["telemetry.max.bytes"];
    const sink = options.telemetry;
    this.telemetry = sink === undefined ? undefined : new ClientTelemetry({ env, sink, maxBytes });
    this.#apis = servedApis({ telemetry: sink !== undefined });
    this.#authorizer = options.authorizer ?? ALLOW_ALL;
    const control = () => this.control;
    this.forwarding = new Forwarding({ env, quotas: this.quotas, control });
    this.autoTopics = new AutoTopicCreation({ logger: env.logger, config: () => this.config, control });
    this.dirs = this.#openDirs(options);
    this.#reading = false;
    const { nodeId, turn, dirs, settings } = this;
    this.#cleaner = new LogCleaner({ env, dirs: () => dirs.live, settings: () => cleanerSettings(this.config) });
    this.moves = new Moves({ env, assign: placed => this.control.assign([placed]) });
    const openAtOnce = options.openAtOnce ?? OPEN_AT_ONCE;
    const opened = (): void => this.#assign(this.topics.takeMisplaced());
    this.topics = new Topics({ env, nodeId, turn, dirs, settings, moves: this.moves, openAtOnce, opened }, EMPTY_IMAGE);
    this.shares = new ShareGroups(this);
    this.groups = new Groups(
      {
        env,
        tools: this.tools,
        config: groupConfig(this),
        newId: () => this.#newId(),
        shareGroups: this.shares.membership,
        initialize: (what, done) => this.shares.states.initialize(what, done),
      },
      this.topics,
    );
    this.transactions = new Transactions(transactionHost(this), this.topics);
    try {
      this.control = new Control(this, {
        known: image => void this.#cordon(image),
        publish: image => this.#apply(image),
      });
    } catch (error) {
      this.dirs.abandon();
      throw error;
    }
  }

  /** Starts a broker; resolves once it serves. Rejects with an error whose message tells a user what to do. */
  static async start(env: Env, options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(env, options);
    try {
      await broker.control.activate([...broker.#plan.advertise.values()]);
      await broker.#listen();
      broker.#every("tick", TICK_MS, () => {
        broker.dirs.tick(env.clock.monotonic());
        broker.#closeStalled();
        broker.telemetry?.expire();
      });
      broker.#every("retention", broker.config["log.retention.check.interval.ms"], () => retain(broker));
      broker.#every("producers", broker.config["producer.id.expiration.check.interval.ms"], () =>
        expireProducers(broker),
      );
      broker.#every("expiry", broker.config["offsets.retention.check.interval.ms"], () => broker.groups.cleanUp());
      const { config, transactions } = broker;
      broker.#every("transaction timeouts", config["transaction.abort.timed.out.transaction.cleanup.interval.ms"], () =>
        transactions.abortTimedOut(),
      );
      broker.#every("transaction expiry", config["transaction.remove.expired.transaction.cleanup.interval.ms"], () =>
        transactions.expire(),
      );
      broker.#every("metadata", METADATA_MS, () => broker.control.maintain());
      broker.#every("quotas", QUOTA_EXPIRY_MS, () => broker.quotas.expire(env.clock.monotonic()));
      broker.#every("idle", Math.max(1000, broker.config["connections.max.idle.ms"] / 10), () => broker.#closeIdle());
      addGauges(broker, broker.#cleaner);
      const fate = broker.#fate();
      if (fate !== undefined) throw new LogDirError(`the broker cannot start: ${fate}`);
      broker.#cleaner.start();
      broker.#started = true;
      return broker;
    } catch (error) {
      // Report the error of the start, not of the stop that follows.
      await broker.close().catch(() => {});
      throw error;
    }
  }

  get nodeId(): number {
    return this.config["node.id"];
  }

  get clusterId(): string {
    return this.dirs.clusterId;
  }

  /** Advertised endpoints by listener name. */
  get advertised(): ReadonlyMap<string, Endpoint> {
    return this.#listeners?.advertised ?? NOWHERE;
  }

  #newId(): string {
    const bytes = Uint8Array.from(this.env.random.bytes(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map(byte => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  /** Parts of this broker that request handlers may use. */
  #parts(): BrokerParts {
    const config = () => this.config;
    const { env, nodeId, clusterId, settings, turn, tools, judging, metrics, quotas, telemetry } = this;
    const { sessions, pendingFetches, unsent, dirs, moves, topics, groups, transactions, shares, control } = this;
    return {
      env,
      nodeId,
      clusterId,
      get config() {
        return config();
      },
      settings,
      turn,
      tools,
      judging,
      metrics,
      quotas,
      telemetry,
      sessions,
      pendingFetches,
      unsent,
      dirs,
      moves,
      topics,
      groups,
      transactions,
      shares,
      control,
      forwarding: this.forwarding,
      autoTopics: this.autoTopics,
      apis: () => [...this.#apis.values()].map(announced),
      nodes: listener => this.nodes(listener),
    };
  }

  #openDirs(options: BrokerOptions): LogDirs {
    const { env, config } = this;
    const paths = config["log.dirs"] ?? config["log.dir"];
    const fault = cordonFault(config["cordoned.log.dirs"], paths);
    if (fault !== undefined) throw new ConfigError("cordoned.log.dirs", config["cordoned.log.dirs"].join(","), fault);
    const defaults = logConfig(this.settings.topic(EMPTY_IMAGE, ""));
    return new LogDirs(env, {
      paths,
      metadataPath: config["metadata.log.dir"] ?? paths[0],
      metadataTopic: METADATA_TOPIC,
      nodeId: config["node.id"],
      ...(options.clusterId === undefined ? {} : { clusterId: options.clusterId }),
      configOf: topic => {
        if (topic === METADATA_TOPIC) return metadataLogConfig(config);
        // Logs that are found here get their topics' settings once the metadata has been read.
        return this.#reading ? defaults : logConfig(this.settings.topic(this.topics.image, topic));
      },
      buffers: this.buffers,
      ...(options.tailBytes === undefined ? {} : { tailBytes: options.tailBytes }),
      checkpointIntervalMs: config["log.flush.offset.checkpoint.interval.ms"],
      onOffline: () => this.#offline(),
    });
  }

  #apply(image: MetadataImage): void {
    const before = this.topics.image;
    if (before.configs !== image.configs) this.#reconfigure(image);
    this.quotas.update(image.quotas).then(
      unknown => {
        if (unknown.length > 0)
          this.env.logger.warn("quotas of hosts without an address do nothing", { hosts: unknown });
      },
      (error: unknown) => this.env.logger.error("client quotas could not be taken over", { error }),
    );
    this.telemetry?.update(image.configs);
    this.topics.apply(image);
    this.#assign(this.topics.takeMisplaced());
    if (before.configs !== image.configs && this.#cordon(image)) this.#beat();
    this.groups.load();
    this.groups.follow(before, image);
    // Load transaction shards after group shards: they may write markers for groups at once.
    this.transactions.load();
    this.shares.update();
    // Compare topics by id: another topic may have taken the name in the same image.
    const deleted =
      before.topics === image.topics ? [] : [...before.topics.values()].filter(t => !image.topics.has(t.id));
    this.groups.topicsDeleted(deleted);
    if (deleted.length > 0) this.shares.states.topicsDeleted();
    for (const { name } of deleted) if (!image.topicIds.has(name)) this.metrics.topicDeleted(name);
  }

  #reconfigure(image: MetadataImage): void {
    const before = this.#plan;
    this.config = this.settings.broker(image);
    for (const setting of this.settings.idle(image)) {
      if (this.#idle.has(setting)) continue;
      this.#idle.add(setting);
      this.env.logger.warn("this setting was changed at run time and has no effect", { setting });
    }
    try {
      this.#plan = planListeners(listenerSettings(this.config, this.env.network.hostName));
    } catch (error) {
      // The change was validated when it was requested; the file has changed since.
      this.env.logger.error("the listeners in the metadata do not fit the file, which counts", { error });
    }
    const names = ({ listen }: ListenerPlan) => listen.map(({ name }) => name).join();
    if (names(before) !== names(this.#plan)) this.#listeners?.follow(this.#plan);
  }

  /**
   * Reports replica directories to the controller. After a failure they are reported again when their topics change.
   */
  #assign(placed: readonly Placed[]): void {
    this.control.assign(placed).catch((error: unknown) => {
      this.env.logger.error("the controller could not be told where replicas are", { error });
    });
  }

  /** Applies `cordoned.log.dirs`; true if it has changed. */
  #cordon(image: MetadataImage): boolean {
    const { paths, cordoned } = this.dirs;
    const wanted = this.settings.broker(image)["cordoned.log.dirs"];
    const next = new Set(wanted.includes("*") ? paths : wanted);
    if (next.size === cordoned.size && [...next].every(path => cordoned.has(path))) return false;
    this.dirs.cordoned = next;
    return true;
  }

  /**
   * Reports the state of the directories to the controller. After a failure they are reported again with the next
   * change.
   */
  #beat(): void {
    this.control.heartbeat().catch((error: unknown) => this.env.logger.error("a heartbeat failed", { error }));
  }

  /** Handles a failed directory: fails all requests that wait for its partitions. */
  #offline(): void {
    this.turn.add("acknowledge", () => {
      this.topics.failOffline();
      this.moves.cancelFailed();
      this.groups.unloadFailed();
      this.transactions.unloadFailed();
      this.shares.states.unloadFailed();
      if (this.#closing !== undefined) return;
      const fate = this.#fate();
      if (fate === undefined) this.#beat();
      else this.#halt(fate);
    });
  }

  /**
   * Reason why the broker cannot continue, if any: without its metadata log, or without any log directory, Kafka exits.
   */
  #fate(): string | undefined {
    const { failures, live, metadata } = this.dirs;
    const last = [...failures.values()].at(-1);
    if (last !== undefined && live.length === 0) {
      return `every log directory has failed, the last with ${last.message}; ${adviceOf(last)}`;
    }
    const { failure } = metadata;
    if (failure === undefined) return undefined;
    return `the directory of the metadata has failed with ${failure.message}; ${adviceOf(failure)}`;
  }

  /** Closes the broker once pending replies are sent, and reports the reason. */
  #halt(why: string): void {
    // A failing start reports its own error.
    if (this.#closing !== undefined || !this.#started) return;
    const reason = `the broker has ended: ${why}`;
    const told = () => this.#onHalt(reason);
    this.close().then(told, told);
  }

  async #listen(): Promise<void> {
    const host: ConnectionHost = {
      env: this.env,
      turn: this.turn,
      metrics: this.metrics,
      quotas: this.quotas,
      requests: new RequestHandler(this.#parts(), this.#authorizer),
      maxRequestBytes: this.config["socket.request.max.bytes"],
      buffers: this.buffers,
      apiOf: (key): ServedApi | undefined => this.#apis.get(key),
      budget: new RequestBudget(this.config["queued.max.request.bytes"]),
      unfinished: new HeldBytes(this.unsent.limit),
      unsent: this.unsent,
      closed: connection => {
        this.#connections.delete(connection);
        this.#limits.closed(connection);
        this.telemetry?.disconnected(connection.peer);
        this.shares.disconnected(connection.peer);
        this.metrics.connectionsOpen = this.#connections.size;
      },
    };
    this.metrics.gauge("samsa_request_bytes_in_flight", "Bytes of requests being handled.", () => host.budget.used);
    this.#listeners = new OpenListeners({
      network: this.env.network,
      logger: this.env.logger,
      accept: (name, connection) => {
        const client = new ClientConnection(host, connection, name);
        this.#connections.add(client);
        this.#listenerOf.set(client, name);
        this.metrics.connectionsOpen = this.#connections.size;
        this.metrics.connectionsOpened++;
        if (!this.#limits.opened(client, connection.remoteHost)) connection.destroy();
        const wait = this.quotas.connected(client.peer.host, this.env.clock.monotonic());
        if (wait > 0) client.mute(wait);
        return client;
      },
      removed: name => {
        for (const client of this.#connections) if (this.#listenerOf.get(client) === name) client.destroy();
      },
    });
    await this.#listeners.open(this.#plan);
  }

  /** Brokers with their endpoints for a listener. */
  nodes(listener: string): BrokerNode[] {
    const endpoint = this.advertised.get(listener);
    if (endpoint === undefined) return [];
    const rack = this.config["broker.rack"] ?? null;
    return [{ nodeId: this.nodeId, host: endpoint.host, port: endpoint.port, rack }];
  }

  #every(name: string, ms: number, task: () => void): void {
    const again = (): void => {
      if (this.#closing !== undefined) return;
      try {
        task();
      } catch (error) {
        this.env.logger.error("a periodic task failed", { task: name, error });
      }
      this.#timers.set(name, this.env.timers.after(ms, again));
    };
    this.#timers.set(name, this.env.timers.after(ms, again));
  }

  /** Closes clients that do not read their replies, so that the others can fetch. */
  #closeStalled(): void {
    const since = this.env.clock.monotonic() - STALLED_MS;
    while (this.unsent.room < this.unsent.limit / 2) {
      const stalled = this.unsent.stalledBefore(since);
      if (stalled === undefined) return;
      this.unsent.forget(stalled);
      stalled.reject("it does not take its replies, and memory for replies is short");
    }
  }

  #closeIdle(): void {
    const limit = this.config["connections.max.idle.ms"];
    if (limit < 0) return;
    const now = this.env.clock.monotonic();
    for (const connection of this.#connections) {
      if (!connection.busy && now - connection.lastActive > limit) connection.destroy();
    }
  }

  /** True if the broker can take records. */
  get healthy(): boolean {
    return this.#closing === undefined && this.#fate() === undefined;
  }

  /**
   * Stops the broker: refuses new connections, sends pending replies, flushes logs and marks the directory as clean.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#listeners?.close();
    for (const timer of this.#timers.values()) timer.cancel();
    for (const fetch of [...this.pendingFetches]) fetch.changed();
    this.transactions.close(Errors.NOT_COORDINATOR.code);
    this.groups.close(Errors.NOT_COORDINATOR.code);
    this.shares.close();
    await this.#drain();
    for (const connection of [...this.#connections]) connection.end();
    await this.#cleaner.stop();
    await this.moves.close();
    await this.control.close();
    // Last replies are being sent; further requests would append to logs that are being closed.
    this.topics.close();
    try {
      await this.dirs.close(nearestNumber(this.control.brokerEpoch));
    } finally {
      for (const connection of [...this.#connections]) connection.destroy();
    }
  }

  /** Waits up to `GOODBYE_MS` for the requests in progress. */
  async #drain(): Promise<void> {
    const until = this.env.clock.monotonic() + GOODBYE_MS;
    while ([...this.#connections].some(({ busy }) => busy) && this.env.clock.monotonic() < until) {
      await new Promise<void>(resolve => {
        this.env.timers.after(5, resolve);
      });
    }
  }
}
