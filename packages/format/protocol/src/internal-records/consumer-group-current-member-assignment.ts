/** ConsumerGroupCurrentMemberAssignment: epoch, state and assigned partitions of a member of a consumer group. */
import { message } from "../codec/message.ts";
import { array, i32, i8, type Infer, partitionIndex, string, uuid } from "../codec/schema.ts";

export const consumerGroupCurrentMemberAssignmentKey = message(
  "ConsumerGroupCurrentMemberAssignmentKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    memberId: string(),
  },
);
export type ConsumerGroupCurrentMemberAssignmentKey = Infer<typeof consumerGroupCurrentMemberAssignmentKey>;

const topicPartitions = {
  topicId: uuid(),
  partitions: array(partitionIndex()),
  assignmentEpochs: array(i32(), { nullable: true, tag: 0 }),
};

export const consumerGroupCurrentMemberAssignmentValue = message(
  "ConsumerGroupCurrentMemberAssignmentValue",
  { versions: [0, 0], flexible: 0 },
  {
    memberEpoch: i32(),
    previousMemberEpoch: i32(),
    state: i8(),
    assignedPartitions: array(topicPartitions),
    partitionsPendingRevocation: array(topicPartitions),
  },
);
export type ConsumerGroupCurrentMemberAssignmentValue = Infer<typeof consumerGroupCurrentMemberAssignmentValue>;
