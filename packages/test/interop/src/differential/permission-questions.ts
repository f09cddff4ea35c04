import type { ApiName } from "@samsa/protocol";

/** Request of a client whose permissions are in question. */
export interface PermissionQuestion {
  readonly api: ApiName;
  readonly version: number;
  readonly body: object;
  /** True if only error codes are compared: the rest depends on the machine, or on the settings that both have. */
  readonly isCoded?: true;
}

/** Topics that exist; the last is deleted and made again. */
export const TOPICS = ["a", "ab", "b", "gone"] as const;
/** Groups with offsets. */
export const GROUPS = ["ga", "gb"] as const;
/** Transactional ids with a state. */
export const TRANSACTIONS = ["ta", "tb"] as const;

const named = [...TOPICS, "none"];
const groups = [...GROUPS, "nobody"];
const transactions = [...TRANSACTIONS, "t-none"];
const timeoutMs = 3000;
const STRANGE_ID = "BBBBBBBBBBBBBBBBBBBBBA";
const whose = { producerId: 77n, producerEpoch: 0 };
const member = { generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null };
const offset = { partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: "" };
const one = { partitionIndex: 0 };

const question = (api: ApiName, version: number, body: object, isCoded?: true): PermissionQuestion => ({
  ...{ api, version, body },
  ...(isCoded === undefined ? {} : { isCoded }),
});

const OF_TOPICS: readonly PermissionQuestion[] = [
  question("Metadata", 9, {
    topics: named.map(name => ({ name })),
    ...{
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: true,
      includeClusterAuthorizedOperations: true,
    },
  }),
  question("Metadata", 12, { topics: null, allowAutoTopicCreation: false, includeTopicAuthorizedOperations: true }),
  question("Metadata", 12, { topics: [{ topicId: STRANGE_ID, name: null }], allowAutoTopicCreation: false }),
  question("DescribeTopicPartitions", 0, {
    topics: named.map(name => ({ name })),
    responsePartitionLimit: 100,
    cursor: null,
  }),
  question("DescribeTopicPartitions", 0, { topics: [], responsePartitionLimit: 2, cursor: null }),
  question(
    "Produce",
    9,
    {
      ...{ transactionalId: null, acks: -1, timeoutMs },
      topicData: named.map(name => ({ name, partitionData: [{ index: 0, records: [new Uint8Array(0)] }] })),
    },
    true,
  ),
  question(
    "Fetch",
    12,
    {
      ...{ maxWaitMs: 0, minBytes: 0, sessionEpoch: -1 },
      topics: named.map(topic => ({ topic, partitions: [{ partition: 0, partitionMaxBytes: 100 }] })),
    },
    true,
  ),
  question("ListOffsets", 7, {
    ...{ replicaId: -1, isolationLevel: 0 },
    topics: named.map(name => ({ name, partitions: [{ ...one, timestamp: -1 }] })),
  }),
  question(
    "OffsetForLeaderEpoch",
    4,
    {
      replicaId: -1,
      topics: named.map(topic => ({ topic, partitions: [{ partition: 0, leaderEpoch: 0 }] })),
    },
    true,
  ),
  question("DeleteRecords", 2, {
    timeoutMs,
    topics: named.map(name => ({ name, partitions: [{ ...one, offset: 0 }] })),
  }),
  question("DescribeProducers", 0, { topics: named.map(name => ({ name, partitionIndexes: [0] })) }, true),
  question(
    "CreateTopics",
    7,
    {
      topics: [...named, "twice", "twice", "new-topic", "__cluster_metadata"].map(name => {
        return { name, numPartitions: 1, replicationFactor: 1 };
      }),
      ...{ timeoutMs, validateOnly: true },
    },
    true,
  ),
  question("CreatePartitions", 3, {
    topics: [...named, "b"].map(name => ({ name, count: 3, assignments: null })),
    ...{ timeoutMs, validateOnly: true },
  }),
  question("DeleteTopics", 6, {
    topics: [
      { name: "none" },
      { name: "twice" },
      { name: "twice" },
      { name: null, topicId: STRANGE_ID },
      { name: "gone" },
    ],
    timeoutMs,
  }),
];

