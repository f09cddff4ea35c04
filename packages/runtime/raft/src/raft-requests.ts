import { type BrokerId, type LeaderEpoch, METADATA_TOPIC_ID, nearestNumber, type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import {
  type FetchAnswer,
  type LogEnd,
  METADATA_TOPIC,
  type RaftAnswer,
  type RaftCall,
  type ReplicaKey,
  type SnapshotAnswer,
} from "@samsa/quorum";
import type { VoterEndpoint } from "@samsa/records";
import { describeQuorum, type QuorumView } from "./describe-quorum.ts";
import type { LeaderAndEpoch } from "./raft-listener.ts";
import type { NodeEndpoint } from "./raft-calls.ts";
import type { RaftNetwork } from "./raft-network.ts";
import type { RaftApi, RaftReply, RaftRequest } from "./raft-api.ts";
import type { RaftStorage } from "./raft-storage.ts";

/** First version of Fetch with topic ids. */
const TOPIC_ID_VERSION = 13;
/** Most bytes in one response, whatever the request allows. */
const MOST_BYTES = 8 * 1024 * 1024;
/** Most endpoints of a voter. */
const MOST_LISTENERS = 64;
const NOWHERE = { offset: -1, epoch: -1 };

/** Replica that serves the requests. */
export interface RequestHost {
  readonly self: ReplicaKey;
  readonly clusterId: string;
  readonly storage: RaftStorage;
  readonly network: RaftNetwork;
  leader(): LeaderAndEpoch;
  /** State of the quorum now. */
  view(): QuorumView;
  /** Error code of a request to the leader of `epoch`; 0 if this replica is. */
  leaderFault(epoch: LeaderEpoch): number;
  /** Lets the replica decide on a call; `answered` is called once, now or later. */
  call(call: RaftCall, answered: (answer: RaftAnswer) => void): void;
}

interface Topic<P> {
  readonly topicName: string;
  readonly partitions: readonly P[];
}

/** Part of the request for the metadata partition; a number is the error code of a request that has another. */
function metadataPart<P>(
  host: RequestHost,
  clusterId: string | null,
  topics: readonly Topic<P>[],
  indexOf: (partition: P) => number,
): P | number {
  if (clusterId !== null && clusterId !== host.clusterId) return Errors.INCONSISTENT_CLUSTER_ID.code;
  const [topic, ...others] = topics;
  const [partition, ...rest] = topic?.partitions ?? [];
  if (partition === undefined || others.length + rest.length > 0) return Errors.INVALID_REQUEST.code;
  return topic?.topicName === METADATA_TOPIC && indexOf(partition) === 0 ? partition : Errors.INVALID_REQUEST.code;
}

const indexOf = ({ partitionIndex }: { readonly partitionIndex: number }): number => partitionIndex;

/** Endpoint of the leader in `answer`, if it is known. */
function nodesOf(host: RequestHost, { leaderId }: RaftAnswer): NodeEndpoint[] {
  const found = leaderId < 0 ? undefined : host.network.endpointOf(leaderId);
  return found === undefined ? [] : [found];
}

function plainTopics({ errorCode, leaderId, epoch }: RaftAnswer) {
  const partition = { partitionIndex: 0, errorCode, leaderId, leaderEpoch: epoch };
  return [{ topicName: METADATA_TOPIC, partitions: [partition] }];
}

/** Key of the voter that a request is for; one that names none is for whoever gets it. */
function voterOf({ self }: RequestHost, id: BrokerId, directoryId: ReplicaKey["directoryId"]): ReplicaKey {
  return id < 0 ? self : { id, directoryId };
}

type Handler<N extends RaftApi> = (
  host: RequestHost,
  request: RaftRequest<N>,
  version: number,
  reply: RaftReply<N>,
) => void;

const vote: Handler<"Vote"> = (host, { clusterId, voterId, topics }, _, reply) => {
  const asked = metadataPart(host, clusterId, topics, indexOf);
  if (typeof asked === "number") return reply({ errorCode: asked, topics: [] });
  const call: RaftCall = {
    type: "vote",
    preVote: asked.preVote,
    epoch: asked.replicaEpoch,
    candidate: { id: asked.replicaId, directoryId: asked.replicaDirectoryId },
    voter: voterOf(host, voterId, asked.voterDirectoryId),
    end: { offset: nearestNumber(asked.lastOffset), epoch: asked.lastOffsetEpoch },
  };
  host.call(call, answer => {
    const voteGranted = answer.type === "vote" && answer.granted;
    const answered = plainTopics(answer).map(topic => ({
      ...topic,
      partitions: topic.partitions.map(partition => ({ ...partition, voteGranted })),
    }));
    reply({ errorCode: 0, topics: answered, nodeEndpoints: nodesOf(host, answer) });
  });
};

const begin: Handler<"BeginQuorumEpoch"> = (host, { clusterId, voterId, topics, leaderEndpoints }, _, reply) => {
  const asked = metadataPart(host, clusterId, topics, indexOf);
  if (typeof asked === "number") return reply({ errorCode: asked, topics: [] });
  const { leaderEpoch: epoch, leaderId } = asked;
  host.network.learnListeners(epoch, leaderId, leaderEndpoints);
  const voter = voterOf(host, voterId, asked.voterDirectoryId);
  host.call({ type: "begin", epoch, leaderId, voter }, answer =>
    reply({ errorCode: 0, topics: plainTopics(answer), nodeEndpoints: nodesOf(host, answer) }),
  );
};

const end: Handler<"EndQuorumEpoch"> = (host, { clusterId, topics, leaderEndpoints }, version, reply) => {
  const asked = metadataPart(host, clusterId, topics, indexOf);
  if (typeof asked === "number") return reply({ errorCode: asked, topics: [] });
  const { leaderEpoch: epoch, leaderId, preferredSuccessors, preferredCandidates } = asked;
  host.network.learnListeners(epoch, leaderId, leaderEndpoints);
  const successors =
    version === 0
      ? preferredSuccessors.map(id => (id === host.self.id ? host.self : { ...host.self, id }))
      : preferredCandidates.map(({ candidateId: id, candidateDirectoryId: directoryId }) => ({ id, directoryId }));
  host.call({ type: "end", epoch, leaderId, successors }, answer =>
    reply({ errorCode: 0, topics: plainTopics(answer), nodeEndpoints: nodesOf(host, answer) }),
  );
};

const fetch: Handler<"Fetch"> = (host, request, version, reply) => {
  const topics = request.topics.map(({ topic, topicId, partitions }) => ({
    topicName: version >= TOPIC_ID_VERSION ? (topicId === METADATA_TOPIC_ID ? METADATA_TOPIC : "") : topic,
    partitions,
  }));
  const asked = metadataPart(host, request.clusterId, topics, ({ partition }) => partition);
  if (typeof asked === "number") return reply({ throttleTimeMs: 0, errorCode: asked, responses: [] });
  const id = request.replicaState.replicaId >= 0 ? request.replicaState.replicaId : request.replicaId;
  const call: RaftCall = {
    type: "fetch",
    epoch: asked.currentLeaderEpoch,
    replica: { id, directoryId: asked.replicaDirectoryId },
    end: { offset: nearestNumber(asked.fetchOffset), epoch: asked.lastFetchedEpoch },
    highWatermark: nearestNumber(asked.highWatermark),
    maxWaitMs: request.maxWaitMs,
  };
  host.call(call, answer => {
    if (answer.type === "fetch") replyFetched(host, answer, request.maxBytes, reply);
  });
};

function replyFetched(host: RequestHost, answer: FetchAnswer, maxBytes: number, reply: RaftReply<"Fetch">): void {
  const { errorCode, from, epoch: leaderEpoch, leaderId, highWatermark } = answer;
  const read = errorCode === 0 && from !== undefined ? host.storage.read(from, clamp(maxBytes)) : { chunks: [] };
  const place = ({ offset: endOffset, epoch }: LogEnd = NOWHERE) => ({ epoch, endOffset });
  const partition = {
    partitionIndex: 0,
    errorCode,
    highWatermark: errorCode === 0 ? highWatermark : -1,
    logStartOffset: host.storage.startOffset,
    divergingEpoch: place(answer.diverging),
    currentLeader: { leaderId, leaderEpoch },
    snapshotId: place(answer.snapshot),
    abortedTransactions: null,
    records: read.chunks,
  };
  const responses = [{ topic: METADATA_TOPIC, topicId: METADATA_TOPIC_ID, partitions: [partition] }];
  const nodeEndpoints = nodesOf(host, answer).map(node => ({ ...node, rack: null }));
  reply({ throttleTimeMs: 0, errorCode: 0, responses, nodeEndpoints }, read.release);
}

function clamp(maxBytes: number): number {
  return Math.min(Math.max(maxBytes, 0), MOST_BYTES);
}

const fetchSnapshot: Handler<"FetchSnapshot"> = (host, request, _, reply) => {
  const topics = request.topics.map(({ name: topicName, partitions }) => ({ topicName, partitions }));
  const asked = metadataPart(host, request.clusterId, topics, ({ partition }) => partition);
  if (typeof asked === "number") return reply({ throttleTimeMs: 0, errorCode: asked, topics: [] });
  const call: RaftCall = {
    type: "snapshot",
    epoch: asked.currentLeaderEpoch,
    replica: { id: request.replicaId, directoryId: asked.replicaDirectoryId },
    id: { offset: nearestNumber(asked.snapshotId.endOffset), epoch: asked.snapshotId.epoch },
    position: nearestNumber(asked.position),
  };
  host.call(call, answer => {
    if (answer.type === "snapshot") replyPart(host, { call, answer, maxBytes: clamp(request.maxBytes) }, reply);
  });
};

interface AskedPart {
  readonly call: Extract<RaftCall, { readonly type: "snapshot" }>;
  readonly answer: SnapshotAnswer;
  readonly maxBytes: number;
}

function replyPart(host: RequestHost, { call, answer, maxBytes }: AskedPart, reply: RaftReply<"FetchSnapshot">): void {
  const { id, position } = call;
  const { snapshots } = host.storage;
  // The bootstrap snapshot is not for others: its records are in the log, too.
  const stored = id.offset === 0 ? undefined : snapshots.find(id);
  const size = stored?.size ?? 0;
  const errorCode =
    answer.errorCode !== 0
      ? answer.errorCode
      : stored === undefined
        ? Errors.SNAPSHOT_NOT_FOUND.code
        : position < 0 || position >= size
          ? Errors.POSITION_OUT_OF_RANGE.code
          : 0;
  const isFine = errorCode === 0 && stored !== undefined;
  const partition = {
    index: 0,
    errorCode,
    snapshotId: isFine ? { endOffset: id.offset, epoch: id.epoch } : { endOffset: 0, epoch: 0 },
    currentLeader: { leaderId: answer.leaderId, leaderEpoch: answer.epoch },
    size: isFine ? size : 0,
    position: isFine ? position : 0,
    unalignedRecords: isFine ? [snapshots.part(stored, position, maxBytes)] : [],
  };
  const topics = [{ name: METADATA_TOPIC, partitions: [partition] }];
  reply({ throttleTimeMs: 0, errorCode: 0, topics, nodeEndpoints: nodesOf(host, answer) });
}

/** Error of a request to change the voters that is wrong in itself. */
function voterFault(
  host: RequestHost,
  { clusterId, voterId, voterDirectoryId, currentLeaderEpoch = host.leader().epoch }: VoterRequest,
  listeners?: readonly VoterEndpoint[],
): { readonly code: number; readonly message: string } | undefined {
  if (clusterId !== null && clusterId !== host.clusterId) {
    const { code } = Errors.INCONSISTENT_CLUSTER_ID;
    return { code, message: `the cluster is ${host.clusterId}, not ${clusterId}` };
  }
  const leaderFault = host.leaderFault(currentLeaderEpoch);
  if (leaderFault !== 0) return { code: leaderFault, message: "this node is not the leader of the epoch" };
  const { code } = Errors.INVALID_REQUEST;
  if (voterId < 0 || voterDirectoryId === ZERO_UUID) return { code, message: "the request names no voter" };
  if (listeners === undefined) return undefined;
  if (listeners.length > MOST_LISTENERS) return { code, message: `more than ${MOST_LISTENERS} listeners` };
  return host.network.hasListener(listeners) ? undefined : { code, message: "no endpoint for the controller listener" };
}

interface VoterRequest {
  readonly clusterId: string | null;
  readonly voterId: BrokerId;
  readonly voterDirectoryId: Uuid;
  readonly currentLeaderEpoch?: LeaderEpoch;
}

/** Message of a change's answer. */
function reasonOf(answer: RaftAnswer): string | null {
  return (answer.type === "change" ? answer.message : undefined) ?? null;
}

const addVoter: Handler<"AddRaftVoter"> = (host, request, _, reply) => {
  const { voterId: id, voterDirectoryId: directoryId, listeners: endpoints, ackWhenCommitted } = request;
  const fault = voterFault(host, request, endpoints);
  if (fault !== undefined) return reply({ throttleTimeMs: 0, errorCode: fault.code, errorMessage: fault.message });
  const voter = { id, directoryId, endpoints, minKraftVersion: 0, maxKraftVersion: 0 };
  host.call({ type: "add", voter, ackWhenCommitted }, answer =>
    reply({ throttleTimeMs: 0, errorCode: answer.errorCode, errorMessage: reasonOf(answer) }),
  );
};

const removeVoter: Handler<"RemoveRaftVoter"> = (host, request, _, reply) => {
  const fault = voterFault(host, request);
  if (fault !== undefined) return reply({ throttleTimeMs: 0, errorCode: fault.code, errorMessage: fault.message });
  host.call({ type: "remove", voter: { id: request.voterId, directoryId: request.voterDirectoryId } }, answer =>
    reply({ throttleTimeMs: 0, errorCode: answer.errorCode, errorMessage: reasonOf(answer) }),
  );
};

const updateVoter: Handler<"UpdateRaftVoter"> = (host, request, _, reply) => {
  const { voterId: id, voterDirectoryId: directoryId, listeners: endpoints, kRaftVersionFeature } = request;
  const { minSupportedVersion: minKraftVersion, maxSupportedVersion: maxKraftVersion } = kRaftVersionFeature;
  const done = (errorCode: number): void => {
    const { epoch: leaderEpoch, leaderId = -1 } = host.leader();
    const found = leaderId < 0 ? undefined : host.network.endpointOf(leaderId);
    const { host: address = "", port = 0 } = found ?? {};
    reply({ throttleTimeMs: 0, errorCode, currentLeader: { leaderId, leaderEpoch, host: address, port } });
  };
  const fault = voterFault(host, request, endpoints);
  const isRange = minKraftVersion >= 0 && maxKraftVersion >= minKraftVersion;
  if (fault !== undefined || !isRange) return done(fault?.code ?? Errors.INVALID_REQUEST.code);
  const voter = { id, directoryId, endpoints, minKraftVersion, maxKraftVersion };
  host.call({ type: "update", epoch: request.currentLeaderEpoch, voter }, answer => done(answer.errorCode));
};

const describe: Handler<"DescribeQuorum"> = (host, request, version, reply) =>
  reply(describeQuorum(host.view(), request, version));

/** Requests, each with its checks and its response (`KafkaRaftClient.handleRequest`). */
export const RAFT_REQUESTS: { readonly [N in RaftApi]: Handler<N> } = {
  Vote: vote,
  BeginQuorumEpoch: begin,
  EndQuorumEpoch: end,
  Fetch: fetch,
  FetchSnapshot: fetchSnapshot,
  AddRaftVoter: addVoter,
  RemoveRaftVoter: removeVoter,
  UpdateRaftVoter: updateVoter,
  DescribeQuorum: describe,
};
