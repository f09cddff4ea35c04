/** RemoteLogSegmentMetadataUpdateRecord: a remote segment has changed its state. */
import { message } from "../message.ts";
import { bytes, i32, i64, i8, type Infer, string, struct, uuid } from "../schema.ts";

export const remoteLogSegmentMetadataUpdateRecord = message(
  "RemoteLogSegmentMetadataUpdateRecord",
  { versions: [0, 0], flexible: 0 },
  {
    remoteLogSegmentId: struct({
      topicIdPartition: struct({
        name: string(),
        id: uuid(),
        partition: i32(),
      }),
      id: uuid(),
    }),
    brokerId: i32(),
    eventTimestampMs: i64(),
    customMetadata: bytes({ nullable: true, default: null }),
    remoteLogSegmentState: i8(),
  },
);
export type RemoteLogSegmentMetadataUpdateRecord = Infer<typeof remoteLogSegmentMetadataUpdateRecord>;
