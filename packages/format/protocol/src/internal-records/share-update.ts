/** ShareUpdate: changes of a share partition since its last ShareSnapshot or ShareUpdate. */
import { message } from "../codec/message.ts";
import { array, i16, i32, i8, type Infer, leaderEpoch, offset, partitionIndex, string, uuid } from "../codec/schema.ts";

export const shareUpdateKey = message(
  "ShareUpdateKey",
  { versions: [0, 0] },
  {
    groupId: string(),
    topicId: uuid(),
    partition: partitionIndex(),
  },
);
export type ShareUpdateKey = Infer<typeof shareUpdateKey>;

export const shareUpdateValue = message(
  "ShareUpdateValue",
  { versions: [0, 0], flexible: 0 },
  {
    snapshotEpoch: i32(),
    leaderEpoch: leaderEpoch(),
    startOffset: offset(),
    deliveryCompleteCount: i32({ tag: 0, default: -1 }),
    stateBatches: array({
      firstOffset: offset(),
      lastOffset: offset(),
      deliveryState: i8(),
      deliveryCount: i16(),
    }),
  },
);
export type ShareUpdateValue = Infer<typeof shareUpdateValue>;
