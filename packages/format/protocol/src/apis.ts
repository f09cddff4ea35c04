import type { AnyMessage } from "./codec/message.ts";
import * as m from "./messages/index.ts";

/** Kind of listener on which an API is served (`ApiMessageType.ListenerType`). */
export type Listener = "broker" | "controller";

/** API of Kafka 4.4 with its messages and versions (`ApiKeys`). `L` are the kinds of listeners that serve it. */
export interface Api<
  Q extends AnyMessage = AnyMessage,
  R extends AnyMessage = AnyMessage,
  L extends Listener = Listener,
> {
  /** Number on the wire. */
  readonly key: number;
  readonly name: string;
  readonly request: Q;
  readonly response: R;
  readonly first: number;
  readonly last: number;
  /** Newest version that is announced by default; below `last` when Kafka marks the newest one unstable. */
  readonly lastStable: number;
  /** First flexible version; Infinity if there is none. */
  readonly flexible: number;
  readonly listeners: readonly L[];
  /** True if a broker forwards the request to the active controller in an Envelope. */
  readonly forwardable: boolean;
}

type Trait = "B" | "C" | "BC";

interface Extra {
  readonly forwardable?: true;
  readonly unstable?: true;
}

const LISTENERS = {
  B: ["broker"],
  C: ["controller"],
  BC: ["broker", "controller"],
} as const satisfies { readonly [T in Trait]: readonly Listener[] };

const FORWARDED: Extra = { forwardable: true };

function api<Q extends AnyMessage, R extends AnyMessage, T extends Trait>(
  key: number,
  request: Q,
  response: R,
  on: T,
  extra: Extra = {},
): Api<Q, R, (typeof LISTENERS)[T][number]> {
  const { first, last, flexible } = request;
  return {
    key,
    name: request.name.slice(0, -"Request".length),
    request,
    response,
    first,
    last,
    lastStable: extra.unstable === true ? last - 1 : last,
    flexible,
    listeners: LISTENERS[on],
    forwardable: extra.forwardable === true,
  };
}

