/**
 * FetchSnapshot: a replica of the metadata log reads a snapshot from the leader.
 *
 * Version 1: Adds the follower's directory id and endpoints of leaders (KIP-853).
 */
import { message } from "../codec/message.ts";
import {
  array,
  brokerId,
  i16,
  i32,
  i64,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  records,
  string,
  struct,
  u16,
  uuid,
} from "../codec/schema.ts";

export const fetchSnapshotRequest = message(
  "FetchSnapshotRequest",
  { versions: [0, 1], flexible: 0 },
  {
    clusterId: string({ nullable: true, tag: 0, default: null }),
    replicaId: brokerId({ default: -1 }),
    maxBytes: i32({ default: 0x7fffffff }),
    topics: array({
      name: string(),
      partitions: array({
        partition: partitionIndex(),
        currentLeaderEpoch: leaderEpoch(),
        snapshotId: struct({
          endOffset: offset(),
          epoch: leaderEpoch(),
        }),
        position: i64(),
        replicaDirectoryId: uuid({ since: 1, tag: 0, ignorable: true }),
      }),
    }),
  },
);
export type FetchSnapshotRequest = Infer<typeof fetchSnapshotRequest>;

const leaderIdAndEpoch = {
  leaderId: brokerId(),
  leaderEpoch: leaderEpoch(),
};

const nodeEndpoint = {
  nodeId: brokerId(),
  host: string(),
  port: u16(),
};

export const fetchSnapshotResponse = message(
  "FetchSnapshotResponse",
  { versions: [0, 1], flexible: 0 },
  {
    throttleTimeMs: i32({ ignorable: true }),
    errorCode: i16(),
    topics: array({
      name: string(),
      partitions: array({
        index: partitionIndex(),
        errorCode: i16(),
        snapshotId: struct({
          endOffset: offset(),
          epoch: leaderEpoch(),
        }),
        currentLeader: struct(leaderIdAndEpoch, { tag: 0 }),
        size: i64(),
        position: i64(),
        unalignedRecords: records(),
      }),
    }),
    nodeEndpoints: array(nodeEndpoint, { since: 1, tag: 0 }),
  },
);
export type FetchSnapshotResponse = Infer<typeof fetchSnapshotResponse>;
