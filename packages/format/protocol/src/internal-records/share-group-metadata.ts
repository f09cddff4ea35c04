/** ShareGroupMetadata: epoch of a share group, and hash of the metadata of its topics. */
import { message } from "../codec/message.ts";
import { i32, type Infer, long, string } from "../codec/schema.ts";

export const shareGroupMetadataKey = message(
  "ShareGroupMetadataKey",
  { versions: [0, 0] },
  {
    groupId: string(),
  },
);
export type ShareGroupMetadataKey = Infer<typeof shareGroupMetadataKey>;

export const shareGroupMetadataValue = message(
  "ShareGroupMetadataValue",
  { versions: [0, 0], flexible: 0 },
  {
    epoch: i32(),
    metadataHash: long(),
  },
);
export type ShareGroupMetadataValue = Infer<typeof shareGroupMetadataValue>;
