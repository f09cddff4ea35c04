import { type BrokerId, groupBy, type LeaderEpoch, type PartitionIndex, type Uuid } from "@samsa/base";

/** A broker, as the metadata names it. */
export interface BrokerView {
  readonly id: BrokerId;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** A partition, as the metadata describes it. */
export interface PartitionView {
  readonly index: PartitionIndex;
  /** −1: it has no leader at the moment. */
  readonly leaderId: BrokerId;
  readonly leaderEpoch: LeaderEpoch;
  readonly replicas: readonly BrokerId[];
  readonly inSync: readonly BrokerId[];
  readonly offline: readonly BrokerId[];
}

/** A topic. `partitions[i]` is partition i. */
export interface TopicView {
  readonly name: string;
  /** `ZERO_UUID` from brokers without topic ids. */
  readonly id: Uuid;
  readonly isInternal: boolean;
  readonly partitions: readonly PartitionView[];
}

/** Knowledge of a cluster. State machines read it, and never keep parts of it: leaders move. */
export interface ClusterView {
  /** Undefined: not known, or it does not exist. */
  topic(name: string): TopicView | undefined;
  topicOf(id: Uuid): TopicView | undefined;
  /** Undefined: not known. */
  broker(id: BrokerId): BrokerView | undefined;
  /** Number that grows with each change. */
  readonly version: number;
}

/** A partition by the name of its topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: PartitionIndex;
}

/** Key of a partition for maps. A topic's name has no `/`. */
export function partitionKey(topic: string, partition: PartitionIndex): string {
  return `${topic}/${partition}`;
}

/** Keys of partitions. */
export function partitionKeys(partitions: Iterable<TopicPartition>): Set<string> {
  const keys = new Set<string>();
  for (const { topic, partition } of partitions) keys.add(partitionKey(topic, partition));
  return keys;
}

/** Partitions that are not among `others`. */
export function withoutPartitions<T extends TopicPartition>(
  partitions: readonly T[],
  others: readonly TopicPartition[],
): T[] {
  const keys = partitionKeys(others);
  return partitions.filter(({ topic, partition }) => !keys.has(partitionKey(topic, partition)));
}

/** Groups items by topic, in the order in which the topics first appear. */
export function byTopic<T extends { readonly topic: string }>(items: Iterable<T>): Map<string, T[]> {
  return groupBy(items, ({ topic }) => topic);
}
