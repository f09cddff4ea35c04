/** DescribeTransactions: describes transactions by transactional id. */
import { message } from "../codec/message.ts";
import {
  array,
  i16,
  i32,
  i64,
  type Infer,
  partitionIndex,
  producerEpoch,
  producerId,
  string,
} from "../codec/schema.ts";

export const describeTransactionsRequest = message(
  "DescribeTransactionsRequest",
  { versions: [0, 0], flexible: 0 },
  {
    transactionalIds: array(string()),
  },
);
export type DescribeTransactionsRequest = Infer<typeof describeTransactionsRequest>;

export const describeTransactionsResponse = message(
  "DescribeTransactionsResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    transactionStates: array({
      errorCode: i16(),
      transactionalId: string(),
      transactionState: string(),
      transactionTimeoutMs: i32(),
      transactionStartTimeMs: i64(),
      producerId: producerId(),
      producerEpoch: producerEpoch(),
      topics: array({
        topic: string(),
        partitions: array(partitionIndex()),
      }),
    }),
  },
);
export type DescribeTransactionsResponse = Infer<typeof describeTransactionsResponse>;
