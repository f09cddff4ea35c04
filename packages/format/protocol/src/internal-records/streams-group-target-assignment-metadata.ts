/** StreamsGroupTargetAssignmentMetadata: epoch of a streams group's target assignment. */
import { message } from "../codec/message.ts";
import { i32, i64, type Infer, string } from "../codec/schema.ts";

export const streamsGroupTargetAssignmentMetadataKey = message(
  "StreamsGroupTargetAssignmentMetadataKey",
  { versions: [0, 0] },
  {
    groupId: string(),
  },
);
export type StreamsGroupTargetAssignmentMetadataKey = Infer<typeof streamsGroupTargetAssignmentMetadataKey>;

export const streamsGroupTargetAssignmentMetadataValue = message(
  "StreamsGroupTargetAssignmentMetadataValue",
  { versions: [0, 0], flexible: 0 },
  {
    assignmentEpoch: i32(),
    assignmentTimestamp: i64({ tag: 0, default: 0, ignorable: true }),
  },
);
export type StreamsGroupTargetAssignmentMetadataValue = Infer<typeof streamsGroupTargetAssignmentMetadataValue>;
