/**
 * ReadShareGroupStateSummary: reads share-partition start offsets from the share coordinator.
 *
 * Version 1: Adds DeliveryCompleteCount (KIP-1226).
 */
import { message } from "../message.ts";
import { array, i16, i32, i64, type Infer, string, uuid } from "../schema.ts";

export const readShareGroupStateSummaryRequest = message(
  "ReadShareGroupStateSummaryRequest",
  { versions: [0, 1], flexible: 0 },
  {
    groupId: string(),
    topics: array({
      topicId: uuid(),
      partitions: array({
        partition: i32(),
        leaderEpoch: i32(),
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
        partition: i32(),
        errorCode: i16(),
        errorMessage: string({ nullable: true, default: null }),
        stateEpoch: i32(),
        leaderEpoch: i32(),
        startOffset: i64(),
        deliveryCompleteCount: i32({ since: 1, default: -1, ignorable: true }),
      }),
    }),
  },
);
export type ReadShareGroupStateSummaryResponse = Infer<typeof readShareGroupStateSummaryResponse>;
