/**
 * OffsetForLeaderEpoch: finds the end offset of a leader epoch, to detect log divergence.
 *
 * Version 3: Adds ReplicaId; -2 is a debugging consumer.
 * Version 4: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { array, brokerId, i16, i32, type Infer, leaderEpoch, offset, partitionIndex, string } from "../codec/schema.ts";

export const offsetForLeaderEpochRequest = message(
  "OffsetForLeaderEpochRequest",
  { versions: [2, 4], flexible: 4 },
  {
    replicaId: brokerId({ since: 3, default: -2, ignorable: true }),
    topics: array({
      topic: string(),
      partitions: array({
        partition: partitionIndex(),
        currentLeaderEpoch: leaderEpoch({ default: -1, ignorable: true }),
        leaderEpoch: leaderEpoch(),
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
        partition: partitionIndex(),
        leaderEpoch: leaderEpoch({ default: -1, ignorable: true }),
        endOffset: offset({ default: -1 }),
      }),
    }),
  },
);
export type OffsetForLeaderEpochResponse = Infer<typeof offsetForLeaderEpochResponse>;
