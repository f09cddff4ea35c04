/** StreamsGroupTargetAssignmentMember: tasks that a member of a streams group is to get. */
import { message } from "../codec/message.ts";
import { array, type Infer, partitionIndex, string } from "../codec/schema.ts";

export const streamsGroupTargetAssignmentMemberKey = message(
  "StreamsGroupTargetAssignmentMemberKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    memberId: string(),
  },
);
export type StreamsGroupTargetAssignmentMemberKey = Infer<typeof streamsGroupTargetAssignmentMemberKey>;

const taskIds = {
  subtopologyId: string(),
  partitions: array(partitionIndex()),
};

export const streamsGroupTargetAssignmentMemberValue = message(
  "StreamsGroupTargetAssignmentMemberValue",
  { versions: [0, 0], flexible: 0 },
  {
    activeTasks: array(taskIds),
    standbyTasks: array(taskIds),
    warmupTasks: array(taskIds),
  },
);
export type StreamsGroupTargetAssignmentMemberValue = Infer<typeof streamsGroupTargetAssignmentMemberValue>;
