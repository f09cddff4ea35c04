import { message } from "../message.ts";
import { array, i16, i32, i64, type Infer, string } from "../schema.ts";

export const deleteRecordsRequest = message(
  "DeleteRecordsRequest",
  { versions: [0, 2], flexible: 2 },
  {
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: i32(),
        offset: i64(),
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
        partitionIndex: i32(),
        lowWatermark: i64(),
        errorCode: i16(),
      }),
    }),
  },
);
export type DeleteRecordsResponse = Infer<typeof deleteRecordsResponse>;
