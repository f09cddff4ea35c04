/**
 * ShareAcknowledge: acknowledges records of share partitions.
 *
 * Version 2: Adds renew acknowledgements and AcquisitionLockTimeoutMs (KIP-1222).
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
  string,
  struct,
  uuid,
} from "../codec/schema.ts";

export const shareAcknowledgeRequest = message(
  "ShareAcknowledgeRequest",
  { versions: [1, 2], flexible: 0 },
  {
    groupId: string({ nullable: true, default: null }),
    memberId: string({ nullable: true }),
    shareSessionEpoch: i32(),
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
  },
);
export type ShareAcknowledgeRequest = Infer<typeof shareAcknowledgeRequest>;

export const shareAcknowledgeResponse = message(
  "ShareAcknowledgeResponse",
  { versions: [1, 2], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true, default: null }),
    acquisitionLockTimeoutMs: i32({ since: 2, ignorable: true }),
    responses: array({
      topicId: uuid(),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        errorMessage: string({ nullable: true, default: null }),
        currentLeader: struct({
          leaderId: brokerId(),
          leaderEpoch: leaderEpoch(),
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
export type ShareAcknowledgeResponse = Infer<typeof shareAcknowledgeResponse>;
