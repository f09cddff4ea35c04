/** ConsumerGroupMemberMetadata: client, subscription and settings of a member of a consumer group. */
import { message } from "../codec/message.ts";
import { array, bytes, i32, type Infer, string, struct } from "../codec/schema.ts";

export const consumerGroupMemberMetadataKey = message(
  "ConsumerGroupMemberMetadataKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    memberId: string(),
  },
);
export type ConsumerGroupMemberMetadataKey = Infer<typeof consumerGroupMemberMetadataKey>;

const classicMemberMetadata = {
  sessionTimeoutMs: i32(),
  supportedProtocols: array({
    name: string(),
    metadata: bytes(),
  }),
};

export const consumerGroupMemberMetadataValue = message(
  "ConsumerGroupMemberMetadataValue",
  { versions: [0, 0], flexible: 0 },
  {
    instanceId: string({ nullable: true }),
    rackId: string({ nullable: true }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
    subscribedTopicRegex: string({ nullable: true }),
    rebalanceTimeoutMs: i32({ default: -1 }),
    serverAssignor: string({ nullable: true }),
    classicMemberMetadata: struct(classicMemberMetadata, { nullable: true, tag: 0 }),
  },
);
export type ConsumerGroupMemberMetadataValue = Infer<typeof consumerGroupMemberMetadataValue>;
