import type { AnyConfigSpec } from "@samsa/base";
import { bootstrapRecords } from "@samsa/controller";
import type { MetadataImage } from "@samsa/metadata";
import type { BrokerConfig } from "../config/configs.ts";
import { configRules, SOURCE } from "../config/settings.ts";
import { topicConfigs } from "../config/topic-configs.ts";
import type { SharedParts } from "../shared-parts.ts";
import { ControllerApis } from "./controller-apis.ts";
import type { ControllerChannel } from "./controller-channel.ts";
import { FEATURES, METADATA_LEVEL, TOLERATED } from "./features.ts";
import { QuorumController } from "./quorum-controller.ts";

/** Records of a new cluster. */
export const BOOTSTRAP = bootstrapRecords({ metadataVersion: METADATA_LEVEL, features: FEATURES });

/** The controller of a node (`ControllerServer`). */
export class ControllerRole {
  readonly #shared: SharedParts;
  readonly #controller: QuorumController;
  /** Way to this controller within the process. */
  readonly channel: ControllerChannel;
  /** Settings of the broker in the image that `#configs` belongs to. */
  #config: BrokerConfig;
  #configs: MetadataImage["configs"];

  /** Call it once the log has been loaded and this node leads the quorum. */
  constructor(shared: SharedParts) {
    this.#shared = shared;
    const { env, nodeId, clusterId, settings, config, quotas, quorum, loader } = shared;
    this.#config = config;
    this.#configs = loader.image.configs;
    this.#controller = new QuorumController(
      env,
      quorum,
      {
        clusterId,
        numPartitions: config["num.partitions"],
        replicationFactor: config["default.replication.factor"],
        minInsyncReplicas: config["min.insync.replicas"],
        nodeId,
        features: TOLERATED,
        offered: FEATURES,
        kraftVersion: () => quorum.kraftVersion,
        configs: configRules(() => this.#brokerConfig()),
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

  #brokerConfig(): BrokerConfig {
    const { image } = this.#controller;
    if (image.configs !== this.#configs) {
      this.#configs = image.configs;
      this.#config = this.#shared.settings.broker(image);
    }
    return this.#config;
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

  /** Fails all requests: the log has failed. */
  failed(error: unknown): void {
    this.#controller.failed(error);
  }

  /** Refuses further requests. */
  close(): void {
    this.#controller.close();
  }
}
