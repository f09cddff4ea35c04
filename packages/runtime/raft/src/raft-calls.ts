import {
  type BrokerId,
  concat,
  entryAt,
  type LeaderEpoch,
  METADATA_TOPIC_ID,
  nearestNumber,
  type Uuid,
  type WireOffset,
} from "@samsa/base";
import { KRAFT_FEATURE } from "@samsa/metadata";
import {
  type FetchAnswer,
  fetchedRuns,
  type KraftVersionRange,
  type LogEnd,
  METADATA_TOPIC,
  type RaftAnswer,
  type RaftCall,
  type SnapshotAnswer,
} from "@samsa/quorum";
import { errorOf, Errors } from "@samsa/protocol";
import type { Tools, VoterEndpoint } from "@samsa/records";
import type { BrokerConnection, Endpoint } from "@samsa/wire";

/** First version of Fetch with `ReplicaState`. */
const REPLICA_STATE_VERSION = 15;

/** Limits and names that requests carry. */
export interface CallContext {
  readonly clusterId: string;
  readonly tools: Tools;
  /** Endpoints of this replica's controller listeners. */
  readonly endpoints: readonly VoterEndpoint[];
  /** `controller.quorum.fetch.max.bytes`. */
  readonly fetchMaxBytes: number;
  /** `controller.quorum.fetch.snapshot.max.bytes`. */
  readonly snapshotMaxBytes: number;
  /** Time that a change of the voters may take, in ms. */
  readonly timeoutMs: number;
  /** Epoch of the replica, for responses that have none. */
  readonly epoch: LeaderEpoch;
}

/** Address of a node, as a response tells it. */
export interface NodeEndpoint extends Endpoint {
  readonly nodeId: BrokerId;
}

/** Answer of a peer. */
export interface PeerAnswer {
  readonly answer: RaftAnswer;
  readonly nodes: readonly NodeEndpoint[];
  /** Records that were fetched, or a part of a snapshot. */
  readonly bytes: readonly Uint8Array[];
}

/** Response that cannot be an answer to the request; the message says why. */
export class OddAnswerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "OddAnswerError";
  }
}

/** The only partition of a response; throws `OddAnswerError` if it is another or the whole request has failed. */
function only<P>(
  errorCode: number,
  topics: readonly { readonly topicName: string; readonly partitions: readonly (P & { partitionIndex: number })[] }[],
): P {
  if (errorCode === Errors.BROKER_NOT_AVAILABLE.code) throw new Error("the replica is stopping");
  if (errorCode !== 0) throw new OddAnswerError(`${errorOf(errorCode).name} for the whole request`);
  const [topic, ...others] = topics;
  const [partition, ...rest] = topic?.partitions ?? [];
  const isMetadata = topic?.topicName === METADATA_TOPIC && partition?.partitionIndex === 0;
  if (partition === undefined || !isMetadata || others.length + rest.length > 0) {
    throw new OddAnswerError("another partition than that of the metadata");
  }
  return partition;
}

/** Sends a request of a replica, and reads the response. Rejects with `WireError`, `OddAnswerError`, `MalformedError`. */
export async function callPeer(
  connection: BrokerConnection,
  call: RaftCall,
  context: CallContext,
): Promise<PeerAnswer> {
  switch (call.type) {
    case "vote":
      return vote(connection, call, context);
    case "begin":
      return begin(connection, call, context);
    case "end":
      return end(connection, call, context);
    case "fetch":
      return fetch(connection, call, context);
    case "snapshot":
      return fetchSnapshot(connection, call, context);
    case "add":
    case "remove":
    case "update":
      return changeVoters(connection, call, context);
  }
}

type CallOf<T extends RaftCall["type"]> = Extract<RaftCall, { readonly type: T }>;

async function vote(connection: BrokerConnection, call: CallOf<"vote">, { clusterId }: CallContext) {
  const partition = {
    partitionIndex: 0,
    replicaEpoch: call.epoch,
    replicaId: call.candidate.id,
    replicaDirectoryId: call.candidate.directoryId,
    voterDirectoryId: call.voter.directoryId,
    lastOffsetEpoch: call.end.epoch,
    lastOffset: call.end.offset,
    preVote: call.preVote,
  };
  const topics = [{ topicName: METADATA_TOPIC, partitions: [partition] }];
  const response = await connection.call("Vote", { clusterId, voterId: call.voter.id, topics });
  const { errorCode, leaderEpoch: epoch, leaderId, voteGranted } = only(response.errorCode, response.topics);
  const answer: RaftAnswer = { type: "vote", errorCode, epoch, leaderId, granted: voteGranted };
  return { answer, nodes: response.nodeEndpoints, bytes: [] };
}