/** APIs by name, with the types of its request and response (`ApiKeys`). */
export const Apis = {
  Produce: api(0, m.produceRequest, m.produceResponse, "B"),
  Fetch: api(1, m.fetchRequest, m.fetchResponse, "BC"),
  ListOffsets: api(2, m.listOffsetsRequest, m.listOffsetsResponse, "B"),
  Metadata: api(3, m.metadataRequest, m.metadataResponse, "B"),
  OffsetCommit: api(8, m.offsetCommitRequest, m.offsetCommitResponse, "B"),
  OffsetFetch: api(9, m.offsetFetchRequest, m.offsetFetchResponse, "B"),
  FindCoordinator: api(10, m.findCoordinatorRequest, m.findCoordinatorResponse, "B"),
  JoinGroup: api(11, m.joinGroupRequest, m.joinGroupResponse, "B"),
  Heartbeat: api(12, m.heartbeatRequest, m.heartbeatResponse, "B"),
  LeaveGroup: api(13, m.leaveGroupRequest, m.leaveGroupResponse, "B"),
  SyncGroup: api(14, m.syncGroupRequest, m.syncGroupResponse, "B"),
  DescribeGroups: api(15, m.describeGroupsRequest, m.describeGroupsResponse, "B"),
  ListGroups: api(16, m.listGroupsRequest, m.listGroupsResponse, "B"),
  SaslHandshake: api(17, m.saslHandshakeRequest, m.saslHandshakeResponse, "BC"),
  ApiVersions: api(18, m.apiVersionsRequest, m.apiVersionsResponse, "BC"),
  CreateTopics: api(19, m.createTopicsRequest, m.createTopicsResponse, "BC", FORWARDED),
  DeleteTopics: api(20, m.deleteTopicsRequest, m.deleteTopicsResponse, "BC", FORWARDED),
  DeleteRecords: api(21, m.deleteRecordsRequest, m.deleteRecordsResponse, "B"),
  InitProducerId: api(22, m.initProducerIdRequest, m.initProducerIdResponse, "B", { unstable: true }),
  OffsetForLeaderEpoch: api(23, m.offsetForLeaderEpochRequest, m.offsetForLeaderEpochResponse, "B"),
  AddPartitionsToTxn: api(24, m.addPartitionsToTxnRequest, m.addPartitionsToTxnResponse, "B"),
  AddOffsetsToTxn: api(25, m.addOffsetsToTxnRequest, m.addOffsetsToTxnResponse, "B"),
  EndTxn: api(26, m.endTxnRequest, m.endTxnResponse, "B"),
  WriteTxnMarkers: api(27, m.writeTxnMarkersRequest, m.writeTxnMarkersResponse, "B"),
  TxnOffsetCommit: api(28, m.txnOffsetCommitRequest, m.txnOffsetCommitResponse, "B"),
  DescribeAcls: api(29, m.describeAclsRequest, m.describeAclsResponse, "BC"),
  CreateAcls: api(30, m.createAclsRequest, m.createAclsResponse, "BC", FORWARDED),
  DeleteAcls: api(31, m.deleteAclsRequest, m.deleteAclsResponse, "BC", FORWARDED),
  DescribeConfigs: api(32, m.describeConfigsRequest, m.describeConfigsResponse, "BC"),
  AlterConfigs: api(33, m.alterConfigsRequest, m.alterConfigsResponse, "BC", FORWARDED),
  AlterReplicaLogDirs: api(34, m.alterReplicaLogDirsRequest, m.alterReplicaLogDirsResponse, "B"),
  DescribeLogDirs: api(35, m.describeLogDirsRequest, m.describeLogDirsResponse, "B"),
  SaslAuthenticate: api(36, m.saslAuthenticateRequest, m.saslAuthenticateResponse, "BC"),
  CreatePartitions: api(37, m.createPartitionsRequest, m.createPartitionsResponse, "BC", FORWARDED),
  CreateDelegationToken: api(38, m.createDelegationTokenRequest, m.createDelegationTokenResponse, "BC", FORWARDED),
  RenewDelegationToken: api(39, m.renewDelegationTokenRequest, m.renewDelegationTokenResponse, "BC", FORWARDED),
  ExpireDelegationToken: api(40, m.expireDelegationTokenRequest, m.expireDelegationTokenResponse, "BC", FORWARDED),
  DescribeDelegationToken: api(41, m.describeDelegationTokenRequest, m.describeDelegationTokenResponse, "BC"),
  DeleteGroups: api(42, m.deleteGroupsRequest, m.deleteGroupsResponse, "B"),
  ElectLeaders: api(43, m.electLeadersRequest, m.electLeadersResponse, "BC", FORWARDED),
  IncrementalAlterConfigs: api(
    44,
    m.incrementalAlterConfigsRequest,
    m.incrementalAlterConfigsResponse,
    "BC",
    FORWARDED,
  ),
  AlterPartitionReassignments: api(
    45,
    m.alterPartitionReassignmentsRequest,
    m.alterPartitionReassignmentsResponse,
    "BC",
    FORWARDED,
  ),
  ListPartitionReassignments: api(
    46,
    m.listPartitionReassignmentsRequest,
    m.listPartitionReassignmentsResponse,
    "BC",
    FORWARDED,
  ),
  OffsetDelete: api(47, m.offsetDeleteRequest, m.offsetDeleteResponse, "B"),
  DescribeClientQuotas: api(48, m.describeClientQuotasRequest, m.describeClientQuotasResponse, "B"),
  AlterClientQuotas: api(49, m.alterClientQuotasRequest, m.alterClientQuotasResponse, "BC", FORWARDED),
  DescribeUserScramCredentials: api(
    50,
    m.describeUserScramCredentialsRequest,
    m.describeUserScramCredentialsResponse,
    "BC",
  ),
  AlterUserScramCredentials: api(
    51,
    m.alterUserScramCredentialsRequest,
    m.alterUserScramCredentialsResponse,
    "BC",
    FORWARDED,
  ),
  Vote: api(52, m.voteRequest, m.voteResponse, "C"),
  BeginQuorumEpoch: api(53, m.beginQuorumEpochRequest, m.beginQuorumEpochResponse, "C"),
  EndQuorumEpoch: api(54, m.endQuorumEpochRequest, m.endQuorumEpochResponse, "C"),
  DescribeQuorum: api(55, m.describeQuorumRequest, m.describeQuorumResponse, "BC", FORWARDED),
  AlterPartition: api(56, m.alterPartitionRequest, m.alterPartitionResponse, "C"),
  UpdateFeatures: api(57, m.updateFeaturesRequest, m.updateFeaturesResponse, "BC", FORWARDED),
  Envelope: api(58, m.envelopeRequest, m.envelopeResponse, "C"),
  FetchSnapshot: api(59, m.fetchSnapshotRequest, m.fetchSnapshotResponse, "C"),
  DescribeCluster: api(60, m.describeClusterRequest, m.describeClusterResponse, "BC"),
  DescribeProducers: api(61, m.describeProducersRequest, m.describeProducersResponse, "B"),
  BrokerRegistration: api(62, m.brokerRegistrationRequest, m.brokerRegistrationResponse, "C"),
  BrokerHeartbeat: api(63, m.brokerHeartbeatRequest, m.brokerHeartbeatResponse, "C"),
  UnregisterBroker: api(64, m.unregisterBrokerRequest, m.unregisterBrokerResponse, "BC", FORWARDED),
  DescribeTransactions: api(65, m.describeTransactionsRequest, m.describeTransactionsResponse, "B"),
  ListTransactions: api(66, m.listTransactionsRequest, m.listTransactionsResponse, "B"),
  AllocateProducerIds: api(67, m.allocateProducerIdsRequest, m.allocateProducerIdsResponse, "C", FORWARDED),
  ConsumerGroupHeartbeat: api(68, m.consumerGroupHeartbeatRequest, m.consumerGroupHeartbeatResponse, "B"),
  ConsumerGroupDescribe: api(69, m.consumerGroupDescribeRequest, m.consumerGroupDescribeResponse, "B"),
  ControllerRegistration: api(70, m.controllerRegistrationRequest, m.controllerRegistrationResponse, "C"),
  GetTelemetrySubscriptions: api(71, m.getTelemetrySubscriptionsRequest, m.getTelemetrySubscriptionsResponse, "B"),
  PushTelemetry: api(72, m.pushTelemetryRequest, m.pushTelemetryResponse, "B"),
  AssignReplicasToDirs: api(73, m.assignReplicasToDirsRequest, m.assignReplicasToDirsResponse, "C"),
  ListConfigResources: api(74, m.listConfigResourcesRequest, m.listConfigResourcesResponse, "B"),
  DescribeTopicPartitions: api(75, m.describeTopicPartitionsRequest, m.describeTopicPartitionsResponse, "B"),
  ShareGroupHeartbeat: api(76, m.shareGroupHeartbeatRequest, m.shareGroupHeartbeatResponse, "B"),
  ShareGroupDescribe: api(77, m.shareGroupDescribeRequest, m.shareGroupDescribeResponse, "B"),
  ShareFetch: api(78, m.shareFetchRequest, m.shareFetchResponse, "B"),
  ShareAcknowledge: api(79, m.shareAcknowledgeRequest, m.shareAcknowledgeResponse, "B"),
  AddRaftVoter: api(80, m.addRaftVoterRequest, m.addRaftVoterResponse, "BC", FORWARDED),
  RemoveRaftVoter: api(81, m.removeRaftVoterRequest, m.removeRaftVoterResponse, "BC", FORWARDED),
  UpdateRaftVoter: api(82, m.updateRaftVoterRequest, m.updateRaftVoterResponse, "C"),
  InitializeShareGroupState: api(83, m.initializeShareGroupStateRequest, m.initializeShareGroupStateResponse, "B"),
  ReadShareGroupState: api(84, m.readShareGroupStateRequest, m.readShareGroupStateResponse, "B"),
  WriteShareGroupState: api(85, m.writeShareGroupStateRequest, m.writeShareGroupStateResponse, "B"),
  DeleteShareGroupState: api(86, m.deleteShareGroupStateRequest, m.deleteShareGroupStateResponse, "B"),
  ReadShareGroupStateSummary: api(87, m.readShareGroupStateSummaryRequest, m.readShareGroupStateSummaryResponse, "B"),
  StreamsGroupHeartbeat: api(88, m.streamsGroupHeartbeatRequest, m.streamsGroupHeartbeatResponse, "B"),
  StreamsGroupDescribe: api(89, m.streamsGroupDescribeRequest, m.streamsGroupDescribeResponse, "B"),
  DescribeShareGroupOffsets: api(90, m.describeShareGroupOffsetsRequest, m.describeShareGroupOffsetsResponse, "B"),
  AlterShareGroupOffsets: api(91, m.alterShareGroupOffsetsRequest, m.alterShareGroupOffsetsResponse, "B"),
  DeleteShareGroupOffsets: api(92, m.deleteShareGroupOffsetsRequest, m.deleteShareGroupOffsetsResponse, "B"),
  StreamsGroupTopologyDescriptionUpdate: api(
    93,
    m.streamsGroupTopologyDescriptionUpdateRequest,
    m.streamsGroupTopologyDescriptionUpdateResponse,
    "B",
  ),
  UnregisterController: api(94, m.unregisterControllerRequest, m.unregisterControllerResponse, "BC", FORWARDED),
} as const;

