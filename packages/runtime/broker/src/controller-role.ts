import type { AnyConfigSpec, BrokerId, TlsServerOptions } from "@samsa/base";
import { bootstrapRecords, type ControllerSettings, type ReplicationRules } from "@samsa/controller";
import type { MetadataImage } from "@samsa/metadata";
import { MAX_METADATA_BATCH } from "@samsa/quorum";
import type { Endpoint, ListenerPlan } from "./config/listeners.ts";
import { addControllerGauges, ElectionCounts } from "./controller/controller-gauges.ts";
import { BrokerWatch } from "./controller/broker-watch.ts";
import { ControllerRequests, LISTENER_APIS } from "./controller/controller-requests.ts";
import type { Policies } from "./controller/policies.ts";
import type { ControllerRow } from "./controller/controller-row.ts";
import { LocalController } from "./controller/local-controller.ts";
import { SocketServer } from "./network/socket-server.ts";
import { announced, type AnnouncedApi } from "./request/api-row.ts";
import { PeriodicTasks } from "./turn/periodic-tasks.ts";
import { backlogOf } from "./config/server-configs.ts";
import type { Turn } from "./turn/turn.ts";
import { configRules, type Settings, SOURCE } from "./config/settings.ts";
import { topicConfigs } from "./config/topic-configs.ts";
import type { SharedParts } from "./shared-parts.ts";
import type { ControllerChannel } from "./controller/controller-channel.ts";
import { FEATURES, METADATA_LEVEL, TOLERATED } from "./metadata/features.ts";
import { NotControllerError, QuorumController } from "./controller/quorum-controller.ts";

/** Records of a new cluster. */
export const BOOTSTRAP = bootstrapRecords({ metadataVersion: METADATA_LEVEL, features: FEATURES });

export interface ControllerRoleOptions {
  readonly turn: Turn;
  readonly plan: ListenerPlan;
  readonly policies: Policies | undefined;
  /** Called when the controller has failed and decides nothing any more. */
  readonly onFailure: () => void;
}

/** Most bytes held for requests that have not arrived in full, and again for replies not yet sent. */
const HELD_BYTES = 64 * 1024 * 1024;

/** Interval at which connections are looked at that do not take their replies, in ms. */
const STALLED_MS = 1000;

/** Looks up the settings for elections of a topic. It keeps those of the last topic, for the topic's other partitions. */
function replicationRules(settings: Settings): ControllerSettings["replication"] {
  let last:
    | { readonly configs: MetadataImage["configs"]; readonly topic: string; readonly rules: ReplicationRules }
    | undefined;
  return (image, topic) => {
    if (last?.topic === topic && last.configs === image.configs) return last.rules;
    const rules = {
      uncleanLeaderElection: settings.topicValue(image, topic, "unclean.leader.election.enable").value === "true",
      minInsyncReplicas: Number(settings.topicValue(image, topic, "min.insync.replicas").value),
    };
    last = { configs: image.configs, topic, rules };
    return rules;
  };
}

/** The controller of a node (`ControllerServer`). */
export class ControllerRole {
  readonly #shared: SharedParts;
  readonly #options: ControllerRoleOptions;
  readonly #controller: QuorumController;
  readonly #server: SocketServer<ControllerRow>;
  readonly #watch: BrokerWatch;
  readonly #tasks: PeriodicTasks;
  readonly #elections = new ElectionCounts();
  /** Way to this controller within the process. */
  readonly channel: ControllerChannel;

