/** DeleteShareGroupOffsets: deletes the offsets of topics in an empty share group. */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, string, uuid } from "../codec/schema.ts";

export const deleteShareGroupOffsetsRequest = message(
  "DeleteShareGroupOffsetsRequest",
  { versions: [0, 0], flexible: 0 },
  {
    groupId: string(),
    topics: array({
      topicName: string(),
    }),
  },
);
export type DeleteShareGroupOffsetsRequest = Infer<typeof deleteShareGroupOffsetsRequest>;

export const deleteShareGroupOffsetsResponse = message(
  "DeleteShareGroupOffsetsResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true, default: null }),
    responses: array({
      topicName: string(),
      topicId: uuid(),
      errorCode: i16(),
      errorMessage: string({ nullable: true, default: null }),
    }),
  },
);
export type DeleteShareGroupOffsetsResponse = Infer<typeof deleteShareGroupOffsetsResponse>;
