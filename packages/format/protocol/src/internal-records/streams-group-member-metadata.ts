/** StreamsGroupMemberMetadata: client and settings of a member of a streams group. */
import { message } from "../codec/message.ts";
import { array, i32, type Infer, string, struct, u16 } from "../codec/schema.ts";

export const streamsGroupMemberMetadataKey = message(
  "StreamsGroupMemberMetadataKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    memberId: string(),
  },
);
export type StreamsGroupMemberMetadataKey = Infer<typeof streamsGroupMemberMetadataKey>;

const endpoint = {
  host: string(),
  port: u16(),
};

export const streamsGroupMemberMetadataValue = message(
  "StreamsGroupMemberMetadataValue",
  { versions: [0, 0], flexible: 0 },
  {
    instanceId: string({ nullable: true }),
    rackId: string({ nullable: true }),
    clientId: string(),
    clientHost: string(),
    rebalanceTimeoutMs: i32({ default: -1 }),
    topologyEpoch: i32(),
    processId: string(),
    userEndpoint: struct(endpoint, { nullable: true, default: null }),
    clientTags: array({
      key: string(),
      value: string(),
    }),
  },
);
export type StreamsGroupMemberMetadataValue = Infer<typeof streamsGroupMemberMetadataValue>;
