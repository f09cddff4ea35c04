/** DescribeProducers: lists the active producers of partitions. */
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
  producerId,
  string,
} from "../codec/schema.ts";

export const describeProducersRequest = message(
  "DescribeProducersRequest",
  { versions: [0, 0], flexible: 0 },
  {
    topics: array({
      name: string(),
      partitionIndexes: array(partitionIndex()),
    }),
  },
);
export type DescribeProducersRequest = Infer<typeof describeProducersRequest>;

export const describeProducersResponse = message(
  "DescribeProducersResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        errorMessage: string({ nullable: true, default: null }),
        activeProducers: array({
          producerId: producerId(),
          producerEpoch: i32(),
          lastSequence: i32({ default: -1 }),
          lastTimestamp: i64({ default: -1 }),
          coordinatorEpoch: leaderEpoch(),
          currentTxnStartOffset: offset({ default: -1 }),
        }),
      }),
    }),
  },
);
export type DescribeProducersResponse = Infer<typeof describeProducersResponse>;
