/**
 * ShareFetch: acquires records of share partitions, and may acknowledge earlier ones.
 *
 * Version 2: Adds ShareAcquireMode (KIP-1206) and renew acknowledgements (KIP-1222).
 */
import { message } from "../codec/message.ts";
import {
  array,
  bool,
  brokerId,
  i16,
  i32,
  i8,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  records,
  string,
  struct,
  uuid,
} from "../codec/schema.ts";

export const shareFetchRequest = message(
  "ShareFetchRequest",
  { versions: [1, 2], flexible: 0 },
  {
    groupId: string({ nullable: true, default: null }),
    memberId: string({ nullable: true }),
    shareSessionEpoch: i32(),
    maxWaitMs: i32(),
    minBytes: i32(),
    maxBytes: i32({ default: 0x7fffffff }),
    maxRecords: i32(),
    batchSize: i32(),
    shareAcquireMode: i8({ since: 2, default: 0, ignorable: true }),
    isRenewAck: bool({ since: 2, default: false }),
    topics: array({
      topicId: uuid(),
      partitions: array({
        partitionIndex: partitionIndex(),
        acknowledgementBatches: array({
          firstOffset: offset(),
          lastOffset: offset(),
          acknowledgeTypes: array(i8()),
        }),
      }),
    }),
    forgottenTopicsData: array({
      topicId: uuid(),
      partitions: array(partitionIndex()),
    }),
  },
);
export type ShareFetchRequest = Infer<typeof shareFetchRequest>;

export const shareFetchResponse = message(
  "ShareFetchResponse",
  { versions: [1, 2], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true, default: null }),
    acquisitionLockTimeoutMs: i32(),
    responses: array({
      topicId: uuid(),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        errorMessage: string({ nullable: true, default: null }),
        acknowledgeErrorCode: i16(),
        acknowledgeErrorMessage: string({ nullable: true, default: null }),
        currentLeader: struct({
          leaderId: brokerId(),
          leaderEpoch: leaderEpoch(),
        }),
        records: records(),
        acquiredRecords: array({
          firstOffset: offset(),
          lastOffset: offset(),
          deliveryCount: i16(),
        }),
      }),
    }),
    nodeEndpoints: array({
      nodeId: brokerId(),
      host: string(),
      port: i32(),
      rack: string({ nullable: true, default: null }),
    }),
  },
);
export type ShareFetchResponse = Infer<typeof shareFetchResponse>;
