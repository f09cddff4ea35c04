/**
 * OffsetCommit: offset that a group has committed for a partition.
 *
 * Version 1: Adds the expiry timestamp.
 * Version 2: Removes the expiry timestamp.
 * Version 3: Adds the leader epoch.
 * Version 4: Flexible. Adds the topic id.
 */
import { message } from "../codec/message.ts";
import { i64, type Infer, leaderEpoch, offset, partitionIndex, string, uuid } from "../codec/schema.ts";

export const offsetCommitKey = message(
  "OffsetCommitKey",
  { versions: [0, 0] },
  {
    group: string(),
    topic: string(),
    partition: partitionIndex(),
  },
);
export type OffsetCommitKey = Infer<typeof offsetCommitKey>;

export const offsetCommitValue = message(
  "OffsetCommitValue",
  { versions: [0, 4], flexible: 4 },
  {
    offset: offset(),
    leaderEpoch: leaderEpoch({ since: 3, default: -1, ignorable: true }),
    metadata: string(),
    commitTimestamp: i64(),
    expireTimestamp: i64({ since: 1, until: 1, default: -1, ignorable: true }),
    topicId: uuid({ since: 4, tag: 0, ignorable: true }),
  },
);
export type OffsetCommitValue = Infer<typeof offsetCommitValue>;
