/**
 * DescribeQuorum: describes the KRaft quorum and the progress of its replicas.
 *
 * Version 1: Adds LastFetchTimestamp and LastCaughtUpTimestamp (KIP-836).
 * Version 2: Adds error messages, the nodes with their listeners, and directory ids (KIP-853).
 */
import { message } from "../codec/message.ts";
import {
  array,
  brokerId,
  i16,
  i64,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  string,
  u16,
  uuid,
} from "../codec/schema.ts";

export const describeQuorumRequest = message(
  "DescribeQuorumRequest",
  { versions: [0, 2], flexible: 0 },
  {
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
      }),
    }),
  },
);
export type DescribeQuorumRequest = Infer<typeof describeQuorumRequest>;

const replicaState = {
  replicaId: brokerId(),
  replicaDirectoryId: uuid({ since: 2 }),
  logEndOffset: offset(),
  lastFetchTimestamp: i64({ since: 1, default: -1, ignorable: true }),
  lastCaughtUpTimestamp: i64({ since: 1, default: -1, ignorable: true }),
};

const node = {
  nodeId: brokerId(),
  listeners: array({
    name: string(),
    host: string(),
    port: u16(),
  }),
};

export const describeQuorumResponse = message(
  "DescribeQuorumResponse",
  { versions: [0, 2], flexible: 0 },
  {
    errorCode: i16(),
    errorMessage: string({ since: 2, nullable: true, ignorable: true }),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        errorMessage: string({ since: 2, nullable: true, ignorable: true }),
        leaderId: brokerId(),
        leaderEpoch: leaderEpoch(),
        highWatermark: offset(),
        currentVoters: array(replicaState),
        observers: array(replicaState),
      }),
    }),
    nodes: array(node, { since: 2 }),
  },
);
export type DescribeQuorumResponse = Infer<typeof describeQuorumResponse>;
