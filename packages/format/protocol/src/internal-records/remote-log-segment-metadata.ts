/** RemoteLogSegmentMetadataRecord: a log segment is being copied to remote storage. */
import { message } from "../message.ts";
import { array, bool, bytes, i32, i64, i8, type Infer, string, struct, uuid } from "../schema.ts";

export const remoteLogSegmentMetadataRecord = message(
  "RemoteLogSegmentMetadataRecord",
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
    startOffset: i64(),
    endOffset: i64(),
    brokerId: i32(),
    maxTimestampMs: i64(),
    eventTimestampMs: i64(),
    segmentLeaderEpochs: array({
      leaderEpoch: i32(),
      offset: i64(),
    }),
    segmentSizeInBytes: i32(),
    customMetadata: bytes({ nullable: true, default: null }),
    remoteLogSegmentState: i8(),
    txnIndexEmpty: bool({ tag: 0 }),
  },
);
export type RemoteLogSegmentMetadataRecord = Infer<typeof remoteLogSegmentMetadataRecord>;
