import { ZERO_UUID } from "@samsa/base";
import { ApiKey } from "@samsa/protocol";

/** Request that both brokers must answer alike. */
export interface Question {
  readonly key: number;
  readonly version: number;
  readonly body: object;
}

const TOPIC = 2;
const BROKER = 4;
const LOGGER = 8;
const METRICS = 16;
const GROUP = 32;
const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;
const OTHER_ID = "BBBBBBBBBBBBBBBBBBBBBA";
const timeoutMs = 3000;

/** Topics that exist on both brokers before the first request. */
export const STANDING = ["judged", "judged-too", "col_a"] as const;
const [T, U] = STANDING;

export const newTopic = (name: string, more: object = {}): object => ({
  name,
  numPartitions: 3,
  replicationFactor: 1,
  assignments: [],
  configs: [],
  ...more,
});
const assigned = (partitionIndex: number, brokerId: number, more: object = {}): object => ({
  numPartitions: -1,
  replicationFactor: -1,
  assignments: [{ partitionIndex, brokerIds: [brokerId] }],
  ...more,
});

const TOPICS: readonly object[] = [
  newTopic("n"),
  newTopic("n", { numPartitions: -1, replicationFactor: -1 }),
  newTopic(T),
  newTopic("col.a"),
  newTopic("a b"),
  newTopic(""),
  newTopic("."),
  newTopic("x".repeat(249)),
  newTopic("x".repeat(250)),
  newTopic("__cluster_metadata"),
  newTopic("n", { numPartitions: 0 }),
  newTopic("n", { numPartitions: -2 }),
  newTopic("n", { numPartitions: 10_001 }),
  newTopic("n", { replicationFactor: 0 }),
  newTopic("n", { replicationFactor: 3 }),
  newTopic("n", { configs: [{ name: "nope", value: "1" }] }),
  newTopic("n", { configs: [{ name: "retention.ms", value: null }] }),
  newTopic("n", { configs: [{ name: "retention.ms", value: "soon" }] }),
  newTopic("n", assigned(0, 1)),
  newTopic("n", assigned(0, 1, { numPartitions: 1 })),
  newTopic("n", assigned(0, 1, { replicationFactor: 1 })),
  newTopic("n", assigned(1, 1)),
  newTopic("n", assigned(0, 2)),
];

type Change = readonly [name: string, operation: number, value: string | null];

