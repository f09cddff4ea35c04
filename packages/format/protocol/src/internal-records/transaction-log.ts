/**
 * TransactionLog: state of a transactional id.
 *
 * Version 1: Flexible. Adds previous and next producer ids, the next epoch and the client's transaction version.
 */
import { message } from "../codec/message.ts";
import {
  array,
  i16,
  i32,
  i64,
  i8,
  type Infer,
  partitionIndex,
  producerEpoch,
  producerId,
  string,
} from "../codec/schema.ts";

export const transactionLogKey = message(
  "TransactionLogKey",
  { versions: [0, 0] },
  {
    transactionalId: string(),
  },
);
export type TransactionLogKey = Infer<typeof transactionLogKey>;

const partitionsSchema = {
  topic: string(),
  partitionIds: array(partitionIndex()),
};

export const transactionLogValue = message(
  "TransactionLogValue",
  { versions: [0, 1], flexible: 1 },
  {
    producerId: producerId(),
    previousProducerId: producerId({ since: 1, tag: 0, default: -1n }),
    nextProducerId: producerId({ since: 1, tag: 1, default: -1n }),
    producerEpoch: producerEpoch(),
    nextProducerEpoch: producerEpoch({ since: 1, tag: 3, default: -1 }),
    transactionTimeoutMs: i32(),
    transactionStatus: i8(),
    transactionPartitions: array(partitionsSchema, { nullable: true }),
    transactionLastUpdateTimestampMs: i64(),
    transactionStartTimestampMs: i64(),
    clientTransactionVersion: i16({ since: 1, tag: 2, default: 0 }),
  },
);
export type TransactionLogValue = Infer<typeof transactionLogValue>;
