/** SnapshotFooterRecord: control record at the end of a snapshot of the metadata log. */
import { message } from "../message.ts";
import { i16, type Infer } from "../schema.ts";

export const snapshotFooterRecord = message(
  "SnapshotFooterRecord",
  { versions: [0, 0], flexible: 0 },
  {
    version: i16(),
  },
);
export type SnapshotFooterRecord = Infer<typeof snapshotFooterRecord>;
