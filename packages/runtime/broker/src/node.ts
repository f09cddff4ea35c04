import {
  type BrokerId,
  BufferPool,
  ConfigError,
  entryAt,
  type Env,
  ignored,
  invariant,
  nearestNumber,
  parseConfig,
  randomUuid,
  type Timer,
  TlsError,
} from "@samsa/base";
import { configKey, EMPTY_IMAGE, type MetadataChanges, type MetadataImage, RESOURCE_TYPE } from "@samsa/metadata";
import { METADATA_TOPIC } from "@samsa/quorum";
import { metadataLogConfig, QuorumError, RaftClient } from "@samsa/raft";
import type { Tools } from "@samsa/records";
import { adviceOf, LogDirError, LogDirs } from "@samsa/storage";
import { parseEndpoints } from "@samsa/wire";
import { ALLOW_ALL } from "@samsa/security";
import { BrokerRole, type BrokerRoleOptions } from "./broker-role.ts";
import { checkBrokerConfigs, namedAnew } from "./config/config-checks.ts";
import { type BrokerConfig, brokerConfigs } from "./config/configs.ts";
import { checkProtection } from "./config/protection.ts";
import { checkRoles } from "./config/roles.ts";
import { cordonFault, logConfig, Settings } from "./config/settings.ts";
import { BOOTSTRAP, ControllerRole } from "./controller-role.ts";
import { CustomQuotas } from "./quotas/custom-quotas.ts";
import { type LoadedQuotaCallback, loadQuotaCallback, type QuotaCallbackLoader } from "./quotas/quota-callback.ts";
import { Quotas } from "./quotas/quotas.ts";
import { MetadataLoader } from "./metadata/loader.ts";
import { ChangeLog } from "./metadata/change-log.ts";
import { LifeLog } from "./lifecycle/life-log.ts";
import { QuotaPublisher } from "./metadata/quota-publisher.ts";
import {
  type Endpoint,
  listenerSettings,
  type NodeListeners,
  planListeners,
  quorumVoters,
} from "./config/listeners.ts";
import { PeriodicTasks } from "./turn/periodic-tasks.ts";
import { NodeSecurity } from "./security/node-security.ts";
import { ClusterAuthorizer } from "./security/cluster-authorizer.ts";
import { SnapshotGenerator } from "./quorum/snapshot-generator.ts";
import { ControllerRegistration } from "./lifecycle/controller-registration.ts";
import type { MetricFamily, MetricSource } from "./turn/metric.ts";
import { microseconds } from "./turn/histogram.ts";
import { BrokerMetrics } from "./turn/metrics.ts";
import type { SharedParts } from "./shared-parts.ts";
import { quorumSettings } from "./quorum/quorum-settings.ts";
import { addQuorumGauges } from "./quorum/quorum-gauges.ts";
import { Turn } from "./turn/turn.ts";
import { hasPolicies, Policies, type PolicyLoader, warnOfPolicies } from "./controller/policies.ts";
import type { ControllerChannel } from "./controller/controller-channel.ts";
import { NodeToControllerChannel } from "./controller/node-to-controller-channel.ts";

/** Settings of a node, and the parts that the app provides. */
export interface NodeOptions extends BrokerRoleOptions {
  /** The settings as the user wrote them; see `brokerConfigs`. */
  readonly settings: ReadonlyMap<string, string>;
  /** Cluster id for a directory that is formatted at this start; random if missing. */
  readonly clusterId?: string;
  /** Called with the reason when the node cannot continue and has closed itself. */
  readonly onHalt?: (reason: string) => void;
  /** Version of this software, which other nodes count (KIP-511). */
  readonly version?: string;
  /** Bytes of recent batches kept in memory; default: 16 MiB. */
  readonly tailBytes?: number;
  /** Pool of memory for requests and reads. */
  readonly buffers?: BufferPool;
  /**
   * Refuses listeners that the metadata add if other machines reach them, and if they let everyone in; those of the
   * settings are the app's to refuse. False by default.
   */
  readonly refusesStrangers?: boolean;
  /** Loads the policies that the settings of a controller name; without it such settings are refused. */
  readonly policies?: PolicyLoader;
  /** Loads the class of `client.quota.callback.class`; without it that setting is refused. */
  readonly quotaCallback?: QuotaCallbackLoader;
}

