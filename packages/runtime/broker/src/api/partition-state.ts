import type { PartitionImage, TopicImage } from "@samsa/metadata";
import type { Broker } from "../broker.ts";

/**
 * Bits of what a client may do, as Kafka tells when nothing is forbidden: `1 << AclOperation.code`. They stand in
 * descriptions of topics, of the cluster and of groups when they are asked for.
 */
export const ALLOWED = {
  /** READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS */
  topic: 0b1101_1111_1000,
  /** CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE */
  cluster: 0b1_1111_1010_0000,
  /** READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS */
  group: 0b1101_0100_1000,
} as const;

/** Groups with what a client may do to them, where it has asked; not those that could not be described. */
export function withOperations<G extends { readonly errorCode: number }>(
  groups: readonly G[],
  isAsked: boolean,
): object[] {
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
  broker: Broker,
  topic: TopicImage,
  partitionIndex: number,
  partition: PartitionImage,
): PartitionState {
  const { brokers } = broker.topics.image;
  const here = broker.topics.partition(topic.name, partitionIndex);
  const isOffline = (id: number): boolean =>
    id === broker.nodeId ? here === undefined || here.fault !== 0 : (brokers.get(id)?.fenced ?? true);
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
