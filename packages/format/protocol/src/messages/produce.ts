/**
 * Produce: appends records to partitions.
 *
 * Version 4: May return KAFKA_STORAGE_ERROR.
 * Version 5: Adds LogStartOffset to the response.
 * Version 6: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 7: Records may be compressed with zstd (KIP-110).
 * Version 8: Adds RecordErrors and ErrorMessage to the response (KIP-467).
 * Version 9: Flexible (KIP-482).
 * Version 10: Adds CurrentLeader and NodeEndpoints to the response (KIP-951).
 * Version 11: May return TRANSACTION_ABORTABLE (KIP-890).
 * Version 12: Also adds the partition to the transaction, as AddPartitionsToTxn does (KIP-890).
 * Version 13: Topic ids replace topic names; may return UNKNOWN_TOPIC_ID (KIP-516).
 */
import { message } from "../codec/message.ts";
import {
  array,
  brokerId,
  i16,
  i32,
  i64,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  records,
  string,
  struct,
  uuid,
} from "../codec/schema.ts";

export const produceRequest = message(
  "ProduceRequest",
  { versions: [3, 13], flexible: 9 },
  {
    transactionalId: string({ nullable: true, default: null }),
    acks: i16(),
    timeoutMs: i32(),
    topicData: array({
      name: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitionData: array({
        index: partitionIndex(),
        records: records({ nullable: true }),
      }),
    }),
  },
);
export type ProduceRequest = Infer<typeof produceRequest>;

const batchIndexAndErrorMessage = {
  batchIndex: i32(),
  batchIndexErrorMessage: string({ nullable: true, default: null }),
};

const leaderIdAndEpoch = {
  leaderId: brokerId({ default: -1 }),
  leaderEpoch: leaderEpoch({ default: -1 }),
};

const nodeEndpoint = {
  nodeId: brokerId(),
  host: string(),
  port: i32(),
  rack: string({ nullable: true, default: null }),
};

export const produceResponse = message(
  "ProduceResponse",
  { versions: [3, 13], flexible: 9 },
  {
    responses: array({
      name: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitionResponses: array({
        index: partitionIndex(),
        errorCode: i16(),
        baseOffset: offset(),
        logAppendTimeMs: i64({ default: -1, ignorable: true }),
        logStartOffset: offset({ since: 5, default: -1, ignorable: true }),
        recordErrors: array(batchIndexAndErrorMessage, { since: 8, ignorable: true }),
        errorMessage: string({ since: 8, nullable: true, default: null, ignorable: true }),
        currentLeader: struct(leaderIdAndEpoch, { since: 10, tag: 0 }),
      }),
    }),
    throttleTimeMs: i32({ default: 0, ignorable: true }),
    nodeEndpoints: array(nodeEndpoint, { since: 10, tag: 0 }),
  },
);
export type ProduceResponse = Infer<typeof produceResponse>;