  constructor(shared: SharedParts, options: ControllerRoleOptions) {
    this.#shared = shared;
    this.#options = options;
    const { env, nodeId, clusterId, incarnationId, settings, config, quotas, quorum, loader, buffers, authorizer } =
      shared;
    this.#tasks = new PeriodicTasks(env);
    this.#controller = new QuorumController(
      {
        env,
        log: quorum,
        onFailure: options.onFailure,
        policies: options.policies,
        windows: { ms: config["metrics.sample.window.ms"], count: config["metrics.num.samples"] },
        slowMs: config["controller.performance.always.log.threshold.ms"],
        // Larger batches could not be read.
        maxBatchBytes: Math.min(config["internal.metadata.max.batch.size.in.bytes"], MAX_METADATA_BATCH),
      },
      {
        clusterId,
        numPartitions: config["num.partitions"],
        replicationFactor: config["default.replication.factor"],
        minInsyncReplicas: config["min.insync.replicas"],
        nodeId,
        features: TOLERATED,
        offered: FEATURES,
        hashes: env.crypto,
        tokens: shared.security.tokenSettings,
        kraftVersion: () => quorum.kraftVersion,
        quorumNodes: () => quorum.voters.map(({ id }) => id),
        sessionTimeoutMs: config["broker.session.timeout.ms"],
        // Another process with the id of this one has ended.
        isLocal: broker => broker.incarnationId === incarnationId,
        hasEnded: broker => broker.brokerId === nodeId && broker.incarnationId !== incarnationId,
        preferredElectionIntervalMs: config["auto.leader.rebalance.enable"]
          ? config["leader.imbalance.check.interval.seconds"] * 1000
          : undefined,
        uncleanElectionIntervalMs: config["unclean.leader.election.interval.ms"],
        maxIdleIntervalMs: config["metadata.max.idle.interval.ms"],
        configs: configRules(() => settings.broker(this.#controller.image)),
        replication: replicationRules(settings),
        describeTopic: overrides => this.#describeTopic(overrides),
      },
    );
    const apis = (): readonly AnnouncedApi[] => [...LISTENER_APIS.values()].map(announced);
    const image = (): MetadataImage => loader.image;
    const controller = this.#controller;
    const parts = { env, nodeId, clusterId, config, settings, quotas, quorum, controller, image, apis, authorizer };
    this.channel = new LocalController(parts);
    this.#watch = new BrokerWatch({ env, image, gone: broker => this.#controller.lost(broker) });
    this.#server = new SocketServer({
      env,
      turn: options.turn,
      metrics: shared.metrics,
      quotas,
      buffers,
      config: () => config,
      heldBytes: HELD_BYTES,
      backlog: backlogOf(settings.file, config),
      listenerLimit: (listener, name) => settings.listenerLimit(loader.image, listener, name),
      protectedListener: undefined,
      apis: LISTENER_APIS,
      tlsOf: listener => shared.security.open(listener),
      securityOf: listener => shared.security.of(listener),
      requests: new ControllerRequests(parts, this.#watch),
      disconnected: peer => this.#watch.disconnected(peer),
    });
  }

  /** Opens the listeners; resolves with their advertised endpoints. */
  async bind(): Promise<readonly Endpoint[]> {
    await this.#server.bind(this.#options.plan);
    return [...this.advertised.values()];
  }

  /** Advertised endpoints by listener name. */
  get advertised(): ReadonlyMap<string, Endpoint> {
    return this.#server.advertised;
  }

  /** See `SocketServer.secure`. */
  secure(listener: string, options: TlsServerOptions): void {
    this.#server.secure(listener, options);
  }

  /** Serves connections. */
  enable(): void {
    const { config } = this.#shared;
    this.#server.enable();
    this.#tasks.every("decision times", config["controller.performance.sample.period.ms"], () => {
      if (this.#controller.isActive) this.#controller.times.report();
    });
    this.#tasks.every("stalled connections", STALLED_MS, () => this.#server.closeStalled());
    this.#tasks.every("idle", Math.max(1000, config["connections.max.idle.ms"] / 10), () => this.#server.closeIdle());
  }

  /** Adds the gauges of this controller to the metrics of the node, and begins to count elections. */
  addGauges(): void {
    const { env, quorum, loader, metrics } = this.#shared;
    loader.install([this.#elections]);
    const parts = { env, metrics, quorum, image: () => loader.image };
    addControllerGauges({ ...parts, controller: this.#controller, elections: this.#elections });
  }

  /** Takes note of the leader of the quorum, which is the active controller. */
  leaderChanged(leaderId: BrokerId | undefined): void {
    const { nodeId, loader, quorum, env } = this.#shared;
    if (leaderId !== nodeId) return this.#controller.renounce();
    this.#watch.lookForAll();
    this.#controller.activate(loader.image, quorum.first ?? BOOTSTRAP).catch((error: unknown) => {
      if (!(error instanceof NotControllerError)) env.logger.error("this controller cannot become active", { error });
    });
  }

  #describeTopic(overrides: ReadonlyMap<string, string>) {
    const { settings } = this.#shared;
    // Kafka does not show its internal settings.
    const told = Object.entries<AnyConfigSpec>(topicConfigs).filter(([, { internal }]) => internal !== true);
    return told.map(([name]) => {
      const own = overrides.get(name);
      const found = settings.topicValue(this.#controller.image, "", name);
      const { value, source } = own === undefined ? found : { value: own, source: SOURCE.topic };
      return { name, value, readOnly: false, configSource: source, isSensitive: false };
    });
  }

  /** Sends the replies to the decisions that are committed now. */
  committed(): void {
    this.#controller.commitUpTo(this.#shared.loader.image);
  }

  /** Reason why the controller has failed; undefined while it has not. */
  get failure(): Error | undefined {
    return this.#controller.failure;
  }

  /** Fails all requests: the log has failed. */
  failed(error: unknown): void {
    this.#controller.failed(error);
  }

  /** Refuses new connections and decisions; resolves once the decisions in progress are committed. */
  async close(): Promise<void> {
    this.#tasks.close();
    this.#watch.close();
    await this.#server.stopListening();
    await this.#controller.close();
  }

  /**
   * Sends pending replies; `closeConnections` ends the connections. Call it once the replica of the metadata log is
   * closed, which answers the fetches that wait there.
   */
  drain(): Promise<void> {
    return this.#server.drain();
  }

  /** Closes the connections that are left. */
  closeConnections(): void {
    this.#server.close();
  }
}
