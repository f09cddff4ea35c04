import { type BrokerId, type BufferPool, limited, named, randomJavaUuid, type TlsServerOptions } from "@samsa/base";
import { EMPTY_IMAGE, type MetadataChanges, type MetadataImage, RESOURCE_TYPE, configKey } from "@samsa/metadata";
import { Apis, Errors } from "@samsa/protocol";
import { BatchJudge, type Tools } from "@samsa/records";
import { LogCleaner, type LogDirs } from "@samsa/storage";
import { servedApis } from "./apis.ts";
import type { BrokerConfig } from "./config/configs.ts";
import { cleanerSettings, codecOf, type Settings } from "./config/settings.ts";
import type { ControllerChannel } from "./controller/controller-channel.ts";
import { groupConfig } from "./config/group-limits.ts";
import { Groups } from "./coordinator/groups.ts";
import { LoadQueue } from "./coordinator/load-queue.ts";
import { transactionHost, Transactions, writeMarker } from "./coordinator/transactions.ts";
import { AutoTopicCreation } from "./forwarding/auto-topic-creation.ts";
import { addGauges } from "./gauges.ts";
import { Assignments } from "./lifecycle/assignments.ts";
import { BrokerLifecycle } from "./lifecycle/broker-lifecycle.ts";
import { ProducerIds } from "./lifecycle/producer-ids.ts";
import { Judging, type RemoteJudge } from "./limits/judging.ts";
import type { Quotas } from "./quotas/quotas.ts";
import { copyQuota, type ReplicationQuota } from "./quotas/replication-quota.ts";
import type { FollowerWaits } from "./replica/replica-session.ts";
import { ClientTelemetry, type TelemetrySink } from "./limits/telemetry.ts";
import { aliveNode, aliveNodes, type BrokerNode } from "./metadata/broker-nodes.ts";
import { BrokerPeers } from "./peers/broker-peers.ts";
import type { MetadataPublisher } from "./metadata/publisher.ts";
import type { BrokerMetrics } from "./turn/metrics.ts";
import { announced } from "./request/api-row.ts";
import type { Authorizer } from "@samsa/security";
import { type Endpoint, type ListenerPlan, listenerSettings, planListeners } from "./config/listeners.ts";
import { InterceptedRequests, type Interceptor } from "./network/interception.ts";
import { RequestHandler } from "./network/request-handler.ts";
import { SocketServer } from "./network/socket-server.ts";
import type { BrokerParts, ServedApi } from "./api/parts.ts";
import { PeriodicTasks } from "./turn/periodic-tasks.ts";
import { FetchSessions } from "./replica/fetch-sessions.ts";
import { alterPartition } from "./replica/alter-partition.ts";
import { Moves, type Placed } from "./replica/moves.ts";
import type { Watcher } from "./replica/readers.ts";
import { expireProducers, retain } from "./replica/retention.ts";
import { Replication } from "./replica/replication.ts";
import { Topics } from "./replica/topics.ts";
import { ShareGroups } from "./share/share-groups.ts";
import type { SharedParts } from "./shared-parts.ts";
import { backlogOf } from "./config/server-configs.ts";
import type { Turn } from "./turn/turn.ts";

export interface BrokerRoleOptions {
  /**
   * Most bytes held for requests that have not arrived in full, and again for replies not yet sent; default: 256 MiB.
   */
  readonly heldBytes?: number;
  /** Logs of a new topic that are created in one turn of the event loop; default: 50. */
  readonly openAtOnce?: number;
  /** Bytes of the coordinators' logs that are loaded in one turn of the event loop; default: 4 MiB. */
  readonly loadBytes?: number;
  /** Validates large batches off the event loop; without it they are validated on the event loop. */
  readonly judge?: RemoteJudge;
  /** Receives the metrics that clients push (KIP-714); without it the telemetry APIs are not announced. */
  readonly telemetry?: TelemetrySink;
  /** Decides which actions clients may perform; default: all. */
  readonly authorizer?: Authorizer;
  /** Decides on the fate of requests to the broker's listeners, for tests of clients. */
  readonly intercept?: Interceptor;
}

/** Ways to the controller. A connection carries one request at a time, so that each purpose has its own. */
export interface ControllerChannels {
  readonly forwarding: ControllerChannel;
  readonly heartbeat: ControllerChannel;
  readonly assignments: ControllerChannel;
  readonly isr: ControllerChannel;
  readonly producerIds: ControllerChannel;
}

