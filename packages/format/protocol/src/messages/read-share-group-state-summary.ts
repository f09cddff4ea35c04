/**
 * ReadShareGroupStateSummary: reads share-partition start offsets from the share coordinator.
 *
 * Version 1: Adds DeliveryCompleteCount (KIP-1226).
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, leaderEpoch, offset, partitionIndex, string, uuid } from "../codec/schema.ts";

export const readShareGroupStateSummaryRequest = message(
  "ReadShareGroupStateSummaryRequest",
  { versions: [0, 1], flexible: 0 },
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
export type ReadShareGroupStateSummaryRequest = Infer<typeof readShareGroupStateSummaryRequest>;

export const readShareGroupStateSummaryResponse = message(
  "ReadShareGroupStateSummaryResponse",
  { versions: [0, 1], flexible: 0 },
  {
    results: array({
      topicId: uuid(),
      partitions: array({
        partition: partitionIndex(),
        errorCode: i16(),
        errorMessage: string({ nullable: true, default: null }),
        stateEpoch: i32(),
        leaderEpoch: leaderEpoch(),
        startOffset: offset(),
        deliveryCompleteCount: i32({ since: 1, default: -1, ignorable: true }),
      }),
    }),
  },
);
export type ReadShareGroupStateSummaryResponse = Infer<typeof readShareGroupStateSummaryResponse>;
