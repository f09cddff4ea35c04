/** ListPartitionReassignments: lists reassignments of replicas that are under way. */
import { message } from "../message.ts";
import { array, i16, i32, type Infer, string } from "../schema.ts";

const listPartitionReassignmentsTopics = {
  name: string(),
  partitionIndexes: array(i32()),
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
        partitionIndex: i32(),
        replicas: array(i32()),
        addingReplicas: array(i32()),
        removingReplicas: array(i32()),
      }),
    }),
  },
);
export type ListPartitionReassignmentsResponse = Infer<typeof listPartitionReassignmentsResponse>;
