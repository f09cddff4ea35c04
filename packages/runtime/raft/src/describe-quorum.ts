import { ZERO_UUID } from "@samsa/base";
import { type DescribeQuorumRequest, Errors } from "@samsa/protocol";
import { METADATA_TOPIC, type RaftNode, type ReplicaKey, type ReplicaProgress, type VoterSet } from "@samsa/quorum";
import type { RaftResponse } from "./raft-api.ts";

/** First version with directory ids and nodes (KIP-853). */
const NODES_VERSION = 2;
const NEVER = -1;

/** State of the quorum as a replica sees it. */
export interface QuorumView {
  readonly self: ReplicaKey;
  readonly node: RaftNode;
  readonly set: VoterSet;
  readonly endOffset: number;
  /** Wall clock and monotonic clock in ms. */
  readonly wall: number;
  readonly now: number;
}

function isMetadataPartition({ topics }: DescribeQuorumRequest): boolean {
  const [topic, ...others] = topics;
  if (topic === undefined || others.length > 0 || topic.topicName !== METADATA_TOPIC) return false;
  return topic.partitions.length === 1 && topic.partitions[0]?.partitionIndex === 0;
}

function refused({ topics }: DescribeQuorumRequest, error: { readonly code: number; readonly message: string }) {
  const { code: errorCode, message: errorMessage } = error;
  const nothing = { errorCode, errorMessage, leaderId: 0, leaderEpoch: 0, highWatermark: 0 };
  const answers = topics.map(({ topicName, partitions }) => ({
    topicName,
    partitions: partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      ...nothing,
      currentVoters: [],
      observers: [],
    })),
  }));
  return { errorCode: 0, errorMessage: "", topics: answers, nodes: [] };
}

/** DescribeQuorum (KIP-595), which the leader of the quorum serves. */
export function describeQuorum(
  view: QuorumView,
  request: DescribeQuorumRequest,
  version: number,
): RaftResponse<"DescribeQuorum"> {
  const { self, node, set, endOffset, wall, now } = view;
  const { leadership } = node;
  if (!isMetadataPartition(request)) return refused(request, Errors.UNKNOWN_TOPIC_OR_PARTITION);
  if (leadership === undefined) return refused(request, Errors.NOT_LEADER_OR_FOLLOWER);
  const full = version >= NODES_VERSION;
  const timeOf = (monotonic: number): number =>
    Number.isFinite(monotonic) ? Math.floor(wall - (now - monotonic)) : NEVER;
  const describe = ({ id, directoryId }: ReplicaKey, progress: ReplicaProgress | undefined) => ({
    replicaId: id,
    ...(full ? { replicaDirectoryId: directoryId } : {}),
    logEndOffset: progress?.endOffset ?? NEVER,
    lastFetchTimestamp: timeOf(progress?.lastFetch ?? -Infinity),
    lastCaughtUpTimestamp: timeOf(progress?.lastCaughtUp ?? -Infinity),
  });
  const own = { key: self, endOffset, lastFetch: now, lastCaughtUp: now };
  const currentVoters = set.voters.map(voter => {
    // Voters of a static quorum are known by their ids only.
    const key = { id: voter.id, directoryId: set.kraftVersion === 0 ? ZERO_UUID : voter.directoryId };
    return describe(key, voter.id === self.id ? own : leadership.progressOf(voter));
  });
  const partition = {
    partitionIndex: 0,
    errorCode: 0,
    errorMessage: "",
    leaderId: self.id,
    leaderEpoch: node.epoch,
    highWatermark: leadership.highWatermark,
    currentVoters,
    observers: leadership.observers(now).map(progress => describe(progress.key, progress)),
  };
  const topics = [{ topicName: METADATA_TOPIC, partitions: [partition] }];
  const nodes = set.voters.map(({ id, endpoints }) => ({
    nodeId: id,
    listeners: endpoints.map(({ name, host, port }) => ({ name, host, port })),
  }));
  return { errorCode: 0, errorMessage: "", topics, nodes: full ? nodes : [] };
}
