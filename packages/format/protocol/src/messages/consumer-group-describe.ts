/**
 * ConsumerGroupDescribe: describes groups of the consumer protocol (KIP-848).
 *
 * Version 1: Adds MemberType, classic or consumer (KIP-1099).
 */
import { message } from "../codec/message.ts";
import { array, bool, i16, i32, i8, type Infer, partitionIndex, string, struct, uuid } from "../codec/schema.ts";

export const consumerGroupDescribeRequest = message(
  "ConsumerGroupDescribeRequest",
  { versions: [0, 1], flexible: 0 },
  {
    groupIds: array(string()),
    includeAuthorizedOperations: bool(),
  },
);
export type ConsumerGroupDescribeRequest = Infer<typeof consumerGroupDescribeRequest>;

const assignment = {
  topicPartitions: array({
    topicId: uuid(),
    topicName: string(),
    partitions: array(partitionIndex()),
  }),
};

export const consumerGroupDescribeResponse = message(
  "ConsumerGroupDescribeResponse",
  { versions: [0, 1], flexible: 0 },
  {
    throttleTimeMs: i32(),
    groups: array({
      errorCode: i16(),
      errorMessage: string({ nullable: true, default: null }),
      groupId: string(),
      groupState: string(),
      groupEpoch: i32(),
      assignmentEpoch: i32(),
      assignorName: string(),
      members: array({
        memberId: string(),
        instanceId: string({ nullable: true, default: null }),
        rackId: string({ nullable: true, default: null }),
        memberEpoch: i32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string()),
        subscribedTopicRegex: string({ nullable: true, default: null }),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        memberType: i8({ since: 1, default: -1, ignorable: true }),
      }),
      authorizedOperations: i32({ default: -2147483648 }),
    }),
  },
);
export type ConsumerGroupDescribeResponse = Infer<typeof consumerGroupDescribeResponse>;
