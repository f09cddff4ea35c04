import type { PartitionImage, TopicImage } from "@samsa/metadata";
import { operationBits } from "../../network/authorizer.ts";
import type { RequestTopics } from "../../network/request-topics.ts";
import type { BrokerParts } from "../../parts.ts";

type Needs = Pick<BrokerParts, "nodeId">;

/**
 * Authorized operations if nothing is forbidden, as bits `1 << AclOperation.code`. Descriptions of topics, the cluster
 * and groups include them on request.
 */
export const ALLOWED = {
  topic: operationBits("TOPIC"),
  cluster: operationBits("CLUSTER"),
  group: operationBits("GROUP"),
} as const;

/** Adds authorized operations to groups if the request asks for them; groups with an error get none. */
export function withOperations<G extends { readonly errorCode: number }>(
  groups: readonly G[],
  isAsked: boolean,
): (G & { readonly authorizedOperations?: number })[] {
  return groups.map(group =>
    isAsked && group.errorCode === 0 ? { ...group, authorizedOperations: ALLOWED.group } : group,
  );
}

/** Value of authorized operations if the request does not ask for them. */
export const NOT_ASKED = -2147483648;

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
