/** LegacyOffsetCommit: committed offset in the format of old releases, with key type 0. */
import { message } from "../message.ts";
import { i32, i64, type Infer, string } from "../schema.ts";

export const legacyOffsetCommitKey = message(
  "LegacyOffsetCommitKey",
  { versions: [0, 0] },
  {
    group: string(),
    topic: string(),
    partition: i32(),
  },
);
export type LegacyOffsetCommitKey = Infer<typeof legacyOffsetCommitKey>;

export const legacyOffsetCommitValue = message(
  "LegacyOffsetCommitValue",
  { versions: [0, 0] },
  {
    offset: i64(),
    metadata: string(),
    commitTimestamp: i64(),
  },
);
export type LegacyOffsetCommitValue = Infer<typeof legacyOffsetCommitValue>;