const OF_GROUPS: readonly PermissionQuestion[] = [
  question("FindCoordinator", 6, { keyType: 0, coordinatorKeys: groups }),
  question("FindCoordinator", 3, { keyType: 0, key: "ga" }),
  question("FindCoordinator", 6, { keyType: 1, coordinatorKeys: transactions }),
  question("FindCoordinator", 3, { keyType: 1, key: "tb" }),
  question("FindCoordinator", 6, { keyType: 2, coordinatorKeys: [`g:${STRANGE_ID}:0`] }, true),
  question("FindCoordinator", 5, { keyType: 2, coordinatorKeys: ["x"] }, true),
  question("DescribeGroups", 6, { groups, includeAuthorizedOperations: true }),
  question("ListGroups", 5, { statesFilter: [], typesFilter: [] }),
  question("OffsetFetch", 8, {
    groups: groups.map(groupId => ({ groupId, topics: named.map(name => ({ name, partitionIndexes: [0] })) })),
    requireStable: false,
  }),
  question("OffsetFetch", 8, { groups: groups.map(groupId => ({ groupId, topics: null })), requireStable: false }),
  question("OffsetFetch", 7, { groupId: "gb", topics: null, requireStable: false }),
  question("OffsetFetch", 1, { groupId: "ga", topics: named.map(name => ({ name, partitionIndexes: [0] })) }),
  ...GROUPS.flatMap(groupId => [
    question("OffsetCommit", 8, { groupId, ...member, topics: named.map(name => ({ name, partitions: [offset] })) }),
    question("OffsetDelete", 0, { groupId: `${groupId}x`, topics: named.map(name => ({ name, partitions: [one] })) }),
    question("Heartbeat", 4, { groupId, generationId: 1, memberId: "m", groupInstanceId: null }),
    question("LeaveGroup", 4, { groupId, members: [{ memberId: "m", groupInstanceId: null }] }),
    question("SyncGroup", 5, {
      ...{ groupId, generationId: 1, memberId: "m", groupInstanceId: null, assignments: [] },
      ...{ protocolType: "consumer", protocolName: "range" },
    }),
    question(
      "JoinGroup",
      9,
      {
        ...{ groupId, sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, memberId: "m", groupInstanceId: null },
        ...{ protocolType: "consumer", protocols: [{ name: "range", metadata: new Uint8Array(0) }], reason: null },
      },
      true,
    ),
    question(
      "ConsumerGroupHeartbeat",
      1,
      {
        ...{ groupId, memberId: "m", memberEpoch: 5, topicPartitions: null },
        subscribedTopicNames: ["a", "b"],
      },
      true,
    ),
    question(
      "ShareGroupHeartbeat",
      1,
      {
        ...{ groupId, memberId: "AAAAAAAAAAAAAAAAAAAAAQ", memberEpoch: 5, subscribedTopicNames: ["ab"] },
      },
      true,
    ),
    question(
      "ShareFetch",
      1,
      {
        ...{ groupId, memberId: "AAAAAAAAAAAAAAAAAAAAAQ", shareSessionEpoch: 7, maxWaitMs: 0, minBytes: 0, topics: [] },
      },
      true,
    ),
    question(
      "ShareAcknowledge",
      1,
      {
        ...{ groupId, memberId: "AAAAAAAAAAAAAAAAAAAAAQ", shareSessionEpoch: 7, topics: [] },
      },
      true,
    ),
    question(
      "AlterShareGroupOffsets",
      0,
      {
        groupId,
        topics: [{ topicName: "a", partitions: [{ partitionIndex: 0, startOffset: 0 }] }],
      },
      true,
    ),
    question("DeleteShareGroupOffsets", 0, { groupId, topics: named.map(topicName => ({ topicName })) }, true),
  ]),
  question("DeleteGroups", 2, { groupsNames: ["nobody", "nobody", "gax", "gbx"] }),
  question("ConsumerGroupDescribe", 1, { groupIds: groups, includeAuthorizedOperations: true }, true),
  question("ShareGroupDescribe", 1, { groupIds: groups, includeAuthorizedOperations: true }, true),
  question("DescribeShareGroupOffsets", 1, { groups: groups.map(groupId => ({ groupId, topics: null })) }, true),
];

const OF_TRANSACTIONS: readonly PermissionQuestion[] = [
  question("InitProducerId", 5, { transactionalId: null, transactionTimeoutMs: 1000 }, true),
  ...transactions.flatMap(transactionalId => [
    question("InitProducerId", 5, { transactionalId, transactionTimeoutMs: 1000, ...whose }, true),
    question("AddPartitionsToTxn", 3, {
      ...{ v3AndBelowTransactionalId: transactionalId, v3AndBelowProducerId: 77n, v3AndBelowProducerEpoch: 0 },
      v3AndBelowTopics: named.map(name => ({ name, partitions: [0] })),
    }),
    question("AddPartitionsToTxn", 3, {
      ...{ v3AndBelowTransactionalId: transactionalId, v3AndBelowProducerId: 77n, v3AndBelowProducerEpoch: 0 },
      v3AndBelowTopics: [{ name: "a", partitions: [0] }],
    }),
    question("AddOffsetsToTxn", 3, { transactionalId, ...whose, groupId: "ga" }),
    question("EndTxn", 3, { transactionalId, ...whose, committed: true }),
    question(
      "TxnOffsetCommit",
      3,
      {
        ...{
          transactionalId,
          ...whose,
          groupId: "gb",
          generationIdOrMemberEpoch: -1,
          memberId: "",
          groupInstanceId: null,
        },
        topics: ["none", "b"].map(name => ({ name, partitions: [offset] })),
      },
      true,
    ),
  ]),
  // Kafka never answers a request without transactions.
  question("AddPartitionsToTxn", 4, {
    transactions: [{ transactionalId: "t-none", ...whose, verifyOnly: true, topics: [{ name: "a", partitions: [0] }] }],
  }),
  question("DescribeTransactions", 0, { transactionalIds: transactions }, true),
  question("ListTransactions", 1, { stateFilters: [], producerIdFilters: [], durationFilter: -1 }),
  question("WriteTxnMarkers", 1, {
    markers: [
      {
        ...{ ...whose, transactionResult: false, coordinatorEpoch: 0 },
        topics: [{ name: "none", partitionIndexes: [0] }],
      },
    ],
  }),
];

