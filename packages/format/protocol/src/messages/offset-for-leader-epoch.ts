/**
 * OffsetForLeaderEpoch: finds the end offset of a leader epoch, to detect log divergence.
 *
 * Version 3: Adds ReplicaId; -2 is a debugging consumer.
 * Version 4: Flexible (KIP-482).
 */
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
        currentLeaderEpoch: i32({ default: -1, ignorable: true }),
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
    throttleTimeMs: i32({ ignorable: true }),
    topics: array({
      topic: string(),
      partitions: array({
        errorCode: i16(),
        partition: i32(),
        leaderEpoch: i32({ default: -1, ignorable: true }),
        endOffset: i64({ default: -1 }),
      }),
    }),
  },
);
export type OffsetForLeaderEpochResponse = Infer<typeof offsetForLeaderEpochResponse>;
