import type { BrokerId, LeaderEpoch, PartitionIndex } from "@samsa/base";
import type { PartitionImage, TopicImage } from "@samsa/metadata";
import type { RequestTopics } from "../../request/request-topics.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "nodeId">;

/** Leader, replicas and in-sync replicas of a partition, as responses to clients describe them. */
export interface PartitionState {
  readonly partitionIndex: PartitionIndex;
  /** Broker id of the leader; −1: none. */
  readonly leaderId: BrokerId;
  readonly leaderEpoch: LeaderEpoch;
  readonly replicaNodes: readonly BrokerId[];
  readonly isrNodes: readonly BrokerId[];
  readonly offlineReplicas: readonly BrokerId[];
}

export function partitionState(
  { nodeId, topics }: Needs & { readonly topics: RequestTopics },
  topic: TopicImage,
  partitionIndex: PartitionIndex,
  partition: PartitionImage,
): PartitionState {
  const { brokers } = topics.image;
  const here = topics.partition(topic.name, partitionIndex);
  const isOffline = (id: BrokerId): boolean =>
    id === nodeId ? typeof here === "number" || here.isOffline : (brokers.get(id)?.fenced ?? true);
  const { leader, leaderEpoch, replicas, isr } = partition;
  return {
    partitionIndex,
    leaderId: leader >= 0 && !isOffline(leader) ? leader : -1,
    leaderEpoch,
    replicaNodes: replicas,
    isrNodes: isr,
    offlineReplicas: replicas.filter(isOffline),
  };
}
