/**
 * EndQuorumEpoch: a leader of the KRaft quorum tells the voters that it resigns.
 *
 * Version 1: Flexible. PreferredCandidates, with directory ids, replaces PreferredSuccessors; adds endpoints (KIP-853).
 */
import { message } from "../message.ts";
import { array, i16, i32, type Infer, string, u16, uuid } from "../schema.ts";

const replicaInfo = {
  candidateId: i32(),
  candidateDirectoryId: uuid(),
};

const leaderEndpoint = {
  name: string(),
  host: string(),
  port: u16(),
};

export const endQuorumEpochRequest = message(
  "EndQuorumEpochRequest",
  { versions: [0, 1], flexible: 1 },
  {
    clusterId: string({ nullable: true, default: null }),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: i32(),
        leaderId: i32(),
        leaderEpoch: i32(),
        preferredSuccessors: array(i32(), { until: 0, ignorable: true }),
        preferredCandidates: array(replicaInfo, { since: 1, ignorable: true }),
      }),
    }),
    leaderEndpoints: array(leaderEndpoint, { since: 1, ignorable: true }),
  },
);
export type EndQuorumEpochRequest = Infer<typeof endQuorumEpochRequest>;

const nodeEndpoint = {
  nodeId: i32(),
  host: string(),
  port: u16(),
};

export const endQuorumEpochResponse = message(
  "EndQuorumEpochResponse",
  { versions: [0, 1], flexible: 1 },
  {
    errorCode: i16(),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: i32(),
        errorCode: i16(),
        leaderId: i32(),
        leaderEpoch: i32(),
      }),
    }),
    nodeEndpoints: array(nodeEndpoint, { since: 1, tag: 0 }),
  },
);
export type EndQuorumEpochResponse = Infer<typeof endQuorumEpochResponse>;
