/** RemoteLogSegmentMetadataUpdateRecord: a remote segment has changed its state. */
import { message } from "../codec/message.ts";
import { brokerId, bytes, i64, i8, type Infer, partitionIndex, string, struct, uuid } from "../codec/schema.ts";

export const remoteLogSegmentMetadataUpdateRecord = message(
  "RemoteLogSegmentMetadataUpdateRecord",
  { versions: [0, 0], flexible: 0 },
  {
    remoteLogSegmentId: struct({
      topicIdPartition: struct({
        name: string(),
        id: uuid(),
        partition: partitionIndex(),
      }),
      id: uuid(),
    }),
    brokerId: brokerId(),
    eventTimestampMs: i64(),
    customMetadata: bytes({ nullable: true, default: null }),
    remoteLogSegmentState: i8(),
  },
);
export type RemoteLogSegmentMetadataUpdateRecord = Infer<typeof remoteLogSegmentMetadataUpdateRecord>;
