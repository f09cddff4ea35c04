/**
 * DescribeShareGroupOffsets: lists start offsets of the share partitions of share groups.
 *
 * Version 1: Adds the lag (KIP-1226).
 */
import { message } from "../codec/message.ts";
import {
  array,
  i16,
  i32,
  i64,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  string,
  uuid,
} from "../codec/schema.ts";

const describeShareGroupOffsetsRequestTopic = {
  topicName: string(),
  partitions: array(partitionIndex()),
};

export const describeShareGroupOffsetsRequest = message(
  "DescribeShareGroupOffsetsRequest",
  { versions: [0, 1], flexible: 0 },
  {
    groups: array({
      groupId: string(),
      topics: array(describeShareGroupOffsetsRequestTopic, { nullable: true }),
    }),
  },
);
export type DescribeShareGroupOffsetsRequest = Infer<typeof describeShareGroupOffsetsRequest>;

export const describeShareGroupOffsetsResponse = message(
  "DescribeShareGroupOffsetsResponse",
  { versions: [0, 1], flexible: 0 },
  {
    throttleTimeMs: i32(),
    groups: array({
      groupId: string(),
      topics: array({
        topicName: string(),
        topicId: uuid(),
        partitions: array({
          partitionIndex: partitionIndex(),
          startOffset: offset(),
          leaderEpoch: leaderEpoch(),
          lag: i64({ since: 1, default: -1, ignorable: true }),
          errorCode: i16(),
          errorMessage: string({ nullable: true, default: null }),
        }),
      }),
      errorCode: i16(),
      errorMessage: string({ nullable: true, default: null }),
    }),
  },
);
export type DescribeShareGroupOffsetsResponse = Infer<typeof describeShareGroupOffsetsResponse>;
