/**
 * ShareGroupStatePartitionMetadata: share partitions of a share group that are being initialized, in use or deleted.
 */
import { message } from "../codec/message.ts";
import { array, type Infer, partitionIndex, string, uuid } from "../codec/schema.ts";

export const shareGroupStatePartitionMetadataKey = message(
  "ShareGroupStatePartitionMetadataKey",
  { versions: [0, 0] },
  {
    groupId: string(),
  },
);
export type ShareGroupStatePartitionMetadataKey = Infer<typeof shareGroupStatePartitionMetadataKey>;

const topicPartitionsInfo = {
  topicId: uuid(),
  topicName: string(),
  partitions: array(partitionIndex()),
};

export const shareGroupStatePartitionMetadataValue = message(
  "ShareGroupStatePartitionMetadataValue",
  { versions: [0, 0], flexible: 0 },
  {
    initializingTopics: array(topicPartitionsInfo),
    initializedTopics: array(topicPartitionsInfo),
    deletingTopics: array({
      topicId: uuid(),
      topicName: string(),
    }),
  },
);
export type ShareGroupStatePartitionMetadataValue = Infer<typeof shareGroupStatePartitionMetadataValue>;
