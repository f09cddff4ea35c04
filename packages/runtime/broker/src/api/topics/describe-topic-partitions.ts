import { ZERO_UUID } from "@samsa/base";
import { type DescribeTopicPartitionsRequest, Errors } from "@samsa/protocol";
import { INTERNAL_TOPICS } from "../../config/internal-topics.ts";
import { partitionState, type PartitionView } from "./partition-state.ts";
import { absentTopicError } from "../../forwarding/auto-topic-creation.ts";
import type { RequestTopics } from "../../request/request-topics.ts";
import type { ItemOf, TopicHandler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";

type TopicAnswer = ItemOf<"DescribeTopicPartitions", "topics">;
type PartitionAnswer = TopicAnswer["partitions"][number];
type Needs = Pick<BrokerParts, "config" | "nodeId">;

type Cursor = NonNullable<DescribeTopicPartitionsRequest["cursor"]>;

/** Names of the topics to describe, in response order; undefined if the request is invalid. */
function wantedTopics(known: RequestTopics, { topics, cursor }: DescribeTopicPartitionsRequest): string[] | undefined {
  const names = topics.length === 0 ? [...known.image.topicIds.keys()] : topics.map(({ name }) => name);
  const from = cursor?.topicName ?? "";
  const wanted = [...new Set(names)].filter(name => name >= from).sort();
  if (cursor === null) return wanted;
  const isListed = topics.length === 0 || wanted.includes(cursor.topicName);
  return isListed && cursor.partitionIndex >= 0 ? wanted : undefined;
}

/**
 * Describes at most `room` partitions of a topic from index `start`, and returns the index at which the rest begins.
 */
function describedTopic(view: PartitionView, name: string, start: number, room: number) {
  const topic = view.topics.named(name);
  const isInternal = INTERNAL_TOPICS.has(name);
  const base = { name, isInternal, topicAuthorizedOperations: view.topics.operations(name) };
  if (typeof topic === "number") {
    const errorCode = absentTopicError(name);
    return { answer: { ...base, errorCode, topicId: ZERO_UUID, partitions: [] }, count: 0, next: -1 };
  }
  const end = Math.min(topic.partitions.size, start + room);
  const partitions: PartitionAnswer[] = [];
  for (let index = start; index < end; index++) {
    const partition = topic.partitions.get(index);
    if (partition === undefined) continue;
    const { eligibleLeaderReplicas, lastKnownElr } = partition;
    const { state } = partitionState(view, topic, index, partition);
    partitions.push({ errorCode: 0, ...state, eligibleLeaderReplicas, lastKnownElr });
  }
  return {
    answer: { ...base, errorCode: 0, topicId: topic.id, partitions },
    count: partitions.length,
    next: end < topic.partitions.size ? end : -1,
  };
}

function unauthorized(name: string): TopicAnswer {
  const { code: errorCode } = Errors.TOPIC_AUTHORIZATION_FAILED;
  return { errorCode, name, topicId: ZERO_UUID, isInternal: false, partitions: [] };
}

/** DescribeTopicPartitions (KIP-966): returns pages of a limited number of partitions. */
export const describeTopicPartitions: TopicHandler<"DescribeTopicPartitions", Needs> = (
  { nodeId, config },
  request,
  { topics: known, listener },
  reply,
) => {
  const wanted = wantedTopics(known, request);
  if (wanted === undefined) {
    const { code: errorCode } = Errors.INVALID_REQUEST;
    const topics = request.topics.map(({ name }) => ({ errorCode, name, topicId: ZERO_UUID, partitions: [] }));
    return reply({ throttleTimeMs: 0, topics, nextCursor: null });
  }
  const limit = config["max.request.partition.size.limit"];
  let room = Math.max(1, Math.min(limit, request.responsePartitionLimit));
  let nextCursor: Cursor | null = null;
  const topics: TopicAnswer[] = [];
  const view = { nodeId, listener, topics: known };
  for (const name of wanted.filter(one => known.allows(one))) {
    if (room === 0) {
      nextCursor = { topicName: name, partitionIndex: 0 };
      break;
    }
    const start = request.cursor?.topicName === name ? request.cursor.partitionIndex : 0;
    const { answer, count, next } = describedTopic(view, name, start, room);
    // A request for all topics leaves out a topic that was deleted since the previous page.
    if (answer.errorCode === 0 || request.topics.length > 0) topics.push(answer);
    if (next >= 0) {
      nextCursor = { topicName: name, partitionIndex: next };
      break;
    }
    room -= count;
  }
  const refused = request.topics.length === 0 ? [] : wanted.filter(name => !known.allows(name));
  reply({ throttleTimeMs: 0, topics: [...topics, ...refused.map(unauthorized)], nextCursor });
};
