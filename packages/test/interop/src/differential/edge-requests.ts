/** Builds requests of every API and version with plain values, and with the edge values of each of their fields. */
import { type Api, ApiKey } from "@samsa/protocol";
import { buildBatch, type Tools } from "@samsa/records";
import { STANDING } from "./questions.ts";

/** Fields of a message, as `AnyMessage["fields"]`. */
type Fields = Api["request"]["fields"];
type Type = Fields[string]["type"];
type Draft = Readonly<Record<string, unknown>>;

/** Request with at most one edge value. */
export interface EdgeRequest {
  readonly api: Api;
  readonly version: number;
  /** Body for Kafka's JSON converters. `$id NAME` stands for the id of a topic, `$n` for the number of the request. */
  readonly body: Record<string, unknown>;
  /** Path and value of the field with an edge value; "" if all are plain. */
  readonly edge: string;
}

const [TOPIC, OTHER, WRITTEN] = STANDING;
/** Prefix of a placeholder for a topic id, which differs between brokers. */
export const ID = "$id ";
const TOPIC_ID = ID + TOPIC;
const MIB = 1 << 20;
const ZERO_ID = "AAAAAAAAAAAAAAAAAAAAAA";
const NO_ID = "BBBBBBBBBBBBBBBBBBBBBA";
/** Timestamp of records: recent, so that retention keeps them. */
const NOW = Date.now();

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** ConsumerProtocolSubscription, version 0, of the first standing topic. */
const SUBSCRIPTION = ((): string => {
  const name = Buffer.from(TOPIC);
  const length = Buffer.from([0, name.length]);
  return base64(Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 1]), length, name, Buffer.from([0xff, 0xff, 0xff, 0xff])]));
})();

/** Plain values by field name, in any message. */
const PLAIN: Draft = {
  timeoutMs: 1000,
  topicName: TOPIC,
  topicId: TOPIC_ID,
  groupId: "edge",
  brokerId: 1,
  replicaId: -1,
  host: "127.0.0.1",
  clientSoftwareName: "edge",
  clientSoftwareVersion: "1",
};

/** Plain request bodies by API, where the defaults are not enough. Missing fields get defaults. */
type Templates = Readonly<Record<number, Draft>>;

const partition = { partitionIndex: 0, partition: 0 };
const offsets = [{ name: TOPIC, topicId: TOPIC_ID, partitions: [{ ...partition, committedOffset: 1 }] }];
const resource = { resourceType: 2, resourceName: TOPIC };
/** Entry of access control without unknown elements, and a filter that matches all. */
const ACL = { principal: "User:edge", host: "*", operation: 3, permissionType: 3 };
const ACL_FILTER = { resourceTypeFilter: 1, patternTypeFilter: 1, operation: 1, permissionType: 1 };
/** AcknowledgementBatch that accepts the first two records. */
const ACCEPTED = { firstOffset: 0, lastOffset: 1, acknowledgeTypes: [1] };
const shareState = { groupId: "edge", topics: [{ topicId: TOPIC_ID, partitions: [{ partition: 0 }] }] };

/** Bodies of group and offset requests. */
const GROUPS: Templates = {
  [ApiKey.OffsetCommit]: { generationIdOrMemberEpoch: -1, topics: offsets },
  [ApiKey.OffsetFetch]: {
    topics: [{ name: TOPIC, partitionIndexes: [0] }],
    groups: [{ groupId: "edge", topics: [{ name: TOPIC, topicId: TOPIC_ID, partitionIndexes: [0] }] }],
  },
  [ApiKey.FindCoordinator]: { key: "edge", coordinatorKeys: ["edge"] },
  [ApiKey.JoinGroup]: {
    groupId: "join-$n",
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 1000,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: SUBSCRIPTION }],
  },
  [ApiKey.LeaveGroup]: { memberId: "m", members: [{ memberId: "m", groupInstanceId: null }] },
  [ApiKey.Heartbeat]: { memberId: "m" },
  [ApiKey.SyncGroup]: { memberId: "m", assignments: [] },
  [ApiKey.DescribeGroups]: { groups: ["edge"] },
  [ApiKey.DeleteGroups]: { groupsNames: ["nosuch"] },
  [ApiKey.OffsetDelete]: { topics: [{ name: TOPIC, partitions: [partition] }] },
  [ApiKey.ConsumerGroupHeartbeat]: {
    groupId: "heartbeat-$n",
    memberId: "m",
    rebalanceTimeoutMs: 10_000,
    subscribedTopicNames: [TOPIC],
    subscribedTopicRegex: null,
    topicPartitions: [],
  },
  [ApiKey.ConsumerGroupDescribe]: { groupIds: ["nosuch"] },
};

