/** ConsumerProtocolAssignment: assignment of a consumer, the `assignment` of SyncGroup; all versions are the same. */
import { message } from "../codec/message.ts";
import { array, bytes, type Infer, partitionIndex, string } from "../codec/schema.ts";

export const consumerProtocolAssignment = message(
  "ConsumerProtocolAssignment",
  { versions: [0, 3] },
  {
    assignedPartitions: array({
      topic: string(),
      partitions: array(partitionIndex()),
    }),
    userData: bytes({ nullable: true, default: null }),
  },
);
export type ConsumerProtocolAssignment = Infer<typeof consumerProtocolAssignment>;
