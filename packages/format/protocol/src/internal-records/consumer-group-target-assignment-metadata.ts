/** ConsumerGroupTargetAssignmentMetadata: epoch of a consumer group's target assignment. */
import { message } from "../codec/message.ts";
import { i32, i64, type Infer, string } from "../codec/schema.ts";

export const consumerGroupTargetAssignmentMetadataKey = message(
  "ConsumerGroupTargetAssignmentMetadataKey",
  { versions: [0, 0] },
  {
    groupId: string(),
  },
);
export type ConsumerGroupTargetAssignmentMetadataKey = Infer<typeof consumerGroupTargetAssignmentMetadataKey>;

export const consumerGroupTargetAssignmentMetadataValue = message(
  "ConsumerGroupTargetAssignmentMetadataValue",
  { versions: [0, 0], flexible: 0 },
  {
    assignmentEpoch: i32(),
    assignmentTimestamp: i64({ tag: 0, default: 0, ignorable: true }),
  },
);
export type ConsumerGroupTargetAssignmentMetadataValue = Infer<typeof consumerGroupTargetAssignmentMetadataValue>;
