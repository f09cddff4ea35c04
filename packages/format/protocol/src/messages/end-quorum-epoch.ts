/**
 * EndQuorumEpoch: a leader of the KRaft quorum tells the voters that it resigns.
 *
 * Version 1: Flexible. PreferredCandidates, with directory ids, replaces PreferredSuccessors; adds endpoints (KIP-853).
 */
import { message } from "../codec/message.ts";
import { array, brokerId, i16, type Infer, leaderEpoch, partitionIndex, string, u16, uuid } from "../codec/schema.ts";

const replicaInfo = {
  candidateId: brokerId(),
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
        partitionIndex: partitionIndex(),
        leaderId: brokerId(),
        leaderEpoch: leaderEpoch(),
        preferredSuccessors: array(brokerId(), { until: 0, ignorable: true }),
        preferredCandidates: array(replicaInfo, { since: 1, ignorable: true }),
      }),
    }),
    leaderEndpoints: array(leaderEndpoint, { since: 1, ignorable: true }),
  },
);
export type EndQuorumEpochRequest = Infer<typeof endQuorumEpochRequest>;

const nodeEndpoint = {
  nodeId: brokerId(),
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
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        leaderId: brokerId(),
        leaderEpoch: leaderEpoch(),
      }),
    }),
    nodeEndpoints: array(nodeEndpoint, { since: 1, tag: 0 }),
  },
);
export type EndQuorumEpochResponse = Infer<typeof endQuorumEpochResponse>;
