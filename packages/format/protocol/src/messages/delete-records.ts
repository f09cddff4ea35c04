/**
 * DeleteRecords: deletes the records of partitions before an offset.
 *
 * Version 1: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 2: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, offset, partitionIndex, string } from "../codec/schema.ts";

export const deleteRecordsRequest = message(
  "DeleteRecordsRequest",
  { versions: [0, 2], flexible: 2 },
  {
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        offset: offset(),
      }),
    }),
    timeoutMs: i32(),
  },
);
export type DeleteRecordsRequest = Infer<typeof deleteRecordsRequest>;

export const deleteRecordsResponse = message(
  "DeleteRecordsResponse",
  { versions: [0, 2], flexible: 2 },
  {
    throttleTimeMs: i32(),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        lowWatermark: offset(),
        errorCode: i16(),
      }),
    }),
  },
);
export type DeleteRecordsResponse = Infer<typeof deleteRecordsResponse>;
