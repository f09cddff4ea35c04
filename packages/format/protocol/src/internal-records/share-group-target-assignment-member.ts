/** ShareGroupTargetAssignmentMember: partitions that a member of a share group is to get. */
import { message } from "../codec/message.ts";
import { array, type Infer, partitionIndex, string, uuid } from "../codec/schema.ts";

export const shareGroupTargetAssignmentMemberKey = message(
  "ShareGroupTargetAssignmentMemberKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    memberId: string(),
  },
);
export type ShareGroupTargetAssignmentMemberKey = Infer<typeof shareGroupTargetAssignmentMemberKey>;

export const shareGroupTargetAssignmentMemberValue = message(
  "ShareGroupTargetAssignmentMemberValue",
  { versions: [0, 0], flexible: 0 },
  {
    topicPartitions: array({
      topicId: uuid(),
      partitions: array(partitionIndex()),
    }),
  },
);
export type ShareGroupTargetAssignmentMemberValue = Infer<typeof shareGroupTargetAssignmentMemberValue>;
