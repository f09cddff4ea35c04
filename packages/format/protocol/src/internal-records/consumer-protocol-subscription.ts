/**
 * ConsumerProtocolSubscription: subscription of a consumer, the `metadata` of JoinGroup.
 *
 * Version 1: Adds OwnedPartitions, for the assignor.
 * Version 2: Adds GenerationId, to detect outdated OwnedPartitions.
 * Version 3: Adds the rack id, for rack-aware assignment.
 */
import { message } from "../codec/message.ts";
import { array, bytes, i32, type Infer, partitionIndex, string } from "../codec/schema.ts";

const topicPartition = {
  topic: string(),
  partitions: array(partitionIndex()),
};

export const consumerProtocolSubscription = message(
  "ConsumerProtocolSubscription",
  { versions: [0, 3] },
  {
    topics: array(string()),
    userData: bytes({ nullable: true, default: null }),
    ownedPartitions: array(topicPartition, { since: 1, ignorable: true }),
    generationId: i32({ since: 2, default: -1, ignorable: true }),
    rackId: string({ since: 3, nullable: true, default: null, ignorable: true }),
  },
);
export type ConsumerProtocolSubscription = Infer<typeof consumerProtocolSubscription>;
