import { type ApiName, APIS, type Listener } from "@samsa/protocol";
import { expect, test } from "vitest";
import { servedApis } from "../src/apis.ts";
import { CONTROLLER_APIS } from "../src/controller/controller-apis.ts";
import { announced } from "../src/request/api-row.ts";

/** Listeners of each API in Kafka 4.4 (`"listeners"` of the message schemas). */
const LISTENERS: { readonly [N in ApiName]: string } = {
  Produce: "broker",
  Fetch: "broker controller",
  ListOffsets: "broker",
  Metadata: "broker",
  OffsetCommit: "broker",
  OffsetFetch: "broker",
  FindCoordinator: "broker",
  JoinGroup: "broker",
  Heartbeat: "broker",
  LeaveGroup: "broker",
  SyncGroup: "broker",
  DescribeGroups: "broker",
  ListGroups: "broker",
  SaslHandshake: "broker controller",
  ApiVersions: "broker controller",
  CreateTopics: "broker controller",
  DeleteTopics: "broker controller",
  DeleteRecords: "broker",
  InitProducerId: "broker",
  OffsetForLeaderEpoch: "broker",
  AddPartitionsToTxn: "broker",
  AddOffsetsToTxn: "broker",
  EndTxn: "broker",
  WriteTxnMarkers: "broker",
  TxnOffsetCommit: "broker",
  DescribeAcls: "broker controller",
  CreateAcls: "broker controller",
  DeleteAcls: "broker controller",
  DescribeConfigs: "broker controller",
  AlterConfigs: "broker controller",
  AlterReplicaLogDirs: "broker",
  DescribeLogDirs: "broker",
  SaslAuthenticate: "broker controller",
  CreatePartitions: "broker controller",
  CreateDelegationToken: "broker controller",
  RenewDelegationToken: "broker controller",
  ExpireDelegationToken: "broker controller",
  DescribeDelegationToken: "broker controller",
  DeleteGroups: "broker",
  ElectLeaders: "broker controller",
  IncrementalAlterConfigs: "broker controller",
  AlterPartitionReassignments: "broker controller",
  ListPartitionReassignments: "broker controller",
  OffsetDelete: "broker",
  DescribeClientQuotas: "broker",
  AlterClientQuotas: "broker controller",
  DescribeUserScramCredentials: "broker controller",
  AlterUserScramCredentials: "broker controller",
  Vote: "controller",
  BeginQuorumEpoch: "controller",
  EndQuorumEpoch: "controller",
  DescribeQuorum: "broker controller",
  AlterPartition: "controller",
  UpdateFeatures: "broker controller",
  Envelope: "controller",
  FetchSnapshot: "controller",
  DescribeCluster: "broker controller",
  DescribeProducers: "broker",
  BrokerRegistration: "controller",
  BrokerHeartbeat: "controller",
  UnregisterBroker: "broker controller",
  DescribeTransactions: "broker",
  ListTransactions: "broker",
  AllocateProducerIds: "controller",
  ConsumerGroupHeartbeat: "broker",
  ConsumerGroupDescribe: "broker",
  ControllerRegistration: "controller",
  GetTelemetrySubscriptions: "broker",
  PushTelemetry: "broker",
  AssignReplicasToDirs: "controller",
  ListConfigResources: "broker",
  DescribeTopicPartitions: "broker",
  ShareGroupHeartbeat: "broker",
  ShareGroupDescribe: "broker",
  ShareFetch: "broker",
  ShareAcknowledge: "broker",
  AddRaftVoter: "broker controller",
  RemoveRaftVoter: "broker controller",
  UpdateRaftVoter: "controller",
  InitializeShareGroupState: "broker",
  ReadShareGroupState: "broker",
  WriteShareGroupState: "broker",
  DeleteShareGroupState: "broker",
  ReadShareGroupStateSummary: "broker",
  StreamsGroupHeartbeat: "broker",
  StreamsGroupDescribe: "broker",
  DescribeShareGroupOffsets: "broker",
  AlterShareGroupOffsets: "broker",
  DeleteShareGroupOffsets: "broker",
  StreamsGroupTopologyDescriptionUpdate: "broker",
  UnregisterController: "broker controller",
};

const BROKER = [...servedApis({ telemetry: true }).values()];
const CONTROLLER = [...CONTROLLER_APIS.values()];

function namesOf(rows: readonly { readonly name: ApiName }[]): ApiName[] {
  return rows.map(({ name }) => name).toSorted();
}

test("each API is served on the listeners that Kafka's schemas name, and on no other", () => {
  expect(Object.fromEntries(APIS.map(({ name, listeners }) => [name, listeners.join(" ")]))).toEqual(LISTENERS);
  const kinds: readonly (readonly [Listener, readonly { name: ApiName; listeners: readonly Listener[] }[]])[] = [
    ["broker", BROKER],
    ["controller", CONTROLLER],
  ];
  for (const [kind, rows] of kinds) {
    for (const { name, listeners } of rows) {
      expect(LISTENERS[name].split(" "), name).toContain(kind);
      expect(listeners.join(" "), name).toBe(LISTENERS[name]);
    }
  }
  // A broker announces none of the APIs that only controllers serve.
  const heartbeat = APIS.find(({ name }) => name === "BrokerHeartbeat");
  expect(BROKER.map(announced).map(({ apiKey }) => apiKey)).not.toContain(heartbeat?.key);
});

test("brokers forward what the controller decides, and no more than Kafka's brokers do", () => {
  const forwarded = BROKER.filter(row => row.forwarded);
  expect(namesOf(forwarded)).toEqual([
    "AddRaftVoter",
    "AlterClientQuotas",
    "AlterPartitionReassignments",
    "AlterUserScramCredentials",
    "CreatePartitions",
    "CreateTopics",
    "DeleteTopics",
    "DescribeQuorum",
    "ElectLeaders",
    "ListPartitionReassignments",
    "RemoveRaftVoter",
    "UnregisterBroker",
    "UnregisterController",
    "UpdateFeatures",
  ]);
  for (const { name } of forwarded) expect(APIS.find(api => api.name === name)?.forwardable, name).toBe(true);
  expect(CONTROLLER.some(row => row.forwarded)).toBe(false);
});

test("a controller demands the permission that the broker demands, and of brokers CLUSTER_ACTION", () => {
  const ofBroker = new Map(BROKER.map(row => [row.name, row]));
  // Kafka's controllers demand more for a description of the controllers, and for the metadata log.
  const special: Partial<Record<ApiName, string>> = { DescribeCluster: "ALTER", Fetch: "CLUSTER_ACTION" };
  for (const [name, operation] of Object.entries(special)) {
    expect(CONTROLLER.find(row => row.name === name)?.action({}, 0)?.operation).toBe(operation);
  }
  for (const row of CONTROLLER.filter(({ name }) => special[name] === undefined)) {
    const demanded =
      LISTENERS[row.name] === "controller" ? "CLUSTER_ACTION" : ofBroker.get(row.name)?.action({}, 0)?.operation;
    expect(row.action({}, 0)?.operation, row.name).toBe(demanded);
  }
});

test("the quotas that a request counts against are Kafka's", () => {
  const unlike = [...BROKER, ...CONTROLLER].flatMap(({ name, throttle }) =>
    throttle === "request" ? [] : [[name, throttle]],
  );
  expect(Object.fromEntries(unlike)).toEqual({
    Produce: "produce",
    WriteTxnMarkers: "exempt",
    CreateTopics: { mutationsSince: 6 },
    DeleteTopics: { mutationsSince: 5 },
    CreatePartitions: { mutationsSince: 3 },
  });
});
