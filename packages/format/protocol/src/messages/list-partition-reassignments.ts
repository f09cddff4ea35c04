/** ListPartitionReassignments: lists reassignments of replicas that are under way. */
import { message } from "../codec/message.ts";
import { array, brokerId, i16, i32, type Infer, partitionIndex, string } from "../codec/schema.ts";

const listPartitionReassignmentsTopics = {
  name: string(),
  partitionIndexes: array(partitionIndex()),
};

export const listPartitionReassignmentsRequest = message(
  "ListPartitionReassignmentsRequest",
  { versions: [0, 0], flexible: 0 },
  {
    timeoutMs: i32({ default: 60000 }),
    topics: array(listPartitionReassignmentsTopics, { nullable: true, default: null }),
  },
);
export type ListPartitionReassignmentsRequest = Infer<typeof listPartitionReassignmentsRequest>;

export const listPartitionReassignmentsResponse = message(
  "ListPartitionReassignmentsResponse",
  { versions: [0, 0], flexible: 0 },
  {
    throttleTimeMs: i32(),
    errorCode: i16(),
    errorMessage: string({ nullable: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        replicas: array(brokerId()),
        addingReplicas: array(brokerId()),
        removingReplicas: array(brokerId()),
      }),
    }),
  },
);
export type ListPartitionReassignmentsResponse = Infer<typeof listPartitionReassignmentsResponse>;
