/** AlterShareGroupOffsets: sets start offsets of share partitions of an empty share group. */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, offset, partitionIndex, string, uuid } from "../codec/schema.ts";

export const alterShareGroupOffsetsRequest = message(
  "AlterShareGroupOffsetsRequest",
  { versions: [0, 0], flexible: 0 },
  {
    groupId: string(),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        startOffset: offset(),
      }),
    }),
  },
);
export type AlterShareGroupOffsetsRequest = Infer<typeof alterShareGroupOffsetsRequest>;

export const alterShareGroupOffsetsResponse = message(
  "AlterShareGroupOffsetsResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true, default: null }),
    responses: array({
      topicName: string(),
      topicId: uuid(),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        errorMessage: string({ nullable: true, default: null }),
      }),
    }),
  },
);
export type AlterShareGroupOffsetsResponse = Infer<typeof alterShareGroupOffsetsResponse>;
