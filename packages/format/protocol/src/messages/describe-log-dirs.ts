/**
 * DescribeLogDirs: describes log directories of a broker and the replicas in them.
 *
 * Version 2: Flexible (KIP-482).
 * Version 3: Adds an error code for the whole response.
 * Version 4: Adds TotalBytes and UsableBytes of the volume.
 * Version 5: Adds IsCordoned.
 */
import { message } from "../codec/message.ts";
import { array, bool, i16, i32, i64, type Infer, partitionIndex, string } from "../codec/schema.ts";

const describableLogDirTopic = {
  topic: string(),
  partitions: array(partitionIndex()),
};

export const describeLogDirsRequest = message(
  "DescribeLogDirsRequest",
  { versions: [1, 5], flexible: 2 },
  {
    topics: array(describableLogDirTopic, { nullable: true }),
  },
);
export type DescribeLogDirsRequest = Infer<typeof describeLogDirsRequest>;

export const describeLogDirsResponse = message(
  "DescribeLogDirsResponse",
  { versions: [1, 5], flexible: 2 },
  {
    throttleTimeMs: i32(),
    errorCode: i16({ since: 3, ignorable: true }),
    results: array({
      errorCode: i16(),
      logDir: string(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: partitionIndex(),
          partitionSize: i64(),
          offsetLag: i64(),
          isFutureKey: bool(),
        }),
      }),
      totalBytes: i64({ since: 4, default: -1, ignorable: true }),
      usableBytes: i64({ since: 4, default: -1, ignorable: true }),
      isCordoned: bool({ since: 5, default: false, ignorable: true }),
    }),
  },
);
export type DescribeLogDirsResponse = Infer<typeof describeLogDirsResponse>;
