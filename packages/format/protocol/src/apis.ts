/** The APIs of Kafka 4.4 that are still alive, and the versions of the headers in front of them. */
import type { AnyMessage } from "./message.ts";
import * as m from "./messages/index.ts";

export type Listener = "broker" | "controller";

export interface Api {
  /** The number on the wire. */
  readonly key: number;
  readonly name: string;
  readonly request: AnyMessage;
  readonly response: AnyMessage;
  readonly first: number;
  readonly last: number;
  /** Newest version that is announced by default; below `last` when Kafka marks the newest one unstable. */
  readonly lastStable: number;
  /** First flexible version; infinite when there is none. */
  readonly flexible: number;
  readonly listeners: readonly Listener[];
  /** A broker passes it on to the active controller in an Envelope. */
  readonly forwardable: boolean;
}

type Trait = "B" | "C" | "BC";

interface Extra {
  readonly forwardable?: true;
  readonly unstable?: true;
}

const LISTENERS: { readonly [T in Trait]: readonly Listener[] } = {
  B: ["broker"],
  C: ["controller"],
  BC: ["broker", "controller"],
};

const FORWARDED: Extra = { forwardable: true };

type Row = readonly [key: number, request: AnyMessage, response: AnyMessage, on: Trait, extra?: Extra];

