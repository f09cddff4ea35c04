/**
 * BeginQuorumEpoch: a new leader of the KRaft quorum announces itself to the voters.
 *
 * Version 1: Flexible. Adds the voter's id and directory id, and the leader's endpoints (KIP-853).
 */
import { message } from "../codec/message.ts";
import { array, brokerId, i16, type Infer, leaderEpoch, partitionIndex, string, u16, uuid } from "../codec/schema.ts";

const leaderEndpoint = {
  name: string(),
  host: string(),
  port: u16(),
};

export const beginQuorumEpochRequest = message(
  "BeginQuorumEpochRequest",
  { versions: [0, 1], flexible: 1 },
  {
    clusterId: string({ nullable: true, default: null }),
    voterId: brokerId({ since: 1, default: -1, ignorable: true }),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        voterDirectoryId: uuid({ since: 1, ignorable: true }),
        leaderId: brokerId(),
        leaderEpoch: leaderEpoch(),
      }),
    }),
    leaderEndpoints: array(leaderEndpoint, { since: 1, ignorable: true }),
  },
);
export type BeginQuorumEpochRequest = Infer<typeof beginQuorumEpochRequest>;

const nodeEndpoint = {
  nodeId: brokerId(),
  host: string(),
  port: u16(),
};

export const beginQuorumEpochResponse = message(
  "BeginQuorumEpochResponse",
  { versions: [0, 1], flexible: 1 },
  {
    errorCode: i16(),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        leaderId: brokerId(),
        leaderEpoch: leaderEpoch(),
      }),
    }),
    nodeEndpoints: array(nodeEndpoint, { since: 1, tag: 0 }),
  },
);
export type BeginQuorumEpochResponse = Infer<typeof beginQuorumEpochResponse>;
