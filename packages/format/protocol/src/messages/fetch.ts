/**
 * Fetch: reads records of partitions, for consumers and followers.
 *
 * Version 5: Adds LogStartOffset.
 * Version 6: May return KAFKA_STORAGE_ERROR.
 * Version 7: Adds fetch sessions, for incremental fetches.
 * Version 8: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 9: Adds CurrentLeaderEpoch, for fencing (KIP-320).
 * Version 10: Records may be compressed with zstd (KIP-110).
 * Version 11: Adds the consumer's rack and PreferredReadReplica.
 * Version 12: Flexible. Adds ClusterId, LastFetchedEpoch, DivergingEpoch, CurrentLeader and SnapshotId.
 * Version 13: Topic ids replace topic names; may return UNKNOWN_TOPIC_ID (KIP-516).
 * Version 14: May return OFFSET_MOVED_TO_TIERED_STORAGE (KIP-405).
 * Version 15: ReplicaState, with the broker epoch of the follower, replaces ReplicaId (KIP-903).
 * Version 16: Adds the endpoints of current leaders (KIP-951).
 * Version 17: Adds the follower's directory id (KIP-853).
 * Version 18: Adds the follower's high watermark (KIP-1166).
 */
import { message } from "../codec/message.ts";
import {
  array,
  brokerEpoch,
  brokerId,
  i16,
  i32,
  i8,
  type Infer,
  leaderEpoch,
  offset,
  partitionIndex,
  producerId,
  records,
  string,
  struct,
  uuid,
} from "../codec/schema.ts";

const replicaState = {
  replicaId: brokerId({ default: -1 }),
  replicaEpoch: brokerEpoch({ default: -1 }),
};

const forgottenTopic = {
  topic: string({ until: 12, ignorable: true }),
  topicId: uuid({ since: 13, ignorable: true }),
  partitions: array(partitionIndex()),
};

export const fetchRequest = message(
  "FetchRequest",
  { versions: [4, 18], flexible: 12 },
  {
    clusterId: string({ since: 12, nullable: true, tag: 0, default: null, ignorable: true }),
    replicaId: brokerId({ until: 14, default: -1 }),
    replicaState: struct(replicaState, { since: 15, tag: 1 }),
    maxWaitMs: i32(),
    minBytes: i32(),
    maxBytes: i32({ default: 0x7fffffff, ignorable: true }),
    isolationLevel: i8({ default: 0, ignorable: true }),
    sessionId: i32({ since: 7, default: 0, ignorable: true }),
    sessionEpoch: i32({ since: 7, default: -1, ignorable: true }),
    topics: array({
      topic: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitions: array({
        partition: partitionIndex(),
        currentLeaderEpoch: leaderEpoch({ since: 9, default: -1, ignorable: true }),
        fetchOffset: offset(),
        lastFetchedEpoch: leaderEpoch({ since: 12, default: -1 }),
        logStartOffset: offset({ since: 5, default: -1, ignorable: true }),
        partitionMaxBytes: i32(),
        replicaDirectoryId: uuid({ since: 17, tag: 0, ignorable: true }),
        highWatermark: offset({ since: 18, tag: 1, default: 9223372036854775807n, ignorable: true }),
      }),
    }),
    forgottenTopicsData: array(forgottenTopic, { since: 7 }),
    rackId: string({ since: 11, default: "", ignorable: true }),
  },
);
export type FetchRequest = Infer<typeof fetchRequest>;

const epochEndOffset = {
  epoch: leaderEpoch({ default: -1 }),
  endOffset: offset({ default: -1 }),
};

const leaderIdAndEpoch = {
  leaderId: brokerId({ default: -1 }),
  leaderEpoch: leaderEpoch({ default: -1 }),
};

const snapshotId = {
  endOffset: offset({ default: -1 }),
  epoch: leaderEpoch({ default: -1 }),
};

const abortedTransaction = {
  producerId: producerId(),
  firstOffset: offset(),
};

const nodeEndpoint = {
  nodeId: brokerId(),
  host: string(),
  port: i32(),
  rack: string({ nullable: true, default: null }),
};

export const fetchResponse = message(
  "FetchResponse",
  { versions: [4, 18], flexible: 12 },
  {
    throttleTimeMs: i32({ ignorable: true }),
    errorCode: i16({ since: 7, ignorable: true }),
    sessionId: i32({ since: 7, default: 0 }),
    responses: array({
      topic: string({ until: 12, ignorable: true }),
      topicId: uuid({ since: 13, ignorable: true }),
      partitions: array({
        partitionIndex: partitionIndex(),
        errorCode: i16(),
        highWatermark: offset(),
        lastStableOffset: offset({ default: -1, ignorable: true }),
        logStartOffset: offset({ since: 5, default: -1, ignorable: true }),
        divergingEpoch: struct(epochEndOffset, { since: 12, tag: 0 }),
        currentLeader: struct(leaderIdAndEpoch, { since: 12, tag: 1 }),
        snapshotId: struct(snapshotId, { since: 12, tag: 2 }),
        abortedTransactions: array(abortedTransaction, { nullable: true, ignorable: true }),
        preferredReadReplica: brokerId({ since: 11, default: -1 }),
        records: records({ nullable: true }),
      }),
    }),
    nodeEndpoints: array(nodeEndpoint, { since: 16, tag: 0 }),
  },
);
export type FetchResponse = Infer<typeof fetchResponse>;
