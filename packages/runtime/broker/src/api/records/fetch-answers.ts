import {
  type BrokerId,
  type LeaderEpoch,
  nearestNumber,
  type Offset,
  type PartitionIndex,
  type ProducerId,
  type Uuid,
  ZERO_UUID,
} from "@samsa/base";
import { Errors, type FetchRequest } from "@samsa/protocol";
import type { Partition } from "../../replica/partition.ts";
import type { SessionPartition } from "../../replica/session-partition.ts";
import type { ItemOf } from "../../request/handler.ts";
import type { RequestTopics, TopicContext } from "../../request/request-topics.ts";
import type { BrokerParts } from "../parts.ts";
import type { BrokerNode } from "../../metadata/broker-nodes.ts";
import { CurrentLeaders } from "./current-leaders.ts";

const NO_EPOCH = -1;
/** First version with diverging epochs, for clients that send the last fetched epoch (KIP-595). */
const DIVERGENCE_VERSION = 12;

type FetchedPartition = NonNullable<ItemOf<"Fetch", "responses">["partitions"]>[number];

/** Answer for a partition of a Fetch request. */
export interface PartitionAnswer {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partitionIndex: PartitionIndex;
  readonly errorCode: number;
  readonly highWatermark: Offset;
  readonly lastStableOffset: Offset;
  readonly logStartOffset: Offset;
  readonly divergingEpoch?: { readonly epoch: LeaderEpoch; readonly endOffset: Offset };
  readonly currentLeader?: { readonly leaderId: BrokerId; readonly leaderEpoch: LeaderEpoch };
  /** Replica that the consumer shall read from instead (KIP-392). */
  readonly preferredReadReplica?: BrokerId;
  readonly abortedTransactions: readonly { producerId: ProducerId; firstOffset: Offset }[] | null;
  readonly records: readonly Uint8Array[];
  readonly size: number;
  /** Called once `records` have been sent or dropped. */
  readonly release?: (() => void) | undefined;
}

/** Key of a partition within a request or session, by topic id or by name; valid even if the topic is deleted. */
export function partitionKey(
  named: { readonly topic: string; readonly topicId: Uuid },
  byId: boolean,
  index: PartitionIndex,
): string {
  return `${byId ? named.topicId : named.topic}-${index}`;
}

/** Partitions that a request names, by key. */
export function requested(topics: RequestTopics, request: FetchRequest): Map<string, SessionPartition> {
  const { byId } = topics;
  const partitions = new Map<string, SessionPartition>();
  for (const topic of request.topics) {
    const name = topics.nameOf(topic.topic, topic.topicId) ?? "";
    const topicId = byId ? topic.topicId : ZERO_UUID;
    for (const asked of topic.partitions) {
      partitions.set(partitionKey(topic, byId, asked.partition), {
        topic: name,
        topicId,
        partition: asked.partition,
        fetchOffset: nearestNumber(asked.fetchOffset),
        maxBytes: asked.partitionMaxBytes,
        // Kafka accepts any negative epoch as no epoch in Fetch only.
        currentLeaderEpoch: Math.max(NO_EPOCH, asked.currentLeaderEpoch),
        lastFetchedEpoch: asked.lastFetchedEpoch,
        logStartOffset: nearestNumber(asked.logStartOffset),
        sentHighWatermark: -1,
        sentLogStartOffset: -1,
        sentError: false,
      });
    }
  }
  return partitions;
}

/** Answer for a partition without records, as it is now. */
export function nothing(partition: Partition, state: SessionPartition): PartitionAnswer {
  return {
    topic: state.topic,
    topicId: state.topicId,
    partitionIndex: state.partition,
    highWatermark: partition.highWatermark,
    lastStableOffset: partition.stableOffset,
    logStartOffset: partition.startOffset,
    errorCode: 0,
    abortedTransactions: null,
    records: [],
    size: 0,
  };
}

/** Answer for a client whose log differs from this one before its fetch offset; undefined if none is known to. */
export function divergence(
  partition: Partition,
  state: SessionPartition,
  version: number,
): PartitionAnswer | undefined {
  if (version < DIVERGENCE_VERSION || state.lastFetchedEpoch < 0) return undefined;
  const own = partition.endOffsetForEpoch(state.lastFetchedEpoch);
  if (own.epoch < 0 || state.fetchOffset < partition.startOffset) {
    return failure(state, Errors.OFFSET_OUT_OF_RANGE.code);
  }
  if (own.epoch >= state.lastFetchedEpoch && own.endOffset >= state.fetchOffset) return undefined;
  return { ...nothing(partition, state), divergingEpoch: own };
}

/** Answer for a partition that cannot be read. */
export function failure(state: SessionPartition, errorCode: number): PartitionAnswer {
  return {
    topic: state.topic,
    topicId: state.topicId,
    partitionIndex: state.partition,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    abortedTransactions: UNRESOLVED.has(errorCode) ? [] : null,
    records: [],
    size: 0,
  };
}

/** Errors of partitions that cannot be resolved; for them `abortedTransactions` is an empty list instead of null. */
const UNRESOLVED: ReadonlySet<number> = new Set([
  Errors.UNKNOWN_TOPIC_ID.code,
  Errors.UNKNOWN_TOPIC_OR_PARTITION.code,
  Errors.TOPIC_AUTHORIZATION_FAILED.code,
]);

/** True if the response must include this partition for the session's client. */
export function changed(answer: PartitionAnswer, state: SessionPartition): boolean {
  return (
    answer.size > 0 ||
    answer.errorCode !== 0 ||
    answer.divergingEpoch !== undefined ||
    answer.preferredReadReplica !== undefined ||
    state.sentError ||
    answer.highWatermark !== state.sentHighWatermark ||
    answer.logStartOffset !== state.sentLogStartOffset
  );
}

/** Notes what the client is told. */
export function remember(answer: PartitionAnswer, state: SessionPartition): void {
  // An error is repeated in each response until it is gone, and the response after that includes the partition too.
  state.sentError = answer.errorCode !== 0;
  state.sentHighWatermark = answer.highWatermark;
  state.sentLogStartOffset = answer.logStartOffset;
}

/** Groups consecutive partitions of a topic into one entry. */
export function byTopic(answers: readonly PartitionAnswer[]) {
  const topics: { topic: string; topicId: Uuid; partitions: FetchedPartition[] }[] = [];
  for (const answer of answers) {
    const last = topics.at(-1);
    if (last !== undefined && last.topic === answer.topic && last.topicId === answer.topicId) {
      last.partitions.push(answer);
    } else topics.push({ topic: answer.topic, topicId: answer.topicId, partitions: [answer] });
  }
  return topics;
}

const NO_ENDPOINTS: readonly BrokerNode[] = [];
/** First version whose responses name the current leader (KIP-951). */
const LEADER_VERSION = 16;

/** Partitions of a response as the client is told of them, with the leaders of those that other brokers lead. */
export function told(
  parts: Pick<BrokerParts, "node" | "topics">,
  { version, listener }: Pick<TopicContext, "listener" | "version">,
  answers: readonly PartitionAnswer[],
) {
  if (version < LEADER_VERSION || answers.every(({ errorCode }) => errorCode === 0)) {
    return { responses: byTopic(answers), nodeEndpoints: NO_ENDPOINTS };
  }
  const leaders = new CurrentLeaders(parts, listener);
  const named = answers.map(answer => {
    const currentLeader = leaders.after(answer.errorCode, answer.topic, answer.partitionIndex);
    return currentLeader === undefined ? answer : { ...answer, currentLeader };
  });
  return { responses: byTopic(named), nodeEndpoints: leaders.endpoints };
}
