/**
 * AddPartitionsToTxn: adds partitions to a transaction, or verifies that they are in it.
 *
 * Version 1: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 2: May return PRODUCER_FENCED.
 * Version 3: Flexible (KIP-482).
 * Version 4: For brokers only: several transactions in a request, VerifyOnly, and an error code for the whole response.
 * Version 5: May return TRANSACTION_ABORTABLE (KIP-890).
 */
import { message } from "../codec/message.ts";
import {
  array,
  bool,
  i16,
  i32,
  type Infer,
  partitionIndex,
  producerEpoch,
  producerId,
  string,
} from "../codec/schema.ts";

const addPartitionsToTxnTopic = {
  name: string(),
  partitions: array(partitionIndex()),
};

const addPartitionsToTxnTransaction = {
  transactionalId: string(),
  producerId: producerId(),
  producerEpoch: producerEpoch(),
  verifyOnly: bool({ default: false }),
  topics: array(addPartitionsToTxnTopic),
};

export const addPartitionsToTxnRequest = message(
  "AddPartitionsToTxnRequest",
  { versions: [0, 5], flexible: 3 },
  {
    transactions: array(addPartitionsToTxnTransaction, { since: 4 }),
    v3AndBelowTransactionalId: string({ until: 3 }),
    v3AndBelowProducerId: producerId({ until: 3 }),
    v3AndBelowProducerEpoch: producerEpoch({ until: 3 }),
    v3AndBelowTopics: array(addPartitionsToTxnTopic, { until: 3 }),
  },
);
export type AddPartitionsToTxnRequest = Infer<typeof addPartitionsToTxnRequest>;

const addPartitionsToTxnTopicResult = {
  name: string(),
  resultsByPartition: array({
    partitionIndex: partitionIndex(),
    partitionErrorCode: i16(),
  }),
};

const addPartitionsToTxnResult = {
  transactionalId: string(),
  topicResults: array(addPartitionsToTxnTopicResult),
};

export const addPartitionsToTxnResponse = message(
  "AddPartitionsToTxnResponse",
  { versions: [0, 5], flexible: 3 },
  {
    throttleTimeMs: i32(),
    errorCode: i16({ since: 4, ignorable: true }),
    resultsByTransaction: array(addPartitionsToTxnResult, { since: 4 }),
    resultsByTopicV3AndBelow: array(addPartitionsToTxnTopicResult, { until: 3 }),
  },
);
export type AddPartitionsToTxnResponse = Infer<typeof addPartitionsToTxnResponse>;