const ROWS: readonly Row[] = [
  [0, m.produceRequest, m.produceResponse, "B"],
  [1, m.fetchRequest, m.fetchResponse, "BC"],
  [2, m.listOffsetsRequest, m.listOffsetsResponse, "B"],
  [3, m.metadataRequest, m.metadataResponse, "B"],
  [8, m.offsetCommitRequest, m.offsetCommitResponse, "B"],
  [9, m.offsetFetchRequest, m.offsetFetchResponse, "B"],
  [10, m.findCoordinatorRequest, m.findCoordinatorResponse, "B"],
  [11, m.joinGroupRequest, m.joinGroupResponse, "B"],
  [12, m.heartbeatRequest, m.heartbeatResponse, "B"],
  [13, m.leaveGroupRequest, m.leaveGroupResponse, "B"],
  [14, m.syncGroupRequest, m.syncGroupResponse, "B"],
  [15, m.describeGroupsRequest, m.describeGroupsResponse, "B"],
  [16, m.listGroupsRequest, m.listGroupsResponse, "B"],
  [17, m.saslHandshakeRequest, m.saslHandshakeResponse, "BC"],
  [18, m.apiVersionsRequest, m.apiVersionsResponse, "BC"],
  [19, m.createTopicsRequest, m.createTopicsResponse, "BC", FORWARDED],
  [20, m.deleteTopicsRequest, m.deleteTopicsResponse, "BC", FORWARDED],
  [21, m.deleteRecordsRequest, m.deleteRecordsResponse, "B"],
  [22, m.initProducerIdRequest, m.initProducerIdResponse, "B", { unstable: true }],
  [23, m.offsetForLeaderEpochRequest, m.offsetForLeaderEpochResponse, "B"],
  [24, m.addPartitionsToTxnRequest, m.addPartitionsToTxnResponse, "B"],
  [25, m.addOffsetsToTxnRequest, m.addOffsetsToTxnResponse, "B"],
  [26, m.endTxnRequest, m.endTxnResponse, "B"],
  [27, m.writeTxnMarkersRequest, m.writeTxnMarkersResponse, "B"],
  [28, m.txnOffsetCommitRequest, m.txnOffsetCommitResponse, "B"],
  [29, m.describeAclsRequest, m.describeAclsResponse, "BC"],
  [30, m.createAclsRequest, m.createAclsResponse, "BC", FORWARDED],
  [31, m.deleteAclsRequest, m.deleteAclsResponse, "BC", FORWARDED],
  [32, m.describeConfigsRequest, m.describeConfigsResponse, "BC"],
  [33, m.alterConfigsRequest, m.alterConfigsResponse, "BC", FORWARDED],
  [34, m.alterReplicaLogDirsRequest, m.alterReplicaLogDirsResponse, "B"],
  [35, m.describeLogDirsRequest, m.describeLogDirsResponse, "B"],
  [36, m.saslAuthenticateRequest, m.saslAuthenticateResponse, "BC"],
  [37, m.createPartitionsRequest, m.createPartitionsResponse, "BC", FORWARDED],
  [38, m.createDelegationTokenRequest, m.createDelegationTokenResponse, "BC", FORWARDED],
  [39, m.renewDelegationTokenRequest, m.renewDelegationTokenResponse, "BC", FORWARDED],
  [40, m.expireDelegationTokenRequest, m.expireDelegationTokenResponse, "BC", FORWARDED],
  [41, m.describeDelegationTokenRequest, m.describeDelegationTokenResponse, "BC"],
  [42, m.deleteGroupsRequest, m.deleteGroupsResponse, "B"],
  [43, m.electLeadersRequest, m.electLeadersResponse, "BC", FORWARDED],
  [44, m.incrementalAlterConfigsRequest, m.incrementalAlterConfigsResponse, "BC", FORWARDED],
  [45, m.alterPartitionReassignmentsRequest, m.alterPartitionReassignmentsResponse, "BC", FORWARDED],
  [46, m.listPartitionReassignmentsRequest, m.listPartitionReassignmentsResponse, "BC", FORWARDED],
  [47, m.offsetDeleteRequest, m.offsetDeleteResponse, "B"],
  [48, m.describeClientQuotasRequest, m.describeClientQuotasResponse, "B"],
  [49, m.alterClientQuotasRequest, m.alterClientQuotasResponse, "BC", FORWARDED],
  [50, m.describeUserScramCredentialsRequest, m.describeUserScramCredentialsResponse, "BC"],
  [51, m.alterUserScramCredentialsRequest, m.alterUserScramCredentialsResponse, "BC", FORWARDED],
  [52, m.voteRequest, m.voteResponse, "C"],
  [53, m.beginQuorumEpochRequest, m.beginQuorumEpochResponse, "C"],
  [54, m.endQuorumEpochRequest, m.endQuorumEpochResponse, "C"],
  [55, m.describeQuorumRequest, m.describeQuorumResponse, "BC", FORWARDED],
  [56, m.alterPartitionRequest, m.alterPartitionResponse, "C"],
  [57, m.updateFeaturesRequest, m.updateFeaturesResponse, "BC", FORWARDED],
  [58, m.envelopeRequest, m.envelopeResponse, "C"],
  [59, m.fetchSnapshotRequest, m.fetchSnapshotResponse, "C"],
  [60, m.describeClusterRequest, m.describeClusterResponse, "BC"],
  [61, m.describeProducersRequest, m.describeProducersResponse, "B"],
  [62, m.brokerRegistrationRequest, m.brokerRegistrationResponse, "C"],
  [63, m.brokerHeartbeatRequest, m.brokerHeartbeatResponse, "C"],
  [64, m.unregisterBrokerRequest, m.unregisterBrokerResponse, "BC", FORWARDED],
  [65, m.describeTransactionsRequest, m.describeTransactionsResponse, "B"],
  [66, m.listTransactionsRequest, m.listTransactionsResponse, "B"],
  [67, m.allocateProducerIdsRequest, m.allocateProducerIdsResponse, "C", FORWARDED],
  [68, m.consumerGroupHeartbeatRequest, m.consumerGroupHeartbeatResponse, "B"],
  [69, m.consumerGroupDescribeRequest, m.consumerGroupDescribeResponse, "B"],
  [70, m.controllerRegistrationRequest, m.controllerRegistrationResponse, "C"],
  [71, m.getTelemetrySubscriptionsRequest, m.getTelemetrySubscriptionsResponse, "B"],
  [72, m.pushTelemetryRequest, m.pushTelemetryResponse, "B"],
  [73, m.assignReplicasToDirsRequest, m.assignReplicasToDirsResponse, "C"],
  [74, m.listConfigResourcesRequest, m.listConfigResourcesResponse, "B"],
  [75, m.describeTopicPartitionsRequest, m.describeTopicPartitionsResponse, "B"],
  [76, m.shareGroupHeartbeatRequest, m.shareGroupHeartbeatResponse, "B"],
  [77, m.shareGroupDescribeRequest, m.shareGroupDescribeResponse, "B"],
  [78, m.shareFetchRequest, m.shareFetchResponse, "B"],
  [79, m.shareAcknowledgeRequest, m.shareAcknowledgeResponse, "B"],
  [80, m.addRaftVoterRequest, m.addRaftVoterResponse, "BC", FORWARDED],
  [81, m.removeRaftVoterRequest, m.removeRaftVoterResponse, "BC", FORWARDED],
  [82, m.updateRaftVoterRequest, m.updateRaftVoterResponse, "C"],
  [83, m.initializeShareGroupStateRequest, m.initializeShareGroupStateResponse, "B"],
  [84, m.readShareGroupStateRequest, m.readShareGroupStateResponse, "B"],
  [85, m.writeShareGroupStateRequest, m.writeShareGroupStateResponse, "B"],
  [86, m.deleteShareGroupStateRequest, m.deleteShareGroupStateResponse, "B"],
  [87, m.readShareGroupStateSummaryRequest, m.readShareGroupStateSummaryResponse, "B"],
  [88, m.streamsGroupHeartbeatRequest, m.streamsGroupHeartbeatResponse, "B"],
  [89, m.streamsGroupDescribeRequest, m.streamsGroupDescribeResponse, "B"],
  [90, m.describeShareGroupOffsetsRequest, m.describeShareGroupOffsetsResponse, "B"],
  [91, m.alterShareGroupOffsetsRequest, m.alterShareGroupOffsetsResponse, "B"],
  [92, m.deleteShareGroupOffsetsRequest, m.deleteShareGroupOffsetsResponse, "B"],
  [93, m.streamsGroupTopologyDescriptionUpdateRequest, m.streamsGroupTopologyDescriptionUpdateResponse, "B"],
  [94, m.unregisterControllerRequest, m.unregisterControllerResponse, "BC", FORWARDED],
];

