/**
 * ConsumerGroupHeartbeat: keeps a member in its consumer group, and exchanges subscription and assignment.
 *
 * Version 1: Adds SubscribedTopicRegex (KIP-848); the consumer must generate its member id (KIP-1082).
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, partitionIndex, string, struct, uuid } from "../codec/schema.ts";

const topicPartitions = {
  topicId: uuid(),
  partitions: array(partitionIndex()),
};

export const consumerGroupHeartbeatRequest = message(
  "ConsumerGroupHeartbeatRequest",
  { versions: [0, 1], flexible: 0 },
  {
    groupId: string(),
    memberId: string(),
    memberEpoch: i32(),
    instanceId: string({ nullable: true, default: null }),
    rackId: string({ nullable: true, default: null }),
    rebalanceTimeoutMs: i32({ default: -1 }),
    subscribedTopicNames: array(string(), { nullable: true, default: null }),
    subscribedTopicRegex: string({ since: 1, nullable: true, default: null }),
    serverAssignor: string({ nullable: true, default: null }),
    topicPartitions: array(topicPartitions, { nullable: true, default: null }),
  },
);
export type ConsumerGroupHeartbeatRequest = Infer<typeof consumerGroupHeartbeatRequest>;

const assignment = {
  topicPartitions: array({
    topicId: uuid(),
    partitions: array(partitionIndex()),
  }),
};

export const consumerGroupHeartbeatResponse = message(
  "ConsumerGroupHeartbeatResponse",
  { versions: [0, 1], flexible: 0 },
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
export type ConsumerGroupHeartbeatResponse = Infer<typeof consumerGroupHeartbeatResponse>;