/** Bodies of share group requests. */
const SHARES: Templates = {
  [ApiKey.ShareGroupHeartbeat]: { groupId: "share-$n", memberId: ZERO_ID, subscribedTopicNames: [TOPIC] },
  [ApiKey.ShareGroupDescribe]: { groupIds: ["nosuch"] },
  [ApiKey.ShareFetch]: {
    memberId: ZERO_ID,
    shareSessionEpoch: 0,
    // Wait long enough for the share partition state to be loaded.
    maxWaitMs: 200,
    minBytes: 1,
    maxBytes: MIB,
    maxRecords: 500,
    batchSize: 500,
    topics: [{ topicId: TOPIC_ID, partitions: [{ partitionIndex: 0, partitionMaxBytes: MIB }] }],
  },
  [ApiKey.ShareAcknowledge]: {
    memberId: ZERO_ID,
    shareSessionEpoch: 1,
    topics: [{ topicId: TOPIC_ID, partitions: [{ partitionIndex: 0, acknowledgementBatches: [ACCEPTED] }] }],
  },
  [ApiKey.InitializeShareGroupState]: shareState,
  [ApiKey.ReadShareGroupState]: shareState,
  [ApiKey.WriteShareGroupState]: shareState,
  [ApiKey.DeleteShareGroupState]: shareState,
  [ApiKey.ReadShareGroupStateSummary]: shareState,
  [ApiKey.DescribeShareGroupOffsets]: {
    groups: [{ groupId: "nosuch", topics: [{ topicName: TOPIC, partitions: [0] }] }],
  },
  [ApiKey.AlterShareGroupOffsets]: {
    topics: [{ topicName: TOPIC, partitions: [{ partitionIndex: 0, startOffset: 0 }] }],
  },
  [ApiKey.DeleteShareGroupOffsets]: { groupId: "nosuch", topics: [{ topicName: TOPIC }] },
};

