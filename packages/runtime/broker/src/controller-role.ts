import type { AnyConfigSpec } from "@samsa/base";
import { bootstrapRecords } from "@samsa/controller";
import { configRules, SOURCE } from "./config/settings.ts";
import { topicConfigs } from "./config/topic-configs.ts";
import type { SharedParts } from "./shared-parts.ts";
import { ControllerApis } from "./controller/controller-apis.ts";
import type { ControllerChannel } from "./controller/controller-channel.ts";
import { FEATURES, METADATA_LEVEL, TOLERATED } from "./metadata/features.ts";
import { QuorumController } from "./controller/quorum-controller.ts";

/** Records of a new cluster. */
export const BOOTSTRAP = bootstrapRecords({ metadataVersion: METADATA_LEVEL, features: FEATURES });

/** The controller of a node (`ControllerServer`). */
export class ControllerRole {
  readonly #shared: SharedParts;
  readonly #controller: QuorumController;
  readonly #onFailure: () => void;
  /** Way to this controller within the process. */
  readonly channel: ControllerChannel;

  /**
   * Call it once the log has been loaded and this node leads the quorum. `onFailure` is called when the controller has
   * failed and decides nothing any more.
   */
  constructor(shared: SharedParts, onFailure: () => void) {
    this.#shared = shared;
    this.#onFailure = onFailure;
    const { env, nodeId, clusterId, settings, config, quotas, quorum, loader } = shared;
    this.#controller = new QuorumController(
      { env, log: quorum, onFailure: () => this.#onFailure() },
      {
        clusterId,
        numPartitions: config["num.partitions"],
        replicationFactor: config["default.replication.factor"],
        minInsyncReplicas: config["min.insync.replicas"],
        nodeId,
        features: TOLERATED,
        offered: FEATURES,
        kraftVersion: () => quorum.kraftVersion,
        configs: configRules(() => settings.broker(this.#controller.image)),
        replication: (image, topic) => ({
          uncleanLeaderElection: settings.topicValue(image, topic, "unclean.leader.election.enable").value === "true",
          minInsyncReplicas: Number(settings.topicValue(image, topic, "min.insync.replicas").value),
        }),
        describeTopic: overrides => this.#describeTopic(overrides),
      },
      loader.image,
    );
    this.channel = new ControllerApis({ env, nodeId, config, quotas, quorum, controller: this.#controller });
  }

  /** Writes the first records of the leader; resolves once they are committed. */
  start(): Promise<void> {
    return this.#controller.activate(this.#shared.quorum.first ?? BOOTSTRAP);
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

  /** Refuses further requests. */
  close(): void {
    this.#controller.close();
  }
}