const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "::1"]);
/** Time after which a forwarded request is given up, in ms (`BrokerServer`). */
const FORWARDING_MS = 60_000;
/** Time after which a request of a controller to register is given up, to be sent again, in ms (`ControllerServer`). */
const REGISTRATION_MS = 5000;
/** Interval of snapshots and trimming of the metadata log (`KafkaRaftClient`). */
const METADATA_MS = 60_000;
/** Interval at which idle quota meters are removed. */
const QUOTA_EXPIRY_MS = 60_000;
/** Interval at which a quota callback is asked for changes. */
const QUOTA_POLL_MS = 1000;
/** Interval at which trimmed segments are removed and checkpoints written. */
const TICK_MS = 1000;
/** Longest time that a timer can have, in ms: longer limits are none. */
const LONGEST_TIMER_MS = 2147483647;

/** Settings that are valid, and the classes that they name. */
interface Checked {
  readonly given: ReadonlyMap<string, string>;
  readonly config: BrokerConfig;
  readonly policies: Policies | undefined;
  readonly callback: LoadedQuotaCallback | undefined;
}

/**
 * A node with the roles of broker and controller (`KafkaRaftServer`): builds both over the parts that they share, and
 * starts and stops them.
 */
export class Node {
  readonly shared: SharedParts;
  readonly #turn: Turn;
  readonly #plan: NodeListeners;
  readonly #options: NodeOptions;
  readonly #policies: Policies | undefined;
  readonly #tasks: PeriodicTasks;
  readonly #log: ChangeLog;
  readonly #snapshots: SnapshotGenerator;
  /** Undefined without `authorizer.class.name`. */
  readonly #acls: ClusterAuthorizer | undefined;
  /** Undefined until this node leads the quorum. */
  #controller: ControllerRole | undefined;
  #registration: ControllerRegistration | undefined;
  #broker: BrokerRole | undefined;
  readonly #channels: NodeToControllerChannel[] = [];
  #isStarted = false;
  /** Fails the start. */
  #abort: (error: Error) => void = ignored("nothing can fail before the start");
  #quorumFailure: Error | undefined;
  /** True while the log directories are opened. */
  #isReading = true;
  #closing: Promise<void> | undefined;
  #handedOver: Promise<void> | undefined;

