import type { BrokerId, LeaderEpoch, PartitionIndex } from "@samsa/base";
import { Errors, type MetadataResponse } from "@samsa/protocol";
import type { TopicPartition } from "./cluster-view.ts";

/** Leader of a partition, as an answer names it before the metadata does (KIP-951). */
export interface LeaderHint {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly leaderId: BrokerId;
  readonly leaderEpoch: LeaderEpoch;
}

/** Action of a state machine: gives leaders that a broker has named, and their addresses, to `MetadataState.hint`. */
export interface LeaderNews {
  readonly type: "leaders";
  readonly leaders: readonly LeaderHint[];
  readonly nodes: MetadataResponse["brokers"];
}

/** Action of a state machine that reads assigned partitions: asks for the metadata of their topics, or has news of it. */
export type MetadataEffect = { readonly type: "refreshMetadata" } | LeaderNews;

/** Leader that the answer about a partition names; undefined: none. −1 in the answer: not known. */
export function leaderHint(
  { topic, partition }: TopicPartition,
  errorCode: number,
  { leaderId, leaderEpoch }: Pick<LeaderHint, "leaderId" | "leaderEpoch">,
): LeaderHint | undefined {
  const isMoved = errorCode === Errors.NOT_LEADER_OR_FOLLOWER.code || errorCode === Errors.FENCED_LEADER_EPOCH.code;
  return isMoved && leaderId >= 0 && leaderEpoch >= 0 ? { topic, partition, leaderId, leaderEpoch } : undefined;
}
