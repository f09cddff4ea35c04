/** DeleteShareGroupState: the group coordinator deletes share-partition state at the share coordinator. */
import { message } from "../codec/message.ts";
import { array, i16, type Infer, partitionIndex, string, uuid } from "../codec/schema.ts";

export const deleteShareGroupStateRequest = message(
  "DeleteShareGroupStateRequest",
  { versions: [0, 0], flexible: 0 },
  {
    groupId: string(),
    topics: array({
      topicId: uuid(),
      partitions: array({
        partition: partitionIndex(),
      }),
    }),
  },
);
export type DeleteShareGroupStateRequest = Infer<typeof deleteShareGroupStateRequest>;

export const deleteShareGroupStateResponse = message(
  "DeleteShareGroupStateResponse",
  { versions: [0, 0], flexible: 0 },
  {
    results: array({
      topicId: uuid(),
      partitions: array({
        partition: partitionIndex(),
        errorCode: i16(),
        errorMessage: string({ nullable: true, default: null }),
      }),
    }),
  },
);
export type DeleteShareGroupStateResponse = Infer<typeof deleteShareGroupStateResponse>;
