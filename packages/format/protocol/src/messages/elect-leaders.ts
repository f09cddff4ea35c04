/**
 * ElectLeaders: starts leader elections of partitions.
 *
 * Version 1: Adds the election type, preferred or unclean (KIP-460), and an error code for the whole response.
 * Version 2: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { array, i16, i32, i8, type Infer, partitionIndex, string } from "../codec/schema.ts";

const topicPartitions = {
  topic: string(),
  partitions: array(partitionIndex()),
};

export const electLeadersRequest = message(
  "ElectLeadersRequest",
  { versions: [0, 2], flexible: 2 },
  {
    electionType: i8({ since: 1 }),
    topicPartitions: array(topicPartitions, { nullable: true }),
    timeoutMs: i32({ default: 60000 }),
  },
);
export type ElectLeadersRequest = Infer<typeof electLeadersRequest>;

export const electLeadersResponse = message(
  "ElectLeadersResponse",
  { versions: [0, 2], flexible: 2 },
  {
    throttleTimeMs: i32(),
    errorCode: i16({ since: 1 }),
    replicaElectionResults: array({
      topic: string(),
      partitionResult: array({
        partitionId: partitionIndex(),
        errorCode: i16(),
        errorMessage: string({ nullable: true }),
      }),
    }),
  },
);
export type ElectLeadersResponse = Infer<typeof electLeadersResponse>;
