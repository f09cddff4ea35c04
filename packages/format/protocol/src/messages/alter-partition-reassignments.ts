/**
 * AlterPartitionReassignments: starts, changes or cancels reassignments of replicas.
 *
 * Version 1: Adds AllowReplicationFactorChange, which can forbid to change the replication factor.
 */
import { message } from "../codec/message.ts";
import { array, bool, brokerId, i16, i32, type Infer, partitionIndex, string } from "../codec/schema.ts";

export const alterPartitionReassignmentsRequest = message(
  "AlterPartitionReassignmentsRequest",
  { versions: [0, 1], flexible: 0 },
  {
    timeoutMs: i32({ default: 60000 }),
    allowReplicationFactorChange: bool({ since: 1, default: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        replicas: array(brokerId(), { nullable: true, default: null }),
      }),
    }),
  },
);
export type AlterPartitionReassignmentsRequest = Infer<typeof alterPartitionReassignmentsRequest>;

export const alterPartitionReassignmentsResponse = message(
  "AlterPartitionReassignmentsResponse",
  { versions: [0, 1], flexible: 0 },
  {
    throttleTimeMs: i32(),
    allowReplicationFactorChange: bool({ since: 1, default: true, ignorable: true }),
    errorCode: i16(),
    errorMessage: string({ nullable: true }),
    responses: array({
      name: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        errorMessage: string({ nullable: true }),
      }),
    }),
  },
);
export type AlterPartitionReassignmentsResponse = Infer<typeof alterPartitionReassignmentsResponse>;
