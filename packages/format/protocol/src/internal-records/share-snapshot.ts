/** ShareSnapshot: complete state of a share partition. */
import { message } from "../codec/message.ts";
import {
  array,
  i16,
  i32,
  i64,
  i8,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  string,
  uuid,
} from "../codec/schema.ts";

export const shareSnapshotKey = message(
  "ShareSnapshotKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    topicId: uuid(),
    partition: partitionIndex(),
  },
);
export type ShareSnapshotKey = Infer<typeof shareSnapshotKey>;

export const shareSnapshotValue = message(
  "ShareSnapshotValue",
  { versions: [0, 0], flexible: 0 },
  {
    snapshotEpoch: i32(),
    stateEpoch: i32(),
    leaderEpoch: leaderEpoch(),
    startOffset: offset(),
    deliveryCompleteCount: i32({ tag: 0, default: -1 }),
    createTimestamp: i64(),
    writeTimestamp: i64(),
    stateBatches: array({
      firstOffset: offset(),
      lastOffset: offset(),
      deliveryState: i8(),
      deliveryCount: i16(),
    }),
  },
);
export type ShareSnapshotValue = Infer<typeof shareSnapshotValue>;