  /** Opens the log directories and reads them. Throws `ConfigError`, `LogDirError` or `DiskError`. */
  private constructor(env: Env, options: NodeOptions, { given, config, policies, callback }: Checked) {
    this.#options = options;
    this.#policies = policies;
    const settings = new Settings(config["node.id"], given);
    // Report faults of the listener settings before anything is done.
    const listeners = listenerSettings(config, env.network.hostName);
    this.#plan = planListeners(listeners);
    this.#turn = new Turn(env.timers, error => env.logger.error("a task failed", { error }));
    this.#tasks = new PeriodicTasks(env);
    const isActive = (): boolean => this.shared.quorum.isLeader;
    this.#log = new ChangeLog({ logger: env.logger, nodeId: config["node.id"], isActive });
    const buffers = options.buffers ?? new BufferPool();
    const tools: Tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };
    const quotas = new Quotas(
      { count: config["quota.window.num"], ms: config["quota.window.size.seconds"] * 1000 },
      { count: config["controller.quota.window.num"], ms: config["controller.quota.window.size.seconds"] * 1000 },
      host => env.network.resolve(host),
      callback && new CustomQuotas(env, callback),
    );
    const loader = new MetadataLoader(env.logger);
    const software = { name: "samsa", version: options.version ?? "0.0.0" };
    const { refusesStrangers = false } = options;
    const security = new NodeSecurity(
      { env, config, given, software, refusesStrangers, image: () => loader.image },
      listeners,
    );
    const metrics = new BrokerMetrics();
    const dirs = this.#openDirs(env, { config, settings, buffers, loader, metrics });
    this.#isReading = false;
    const nodeId = config["node.id"];
    const quorum = this.#openQuorum(dirs, { config, tools, loader, security });
    this.#acls = config["authorizer.class.name"] === "" ? undefined : new ClusterAuthorizer(env, config);
    const authorizer = options.authorizer ?? this.#acls?.authorizer ?? ALLOW_ALL;
    const { clusterId } = dirs;
    const incarnationId = randomUuid(length => env.random.bytes(length));
    const parts = { settings, tools, buffers, dirs, quotas, metrics, quorum, loader, authorizer, security };
    this.shared = { env, nodeId, clusterId, incarnationId, config, ...parts };
    this.#snapshots = new SnapshotGenerator(env, config, quorum);
  }

  /** Starts a node; resolves once it serves. Rejects with an error whose message tells a user what to do. */
  static async start(env: Env, options: NodeOptions): Promise<Node> {
    const given = namedAnew(options.settings);
    checkBrokerConfigs(given.keys(), name => given.get(name));
    const config = parseConfig(brokerConfigs, name => given.get(name));
    checkProtection(given);
    checkRoles(config);
    // Load policies before anything is written: a node without those that it should have does not start.
    const policies = hasPolicies(config) ? await Policies.load(env, config, given, options.policies) : undefined;
    const callback = await loadQuotaCallback(config, given, options.quotaCallback).catch(async (error: unknown) => {
      await policies?.close();
      throw error;
    });
    const life = new LifeLog(env);
    life.starts(config);
    const node = await Node.#opened(env, options, { given, config, policies, callback });
    try {
      await node.#start();
      life.serves(node);
      return node;
    } catch (error) {
      await node.close().catch(ignored("the error of the start is reported, not that of the stop"));
      throw error;
    }
  }

  static async #opened(env: Env, options: NodeOptions, checked: Checked): Promise<Node> {
    try {
      return new Node(env, options, checked);
    } catch (error) {
      await checked.policies?.close();
      await checked.callback?.close().catch(ignored("the error of the start is reported, not that of the stop"));
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { quorum, loader, security } = this.shared;
    await security.load();
    if (this.#acls !== undefined) loader.install([this.#acls]);
    // Before those of the roles, which open listeners.
    loader.install([{ name: "security", publish: (changes, image) => this.#updateSecurity(changes, image) }]);
    const { env, quotas, clusterId } = this.shared;
    loader.install([new QuotaPublisher(env, quotas, clusterId), this.#log]);
    quorum.load();
    loader.publish();
    const limit = this.#limitStart();
    try {
      await new Promise<void>((resolve, reject) => {
        this.#abort = reject;
        this.#startRoles().then(resolve, reject);
      });
    } finally {
      limit?.cancel();
    }
    this.#tasks.every("metadata", METADATA_MS, () => this.maintainMetadata());
    this.#tasks.every("quotas", QUOTA_EXPIRY_MS, () => quotas.expire(env.clock.monotonic()));
    const { custom } = quotas;
    if (custom !== undefined) this.#tasks.every("quota callback", QUOTA_POLL_MS, () => custom.poll());
    // A broker looks after the directories itself.
    if (this.#broker === undefined) {
      this.#tasks.every("tick", TICK_MS, () => this.dirs.tick(this.env.clock.monotonic()));
    }
    const fate = this.#fate();
    if (fate !== undefined) throw new LogDirError(`the broker cannot start: ${fate}`);
    this.#broker?.startCleaner();
    this.#isStarted = true;
  }

  /** Fails a start that takes too long (`server.max.startup.time.ms`). */
  #limitStart(): Timer | undefined {
    const ms = this.shared.config["server.max.startup.time.ms"];
    if (ms > LONGEST_TIMER_MS) return undefined;
    const why = `the start has taken longer than ${ms} ms (server.max.startup.time.ms)`;
    return this.env.timers.after(ms, () => this.#abort(new Error(why)));
  }

  /** Takes over dynamic settings of security, which count for later connections. */
  #updateSecurity({ changedConfigs }: MetadataChanges, image: MetadataImage): void {
    const { env, nodeId, settings, security } = this.shared;
    if (!changedConfigs.has(configKey(RESOURCE_TYPE.broker, String(nodeId)))) return;
    try {
      security.follow(image, listenerSettings(settings.broker(image), env.network.hostName), (listener, options) => {
        this.#controller?.secure(listener, options);
        this.#broker?.secure(listener, options);
      });
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof TlsError)) throw error;
      const reason = error.message;
      env.logger.error("settings of security cannot be used; those before stay in force", { reason });
    }
  }

  async #startRoles(): Promise<void> {
    const { config, quorum, loader } = this.shared;
    const roles = config["process.roles"];
    let endpoints: readonly Endpoint[] = [];
    if (roles.includes("controller")) {
      this.#controller = new ControllerRole(this.shared, {
        turn: this.#turn,
        plan: this.#plan.controller,
        policies: this.#policies,
        onFailure: () => this.#offline(),
      });
      endpoints = await this.#controller.bind();
      if (endpoints.length === 0) this.#checkAlone();
    } else warnOfPolicies(this.env.logger, config);
    quorum.start(endpoints);
    this.#controller?.enable();
    loader.install([this.#snapshots]);
    if (endpoints.length > 0) this.#registerController(endpoints);
    if (!roles.includes("broker")) return this.#addGauges();
    this.#broker = new BrokerRole(this.shared, {
      ...this.#options,
      channels: {
        forwarding: this.#channel(FORWARDING_MS),
        heartbeat: this.#channel(config["broker.session.timeout.ms"]),
        assignments: this.#channel(Infinity),
        isr: this.#channel(Infinity),
        producerIds: this.#channel(FORWARDING_MS),
      },
      turn: this.#turn,
      plan: this.#plan.broker,
      halt: why => this.#halt(why),
    });
    this.#addGauges();
    await this.#broker.start();
  }

  #addGauges(): void {
    addQuorumGauges(this.env, this.shared.metrics, this.shared.quorum);
    this.#controller?.addGauges();
  }

  #registerController(endpoints: readonly Endpoint[]): void {
    const { env, nodeId, incarnationId, config, loader } = this.shared;
    const channel = this.#channel(REGISTRATION_MS);
    this.#registration = new ControllerRegistration({ env, nodeId, incarnationId, config, endpoints, channel });
    loader.install([this.#registration]);
  }

  /** Throws `QuorumError` if the quorum has other voters, which could not reach this controller. */
  #checkAlone(): void {
    const { quorum, dirs } = this.shared;
    if (quorum.isOnlyVoter) return;
    const ids = quorum.voters.map(({ id }) => id).join(", ");
    throw new QuorumError(
      `The metadata in ${dirs.metadata.path} belongs to a quorum of the voters ${ids}; node ${this.nodeId} alone ` +
        "cannot lead it.",
    );
  }

  /** Way to the active controller, on a connection of its own. */
  #channel(retryTimeoutMs: number): ControllerChannel {
    const { env, nodeId, config, quorum, security } = this.shared;
    const channel = new NodeToControllerChannel({
      env,
      nodeId,
      config,
      clientId: String(nodeId),
      introduction: security.introductions.controllers,
      active: () => (quorum.isLeader ? { id: nodeId, host: "", port: 0 } : quorum.leaderEndpoint()),
      local: this.#controller?.channel,
      retryTimeoutMs,
    });
    this.#channels.push(channel);
    return channel;
  }

  get env(): Env {
    return this.shared.env;
  }

  get nodeId(): BrokerId {
    return this.shared.nodeId;
  }

  get clusterId(): string {
    return this.shared.clusterId;
  }

  get dirs(): LogDirs {
    return this.shared.dirs;
  }

  get broker(): BrokerRole {
    invariant(this.#broker !== undefined, "a node that has started has a broker");
    return this.#broker;
  }

  /** Advertised endpoints of the broker, or of a controller that is no broker, by listener name. */
  get advertised(): ReadonlyMap<string, Endpoint> {
    return this.#broker?.advertised ?? this.#controller?.advertised ?? new Map();
  }

  /** Metrics of the roles of this node, which read their values one at a time. */
  metricSources(): Iterable<MetricSource> {
    const { clock } = this.env;
    return this.shared.metrics.sources(() => clock.monotonic());
  }

  /** Metrics of the roles of this node, with their values now. */
  metricFamilies(): MetricFamily[] {
    const { clock } = this.env;
    return this.shared.metrics.families(() => clock.monotonic());
  }

  /** True if the node can take records. */
  get healthy(): boolean {
    return this.#closing === undefined && this.#fate() === undefined;
  }

  /** Starts a snapshot of the metadata if one is due, and trims their log. */
  maintainMetadata(): void {
    this.#snapshots.maintain();
  }

  #openDirs(
    env: Env,
    {
      config,
      settings,
      buffers,
      loader,
      metrics,
    }: Pick<SharedParts, "config" | "settings" | "buffers" | "loader" | "metrics">,
  ): LogDirs {
    const { clusterId, tailBytes } = this.#options;
    const paths = config["log.dirs"] ?? config["log.dir"];
    const fault = cordonFault(config["cordoned.log.dirs"], paths);
    if (fault !== undefined) throw new ConfigError("cordoned.log.dirs", config["cordoned.log.dirs"].join(","), fault);
    const defaults = logConfig(settings.topic(EMPTY_IMAGE, ""));
    return new LogDirs(env, {
      paths,
      metadataPath: config["metadata.log.dir"] ?? entryAt(paths, 0),
      metadataTopic: METADATA_TOPIC,
      nodeId: config["node.id"],
      ...(clusterId === undefined ? {} : { clusterId }),
      mustBeFormatted: hasPeers(config),
      configOf: topic => {
        if (topic === METADATA_TOPIC) return metadataLogConfig(segmentsOf(config));
        // Logs that are found here get their topics' settings once the metadata has been read.
        return this.#isReading ? defaults : logConfig(settings.topic(loader.image, topic));
      },
      buffers,
      ...(tailBytes === undefined ? {} : { tailBytes }),
      checkpoints: {
        checkpointIntervalMs: config["log.flush.offset.checkpoint.interval.ms"],
        firstCheckpointMs: config["log.initial.task.delay.ms"],
        startIntervalMs: config["log.flush.start.offset.checkpoint.interval.ms"],
        watermarkIntervalMs: config["replica.high.watermark.checkpoint.interval.ms"],
      },
      flushed: ms => metrics.flushes.record(microseconds(ms)),
      onOffline: () => this.#offline(),
    });
  }

  #openQuorum(
    dirs: LogDirs,
    { config, tools, loader, security }: Pick<SharedParts, "config" | "tools" | "loader" | "security">,
  ): RaftClient {
    try {
      return new RaftClient({
        dir: dirs.metadata,
        tools,
        nodeId: config["node.id"],
        clusterId: dirs.clusterId,
        introduction: security.introductions.controllers,
        isController: config["process.roles"].includes("controller"),
        listenerNames: config["controller.listener.names"],
        staticVoters: quorumVoters(config),
        bootstrapServers: this.#bootstrapServers(config),
        settings: quorumSettings(config),
        bootstrap: () => BOOTSTRAP,
        retention: {
          maxBytes: config["metadata.max.retention.bytes"],
          maxMs: config["metadata.max.retention.ms"],
        },
        listener: {
          loadSnapshot: (records, last) => loader.loadSnapshot(records, last),
          replay: (records, last) => loader.replay(records, last),
          // Publish first: a client whose request changed the metadata finds them changed at its next request.
          committed: () => {
            loader.publish();
            this.#acls?.complete();
            this.#controller?.committed();
          },
          leaderChanged: ({ leaderId, epoch }) => {
            this.#log.leaderChanged(leaderId, epoch);
            this.#controller?.leaderChanged(leaderId);
          },
          failed: error => this.#quorumFailed(error),
        },
      });
    } catch (error) {
      dirs.abandon();
      throw error;
    }
  }

  /**
   * Addresses in `controller.quorum.bootstrap.servers`; none if all of them are listeners of this controller, which then
   * may begin a cluster in an empty directory.
   */
  #bootstrapServers(config: BrokerConfig): readonly { readonly host: string; readonly port: number }[] {
    const servers = parseEndpoints(config["controller.quorum.bootstrap.servers"].join(",")) ?? [];
    const { listen, advertise } = this.#plan.controller;
    const isOwn = ({ host, port }: { readonly host: string; readonly port: number }): boolean =>
      listen.some(one => one.port === port && (one.host === host || LOOPBACK.has(host))) ||
      [...advertise.values()].some(one => one.port === port && one.host === host);
    return servers.every(isOwn) ? [] : servers;
  }

  #quorumFailed(error: Error): void {
    this.#quorumFailure = error;
    this.#abort(error);
    this.#controller?.failed(error);
    this.#offline();
  }

  /** Handles a failed directory or controller. */
  #offline(): void {
    this.#turn.add("acknowledge", () => {
      const fate = this.#fate();
      const isGoingOn = this.#closing === undefined && fate === undefined;
      this.#broker?.directoriesFailed(isGoingOn);
      if (this.#closing === undefined && fate !== undefined) this.#halt(fate);
    });
  }

  /**
   * Reason why the node cannot continue, if any: without its metadata log, without any log directory, or after a fault
   * of the controller, Kafka exits.
   */
  #fate(): string | undefined {
    const { failures, live, metadata } = this.shared.dirs;
    const last = [...failures.values()].at(-1);
    if (last !== undefined && live.length === 0) {
      return `every log directory has failed, the last with ${last.message}; ${adviceOf(last)}`;
    }
    const { failure } = metadata;
    if (failure !== undefined) {
      return `the directory of the metadata has failed with ${failure.message}; ${adviceOf(failure)}`;
    }
    const fault = this.#controller?.failure ?? this.#quorumFailure;
    return fault && `the controller has failed with ${fault.message}; start again, and report it if it comes back`;
  }

  /** Closes the node once pending replies are sent, and reports the reason. */
  #halt(why: string): void {
    // A failing start reports its own error.
    if (!this.#isStarted) return;
    const reason = `the broker has ended: ${why}`;
    const told = () => this.#options.onHalt?.(reason);
    this.close().then(told, told);
  }

  /**
   * Stops the broker of this node, while its controller goes on: the brokers of a cluster that stops as a whole need the
   * controllers to move their leaders. `close` does the rest.
   */
  async handOver(): Promise<void> {
    this.#handedOver ??= this.#broker?.close();
    await this.#handedOver;
  }

  /**
   * Stops the node: refuses new connections, sends pending replies, flushes logs and marks the directories as clean.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { env, dirs, quorum } = this.shared;
    const life = new LifeLog(env);
    life.stops();
    this.#tasks.close();
    this.#snapshots.close();
    this.#registration?.close();
    await this.handOver();
    for (const channel of this.#channels) channel.close();
    await this.#controller?.close();
    this.shared.security.close();
    await this.#policies?.close();
    await this.shared.quotas.custom?.close();
    // The quorum elects another leader without delay: nobody decides until then.
    await quorum.close();
    await this.#controller?.drain();
    this.#broker?.closeTopics();
    try {
      await dirs.close(nearestNumber(this.#broker?.brokerEpoch ?? -1));
    } finally {
      this.#broker?.closeConnections();
      this.#controller?.closeConnections();
      life.hasStopped();
    }
  }
}

/** True if the settings name other nodes, so that this one must not begin a cluster of its own. */
function hasPeers(config: BrokerConfig): boolean {
  const isAlone = ["broker", "controller"].every(role => config["process.roles"].some(own => own === role));
  const others = quorumVoters(config).filter(({ id }) => id !== config["node.id"]);
  return !isAlone || others.length > 0 || config["controller.quorum.bootstrap.servers"].length > 1;
}

function segmentsOf(config: BrokerConfig) {
  return {
    segmentBytes: config["internal.metadata.log.segment.bytes"] ?? config["metadata.log.segment.bytes"],
    segmentMs: config["metadata.log.segment.ms"],
    fileDeleteDelayMs: config["internal.metadata.delete.delay.millis"],
  };
}