const CHANGES: readonly (readonly [type: number, name: string, ...changes: Change[]])[] = [
  [TOPIC, T, ["retention.ms", SET, "1000"]],
  [TOPIC, T, ["retention.ms", SET, "abc"]],
  [TOPIC, T, ["retention.ms", SET, null]],
  [TOPIC, T, ["retention.ms", SET, "1"], ["retention.ms", SET, "2"]],
  [TOPIC, T, ["retention.ms", APPEND, "1"]],
  [TOPIC, T, ["retention.ms", DELETE, "5"]],
  [TOPIC, T, ["nope", SET, "1"]],
  [TOPIC, "nosuch", ["retention.ms", SET, "1"]],
  [TOPIC, "nosuch", ["nope", SET, "1"]],
  [TOPIC, "", ["retention.ms", SET, "1"]],
  [TOPIC, "a b", ["retention.ms", SET, "1"]],
  [TOPIC, T, ["cleanup.policy", APPEND, "compact"]],
  [TOPIC, T, ["cleanup.policy", SUBTRACT, "delete"]],
  [TOPIC, T, ["cleanup.policy", SET, "delete,delete"]],
  [TOPIC, T, ["cleanup.policy", SET, "wrong"]],
  [TOPIC, T, ["cleanup.policy", SET, ""]],
  [TOPIC, T, ["remote.storage.enable", SET, "true"]],
  [TOPIC, T, ["compression.gzip.level", SET, "0"]],
  [TOPIC, T, ["compression.type", SET, "lzma"]],
  [TOPIC, T, ["segment.bytes", SET, "5"]],
  [TOPIC, T, ["unclean.leader.election.enable", SET, "maybe"]],
  [TOPIC, T, ["leader.replication.throttled.replicas", SET, "x"]],
  [TOPIC, T, ["leader.replication.throttled.replicas", SET, "*"]],
  [BROKER, "1", ["max.connections", SET, "1000"]],
  [BROKER, "", ["max.connections", SET, "1000"]],
  [BROKER, "1", ["log.dirs", SET, "x"]],
  [BROKER, "1", ["log.retention.ms", SET, "x"]],
  [BROKER, "7", ["log.retention.ms", SET, "5"]],
  [BROKER, "x", ["log.retention.ms", SET, "5"]],
  [BROKER, "-1", ["log.retention.ms", SET, "5"]],
  [BROKER, "", ["listeners", SET, "PLAINTEXT://:1"]],
  [BROKER, "1", ["num.io.threads", SET, "1"]],
  [BROKER, "1", ["num.io.threads", SET, "17"]],
  [BROKER, "1", ["num.io.threads", SET, "x"]],
  [BROKER, "1", ["num.io.threads", SET, "9"]],
  [BROKER, "1", ["num.io.threads", DELETE, null]],
  [BROKER, "", ["num.replica.fetchers", SET, "9"]],
  [BROKER, "", ["num.replica.fetchers", SET, "2"]],
  [BROKER, "", ["num.replica.fetchers", DELETE, null]],
  [BROKER, "1", ["log.cleaner.threads", SET, "9"]],
  [BROKER, "1", ["log.cleaner.dedupe.buffer.size", SET, "5"]],
  [BROKER, "1", ["log.retention.ms", SET, "0"]],
  [BROKER, "1", ["log.retention.ms", SET, "9223372036854775808"]],
  [BROKER, "1", ["log.roll.ms", SET, "0"]],
  [BROKER, "1", ["max.connections.per.ip", SET, "0"]],
  [BROKER, "1", ["max.connection.creation.rate", SET, "10"]],
  [BROKER, "1", ["max.connection.creation.rate", DELETE, null]],
  [BROKER, "1", ["replica.alter.log.dirs.io.max.bytes.per.second", SET, "1000"]],
  [BROKER, "1", ["replica.alter.log.dirs.io.max.bytes.per.second", DELETE, null]],
  [BROKER, "1", ["my.plugin.setting", SET, "x"]],
  [BROKER, "1", ["my.plugin.setting", DELETE, null]],
  [BROKER, "1", ["ssl.keystore.location", SET, "/x"]],
  [BROKER, "1", ["num.partitions", SET, "2"]],
  [BROKER, "", ["cordoned.log.dirs", SET, ""]],
  [BROKER, "", ["listener.name.plaintext.ssl.keystore.location", SET, "/x"]],
  [BROKER, "1", ["listener.name.plaintext.num.network.threads", SET, "x"]],
  [BROKER, "1", ["group.consumer.assignment.interval.ms", SET, "2000"]],
  [BROKER, "1", ["group.consumer.assignment.interval.ms", SET, "99999"]],
  [BROKER, "1", ["group.consumer.assignment.interval.ms", DELETE, null]],
  [BROKER, "1", ["unclean.leader.election.enable", SET, "maybe"]],
  [BROKER, "1", ["compression.type", SET, "zip"]],
  [BROKER, "1", ["log.cleanup.policy", SET, "delete,,compact"]],
  [BROKER, "1", ["log.cleanup.policy", APPEND, "compact"]],
  [BROKER, "1", ["log.cleanup.policy", SUBTRACT, "compact"]],
  [BROKER, "1", ["log.cleanup.policy", 9, "compact"]],
  [BROKER, "1", ["message.max.bytes", APPEND, "5"]],
  [BROKER, "1", ["nope", APPEND, "5"]],
  [LOGGER, "1", ["root", APPEND, "DEBUG"]],
  [LOGGER, "1", ["root", 9, "DEBUG"]],
  [LOGGER, "1", ["no.such.logger", SET, "DEBUG"]],
  [LOGGER, "2", ["root", SET, "DEBUG"]],
  [LOGGER, "x", ["root", SET, "DEBUG"]],
  [METRICS, "sub", ["interval.ms", SET, "50"]],
  [METRICS, "sub", ["interval.ms", SET, "5000"]],
  [METRICS, "sub", ["interval.ms", SET, "x"]],
  [METRICS, "sub", ["match", SET, "client_id=a.*"]],
  [METRICS, "sub", ["match", SET, "client=a"]],
  [METRICS, "sub", ["match", SET, "client_id"]],
  [METRICS, "sub", ["match", SET, "client_id=(("]],
  [METRICS, "sub", ["metrics", SET, "a,b"]],
  [METRICS, "sub", ["metrics", APPEND, "c"]],
  [METRICS, "sub", ["nope", SET, "1"]],
  [METRICS, "", ["metrics", SET, "a"]],
  [GROUP, "g", ["consumer.session.timeout.ms", SET, "46000"]],
  [GROUP, "g", ["consumer.session.timeout.ms", SET, "1"]],
  [GROUP, "g", ["consumer.session.timeout.ms", SET, "0"]],
  [GROUP, "g", ["nope", SET, "1"]],
  [GROUP, "", ["consumer.session.timeout.ms", SET, "46000"]],
  [GROUP, "g", ["share.auto.offset.reset", SET, "never"]],
  [GROUP, "g", ["share.auto.offset.reset", SET, "by_duration:PT1H"]],
  [GROUP, "g", ["share.isolation.level", SET, "x"]],
  [GROUP, "g", ["streams.num.standby.replicas", SET, "9"]],
  [GROUP, "g", ["streams.assignor.name", SET, "x"]],
  [GROUP, "g", ["streams.rack.aware.assignment.tags", SET, "a,a"]],
  [GROUP, "g", ["errors.deadletterqueue.topic.name", SET, "__x"]],
  [0, "x", ["a", SET, "b"]],
  [99, "x", ["a", SET, "b"]],
];