/** Bodies of requests about topics, transactions and the cluster. */
const OTHERS: Templates = {
  [ApiKey.DescribeAcls]: ACL_FILTER,
  [ApiKey.CreateAcls]: { creations: [{ ...ACL, resourceType: 2, resourceName: TOPIC, resourcePatternType: 3 }] },
  [ApiKey.DeleteAcls]: { filters: [ACL_FILTER] },
  [ApiKey.Fetch]: {
    maxWaitMs: 0,
    maxBytes: MIB,
    sessionEpoch: -1,
    topics: [
      { topic: TOPIC, topicId: TOPIC_ID, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: MIB }] },
    ],
  },
  [ApiKey.ListOffsets]: { topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, timestamp: -1 }] }] },
  [ApiKey.Metadata]: { topics: [{ topicId: ZERO_ID, name: TOPIC }], allowAutoTopicCreation: false },
  [ApiKey.SaslHandshake]: { mechanism: "PLAIN" },
  [ApiKey.CreateTopics]: { topics: [{ name: "made-$n", numPartitions: 1, replicationFactor: 1 }] },
  [ApiKey.DeleteTopics]: { topics: [{ name: "nosuch", topicId: ZERO_ID }], topicNames: ["nosuch"] },
  [ApiKey.DeleteRecords]: { topics: [{ name: WRITTEN, partitions: [{ partitionIndex: 0, offset: 0 }] }] },
  [ApiKey.InitProducerId]: { transactionalId: null, transactionTimeoutMs: 10_000, producerId: -1, producerEpoch: -1 },
  [ApiKey.OffsetForLeaderEpoch]: { topics: [{ topic: TOPIC, partitions: [{ partition: 0, leaderEpoch: 0 }] }] },
  [ApiKey.AddPartitionsToTxn]: {
    transactions: [
      { transactionalId: "edge", producerId: 0, producerEpoch: 0, topics: [{ name: TOPIC, partitions: [0] }] },
    ],
    v3AndBelowTransactionalId: "edge",
    v3AndBelowTopics: [{ name: TOPIC, partitions: [0] }],
  },
  [ApiKey.AddOffsetsToTxn]: { transactionalId: "edge" },
  [ApiKey.EndTxn]: { transactionalId: "edge" },
  [ApiKey.TxnOffsetCommit]: { transactionalId: "edge", topics: offsets },
  [ApiKey.DescribeConfigs]: { resources: [{ ...resource, configurationKeys: ["retention.ms"] }] },
  [ApiKey.AlterConfigs]: { resources: [{ ...resource, configs: [{ name: "retention.ms", value: "1000000000" }] }] },
  [ApiKey.AlterReplicaLogDirs]: { dirs: [{ path: "/nowhere", topics: [{ name: TOPIC, partitions: [0] }] }] },
  [ApiKey.DescribeLogDirs]: { topics: [{ topic: "nosuch", partitions: [0] }] },
  [ApiKey.CreatePartitions]: { topics: [{ name: TOPIC, count: 3, assignments: null }], validateOnly: true },
  [ApiKey.ElectLeaders]: { topicPartitions: [{ topic: TOPIC, partitions: [0] }] },
  [ApiKey.IncrementalAlterConfigs]: {
    resources: [{ ...resource, configs: [{ name: "retention.ms", configOperation: 0, value: "1000000000" }] }],
  },
  [ApiKey.AlterPartitionReassignments]: { topics: [{ name: TOPIC, partitions: [{ ...partition, replicas: [1] }] }] },
  [ApiKey.ListPartitionReassignments]: { topics: [{ name: TOPIC, partitionIndexes: [0] }] },
  [ApiKey.DescribeClientQuotas]: { components: [{ entityType: "user", matchType: 0, match: "nobody" }] },
  [ApiKey.AlterClientQuotas]: {
    entries: [
      {
        entity: [{ entityType: "user", entityName: "edge" }],
        ops: [{ key: "request_percentage", value: 50, remove: false }],
      },
    ],
  },
  [ApiKey.DescribeQuorum]: { topics: [{ topicName: "__cluster_metadata", partitions: [partition] }] },
  [ApiKey.UpdateFeatures]: {
    featureUpdates: [{ feature: "metadata.version", maxVersionLevel: 33, upgradeType: 1 }],
    validateOnly: true,
  },
  [ApiKey.DescribeProducers]: { topics: [{ name: TOPIC, partitionIndexes: [0] }] },
  [ApiKey.UnregisterBroker]: { brokerId: 9 },
  [ApiKey.DescribeTransactions]: { transactionalIds: ["edge"] },
  [ApiKey.DescribeTopicPartitions]: { topics: [{ name: TOPIC }], cursor: null },
};

function templates(tools: Tools): Templates {
  const record = { timestamp: NOW, key: null, value: Uint8Array.of(1, 2, 3) };
  const batch = base64(buildBatch([record], {}, tools));
  return {
    ...GROUPS,
    ...SHARES,
    ...OTHERS,
    [ApiKey.Produce]: {
      transactionalId: null,
      acks: -1,
      topicData: [{ name: WRITTEN, topicId: ID + WRITTEN, partitionData: [{ index: 0, records: batch }] }],
    },
  };
}

/** Fields whose edge values would disturb later requests: they unregister the broker or change the cluster. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "UnregisterBroker.brokerId",
  "UpdateFeatures.validateOnly",
  "CreatePartitions.validateOnly",
]);

const WHOLE: Readonly<Record<string, readonly bigint[]>> = {
  i8: [8n],
  i16: [16n],
  i32: [32n],
  i64: [64n],
  long: [64n],
};

function edgesOfWhole(bits: bigint): (number | bigint)[] {
  const most = 2n ** (bits - 1n) - 1n;
  const beyond = bits === 64n ? [2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n), BigInt(NOW) * 1_000_000n] : [];
  return [-1, 0, 1, 2, -2, -3, -4, -5, 7, ...beyond, most, -most - 1n];
}

function edgesOf(type: Type): unknown[] {
  const whole = WHOLE[type.kind];
  if (whole !== undefined) return whole.flatMap(edgesOfWhole);
  switch (type.kind) {
    case "bool":
      return [true, false];
    case "u16":
      return [0, 1, 65535];
    case "u32":
      return [0, 1, 2 ** 32 - 1];
    case "f64":
      return [-1, 0, 0.5, 1, 1e300, Number.NaN, Infinity];
    case "string":
      return ["", "nosuch", "a b", ".", "x".repeat(250), "\u{1F600}é", TOPIC, OTHER];
    case "uuid":
      return [ZERO_ID, NO_ID, TOPIC_ID];
    case "bytes":
    case "records":
      return ["", base64(Uint8Array.of(0, 1, 2)), base64(new Uint8Array(61))];
    default:
      return [];
  }
}

function whole(type: Type, draft: unknown): unknown {
  if (type.kind === "struct") return draft === null ? null : filled(type.fields, (draft ?? {}) as Draft);
  if (type.kind !== "array") return draft;
  return Array.isArray(draft) ? draft.map((element: unknown) => whole(type.element, element)) : draft;
}

/** Completes a draft: other fields get the plain value of their name, else the default. */
function filled(fields: Fields, draft: Draft): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [name, { type, initial }] of Object.entries(fields)) {
    const given = name in draft ? draft[name] : ((type.kind === "array" ? undefined : PLAIN[name]) ?? initial);
    const isBytes = given instanceof Uint8Array || type.kind === "records";
    body[name] = isBytes && typeof given !== "string" ? (given === null ? null : "") : whole(type, given);
  }
  return body;
}

