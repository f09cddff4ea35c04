/** ConsumerGroupTargetAssignmentMember: partitions that a member of a consumer group is to get. */
import { message } from "../codec/message.ts";
import { array, type Infer, partitionIndex, string, uuid } from "../codec/schema.ts";

export const consumerGroupTargetAssignmentMemberKey = message(
  "ConsumerGroupTargetAssignmentMemberKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    memberId: string(),
  },
);
export type ConsumerGroupTargetAssignmentMemberKey = Infer<typeof consumerGroupTargetAssignmentMemberKey>;

export const consumerGroupTargetAssignmentMemberValue = message(
  "ConsumerGroupTargetAssignmentMemberValue",
  { versions: [0, 0], flexible: 0 },
  {
    topicPartitions: array({
      topicId: uuid(),
      partitions: array(partitionIndex()),
    }),
  },
);
export type ConsumerGroupTargetAssignmentMemberValue = Infer<typeof consumerGroupTargetAssignmentMemberValue>;
