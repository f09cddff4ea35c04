/** ConsumerGroupMetadata: epoch of a consumer group, and hash of the metadata of its topics (KIP-1101). */
import { message } from "../codec/message.ts";
import { i32, type Infer, long, string } from "../codec/schema.ts";

export const consumerGroupMetadataKey = message(
  "ConsumerGroupMetadataKey",
  { versions: [0, 0] },
  {
    groupId: string(),
  },
);
export type ConsumerGroupMetadataKey = Infer<typeof consumerGroupMetadataKey>;

export const consumerGroupMetadataValue = message(
  "ConsumerGroupMetadataValue",
  { versions: [0, 0], flexible: 0 },
  {
    epoch: i32(),
    metadataHash: long({ tag: 0, default: 0n }),
  },
);
export type ConsumerGroupMetadataValue = Infer<typeof consumerGroupMetadataValue>;
