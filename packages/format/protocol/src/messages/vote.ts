/**
 * Vote: a candidate for leadership of the KRaft quorum asks for a vote.
 *
 * Version 1: Adds the voter's id, directory ids of both replicas, and endpoints of leaders (KIP-853).
 * Version 2: Adds PreVote.
 */
import { message } from "../codec/message.ts";
import {
  array,
  bool,
  brokerId,
  i16,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  string,
  u16,
  uuid,
} from "../codec/schema.ts";

export const voteRequest = message(
  "VoteRequest",
  { versions: [0, 2], flexible: 0 },
  {
    clusterId: string({ nullable: true, default: null }),
    voterId: brokerId({ since: 1, default: -1, ignorable: true }),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        replicaEpoch: leaderEpoch(),
        replicaId: brokerId(),
        replicaDirectoryId: uuid({ since: 1, ignorable: true }),
        voterDirectoryId: uuid({ since: 1, ignorable: true }),
        lastOffsetEpoch: leaderEpoch(),
        lastOffset: offset(),
        preVote: bool({ since: 2 }),
      }),
    }),
  },
);
export type VoteRequest = Infer<typeof voteRequest>;

const nodeEndpoint = {
  nodeId: brokerId(),
  host: string(),
  port: u16(),
};

export const voteResponse = message(
  "VoteResponse",
  { versions: [0, 2], flexible: 0 },
  {
    errorCode: i16(),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        leaderId: brokerId(),
        leaderEpoch: leaderEpoch(),
        voteGranted: bool(),
      }),
    }),
    nodeEndpoints: array(nodeEndpoint, { since: 1, tag: 0 }),
  },
);
export type VoteResponse = Infer<typeof voteResponse>;
