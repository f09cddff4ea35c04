/** ShareGroupMemberMetadata: client and subscription of a member of a share group. */
import { message } from "../codec/message.ts";
import { array, type Infer, string } from "../codec/schema.ts";

export const shareGroupMemberMetadataKey = message(
  "ShareGroupMemberMetadataKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    memberId: string(),
  },
);
export type ShareGroupMemberMetadataKey = Infer<typeof shareGroupMemberMetadataKey>;

export const shareGroupMemberMetadataValue = message(
  "ShareGroupMemberMetadataValue",
  { versions: [0, 0], flexible: 0 },
  {
    rackId: string({ nullable: true }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
  },
);
export type ShareGroupMemberMetadataValue = Infer<typeof shareGroupMemberMetadataValue>;
