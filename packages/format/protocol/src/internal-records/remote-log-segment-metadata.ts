/** RemoteLogSegmentMetadataRecord: a log segment is being copied to remote storage. */
import { message } from "../codec/message.ts";
import {
  array,
  bool,
  brokerId,
  bytes,
  i32,
  i64,
  i8,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  string,
  struct,
  uuid,
} from "../codec/schema.ts";

export const remoteLogSegmentMetadataRecord = message(
  "RemoteLogSegmentMetadataRecord",
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
export type RemoteLogSegmentMetadataRecord = Infer<typeof remoteLogSegmentMetadataRecord>;
