import type { PartitionImage, TopicImage } from "@samsa/metadata";
import type { RequestTopics } from "../../request/request-topics.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "nodeId">;

/** Leader, replicas and in-sync replicas of a partition, as responses to clients describe them. */
export interface PartitionState {
  readonly partitionIndex: number;
  /** Broker id of the leader; −1: none. */
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly replicaNodes: readonly number[];
  readonly isrNodes: readonly number[];
  readonly offlineReplicas: readonly number[];
}

export function partitionState(
  { nodeId, topics }: Needs & { readonly topics: RequestTopics },
  topic: TopicImage,
  partitionIndex: number,
  partition: PartitionImage,
): PartitionState {
  const { brokers } = topics.image;
  const here = topics.partition(topic.name, partitionIndex);
  const isOffline = (id: number): boolean =>
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