async function begin(
  connection: BrokerConnection,
  call: CallOf<"begin">,
  { clusterId, endpoints }: CallContext,
): Promise<PeerAnswer> {
  const { voter, leaderId, epoch: leaderEpoch } = call;
  const partition = { partitionIndex: 0, voterDirectoryId: voter.directoryId, leaderId, leaderEpoch };
  const topics = [{ topicName: METADATA_TOPIC, partitions: [partition] }];
  const request = { clusterId, voterId: voter.id, topics, leaderEndpoints: endpoints };
  const response = await connection.call("BeginQuorumEpoch", request);
  const found = only(response.errorCode, response.topics);
  const answer = {
    type: "begin",
    errorCode: found.errorCode,
    epoch: found.leaderEpoch,
    leaderId: found.leaderId,
  } as const;
  return { answer, nodes: response.nodeEndpoints, bytes: [] };
}

async function end(
  connection: BrokerConnection,
  call: CallOf<"end">,
  { clusterId, endpoints }: CallContext,
): Promise<PeerAnswer> {
  const { leaderId, epoch: leaderEpoch, successors } = call;
  const partition = {
    partitionIndex: 0,
    leaderId,
    leaderEpoch,
    preferredSuccessors: successors.map(({ id }) => id),
    preferredCandidates: successors.map(key => ({ candidateId: key.id, candidateDirectoryId: key.directoryId })),
  };
  const topics = [{ topicName: METADATA_TOPIC, partitions: [partition] }];
  const response = await connection.call("EndQuorumEpoch", { clusterId, topics, leaderEndpoints: endpoints });
  const found = only(response.errorCode, response.topics);
  const answer = {
    type: "end",
    errorCode: found.errorCode,
    epoch: found.leaderEpoch,
    leaderId: found.leaderId,
  } as const;
  return { answer, nodes: response.nodeEndpoints, bytes: [] };
}

async function fetch(connection: BrokerConnection, call: CallOf<"fetch">, context: CallContext): Promise<PeerAnswer> {
  const version = connection.versions.latestUsable("Fetch") ?? 0;
  const partition = {
    partition: 0,
    currentLeaderEpoch: call.epoch,
    fetchOffset: call.end.offset,
    lastFetchedEpoch: call.end.epoch,
    partitionMaxBytes: context.fetchMaxBytes,
    replicaDirectoryId: call.replica.directoryId,
    highWatermark: call.highWatermark,
  };
  const { id } = call.replica;
  const response = await connection.call(
    "Fetch",
    {
      clusterId: context.clusterId,
      ...(version >= REPLICA_STATE_VERSION ? { replicaState: { replicaId: id } } : { replicaId: id }),
      maxWaitMs: call.maxWaitMs,
      minBytes: 0,
      maxBytes: context.fetchMaxBytes,
      topics: [{ topic: METADATA_TOPIC, topicId: METADATA_TOPIC_ID, partitions: [partition] }],
      forgottenTopicsData: [],
    },
    { version },
  );
  const topics = response.responses.map(({ topic, topicId, partitions }) => ({
    topicName: nameOf(topic, topicId),
    partitions,
  }));
  const found = only(response.errorCode, topics);
  const bytes = found.records ?? [];
  const { leaderId, leaderEpoch: epoch } = found.currentLeader;
  const answer: FetchAnswer = {
    type: "fetch",
    errorCode: found.errorCode,
    epoch,
    leaderId,
    highWatermark: nearestNumber(found.highWatermark),
    diverging: placeOf(found.divergingEpoch),
    snapshot: placeOf(found.snapshotId),
    from: call.end.offset,
    runs: fetchedRuns(bytes.length === 1 ? entryAt(bytes, 0) : concat([...bytes]), context.tools),
  };
  return { answer, nodes: response.nodeEndpoints, bytes };
}

function nameOf(topic: string, topicId: Uuid): string {
  return topicId === METADATA_TOPIC_ID ? METADATA_TOPIC : topic;
}

