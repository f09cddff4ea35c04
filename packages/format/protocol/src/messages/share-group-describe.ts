/** ShareGroupDescribe: describes share groups (KIP-932). */
import { message } from "../codec/message.ts";
import { array, bool, i16, i32, type Infer, partitionIndex, string, struct, uuid } from "../codec/schema.ts";

export const shareGroupDescribeRequest = message(
  "ShareGroupDescribeRequest",
  { versions: [1, 1], flexible: 0 },
  {
    groupIds: array(string()),
    includeAuthorizedOperations: bool(),
  },
);
export type ShareGroupDescribeRequest = Infer<typeof shareGroupDescribeRequest>;

export const shareGroupDescribeResponse = message(
  "ShareGroupDescribeResponse",
  { versions: [1, 1], flexible: 0 },
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
        rackId: string({ nullable: true, default: null }),
        memberEpoch: i32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string()),
        assignment: struct({
          topicPartitions: array({
            topicId: uuid(),
            topicName: string(),
            partitions: array(partitionIndex()),
          }),
        }),
      }),
      authorizedOperations: i32({ default: -2147483648 }),
    }),
  },
);
export type ShareGroupDescribeResponse = Infer<typeof shareGroupDescribeResponse>;
