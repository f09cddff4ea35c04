/** StreamsGroupCurrentMemberAssignment: epoch, state and assigned tasks of a member of a streams group. */
import { message } from "../codec/message.ts";
import { array, i32, i8, type Infer, partitionIndex, string } from "../codec/schema.ts";

export const streamsGroupCurrentMemberAssignmentKey = message(
  "StreamsGroupCurrentMemberAssignmentKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    memberId: string(),
  },
);
export type StreamsGroupCurrentMemberAssignmentKey = Infer<typeof streamsGroupCurrentMemberAssignmentKey>;

const taskIds = {
  subtopologyId: string(),
  partitions: array(partitionIndex()),
  assignmentEpochs: array(i32(), { nullable: true, tag: 0 }),
};

export const streamsGroupCurrentMemberAssignmentValue = message(
  "StreamsGroupCurrentMemberAssignmentValue",
  { versions: [0, 0], flexible: 0 },
  {
    memberEpoch: i32(),
    previousMemberEpoch: i32(),
    state: i8(),
    activeTasks: array(taskIds),
    standbyTasks: array(taskIds),
    warmupTasks: array(taskIds),
    activeTasksPendingRevocation: array(taskIds),
    standbyTasksPendingRevocation: array(taskIds),
    warmupTasksPendingRevocation: array(taskIds),
  },
);
export type StreamsGroupCurrentMemberAssignmentValue = Infer<typeof streamsGroupCurrentMemberAssignmentValue>;