/** Place that a response names; undefined if it names none. Throws `OddAnswerError` for half a place. */
function placeOf({ epoch, endOffset }: { readonly epoch: number; readonly endOffset: WireOffset }) {
  const offset = nearestNumber(endOffset);
  if (epoch < 0 && offset < 0) return undefined;
  if (epoch < 0 || offset < 0) throw new OddAnswerError(`the offset ${offset} of epoch ${epoch}`);
  return { offset, epoch } satisfies LogEnd;
}

async function fetchSnapshot(connection: BrokerConnection, call: CallOf<"snapshot">, context: CallContext) {
  const partition = {
    partition: 0,
    currentLeaderEpoch: call.epoch,
    snapshotId: { endOffset: call.id.offset, epoch: call.id.epoch },
    position: call.position,
    replicaDirectoryId: call.replica.directoryId,
  };
  const response = await connection.call("FetchSnapshot", {
    clusterId: context.clusterId,
    replicaId: call.replica.id,
    maxBytes: context.snapshotMaxBytes,
    topics: [{ name: METADATA_TOPIC, partitions: [partition] }],
  });
  const topics = response.topics.map(({ name: topicName, partitions }) => ({
    topicName,
    partitions: partitions.map(found => ({ ...found, partitionIndex: found.index })),
  }));
  const found = only(response.errorCode, topics);
  const { leaderId, leaderEpoch: epoch } = found.currentLeader;
  const bytes = found.unalignedRecords;
  const answer: SnapshotAnswer = {
    type: "snapshot",
    errorCode: found.errorCode,
    epoch,
    leaderId,
    id: { offset: nearestNumber(found.snapshotId.endOffset), epoch: found.snapshotId.epoch },
    size: nearestNumber(found.size),
    position: nearestNumber(found.position),
    length: bytes.reduce((sum, { length }) => sum + length, 0),
  };
  return { answer, nodes: response.nodeEndpoints, bytes };
}

async function changeVoters(
  connection: BrokerConnection,
  call: CallOf<"add" | "remove" | "update">,
  { clusterId, timeoutMs, epoch }: CallContext,
): Promise<PeerAnswer> {
  const { id: voterId, directoryId: voterDirectoryId } = call.voter;
  const voter = { clusterId, voterId, voterDirectoryId };
  if (call.type === "remove") {
    const { errorCode } = await connection.call("RemoveRaftVoter", voter);
    return changed({ errorCode, epoch, leaderId: -1 });
  }
  const listeners = call.voter.endpoints;
  if (call.type === "add") {
    const { ackWhenCommitted } = call;
    // Version 0 has no early answer; the request then waits for the commit.
    const isEarly = (connection.versions.latestUsable("AddRaftVoter") ?? 0) >= 1;
    const request = { ...voter, listeners, timeoutMs, ...(isEarly ? { ackWhenCommitted } : {}) };
    const { errorCode } = await connection.call("AddRaftVoter", request);
    return changed({ errorCode, epoch, leaderId: -1 });
  }
  const { minKraftVersion: minSupportedVersion, maxKraftVersion: maxSupportedVersion } = call.voter;
  const { errorCode, currentLeader } = await connection.call("UpdateRaftVoter", {
    ...voter,
    currentLeaderEpoch: call.epoch,
    listeners,
    kRaftVersionFeature: { minSupportedVersion, maxSupportedVersion },
  });
  const { leaderId, leaderEpoch, host, port } = currentLeader;
  const nodes = leaderId >= 0 && port > 0 ? [{ nodeId: leaderId, host, port }] : [];
  return changed({ errorCode, epoch: leaderEpoch, leaderId }, nodes);
}

function changed(
  answer: { readonly errorCode: number; readonly epoch: LeaderEpoch; readonly leaderId: BrokerId },
  nodes: readonly NodeEndpoint[] = [],
): PeerAnswer {
  return { answer: { type: "change", ...answer }, nodes, bytes: [] };
}

/** Range of kraft.version that a node tells; undefined if it does not. */
export function kraftVersionsOf(connection: BrokerConnection): KraftVersionRange | undefined {
  const features = connection.versions.response.supportedFeatures;
  const found = features.find(({ name }) => name === KRAFT_FEATURE.name);
  return found && { min: found.minVersion, max: found.maxVersion };
}