const RESOURCES = [
  ...named.map(resourceName => ({ resourceType: 2, resourceName })),
  ...["", "1"].map(resourceName => ({ resourceType: 4, resourceName })),
  { resourceType: 8, resourceName: "2" },
  { resourceType: 16, resourceName: "m" },
  ...groups.map(resourceName => ({ resourceType: 32, resourceName })),
];
const SETTINGS: Readonly<Record<number, string>> = {
  2: "retention.ms",
  4: "message.max.bytes",
  8: "kafka",
  16: "interval.ms",
  32: "consumer.session.timeout.ms",
};
const filter = {
  ...{ resourceTypeFilter: 2, resourceNameFilter: "no such topic", patternTypeFilter: 3 },
  ...{ principalFilter: null, hostFilter: null, operation: 1, permissionType: 1 },
};
const entry = {
  ...{ resourceType: 2, resourceName: "no such topic", resourcePatternType: 3 },
  ...{ principal: "User:u", operation: 3, permissionType: 3 },
};
const altered = (more: object) =>
  RESOURCES.filter(({ resourceType }) => resourceType !== 8).map(resource => {
    return { ...resource, configs: [{ name: SETTINGS[resource.resourceType], value: "60000", ...more }] };
  });

const OF_CLUSTER: readonly PermissionQuestion[] = [
  question(
    "DescribeConfigs",
    4,
    { resources: RESOURCES.map(one => ({ ...one, configurationKeys: ["no.such"] })) },
    true,
  ),
  question("AlterConfigs", 2, { resources: altered({}), validateOnly: true }, true),
  question("IncrementalAlterConfigs", 1, { resources: altered({ configOperation: 0 }), validateOnly: true }, true),
  question("ListConfigResources", 1, { resourceTypes: [2] }),
  question("DescribeAcls", 3, filter),
  question("CreateAcls", 3, { creations: [{ ...entry, host: "" }] }, true),
  question("DeleteAcls", 3, { filters: [filter] }),
  question("DescribeLogDirs", 4, { topics: [] }, true),
  question("AlterReplicaLogDirs", 2, { dirs: [{ path: "/none", topics: [{ name: "none", partitions: [0] }] }] }, true),
  question(
    "ElectLeaders",
    2,
    { electionType: 0, topicPartitions: [{ topic: "none", partitions: [0] }], timeoutMs },
    true,
  ),
  question("AlterPartitionReassignments", 0, { timeoutMs, topics: [] }),
  question("ListPartitionReassignments", 0, { timeoutMs, topics: null }),
  question("DescribeClientQuotas", 1, { components: [], strict: false }, true),
  question("AlterClientQuotas", 1, {
    entries: [
      {
        entity: [{ entityType: "user", entityName: "u" }],
        ops: [{ key: "producer_byte_rate", value: 1, remove: false }],
      },
    ],
    validateOnly: true,
  }),
  question("DescribeUserScramCredentials", 0, { users: [{ name: "u" }] }, true),
  question("AlterUserScramCredentials", 0, { deletions: [{ name: "u", mechanism: 1 }], upsertions: [] }, true),
  question(
    "DescribeQuorum",
    2,
    { topics: [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }] },
    true,
  ),
  question("UpdateFeatures", 2, { timeoutMs, featureUpdates: [], validateOnly: true }, true),
  question("UnregisterBroker", 0, { brokerId: 77 }, true),
  question("DescribeCluster", 1, { includeClusterAuthorizedOperations: true, endpointType: 1 }),
];

/** Requests of every API that asks for permissions, none of which changes what another one is answered. */
export const PERMISSION_QUESTIONS: readonly PermissionQuestion[] = [
  ...OF_TOPICS,
  ...OF_GROUPS,
  ...OF_TRANSACTIONS,
  ...OF_CLUSTER,
];