const LEGACY: readonly (readonly [type: number, name: string, values: Record<string, string | null>])[] = [
  [TOPIC, T, { "retention.ms": "5" }],
  [TOPIC, T, { x: "y" }],
  [TOPIC, T, { "retention.ms": null }],
  [TOPIC, T, {}],
  [BROKER, "1", { "log.retention.ms": "100000" }],
  [BROKER, "1", { "log.dir": "y" }],
  [BROKER, "1", {}],
  [LOGGER, "1", { root: "DEBUG" }],
  [GROUP, "g", { "consumer.session.timeout.ms": "47000" }],
  [METRICS, "sub", { "interval.ms": "1000" }],
  [99, "x", {}],
];

const RESOURCES: readonly (readonly [type: number, name: string])[] = [
  [TOPIC, T],
  [TOPIC, "nosuch"],
  [TOPIC, "a b"],
  [BROKER, "1"],
  [BROKER, "7"],
  [BROKER, "x"],
  [LOGGER, "2"],
  [LOGGER, ""],
  [LOGGER, "x"],
  [METRICS, "sub"],
  [METRICS, "nosuch"],
  [METRICS, ""],
  [GROUP, "g"],
  [GROUP, "nosuch"],
  [GROUP, ""],
  [99, "x"],
];

/** Broker settings whose values do not depend on the machine. */
const BROKER_SETTINGS = ["log.retention.hours", "log.retention.ms", "log.segment.bytes", "message.max.bytes"];

const REASSIGNMENTS: readonly (readonly [topic: string, index: number, replicas: number[] | null, grow: boolean])[] = [
  [T, 0, null, true],
  [T, 0, [1], true],
  [T, 0, [1], false],
  [T, 0, [2], true],
  [T, 0, [], true],
  [T, 0, [1, 1], true],
  [T, 9, [1], true],
  ["nosuch", 0, [1], true],
];

