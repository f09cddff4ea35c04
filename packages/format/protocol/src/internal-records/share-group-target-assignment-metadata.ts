/** ShareGroupTargetAssignmentMetadata: epoch of a share group's target assignment. */
import { message } from "../codec/message.ts";
import { i32, i64, type Infer, string } from "../codec/schema.ts";

export const shareGroupTargetAssignmentMetadataKey = message(
  "ShareGroupTargetAssignmentMetadataKey",
  { versions: [0, 0] },
  {
    groupId: string(),
  },
);
export type ShareGroupTargetAssignmentMetadataKey = Infer<typeof shareGroupTargetAssignmentMetadataKey>;

export const shareGroupTargetAssignmentMetadataValue = message(
  "ShareGroupTargetAssignmentMetadataValue",
  { versions: [0, 0], flexible: 0 },
  {
    assignmentEpoch: i32(),
    assignmentTimestamp: i64({ tag: 0, default: 0, ignorable: true }),
  },
);
export type ShareGroupTargetAssignmentMetadataValue = Infer<typeof shareGroupTargetAssignmentMetadataValue>;
