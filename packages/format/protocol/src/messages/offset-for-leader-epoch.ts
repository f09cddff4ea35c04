import { message } from "../message.ts";
import { array, i16, i32, i64, type Infer, string } from "../schema.ts";

export const offsetForLeaderEpochRequest = message(
  "OffsetForLeaderEpochRequest",
  { versions: [2, 4], flexible: 4 },
  {
    replicaId: i32({ since: 3, default: -2, ignorable: true }),
    topics: array({
      topic: string(),
      partitions: array({
        partition: i32(),
        currentLeaderEpoch: i32({ default: -1 }),
        leaderEpoch: i32(),
      }),
    }),
  },
);
export type OffsetForLeaderEpochRequest = Infer<typeof offsetForLeaderEpochRequest>;

export const offsetForLeaderEpochResponse = message(
  "OffsetForLeaderEpochResponse",
  { versions: [2, 4], flexible: 4 },
  {
    throttleTimeMs: i32(),
    topics: array({
      topic: string(),
      partitions: array({
        errorCode: i16(),
        partition: i32(),
        leaderEpoch: i32({ default: -1 }),
        endOffset: i64({ default: -1 }),
      }),
    }),
  },
);
export type OffsetForLeaderEpochResponse = Infer<typeof offsetForLeaderEpochResponse>;
