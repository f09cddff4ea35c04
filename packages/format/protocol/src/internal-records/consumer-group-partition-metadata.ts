/** ConsumerGroupPartitionMetadata: partitions of the topics of a consumer group, written before 4.1 only (KIP-1101). */
import { message } from "../codec/message.ts";
import { array, i32, type Infer, partitionIndex, string, uuid } from "../codec/schema.ts";

export const consumerGroupPartitionMetadataKey = message(
  "ConsumerGroupPartitionMetadataKey",
  { versions: [0, 0] },
  {
    groupId: string(),
  },
);
export type ConsumerGroupPartitionMetadataKey = Infer<typeof consumerGroupPartitionMetadataKey>;

export const consumerGroupPartitionMetadataValue = message(
  "ConsumerGroupPartitionMetadataValue",
  { versions: [0, 0], flexible: 0 },
  {
    topics: array({
      topicId: uuid(),
      topicName: string(),
      numPartitions: i32(),
      partitionMetadata: array({
        partition: partitionIndex(),
        racks: array(string()),
      }),
    }),
  },
);
export type ConsumerGroupPartitionMetadataValue = Infer<typeof consumerGroupPartitionMetadataValue>;