/** Name of an API: the name of its request without `Request`. */
export type ApiName = keyof typeof Apis;

/** Name of an API that listeners of kind `L` serve. */
export type ApiNameOn<L extends Listener> = {
  readonly [N in ApiName]: L extends (typeof Apis)[N]["listeners"][number] ? N : never;
}[ApiName];

/** APIs, by key in ascending order. */
export const APIS: readonly Api[] = Object.values(Apis);

/** Numbers of the APIs on the wire: `ApiKey.Fetch` is 1. */
export const ApiKey = Object.fromEntries(Object.entries(Apis).map(([name, { key }]) => [name, key])) as {
  readonly [N in ApiName]: number;
};

const BY_KEY: readonly (Api | undefined)[] = Object.assign([], Object.fromEntries(APIS.map(one => [one.key, one])));

/** Finds the API with a number on the wire; undefined if Kafka 4.4 has none. */
export function apiOf(key: number): Api | undefined {
  return BY_KEY[key];
}

/** Gives the version of a request header: 2 for flexible versions, else 1. A request of an unknown key or version still begins with header 1. */
export function requestHeaderVersion(key: number, version: number): number {
  const api = BY_KEY[key];
  return api !== undefined && version >= api.flexible ? 2 : 1;
}

/** Gives the version of a response header: 1 for flexible versions, else 0; ApiVersions always 0, since its client may be newer than the broker (KIP-511). */
export function responseHeaderVersion(key: number, version: number): number {
  if (key === ApiKey.ApiVersions) return 0;
  const api = BY_KEY[key];
  return api !== undefined && version >= api.flexible ? 1 : 0;
}