const FEATURES: readonly (readonly [version: number, feature: string, level: number, type: number])[] = [
  [1, "metadata.version", 33, 1],
  [2, "metadata.version", 33, 1],
  [2, "metadata.version", 0, 2],
  [2, "metadata.version", 99, 1],
  [2, "metadata.version", 20, 0],
  [2, "metadata.version", 20, 1],
  [2, "group.version", -1, 1],
  [1, "nonsense", 1, 1],
  [2, "nonsense", 1, 1],
];

type Page = readonly [names: readonly string[], limit: number, cursor?: readonly [topic: string, index: number]];
const PAGES: readonly Page[] = [
  [[T, U], 2000],
  [[U, T], 2],
  [[T, U], 3],
  [[T, U], 4],
  [[T, U], 0],
  [[U, T], 2, [T, 2]],
  [[T], 2, [T, 9]],
  [[T, U], 2, ["zz", 0]],
  [[T], 2, [T, -1]],
  [["nosuch", T, "a b"], 2000],
];

const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

function aboutTopics(): Question[] {
  const questions: Question[] = [];
  for (const version of range(2, 7)) {
    for (const topic of TOPICS) {
      questions.push({ key: ApiKey.CreateTopics, version, body: { topics: [topic], timeoutMs, validateOnly: true } });
    }
  }
  const twice = [newTopic("d1"), newTopic("d1"), newTopic("d2")];
  questions.push({ key: ApiKey.CreateTopics, version: 7, body: { topics: twice, timeoutMs, validateOnly: true } });
  for (const version of range(0, 13)) {
    for (const names of [[T], [T, T], ["nosuch"], ["a b"], [""], ["x".repeat(250)]]) {
      const ids = version >= 10 ? { topicId: ZERO_UUID } : {};
      const topics = names.map(name => ({ name, ...ids }));
      const quiet = version >= 4 ? { allowAutoTopicCreation: false } : {};
      const asked = version >= 8 ? { includeTopicAuthorizedOperations: true } : {};
      questions.push({ key: ApiKey.Metadata, version, body: { topics, ...quiet, ...asked } });
    }
  }
  const byId = { topics: [{ name: null, topicId: OTHER_ID }], allowAutoTopicCreation: false };
  questions.push({ key: ApiKey.Metadata, version: 12, body: byId });
  for (const version of range(1, 5)) {
    questions.push({ key: ApiKey.DeleteTopics, version, body: { topicNames: ["nosuch"], timeoutMs } });
  }
  for (const topics of [
    [{ name: null, topicId: OTHER_ID }],
    [{ name: null, topicId: ZERO_UUID }],
    [{ name: T, topicId: OTHER_ID }],
    [
      { name: T, topicId: ZERO_UUID },
      { name: T, topicId: ZERO_UUID },
    ],
  ]) {
    questions.push({ key: ApiKey.DeleteTopics, version: 6, body: { topics, timeoutMs } });
  }
  for (const [names, responsePartitionLimit, at] of PAGES) {
    const cursor = at === undefined ? null : { topicName: at[0], partitionIndex: at[1] };
    const body = { topics: names.map(name => ({ name })), responsePartitionLimit, cursor };
    questions.push({ key: ApiKey.DescribeTopicPartitions, version: 0, body });
  }
  for (const [name, count, assignments] of [
    [T, 3, null],
    [T, 0, null],
    ["nosuch", 3, null],
    [T, 4, [{ brokerIds: [2] }]],
    [T, 4, [{ brokerIds: [1, 1] }]],
    [T, 4, [{ brokerIds: [] }]],
    [T, 5, [{ brokerIds: [1] }]],
    [T, 4, null],
  ] as const) {
    const body = { topics: [{ name, count, assignments }], timeoutMs, validateOnly: true };
    questions.push({ key: ApiKey.CreatePartitions, version: 3, body });
  }
  return questions;
}

