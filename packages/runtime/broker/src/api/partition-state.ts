import type { PartitionImage, TopicImage } from "@samsa/metadata";
import { operationBits } from "../authorizer.ts";
import type { BrokerParts } from "../parts.ts";

type Needs = Pick<BrokerParts, "nodeId" | "topics">;

/**
 * Bits of what a client may do, as Kafka tells when nothing is forbidden: `1 << AclOperation.code`. They stand in
 * descriptions of topics, of the cluster and of groups when they are asked for.
 */
export const ALLOWED = {
  topic: operationBits("TOPIC"),
  cluster: operationBits("CLUSTER"),
  group: operationBits("GROUP"),
} as const;

/** Groups with what a client may do to them, where it has asked; not those that could not be described. */
export function withOperations<G extends { readonly errorCode: number }>(
  groups: readonly G[],
  isAsked: boolean,
): (G & { readonly authorizedOperations?: number })[] {
  return groups.map(group =>
    isAsked && group.errorCode === 0 ? { ...group, authorizedOperations: ALLOWED.group } : group,
  );
}

/** Nobody has asked what a client may do. */
export const NOT_ASKED = -2147483648;

/** Who leads a partition and who has it, for clients that ask. */
export interface PartitionState {
  readonly partitionIndex: number;
  /** −1: none. */
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly replicaNodes: readonly number[];
  readonly isrNodes: readonly number[];
  readonly offlineReplicas: readonly number[];
}

export function partitionState(
  parts: Needs,
  topic: TopicImage,
  partitionIndex: number,
  partition: PartitionImage,
): PartitionState {
  const { brokers } = parts.topics.image;
  const here = parts.topics.partition(topic.name, partitionIndex);
  const isOffline = (id: number): boolean =>
    id === parts.nodeId ? here === undefined || here.fault !== 0 : (brokers.get(id)?.fenced ?? true);
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
