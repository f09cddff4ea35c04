/**
 * OffsetCommit: commits offsets of a group.
 *
 * Version 3: Adds the throttle time.
 * Version 4: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 5: Removes RetentionTimeMs; a broker setting replaces it.
 * Version 6: Adds the committed leader epoch, for fencing.
 * Version 7: Adds group.instance.id.
 * Version 8: Flexible (KIP-482).
 * Version 9: For the consumer protocol, too (KIP-848); may return STALE_MEMBER_EPOCH and GROUP_ID_NOT_FOUND.
 * Version 10: Topic ids replace topic names (KIP-848).
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

export const offsetCommitRequest = message(
  "OffsetCommitRequest",
  { versions: [2, 10], flexible: 8 },
  {
    groupId: string(),
    generationIdOrMemberEpoch: i32({ default: -1, ignorable: true }),
    memberId: string({ ignorable: true }),
    groupInstanceId: string({ since: 7, nullable: true, default: null }),
    retentionTimeMs: i64({ until: 4, default: -1, ignorable: true }),
    topics: array({
      name: string({ until: 9, ignorable: true }),
      topicId: uuid({ since: 10, ignorable: true }),
      partitions: array({
        partitionIndex: partitionIndex(),
        committedOffset: offset(),
        committedLeaderEpoch: leaderEpoch({ since: 6, default: -1, ignorable: true }),
        committedMetadata: string({ nullable: true }),
      }),
    }),
  },
);
export type OffsetCommitRequest = Infer<typeof offsetCommitRequest>;

export const offsetCommitResponse = message(
  "OffsetCommitResponse",
  { versions: [2, 10], flexible: 8 },
  {
    throttleTimeMs: i32({ since: 3, ignorable: true }),
    topics: array({
      name: string({ until: 9, ignorable: true }),
      topicId: uuid({ since: 10, ignorable: true }),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
      }),
    }),
  },
);
export type OffsetCommitResponse = Infer<typeof offsetCommitResponse>;
