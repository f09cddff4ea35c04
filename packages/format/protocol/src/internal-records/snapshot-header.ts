/** SnapshotHeaderRecord: control record at the start of a snapshot of the metadata log. */
import { message } from "../codec/message.ts";
import { i16, i64, type Infer } from "../codec/schema.ts";

export const snapshotHeaderRecord = message(
  "SnapshotHeaderRecord",
  { versions: [0, 0], flexible: 0 },
  {
    version: i16(),
    lastContainedLogTimestamp: i64(),
  },
);
export type SnapshotHeaderRecord = Infer<typeof snapshotHeaderRecord>;
