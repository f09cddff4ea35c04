/**
 * WriteShareGroupState: a share-partition leader writes its state to the share coordinator.
 *
 * Version 1: Adds DeliveryCompleteCount (KIP-1226).
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, i8, type Infer, leaderEpoch, offset, partitionIndex, string, uuid } from "../codec/schema.ts";

export const writeShareGroupStateRequest = message(
  "WriteShareGroupStateRequest",
  { versions: [0, 1], flexible: 0 },
  {
    groupId: string(),
    topics: array({
      topicId: uuid(),
      partitions: array({
        partition: partitionIndex(),
        stateEpoch: i32(),
        leaderEpoch: leaderEpoch(),
        startOffset: offset(),
        deliveryCompleteCount: i32({ since: 1, default: -1, ignorable: true }),
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
export type WriteShareGroupStateRequest = Infer<typeof writeShareGroupStateRequest>;

export const writeShareGroupStateResponse = message(
  "WriteShareGroupStateResponse",
  { versions: [0, 1], flexible: 0 },
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
export type WriteShareGroupStateResponse = Infer<typeof writeShareGroupStateResponse>;
