import type { BrokerId, LeaderEpoch, PartitionIndex } from "@samsa/base";
import { isOnline } from "@samsa/controller";
import { type PartitionImage, replicaDirectory, type TopicImage } from "@samsa/metadata";
import { Errors } from "@samsa/protocol";
import type { RequestTopics } from "../../request/request-topics.ts";

/** Client that asks for partitions: it sees the brokers that have an endpoint on its listener. */
export interface PartitionView {
  readonly nodeId: BrokerId;
  readonly listener: string;
  readonly topics: RequestTopics;
}

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

/** State of a partition, and the error for clients that need its leader (`KRaftMetadataCache`). */
export function partitionState(
  { nodeId, listener, topics }: PartitionView,
  topic: TopicImage,
  partitionIndex: PartitionIndex,
  partition: PartitionImage,
): { readonly state: PartitionState; readonly leaderError: number } {
  const { brokers } = topics.image;
  const hasEndpoint = (id: BrokerId): boolean =>
    id === nodeId || brokers.get(id)?.endPoints.some(({ name }) => name === listener) === true;
  const isOffline = (id: BrokerId): boolean => {
    if (id === nodeId) {
      // This broker knows of its failed directories before the controller does.
      const here = topics.partition(topic.name, partitionIndex);
      return typeof here === "number" || here.isOffline;
    }
    const broker = brokers.get(id);
    if (broker === undefined || broker.fenced || !hasEndpoint(id)) return true;
    return !isOnline(broker.logDirs, replicaDirectory(partition, id));
  };
  const { leader, leaderEpoch, replicas, isr } = partition;
  const offlineReplicas = replicas.filter(isOffline);
  const isLost = leader === nodeId && offlineReplicas.includes(nodeId);
  const isKnown = leader >= 0 && !isLost && brokers.has(leader);
  const leaderError = !isKnown
    ? Errors.LEADER_NOT_AVAILABLE.code
    : hasEndpoint(leader)
      ? 0
      : Errors.LISTENER_NOT_FOUND.code;
  const leaderId = leaderError === 0 ? leader : -1;
  const state = { partitionIndex, leaderId, leaderEpoch, replicaNodes: replicas, isrNodes: isr, offlineReplicas };
  return { state, leaderError };
}