function api([key, request, response, on, extra = {}]: Row): Api {
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

/** Every API, by key. */
export const APIS: readonly Api[] = ROWS.map(api);

const BY_KEY: readonly (Api | undefined)[] = Object.assign([], Object.fromEntries(APIS.map(one => [one.key, one])));

export function apiOf(key: number): Api | undefined {
  return BY_KEY[key];
}

/** 2 for flexible versions, else 1. A request of an unknown key or version still begins with header 1. */
export function requestHeaderVersion(key: number, version: number): number {
  const api = BY_KEY[key];
  return api !== undefined && version >= api.flexible ? 2 : 1;
}

/** 1 for flexible versions, else 0; ApiVersions always 0, since its client may be newer than the broker (KIP-511). */
export function responseHeaderVersion(key: number, version: number): number {
  if (key === ApiKey.ApiVersions) return 0;
  const api = BY_KEY[key];
  return api !== undefined && version >= api.flexible ? 1 : 0;
}

/** The number of each API: `ApiKey.Fetch`. */
export const ApiKey = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  OffsetCommit: 8,
  OffsetFetch: 9,
  FindCoordinator: 10,
  JoinGroup: 11,
  Heartbeat: 12,
  LeaveGroup: 13,
  SyncGroup: 14,
  DescribeGroups: 15,
  ListGroups: 16,
  SaslHandshake: 17,
  ApiVersions: 18,
  CreateTopics: 19,
  DeleteTopics: 20,
  DeleteRecords: 21,
  InitProducerId: 22,
  OffsetForLeaderEpoch: 23,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  WriteTxnMarkers: 27,
  TxnOffsetCommit: 28,
  DescribeAcls: 29,
  CreateAcls: 30,
  DeleteAcls: 31,
  DescribeConfigs: 32,
  AlterConfigs: 33,
  AlterReplicaLogDirs: 34,
  DescribeLogDirs: 35,
  SaslAuthenticate: 36,
  CreatePartitions: 37,
  CreateDelegationToken: 38,
  RenewDelegationToken: 39,
  ExpireDelegationToken: 40,
  DescribeDelegationToken: 41,
  DeleteGroups: 42,
  ElectLeaders: 43,
  IncrementalAlterConfigs: 44,
  AlterPartitionReassignments: 45,
  ListPartitionReassignments: 46,
  OffsetDelete: 47,
  DescribeClientQuotas: 48,
  AlterClientQuotas: 49,
  DescribeUserScramCredentials: 50,
  AlterUserScramCredentials: 51,
  Vote: 52,
  BeginQuorumEpoch: 53,
  EndQuorumEpoch: 54,
  DescribeQuorum: 55,
  AlterPartition: 56,
  UpdateFeatures: 57,
  Envelope: 58,
  FetchSnapshot: 59,
  DescribeCluster: 60,
  DescribeProducers: 61,
  BrokerRegistration: 62,
  BrokerHeartbeat: 63,
  UnregisterBroker: 64,
  DescribeTransactions: 65,
  ListTransactions: 66,
  AllocateProducerIds: 67,
  ConsumerGroupHeartbeat: 68,
  ConsumerGroupDescribe: 69,
  ControllerRegistration: 70,
  GetTelemetrySubscriptions: 71,
  PushTelemetry: 72,
  AssignReplicasToDirs: 73,
  ListConfigResources: 74,
  DescribeTopicPartitions: 75,
  ShareGroupHeartbeat: 76,
  ShareGroupDescribe: 77,
  ShareFetch: 78,
  ShareAcknowledge: 79,
  AddRaftVoter: 80,
  RemoveRaftVoter: 81,
  UpdateRaftVoter: 82,
  InitializeShareGroupState: 83,
  ReadShareGroupState: 84,
  WriteShareGroupState: 85,
  DeleteShareGroupState: 86,
  ReadShareGroupStateSummary: 87,
  StreamsGroupHeartbeat: 88,
  StreamsGroupDescribe: 89,
  DescribeShareGroupOffsets: 90,
  AlterShareGroupOffsets: 91,
  DeleteShareGroupOffsets: 92,
  StreamsGroupTopologyDescriptionUpdate: 93,
  UnregisterController: 94,
} as const;

export type ApiName = keyof typeof ApiKey;
