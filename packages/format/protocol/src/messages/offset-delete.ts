/** OffsetDelete: deletes committed offsets of a group. */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, partitionIndex, string } from "../codec/schema.ts";

export const offsetDeleteRequest = message(
  "OffsetDeleteRequest",
  { versions: [0, 0] },
  {
    groupId: string(),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
      }),
    }),
  },
);
export type OffsetDeleteRequest = Infer<typeof offsetDeleteRequest>;

export const offsetDeleteResponse = message(
  "OffsetDeleteResponse",
  { versions: [0, 0] },
  {
    errorCode: i16(),
    throttleTimeMs: i32({ ignorable: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
      }),
    }),
  },
);
export type OffsetDeleteResponse = Infer<typeof offsetDeleteResponse>;