function aboutSettings(): Question[] {
  const questions: Question[] = [];
  const resource = (resourceType: number, resourceName: string, changes: readonly Change[]) => ({
    resourceType,
    resourceName,
    configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value })),
  });
  for (const [type, name, ...changes] of CHANGES) {
    const body = { resources: [resource(type, name, changes)], validateOnly: false };
    questions.push({ key: ApiKey.IncrementalAlterConfigs, version: 1, body });
  }
  const twice = [T, U, T].map(name => resource(TOPIC, name, [["retention.bytes", SET, "7"]]));
  const body = { resources: twice, validateOnly: false };
  questions.push({ key: ApiKey.IncrementalAlterConfigs, version: 1, body });
  for (const [resourceType, resourceName, values] of LEGACY) {
    const configs = Object.entries(values).map(([name, value]) => ({ name, value }));
    const resources = [{ resourceType, resourceName, configs }];
    questions.push({ key: ApiKey.AlterConfigs, version: 2, body: { resources, validateOnly: false } });
  }
  for (const [resourceType, resourceName] of RESOURCES) {
    const configurationKeys = resourceType === BROKER ? BROKER_SETTINGS : null;
    const resources = [{ resourceType, resourceName, configurationKeys }];
    const asked = { resources, includeSynonyms: true, includeDocumentation: false };
    questions.push({ key: ApiKey.DescribeConfigs, version: 4, body: asked });
  }
  questions.push({ key: ApiKey.ListConfigResources, version: 0, body: {} });
  for (const resourceTypes of [[METRICS, GROUP, BROKER, LOGGER], [GROUP], [3]]) {
    questions.push({ key: ApiKey.ListConfigResources, version: 1, body: { resourceTypes } });
  }
  return questions;
}

function aboutTheCluster(): Question[] {
  const questions: Question[] = [];
  for (const [version, electionType, topic] of [
    [1, 0, T],
    [2, 0, T],
    [2, 1, T],
    [2, 5, T],
    [2, 0, "nosuch"],
  ] as const) {
    const topicPartitions = [{ topic, partitions: [0, 7] }];
    questions.push({ key: ApiKey.ElectLeaders, version, body: { electionType, topicPartitions, timeoutMs } });
  }
  for (const [name, partitionIndex, replicas, allowReplicationFactorChange] of REASSIGNMENTS) {
    const topics = [{ name, partitions: [{ partitionIndex, replicas }] }];
    const body = { timeoutMs, allowReplicationFactorChange, topics };
    questions.push({ key: ApiKey.AlterPartitionReassignments, version: 1, body });
  }
  for (const topics of [null, [{ name: T, partitionIndexes: [0, 9] }]]) {
    questions.push({ key: ApiKey.ListPartitionReassignments, version: 0, body: { timeoutMs, topics } });
  }
  for (const [version, feature, maxVersionLevel, upgradeType] of FEATURES) {
    const featureUpdates = [{ feature, maxVersionLevel, upgradeType }];
    const body = { timeoutMs, featureUpdates, validateOnly: true };
    questions.push({ key: ApiKey.UpdateFeatures, version, body });
  }
  for (const version of range(0, 2)) {
    for (const topicName of ["__cluster_metadata", T]) {
      const topics = [{ topicName, partitions: [{ partitionIndex: 0 }] }];
      questions.push({ key: ApiKey.DescribeQuorum, version, body: { topics } });
    }
    for (const endpointType of version === 0 ? [0] : [1, 2, 3]) {
      const type = version === 0 ? {} : { endpointType };
      const body = { includeClusterAuthorizedOperations: true, ...type };
      questions.push({ key: ApiKey.DescribeCluster, version, body });
    }
  }
  questions.push({ key: ApiKey.UnregisterBroker, version: 0, body: { brokerId: 9 } });
  return questions;
}

/** Requests of an administrator, valid and invalid, in the order in which to send them. */
export const QUESTIONS: readonly Question[] = [...aboutTopics(), ...aboutSettings(), ...aboutTheCluster()];
