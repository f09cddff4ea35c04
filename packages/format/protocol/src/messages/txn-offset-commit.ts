/**
 * TxnOffsetCommit: commits offsets of a group as part of a transaction.
 *
 * Version 1: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 2: Adds the committed leader epoch.
 * Version 3: Flexible. Adds member id, group.instance.id and generation.
 * Version 4: May return TRANSACTION_ABORTABLE (KIP-890).
 * Version 5: Also adds the group's offsets to the transaction, as AddOffsetsToTxn does (KIP-890).
 * Version 6: Topic ids replace topic names; may return STALE_MEMBER_EPOCH and UNKNOWN_TOPIC_ID (KIP-1319).
 */
import { message } from "../codec/message.ts";
import {
  array,
  i16,
  i32,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  producerEpoch,
  producerId,
  string,
  uuid,
} from "../codec/schema.ts";

export const txnOffsetCommitRequest = message(
  "TxnOffsetCommitRequest",
  { versions: [0, 6], flexible: 3 },
  {
    transactionalId: string(),
    groupId: string(),
    producerId: producerId(),
    producerEpoch: producerEpoch(),
    generationIdOrMemberEpoch: i32({ since: 3, default: -1 }),
    memberId: string({ since: 3, default: "" }),
    groupInstanceId: string({ since: 3, nullable: true, default: null }),
    topics: array({
      name: string({ until: 5, ignorable: true }),
      topicId: uuid({ since: 6, ignorable: true }),
      partitions: array({
        partitionIndex: partitionIndex(),
        committedOffset: offset(),
        committedLeaderEpoch: leaderEpoch({ since: 2, default: -1, ignorable: true }),
        committedMetadata: string({ nullable: true }),
      }),
    }),
  },
);
export type TxnOffsetCommitRequest = Infer<typeof txnOffsetCommitRequest>;

export const txnOffsetCommitResponse = message(
  "TxnOffsetCommitResponse",
  { versions: [0, 6], flexible: 3 },
  {
    throttleTimeMs: i32(),
    topics: array({
      name: string({ until: 5, ignorable: true }),
      topicId: uuid({ since: 6, ignorable: true }),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
      }),
    }),
  },
);
export type TxnOffsetCommitResponse = Infer<typeof txnOffsetCommitResponse>;
