/** LegacyOffsetCommit: committed offset in the format of old releases, with key type 0. */
import { message } from "../codec/message.ts";
import { i64, type Infer, offset, partitionIndex, string } from "../codec/schema.ts";

export const legacyOffsetCommitKey = message(
  "LegacyOffsetCommitKey",
  { versions: [0, 0] },
  {
    group: string(),
    topic: string(),
    partition: partitionIndex(),
  },
);
export type LegacyOffsetCommitKey = Infer<typeof legacyOffsetCommitKey>;

export const legacyOffsetCommitValue = message(
  "LegacyOffsetCommitValue",
  { versions: [0, 0] },
  {
    offset: offset(),
    metadata: string(),
    commitTimestamp: i64(),
  },
);
export type LegacyOffsetCommitValue = Infer<typeof legacyOffsetCommitValue>;
