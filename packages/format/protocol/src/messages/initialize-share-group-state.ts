/** InitializeShareGroupState: the group coordinator creates share-partition state at the share coordinator. */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, offset, partitionIndex, string, uuid } from "../codec/schema.ts";

export const initializeShareGroupStateRequest = message(
  "InitializeShareGroupStateRequest",
  { versions: [0, 0], flexible: 0 },
  {
    groupId: string(),
    topics: array({
      topicId: uuid(),
      partitions: array({
        partition: partitionIndex(),
        stateEpoch: i32(),
        startOffset: offset(),
      }),
    }),
  },
);
export type InitializeShareGroupStateRequest = Infer<typeof initializeShareGroupStateRequest>;

export const initializeShareGroupStateResponse = message(
  "InitializeShareGroupStateResponse",
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
export type InitializeShareGroupStateResponse = Infer<typeof initializeShareGroupStateResponse>;
