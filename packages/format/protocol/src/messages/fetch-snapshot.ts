/**
 * FetchSnapshot: a replica of the metadata log reads a snapshot from the leader.
 *
 * Version 1: Adds the follower's directory id and endpoints of leaders (KIP-853).
 */
import { message } from "../message.ts";
import { array, i16, i32, i64, type Infer, records, string, struct, u16, uuid } from "../schema.ts";

export const fetchSnapshotRequest = message(
  "FetchSnapshotRequest",
  { versions: [0, 1], flexible: 0 },
  {
    clusterId: string({ nullable: true, tag: 0, default: null }),
    replicaId: i32({ default: -1 }),
    maxBytes: i32({ default: 0x7fffffff }),
    topics: array({
      name: string(),
      partitions: array({
        partition: i32(),
        currentLeaderEpoch: i32(),
        snapshotId: struct({
          endOffset: i64(),
          epoch: i32(),
        }),
        position: i64(),
        replicaDirectoryId: uuid({ since: 1, tag: 0, ignorable: true }),
      }),
    }),
  },
);
export type FetchSnapshotRequest = Infer<typeof fetchSnapshotRequest>;

const leaderIdAndEpoch = {
  leaderId: i32(),
  leaderEpoch: i32(),
};

const nodeEndpoint = {
  nodeId: i32(),
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
        index: i32(),
        errorCode: i16(),
        snapshotId: struct({
          endOffset: i64(),
          epoch: i32(),
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