/** Parts that the node gives to its broker alone. */
interface BrokerRoleParts {
  readonly turn: Turn;
  readonly plan: ListenerPlan;
  readonly channels: ControllerChannels;
  /** Ends the node, for a reason. */
  readonly halt: (why: string) => void;
}

/** Lines about groups that are logged: their members can come and go as fast as they like. */
const GROUP_LINES = { lines: 200, periodMs: 10_000 };
/** Interval of flushes, removals and checkpoints. */
const TICK_MS = 1000;
const OPEN_AT_ONCE = 50;
const LOAD_BYTES = 4 * 1024 * 1024;
const HELD_BYTES = 256 * 1024 * 1024;

/** The broker of a node (`BrokerServer`): serves clients. It reaches the controller through a channel only. */
export class BrokerRole {
  readonly #shared: SharedParts;
  /** Current settings; some change at run time. */
  config: BrokerConfig;
  readonly turn: Turn;
  readonly judging: Judging;
  readonly sessions: FetchSessions;
  readonly moves: Moves;
  /** Replication of partitions with other brokers. */
  readonly replication: Replication;
  readonly topics: Topics;
  readonly loads: LoadQueue;
  readonly groups: Groups;
  readonly transactions: Transactions;
  readonly shares: ShareGroups;
  /** Way to the other brokers. */
  readonly peers: BrokerPeers;
  readonly telemetry: ClientTelemetry | undefined;
  readonly pendingFetches = new Set<Watcher>();
  readonly autoTopics: AutoTopicCreation;
  readonly producerIds: ProducerIds;
  /** Way to the active controller. */
  readonly channel: ControllerChannel;
  readonly #lifecycle: BrokerLifecycle;
  readonly #assignments: Assignments;
  readonly #cleaner: LogCleaner;
  readonly #apis: ReadonlyMap<number, ServedApi>;
  readonly #server: SocketServer<ServedApi>;
  readonly #tasks: PeriodicTasks;
  #plan: ListenerPlan;
  /** Names of settings without an effect that were logged already: each is logged once. */
  readonly #idle = new Set<string>();

