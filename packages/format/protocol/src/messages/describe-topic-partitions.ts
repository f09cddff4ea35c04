/** DescribeTopicPartitions: describes topics and their partitions in pages. */
import { message } from "../codec/message.ts";
import {
  array,
  bool,
  brokerId,
  i16,
  i32,
  type Infer,
  leaderEpoch,
  partitionIndex,
  string,
  struct,
  uuid,
} from "../codec/schema.ts";

const cursor = {
  topicName: string(),
  partitionIndex: partitionIndex(),
};

export const describeTopicPartitionsRequest = message(
  "DescribeTopicPartitionsRequest",
  { versions: [0, 0], flexible: 0 },
  {
    topics: array({
      name: string(),
    }),
    responsePartitionLimit: i32({ default: 2000 }),
    cursor: struct(cursor, { nullable: true, default: null }),
  },
);
export type DescribeTopicPartitionsRequest = Infer<typeof describeTopicPartitionsRequest>;

export const describeTopicPartitionsResponse = message(
  "DescribeTopicPartitionsResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32({ ignorable: true }),
    topics: array({
      errorCode: i16(),
      name: string({ nullable: true }),
      topicId: uuid({ ignorable: true }),
      isInternal: bool({ default: false, ignorable: true }),
      partitions: array({
        errorCode: i16(),
        partitionIndex: partitionIndex(),
        leaderId: brokerId(),
        leaderEpoch: leaderEpoch({ default: -1, ignorable: true }),
        replicaNodes: array(brokerId()),
        isrNodes: array(brokerId()),
        eligibleLeaderReplicas: array(brokerId(), { nullable: true, default: null }),
        lastKnownElr: array(brokerId(), { nullable: true, default: null }),
        offlineReplicas: array(brokerId(), { ignorable: true }),
      }),
      topicAuthorizedOperations: i32({ default: -2147483648 }),
    }),
    nextCursor: struct(cursor, { nullable: true, default: null }),
  },
);
export type DescribeTopicPartitionsResponse = Infer<typeof describeTopicPartitionsResponse>;
