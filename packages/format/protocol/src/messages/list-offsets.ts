/**
 * ListOffsets: finds offsets of partitions by timestamp, or special ones such as the first and last.
 *
 * Version 2: Adds the isolation level and the throttle time.
 * Version 3: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 4: Adds leader epochs, for fencing.
 * Version 5: May return OFFSET_NOT_AVAILABLE.
 * Version 6: Flexible (KIP-482).
 * Version 7: Adds lookup of the record with the largest timestamp (KIP-734).
 * Version 8: Adds lookup of the local log start offset (KIP-405).
 * Version 9: Adds lookup of the last tiered offset (KIP-1005).
 * Version 10: Adds TimeoutMs, for lookups in remote storage (KIP-1075).
 * Version 11: Adds lookup of the earliest offset that is not uploaded yet (KIP-1023).
 */
import { message } from "../codec/message.ts";
import {
  array,
  brokerId,
  i16,
  i32,
  i64,
  i8,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  string,
} from "../codec/schema.ts";

export const listOffsetsRequest = message(
  "ListOffsetsRequest",
  { versions: [1, 11], flexible: 6 },
  {
    replicaId: brokerId(),
    isolationLevel: i8({ since: 2 }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        currentLeaderEpoch: leaderEpoch({ since: 4, default: -1, ignorable: true }),
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
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        timestamp: i64({ default: -1 }),
        offset: offset({ default: -1 }),
        leaderEpoch: leaderEpoch({ since: 4, default: -1 }),
      }),
    }),
  },
);
export type ListOffsetsResponse = Infer<typeof listOffsetsResponse>;
