import type { BrokerConfig } from "./configs.ts";

export const OFFSETS_TOPIC = "__consumer_offsets";
export const SHARE_STATE_TOPIC = "__share_group_state";
export const TRANSACTION_TOPIC = "__transaction_state";
/** Topics that clients may read but not write (`Topic.INTERNAL_TOPICS`). */
export const INTERNAL_TOPICS: ReadonlySet<string> = new Set([OFFSETS_TOPIC, TRANSACTION_TOPIC, SHARE_STATE_TOPIC]);

interface InternalTopic {
  readonly numPartitions: number;
  readonly replicationFactor: number;
  readonly configs: readonly { readonly name: string; readonly value: string }[];
}

/** Configurations of the coordinators' topics, by name (`AutoTopicCreationManager`). */
const PLANS: Readonly<Record<string, (config: BrokerConfig) => InternalTopic>> = {
  [OFFSETS_TOPIC]: config => ({
    numPartitions: config["offsets.topic.num.partitions"],
    replicationFactor: config["offsets.topic.replication.factor"],
    configs: [
      { name: "cleanup.policy", value: "compact" },
      { name: "compression.type", value: "producer" },
      { name: "segment.bytes", value: String(config["offsets.topic.segment.bytes"]) },
    ],
  }),
  [TRANSACTION_TOPIC]: config => ({
    numPartitions: config["transaction.state.log.num.partitions"],
    replicationFactor: config["transaction.state.log.replication.factor"],
    configs: [
      { name: "cleanup.policy", value: "compact" },
      { name: "compression.type", value: "uncompressed" },
      { name: "min.insync.replicas", value: String(config["transaction.state.log.min.isr"]) },
      { name: "segment.bytes", value: String(config["transaction.state.log.segment.bytes"]) },
      { name: "unclean.leader.election.enable", value: "false" },
    ],
  }),
  [SHARE_STATE_TOPIC]: config => ({
    numPartitions: config["share.coordinator.state.topic.num.partitions"],
    replicationFactor: config["share.coordinator.state.topic.replication.factor"],
    configs: [
      // The share coordinator deletes records that are no longer needed.
      { name: "cleanup.policy", value: "delete" },
      { name: "compression.type", value: "producer" },
      { name: "segment.bytes", value: String(config["share.coordinator.state.topic.segment.bytes"]) },
      { name: "min.insync.replicas", value: String(config["share.coordinator.state.topic.min.isr"]) },
      { name: "retention.ms", value: "-1" },
    ],
  }),
};

/** Configuration of an automatically created topic; −1: the broker's default. */
export function topicPlan(name: string, config: BrokerConfig): InternalTopic {
  const plan = Object.hasOwn(PLANS, name) ? PLANS[name] : undefined;
  return plan?.(config) ?? { numPartitions: -1, replicationFactor: -1, configs: [] };
}
