import { message } from "../message.ts";
import { array, i16, i32, i64, type Infer, string, uuid } from "../schema.ts";

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
        partitionIndex: i32(),
        committedOffset: i64(),
        committedLeaderEpoch: i32({ since: 6, default: -1, ignorable: true }),
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
        partitionIndex: i32(),
        errorCode: i16(),
      }),
    }),
  },
);
export type OffsetCommitResponse = Infer<typeof offsetCommitResponse>;
