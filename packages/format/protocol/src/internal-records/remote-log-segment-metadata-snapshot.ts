/** RemoteLogSegmentMetadataSnapshotRecord: state of a remote segment, in a broker's snapshot file. */
import { message } from "../codec/message.ts";
import { array, bool, brokerId, bytes, i32, i64, i8, type Infer, leaderEpoch, offset, uuid } from "../codec/schema.ts";

export const remoteLogSegmentMetadataSnapshotRecord = message(
  "RemoteLogSegmentMetadataSnapshotRecord",
  { versions: [0, 0], flexible: 0 },
  {
    segmentId: uuid(),
    startOffset: offset(),
    endOffset: offset(),
    brokerId: brokerId(),
    maxTimestampMs: i64(),
    eventTimestampMs: i64(),
    segmentLeaderEpochs: array({
      leaderEpoch: leaderEpoch(),
      offset: offset(),
    }),
    segmentSizeInBytes: i32(),
    customMetadata: bytes({ nullable: true, default: null }),
    remoteLogSegmentState: i8(),
    txnIndexEmpty: bool({ tag: 0 }),
  },
);
export type RemoteLogSegmentMetadataSnapshotRecord = Infer<typeof remoteLogSegmentMetadataSnapshotRecord>;
