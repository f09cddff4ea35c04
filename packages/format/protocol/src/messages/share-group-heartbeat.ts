/** ShareGroupHeartbeat: keeps a member in its share group, and exchanges subscription and assignment (KIP-932). */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, partitionIndex, string, struct, uuid } from "../codec/schema.ts";

export const shareGroupHeartbeatRequest = message(
  "ShareGroupHeartbeatRequest",
  { versions: [1, 1], flexible: 0 },
  {
    groupId: string(),
    memberId: string(),
    memberEpoch: i32(),
    rackId: string({ nullable: true, default: null }),
    subscribedTopicNames: array(string(), { nullable: true, default: null }),
  },
);
export type ShareGroupHeartbeatRequest = Infer<typeof shareGroupHeartbeatRequest>;

const assignment = {
  topicPartitions: array({
    topicId: uuid(),
    partitions: array(partitionIndex()),
  }),
};

export const shareGroupHeartbeatResponse = message(
  "ShareGroupHeartbeatResponse",
  { versions: [1, 1], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true, default: null }),
    memberId: string({ nullable: true, default: null }),
    memberEpoch: i32(),
    heartbeatIntervalMs: i32(),
    assignment: struct(assignment, { nullable: true, default: null }),
  },
);
export type ShareGroupHeartbeatResponse = Infer<typeof shareGroupHeartbeatResponse>;
