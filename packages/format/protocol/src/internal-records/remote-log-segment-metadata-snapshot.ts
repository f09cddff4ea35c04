/** RemoteLogSegmentMetadataSnapshotRecord: state of a remote segment, in a broker's snapshot file. */
import { message } from "../message.ts";
import { array, bool, bytes, i32, i64, i8, type Infer, uuid } from "../schema.ts";

export const remoteLogSegmentMetadataSnapshotRecord = message(
  "RemoteLogSegmentMetadataSnapshotRecord",
  { versions: [0, 0], flexible: 0 },
  {
    segmentId: uuid(),
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
export type RemoteLogSegmentMetadataSnapshotRecord = Infer<typeof remoteLogSegmentMetadataSnapshotRecord>;
