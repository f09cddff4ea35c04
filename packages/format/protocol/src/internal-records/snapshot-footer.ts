/** SnapshotFooterRecord: control record at the end of a snapshot of the metadata log. */
import { message } from "../codec/message.ts";
import { i16, type Infer } from "../codec/schema.ts";

export const snapshotFooterRecord = message(
  "SnapshotFooterRecord",
  { versions: [0, 0], flexible: 0 },
  {
    version: i16(),
  },
);
export type SnapshotFooterRecord = Infer<typeof snapshotFooterRecord>;
