import { message } from "../message.ts";
import { array, i16, i32, i64, i8, type Infer, string } from "../schema.ts";

export const listOffsetsRequest = message(
  "ListOffsetsRequest",
  { versions: [1, 11], flexible: 6 },
  {
    replicaId: i32(),
    isolationLevel: i8({ since: 2 }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: i32(),
        currentLeaderEpoch: i32({ since: 4, default: -1, ignorable: true }),
        // Clients ask for any number, Long.MAX_VALUE too.
        timestamp: i64(),
      }),
    }),
    timeoutMs: i32({ since: 10, ignorable: true }),
  },
);
export type ListOffsetsRequest = Infer<typeof listOffsetsRequest>;

export const listOffsetsResponse = message(
  "ListOffsetsResponse",
  { versions: [1, 11], flexible: 6 },
  {
    throttleTimeMs: i32({ since: 2, ignorable: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: i32(),
        errorCode: i16(),
        timestamp: i64({ default: -1 }),
        offset: i64({ default: -1 }),
        leaderEpoch: i32({ since: 4, default: -1 }),
      }),
    }),
  },
);
export type ListOffsetsResponse = Infer<typeof listOffsetsResponse>;
