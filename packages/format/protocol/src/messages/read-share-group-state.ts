/** ReadShareGroupState: a share-partition leader reads its state from the share coordinator. */
import { message } from "../codec/message.ts";
import { array, i16, i32, i8, type Infer, leaderEpoch, offset, partitionIndex, string, uuid } from "../codec/schema.ts";

export const readShareGroupStateRequest = message(
  "ReadShareGroupStateRequest",
  { versions: [0, 0], flexible: 0 },
  {
    groupId: string(),
    topics: array({
      topicId: uuid(),
      partitions: array({
        partition: partitionIndex(),
        leaderEpoch: leaderEpoch(),
      }),
    }),
  },
);
export type ReadShareGroupStateRequest = Infer<typeof readShareGroupStateRequest>;

export const readShareGroupStateResponse = message(
  "ReadShareGroupStateResponse",
  { versions: [0, 0], flexible: 0 },
  {
    results: array({
      topicId: uuid(),
      partitions: array({
        partition: partitionIndex(),
        errorCode: i16(),
        errorMessage: string({ nullable: true, default: null }),
        stateEpoch: i32(),
        startOffset: offset(),
        stateBatches: array({
          firstOffset: offset(),
          lastOffset: offset(),
          deliveryState: i8(),
          deliveryCount: i16(),
        }),
      }),
    }),
  },
);
export type ReadShareGroupStateResponse = Infer<typeof readShareGroupStateResponse>;
