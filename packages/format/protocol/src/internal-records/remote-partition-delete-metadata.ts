/** RemotePartitionDeleteMetadataRecord: the deletion of a partition's remote segments has changed its state. */
import { message } from "../codec/message.ts";
import { brokerId, i64, i8, type Infer, partitionIndex, string, struct, uuid } from "../codec/schema.ts";

export const remotePartitionDeleteMetadataRecord = message(
  "RemotePartitionDeleteMetadataRecord",
  { versions: [0, 0], flexible: 0 },
  {
    topicIdPartition: struct({
      name: string(),
      id: uuid(),
      partition: partitionIndex(),
    }),
    brokerId: brokerId(),
    eventTimestampMs: i64(),
    remotePartitionDeleteState: i8(),
  },
);
export type RemotePartitionDeleteMetadataRecord = Infer<typeof remotePartitionDeleteMetadataRecord>;
