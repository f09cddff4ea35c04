import { ZERO_UUID } from "@samsa/base";
import { type DescribeTopicPartitionsRequest, Errors } from "@samsa/protocol";
import type { Broker } from "../broker.ts";
import type { RequestContext } from "../requests.ts";
import { INTERNAL_TOPICS } from "../topics.ts";
import { ALLOWED, partitionState } from "./partition-state.ts";

type Cursor = NonNullable<DescribeTopicPartitionsRequest["cursor"]>;

/** The topics to describe, in their order; undefined when the request is not right. */
function wantedTopics(broker: Broker, { topics, cursor }: DescribeTopicPartitionsRequest): string[] | undefined {
  const names = topics.length === 0 ? [...broker.topics.image.topicIds.keys()] : topics.map(({ name }) => name);
  const from = cursor?.topicName ?? "";
  const wanted = [...new Set(names)].filter(name => name >= from).sort();
  if (cursor === null) return wanted;
  const known = topics.length === 0 || wanted.includes(cursor.topicName);
  return known && cursor.partitionIndex >= 0 ? wanted : undefined;
}

/** Partitions of one topic from `start` on, at most `room`, and where the rest begins. */
function describedTopic(broker: Broker, name: string, start: number, room: number) {
  const topic = broker.topics.topic(name);
  const isInternal = INTERNAL_TOPICS.has(name);
  const base = { name, isInternal, topicAuthorizedOperations: ALLOWED.topic };
  if (topic === undefined) {
    const errorCode = broker.control.nameFault(name);
    return { answer: { ...base, errorCode, topicId: ZERO_UUID, partitions: [] }, count: 0, next: -1 };
  }
  const end = Math.min(topic.partitions.size, start + room);
  const partitions: object[] = [];
  for (let index = start; index < end; index++) {
    const partition = topic.partitions.get(index);
    if (partition === undefined) continue;
    const { eligibleLeaderReplicas, lastKnownElr } = partition;
    const state = partitionState(broker, topic, index, partition);
    partitions.push({ errorCode: 0, ...state, eligibleLeaderReplicas, lastKnownElr });
  }
  return {
    answer: { ...base, errorCode: 0, topicId: topic.id, partitions },
    count: partitions.length,
    next: end < topic.partitions.size ? end : -1,
  };
}

/** DescribeTopicPartitions (KIP-966): page after page, each of so many partitions. */
export function describeTopicPartitions(
  broker: Broker,
  request: DescribeTopicPartitionsRequest,
  _context: RequestContext,
  reply: (response: object) => void,
): void {
  const wanted = wantedTopics(broker, request);
  if (wanted === undefined) {
    const { code: errorCode } = Errors.INVALID_REQUEST;
    const topics = request.topics.map(({ name }) => ({ errorCode, name, topicId: ZERO_UUID, partitions: [] }));
    return reply({ throttleTimeMs: 0, topics, nextCursor: null });
  }
  const limit = broker.config["max.request.partition.size.limit"];
  let room = Math.max(1, Math.min(limit, request.responsePartitionLimit));
  let nextCursor: Cursor | null = null;
  const topics: object[] = [];
  for (const name of wanted) {
    if (room === 0) {
      nextCursor = { topicName: name, partitionIndex: 0 };
      break;
    }
    const start = request.cursor?.topicName === name ? request.cursor.partitionIndex : 0;
    const { answer, count, next } = describedTopic(broker, name, start, room);
    // A topic that has gone since the last page is not missed by who asked for all.
    if (answer.errorCode === 0 || request.topics.length > 0) topics.push(answer);
    if (next >= 0) {
      nextCursor = { topicName: name, partitionIndex: next };
      break;
    }
    room -= count;
  }
  reply({ throttleTimeMs: 0, topics, nextCursor });
}