/** Yields every place of a body: its path, its edge values, and a function that returns a copy with another value. */
function* places(
  fields: Fields,
  body: Draft,
  version: number,
): Generator<readonly [path: string, edges: unknown[], put: (value: unknown) => Record<string, unknown>]> {
  for (const [name, field] of Object.entries(fields)) {
    if (version < field.since || version > field.until) continue;
    const put = (value: unknown): Record<string, unknown> => ({ ...body, [name]: value });
    const value = body[name];
    const { type } = field;
    const none = version >= field.nullableSince && value !== null ? [null] : [];
    if (type.kind !== "array" && type.kind !== "struct") {
      yield [name, [...edgesOf(type), ...none].filter(edge => edge !== value), put];
      continue;
    }
    if (type.kind === "struct") {
      yield [name, none, put];
      if (value === null || value === undefined) continue;
      for (const [path, edges, inner] of places(type.fields, value as Draft, version)) {
        yield [`${name}.${path}`, edges, edge => put(inner(edge))];
      }
      continue;
    }
    const list = (value ?? []) as readonly unknown[];
    yield [name, [...(list.length > 0 ? [[], [list[0], list[0]]] : []), ...none], put];
    const { element } = type;
    if (element.kind !== "struct") {
      const plain = list.length > 0 ? list[0] : undefined;
      yield [`${name}[]`, edgesOf(element).filter(edge => edge !== plain), edge => put([edge])];
    } else if (list.length > 0) {
      for (const [path, edges, inner] of places(element.fields, list[0] as Draft, version)) {
        yield [`${name}[].${path}`, edges, edge => put([inner(edge)])];
      }
    }
  }
}

/** Requests of one API: plain values at every version of `span`, edge values at the newest version. */
export function edgeRequests(api: Api, span: { first: number; last: number }, tools: Tools): EdgeRequest[] {
  const draft = templates(tools)[api.key] ?? {};
  const requests: EdgeRequest[] = [];
  for (let version = span.first; version <= span.last; version++) {
    const body = filled(api.request.fields, draft);
    requests.push({ api, version, body, edge: "" });
    if (version < span.last) continue;
    for (const [path, edges, put] of places(api.request.fields, body, version)) {
      if (LEFT_OUT.has(`${api.name}.${path.replaceAll(/.*\./g, "")}`)) continue;
      for (const edge of edges
        .filter(value => !deletes(api.name, path, value))
        .filter(value => !isRace(api, path, value)))
        requests.push({ api, version, body: put(edge), edge: `${path} ${describe(edge)}` });
    }
  }
  return requests;
}

/** True if a request would delete a topic that later requests need. */
function deletes(api: string, path: string, edge: unknown): boolean {
  return (
    api === "DeleteTopics" && path.startsWith("topic") && STANDING.some(name => edge === name || edge === ID + name)
  );
}

/**
 * True if the answer depends on timing: a timeout so short that it may or may not have passed before the broker handles
 * the request, or a wait so long that the client closes first and the share session ends at an arbitrary moment.
 */
function isRace(api: Api, path: string, edge: unknown): boolean {
  if (typeof edge !== "number" && typeof edge !== "bigint") return false;
  if (path === "timeoutMs") return edge > 0 && edge < 10;
  return api.key === ApiKey.ShareFetch && path === "maxWaitMs" && edge > MIB;
}

function describe(edge: unknown): string {
  if (typeof edge === "string") return JSON.stringify(edge.length > 30 ? `${edge.slice(0, 30)}…` : edge);
  return Array.isArray(edge) ? `of ${edge.length}` : String(edge);
}