  constructor(shared: SharedParts, options: BrokerRoleOptions & BrokerRoleParts) {
    this.#shared = shared;
    const { turn, plan, channels } = options;
    this.channel = channels.forwarding;
    this.turn = turn;
    this.#plan = plan;
    const { env, nodeId, clusterId, incarnationId, config, settings, tools, dirs, loader } = shared;
    this.config = config;
    this.#tasks = new PeriodicTasks(env);
    this.judging = new Judging(new BatchJudge(tools), options.judge);
    const random = (): number => env.random.next();
    this.sessions = new FetchSessions(config["max.incremental.fetch.session.cache.slots"], random);
    const maxBytes = config["telemetry.max.bytes"];
    const sink = options.telemetry;
    this.telemetry = sink === undefined ? undefined : new ClientTelemetry({ env, sink, maxBytes });
    this.#apis = servedApis({ telemetry: sink !== undefined, unstable: config["unstable.api.versions.enable"] });
    const metadataOffset = (): number => loader.image.provenance.offset;
    this.#lifecycle = new BrokerLifecycle({
      env,
      nodeId,
      clusterId,
      incarnationId,
      config,
      dirs,
      offlineDirs: () => dirs.offlineIds.filter(id => !this.moves.unsettled.has(id)),
      channel: channels.heartbeat,
      metadataOffset,
      complaint: () => shared.quorum.complaint,
      halt: options.halt,
    });
    const brokerEpoch = () => this.#lifecycle.brokerEpoch;
    this.#assignments = new Assignments({ nodeId, brokerEpoch, channel: channels.assignments });
    this.producerIds = new ProducerIds({ nodeId, brokerEpoch, channel: channels.producerIds });
    this.autoTopics = new AutoTopicCreation({ logger: env.logger, config: () => this.config, channel: this.channel });
    this.#cleaner = new LogCleaner({ env, dirs: () => dirs.live, settings: () => cleanerSettings(this.config) });
    this.moves = new Moves({
      env,
      throttle: {
        quota: copyQuota(env.clock, () => this.config),
        backoffMs: () => this.config["replica.fetch.backoff.ms"],
      },
      assign: placed => this.#assignments.report([placed]),
      settled: () => dirs.anyOffline && this.#lifecycle.heartbeat(),
    });
    const openAtOnce = options.openAtOnce ?? OPEN_AT_ONCE;
    const opened = (): void => this.#assign(this.topics.takeMisplaced());
    const { buffers } = shared;
    const introduction = shared.security.introductions.brokers;
    const endpointOf = (id: BrokerId) => aliveNode(this.topics.image, id, this.#interBrokerListener);
    this.replication = new Replication({
      ...{ env, turn, nodeId, brokerEpoch, endpointOf, introduction, buffers },
      config: () => this.config,
      proposeIsr: alterPartition({
        nodeId,
        brokerEpoch,
        call: async request => channels.isr.call("AlterPartition", Apis.AlterPartition.request.defaults(request)),
      }),
    });
    const { moves, replication } = this;
    this.topics = new Topics(
      { env, nodeId, turn, dirs, settings, moves, replication, openAtOnce, opened },
      EMPTY_IMAGE,
    );
    this.loads = new LoadQueue(env, options.loadBytes ?? LOAD_BYTES);
    this.peers = new BrokerPeers({ env, nodeId, introduction, endpointOf, config: () => this.config });
    this.shares = new ShareGroups(this);
    this.groups = this.#newGroups();
    this.transactions = new Transactions(transactionHost(this), this.topics);
    this.#server = this.#newServer(options);
  }

  #newGroups(): Groups {
    const { env, tools, config, loads, shares } = this;
    return new Groups(
      {
        env,
        tools,
        loads,
        loadBytes: config["offsets.load.buffer.size"],
        writeTimeoutMs: config["offsets.commit.timeout.ms"],
        compression: codecOf(config["offsets.topic.compression.codec"]),
        config: groupConfig(this),
        newId: () => randomJavaUuid(length => this.env.random.bytes(length)),
        notes: limited(named(env.logger, "org.apache.kafka.coordinator.group"), env.clock, GROUP_LINES),
        shareGroups: shares.membership,
        initialize: (what, done) => shares.states.initialize(what, done),
      },
      this.topics,
    );
  }

  #newServer(options: BrokerRoleOptions): SocketServer<ServedApi> {
    const { heldBytes = HELD_BYTES, intercept } = options;
    const { env, turn, metrics, topics, quotas, buffers } = this;
    const requests = new RequestHandler(this.#parts(), topics, this.#shared.authorizer);
    return new SocketServer({
      env,
      turn,
      metrics,
      quotas,
      buffers,
      config: () => this.config,
      heldBytes,
      apis: this.#apis,
      backlog: backlogOf(this.settings.file, this.config),
      listenerLimit: (listener, name) => this.settings.listenerLimit(this.#shared.loader.image, listener, name),
      protectedListener: this.#interBrokerListener,
      tlsOf: listener => this.#shared.security.open(listener),
      securityOf: listener => this.#shared.security.of(listener),
      requests: intercept === undefined ? requests : new InterceptedRequests(env, requests, intercept),
      disconnected: peer => {
        this.telemetry?.disconnected(peer);
        this.shares.disconnected(peer);
      },
    });
  }

  get env(): SharedParts["env"] {
    return this.#shared.env;
  }

  get nodeId(): BrokerId {
    return this.#shared.nodeId;
  }

  get tools(): Tools {
    return this.#shared.tools;
  }

  get settings(): Settings {
    return this.#shared.settings;
  }

  get dirs(): LogDirs {
    return this.#shared.dirs;
  }

  get leaderQuota(): ReplicationQuota {
    return this.replication.leaderQuota;
  }

  get followerWaits(): FollowerWaits {
    return this.replication.followerWaits;
  }

  get metrics(): BrokerMetrics {
    return this.#shared.metrics;
  }

  get quotas(): Quotas {
    return this.#shared.quotas;
  }

  get buffers(): BufferPool {
    return this.#shared.buffers;
  }

  /** Epoch of this broker's registration; −1 before it. */
  get brokerEpoch(): BrokerLifecycle["brokerEpoch"] {
    return this.#lifecycle.brokerEpoch;
  }

  /** State as a number (`BrokerState`). */
  get stateNumber(): number {
    return this.#lifecycle.stateNumber;
  }

  /** Advertised endpoints by listener name. */
  get advertised(): ReadonlyMap<string, Endpoint> {
    return this.#server.advertised;
  }

  /** Name of the listener between brokers. */
  get #interBrokerListener(): string {
    const { config } = this;
    return (config["inter.broker.listener.name"] ?? config["security.inter.broker.protocol"]).toUpperCase();
  }

  /** Bytes of replies that clients have not taken yet. */
  get unsent(): { readonly room: number } {
    return this.#server.unsent;
  }

  /** Registers with the controller, applies the metadata, and opens the listeners. */
  async start(): Promise<void> {
    const { loader } = this.#shared;
    this.#cordon(this.settings.broker(loader.image));
    await this.#server.bind(this.#plan);
    loader.install([this.#lifecycle]);
    await this.#lifecycle.start([...this.advertised.values()]);
    loader.install(this.#publishers());
    await this.#lifecycle.unfence();
    this.#server.enable();
    this.#startTasks();
  }

  #startTasks(): void {
    const { env, dirs } = this.#shared;
    const { config, transactions } = this;
    this.#tasks.every("tick", TICK_MS, () => {
      dirs.tick(env.clock.monotonic());
      this.#server.closeStalled();
      this.telemetry?.expire();
    });
    const firstMs = config["log.initial.task.delay.ms"];
    this.#tasks.every("retention", config["log.retention.check.interval.ms"], () => retain(this), firstMs);
    const sweepMs = this.replication.lagMs / 2;
    this.#tasks.every("replicas in sync", sweepMs, () => this.replication.sweep(this.topics.all()));
    this.#tasks.every("producers", config["producer.id.expiration.check.interval.ms"], () => expireProducers(this));
    this.#tasks.every("expiry", config["offsets.retention.check.interval.ms"], () => this.groups.cleanUp());
    this.#tasks.every(
      "transaction timeouts",
      config["transaction.abort.timed.out.transaction.cleanup.interval.ms"],
      () => transactions.abortTimedOut(),
    );
    this.#tasks.every("transaction expiry", config["transaction.remove.expired.transaction.cleanup.interval.ms"], () =>
      transactions.expire(),
    );
    this.#tasks.every("idle", Math.max(1000, config["connections.max.idle.ms"] / 10), () => this.#server.closeIdle());
    this.metrics.gauge(
      "samsa_request_bytes_in_flight",
      "Bytes of requests being handled.",
      () => this.#server.requestBytes,
    );
    addGauges(this, this.#cleaner);
  }

  /** Begins to compact logs. */
  startCleaner(): void {
    this.#cleaner.start();
  }

  /** Parts of this broker that request handlers may use. */
  #parts(): BrokerParts {
    const config = () => this.config;
    const unsent = () => this.unsent;
    const { env, nodeId, clusterId, settings, security, tools, quotas, dirs, quorum } = this.#shared;
    const { turn, judging, metrics, telemetry, sessions, pendingFetches } = this;
    const {
      moves,
      topics,
      groups,
      transactions,
      shares,
      autoTopics,
      producerIds,
      channel,
      leaderQuota,
      followerWaits,
    } = this;
    return {
      security,
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
      leaderQuota,
      followerWaits,
      telemetry,
      sessions,
      pendingFetches,
      get unsent() {
        return unsent();
      },
      dirs,
      moves,
      topics,
      groups,
      transactions,
      writeMarker: (write, done) => writeMarker({ env, tools, groups }, topics, write, done),
      shares,
      channel,
      producerIds,
      autoTopics,
      kraftVersion: () => quorum.kraftVersion,
      apis: () => [...this.#apis.values()].map(announced),
      nodes: listener => this.nodes(listener),
      node: (id, listener) => this.node(id, listener),
    };
  }

  /** Publishers of the metadata, in the order in which they apply changes. */
  #publishers(): MetadataPublisher[] {
    return [
      { name: "dynamic settings", publish: (changes, image) => this.#reconfigure(changes, image) },
      { name: "client metrics", publish: (_changes, image) => this.telemetry?.update(image.configs) },
      { name: "replicas", publish: (changes, image) => this.#updateReplicas(changes, image) },
      { name: "coordinators", publish: (changes, image) => this.#updateCoordinators(changes, image) },
    ];
  }

  #updateReplicas(changes: MetadataChanges, image: MetadataImage): void {
    this.topics.apply(changes, image);
    this.#assign(this.topics.takeMisplaced());
    if (changes.changedConfigs.size > 0 && this.#cordon(this.config)) this.#lifecycle.heartbeat();
  }

  #updateCoordinators(changes: MetadataChanges, image: MetadataImage): void {
    this.groups.update();
    this.groups.follow(changes, image);
    // Load transaction shards after group shards: they may write markers for groups at once.
    this.transactions.update();
    this.shares.update();
    const deleted = [...changes.deletedTopics.values()];
    this.groups.topicsDeleted(deleted);
    if (deleted.length > 0) this.shares.states.topicsDeleted();
    // Another topic may have taken the name in the same image.
    for (const { name } of deleted) if (!image.topicIds.has(name)) this.metrics.topics.topicDeleted(name);
  }

  /** See `SocketServer.secure`. */
  secure(listener: string, options: TlsServerOptions): void {
    this.#server.secure(listener, options);
  }

  #reconfigure({ changedConfigs }: MetadataChanges, image: MetadataImage): void {
    const own = ["", String(this.nodeId)].map(name => configKey(RESOURCE_TYPE.broker, name));
    if (!own.some(key => changedConfigs.has(key))) return;
    const before = this.#plan;
    this.config = this.settings.broker(image);
    for (const setting of this.settings.idle(image)) {
      if (this.#idle.has(setting)) continue;
      this.#idle.add(setting);
      this.env.logger.warn("this setting was changed at run time and has no effect", { setting });
    }
    try {
      this.#plan = this.#admitted(planListeners(listenerSettings(this.config, this.env.network.hostName)).broker);
    } catch (error) {
      // The change was validated when it was requested; the file has changed since.
      this.env.logger.error("the listeners in the metadata do not fit the file, which counts", { error });
    }
    const names = ({ listen }: ListenerPlan) => listen.map(({ name }) => name).join();
    if (names(before) !== names(this.#plan)) this.#server.follow(this.#plan);
  }

  /** Plan without listeners that must not be opened. */
  #admitted({ listen, advertise }: ListenerPlan): ListenerPlan {
    const admitted = listen.filter(endpoint => {
      const reason = this.#shared.security.refusal(endpoint);
      if (reason !== undefined) this.env.logger.error("a listener in the metadata is not opened", { reason });
      return reason === undefined;
    });
    return { listen: admitted, advertise };
  }

  /**
   * Reports replica directories to the controller. After a failure they are reported again when their topics change.
   */
  #assign(placed: readonly Placed[]): void {
    this.#assignments.report(placed).catch((error: unknown) => {
      this.env.logger.error("the controller could not be told where replicas are", { error });
    });
  }

  /** Applies `cordoned.log.dirs`; true if it has changed. */
  #cordon({ "cordoned.log.dirs": wanted }: BrokerConfig): boolean {
    const { paths, cordoned } = this.dirs;
    const next = new Set(wanted.includes("*") ? paths : wanted);
    if (next.size === cordoned.size && [...next].every(path => cordoned.has(path))) return false;
    this.dirs.cordoned = next;
    return true;
  }

  /** Fails all requests that wait for partitions of failed directories, and reports these if `isTold`. */
  directoriesFailed(isTold: boolean): void {
    this.topics.failOffline();
    this.moves.cancelFailed();
    for (const shards of [this.groups, this.transactions, this.shares.states]) shards.resignOffline();
    if (isTold) this.#lifecycle.directoriesFailed();
  }

  /** Endpoint of an unfenced broker for a listener. */
  node(id: BrokerId, listener: string): BrokerNode | undefined {
    if (id !== this.nodeId) return aliveNode(this.topics.image, id, listener);
    // Listeners of this broker may have changed since its registration.
    const endpoint = this.advertised.get(listener);
    const rack = this.config["broker.rack"] ?? null;
    return endpoint && { nodeId: id, host: endpoint.host, port: endpoint.port, rack };
  }

  /** Unfenced brokers with their endpoints for a listener. */
  nodes(listener: string): BrokerNode[] {
    const others = aliveNodes(this.topics.image, listener).filter(({ nodeId }) => nodeId !== this.nodeId);
    return [...others, this.node(this.nodeId, listener) ?? []].flat().sort((a, b) => a.nodeId - b.nodeId);
  }

  /**
   * Has the leaders moved to other brokers, then refuses new connections, and sends pending replies; `closeConnections`
   * ends the connections.
   */
  async close(): Promise<void> {
    const { config, nodeId } = this;
    const hasOthers = this.topics.image.brokers.size > (this.topics.image.brokers.has(nodeId) ? 1 : 0);
    if (config["controlled.shutdown.enable"] && hasOthers) await this.#lifecycle.stop();
    this.#lifecycle.close();
    await this.#server.stopListening();
    this.#tasks.close();
    this.replication.close();
    for (const fetch of [...this.pendingFetches]) fetch.changed();
    this.transactions.close(Errors.NOT_COORDINATOR.code);
    this.groups.close(Errors.NOT_COORDINATOR.code);
    this.shares.close();
    await this.#server.drain();
    this.peers.close();
    await this.#cleaner.stop();
    await this.moves.close();
  }

  /** Stops appends to logs: last replies are still being sent, and further requests may come. */
  closeTopics(): void {
    this.topics.close();
  }

  /** Closes the connections that are left. */
  closeConnections(): void {
    this.#server.close();
  }
}
