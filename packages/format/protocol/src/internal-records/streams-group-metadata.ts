/** StreamsGroupMetadata: epoch of a streams group, and hash of the metadata of its topics. */
import { message } from "../codec/message.ts";
import { array, i32, type Infer, long, string } from "../codec/schema.ts";

export const streamsGroupMetadataKey = message(
  "StreamsGroupMetadataKey",
  { versions: [0, 0] },
  {
    groupId: string(),
  },
);
export type StreamsGroupMetadataKey = Infer<typeof streamsGroupMetadataKey>;

const lastAssignmentConfig = {
  key: string(),
  value: string(),
};

export const streamsGroupMetadataValue = message(
  "StreamsGroupMetadataValue",
  { versions: [0, 0], flexible: 0 },
  {
    epoch: i32(),
    metadataHash: long(),
    validatedTopologyEpoch: i32({ tag: 0, default: -1 }),
    lastAssignmentConfigs: array(lastAssignmentConfig, { nullable: true, tag: 1 }),
    storedDescriptionTopologyEpoch: i32({ tag: 2, default: -1 }),
    failedDescriptionTopologyEpoch: i32({ tag: 3, default: -1 }),
  },
);
export type StreamsGroupMetadataValue = Infer<typeof streamsGroupMetadataValue>;
