/**
 * AlterReplicaLogDirs: moves replicas to other log directories of the broker.
 *
 * Version 2: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, type Infer, partitionIndex, string } from "../codec/schema.ts";

export const alterReplicaLogDirsRequest = message(
  "AlterReplicaLogDirsRequest",
  { versions: [1, 2], flexible: 2 },
  {
    dirs: array({
      path: string(),
      topics: array({
        name: string(),
        partitions: array(partitionIndex()),
      }),
    }),
  },
);
export type AlterReplicaLogDirsRequest = Infer<typeof alterReplicaLogDirsRequest>;

export const alterReplicaLogDirsResponse = message(
  "AlterReplicaLogDirsResponse",
  { versions: [1, 2], flexible: 2 },
  {
    throttleTimeMs: i32(),
    results: array({
      topicName: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
      }),
    }),
  },
);
export type AlterReplicaLogDirsResponse = Infer<typeof alterReplicaLogDirsResponse>;
