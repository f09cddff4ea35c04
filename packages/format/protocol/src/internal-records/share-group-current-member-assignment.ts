/** ShareGroupCurrentMemberAssignment: epoch, state and assigned partitions of a member of a share group. */
import { message } from "../codec/message.ts";
import { array, i32, i8, type Infer, partitionIndex, string, uuid } from "../codec/schema.ts";

export const shareGroupCurrentMemberAssignmentKey = message(
  "ShareGroupCurrentMemberAssignmentKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    memberId: string(),
  },
);
export type ShareGroupCurrentMemberAssignmentKey = Infer<typeof shareGroupCurrentMemberAssignmentKey>;

export const shareGroupCurrentMemberAssignmentValue = message(
  "ShareGroupCurrentMemberAssignmentValue",
  { versions: [0, 0], flexible: 0 },
  {
    memberEpoch: i32(),
    previousMemberEpoch: i32(),
    state: i8(),
    assignedPartitions: array({
      topicId: uuid(),
      partitions: array(partitionIndex()),
    }),
  },
);
export type ShareGroupCurrentMemberAssignmentValue = Infer<typeof shareGroupCurrentMemberAssignmentValue>;
