import { beforeEach, describe, expect, test } from "vitest";
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  type Admin,
  ConfigResourceTypes,
  ConfigSource,
  KafkaJSAggregateError,
  KafkaJSDeleteGroupsError,
  KafkaJSDeleteTopicRecordsError,
  ResourcePatternTypes,
} from "../src/index.ts";
import { fresh, worldFixture } from "./world.ts";

const world = worldFixture();
let admin: Admin;

beforeEach(async () => {
  admin = await world().admin();
});

async function fill(topic: string, count: number, partition = 0): Promise<void> {
  const producer = await world().producer();
  await producer.send({ topic, messages: Array.from({ length: count }, (_, i) => ({ value: `${i}`, partition })) });
}

const any = (value: unknown): never => value as never;

test("tells of its connection by events", async () => {
  const own = world().kafka.admin();
  const seen: string[] = [];
  own.on(own.events.CONNECT, ({ type }) => seen.push(type));
  own.on(own.events.DISCONNECT, ({ type }) => seen.push(type));
  await own.connect();
  await own.disconnect();
  expect(seen).toEqual(["admin.connect", "admin.disconnect"]);
  expect(() => own.on(any("nothing"), () => undefined)).toThrow(/Event name should be one of admin.events.CONNECT/);
});

describe("topics", () => {
  test.each([
    [null, "Invalid topics array null"],
    ["this-is-not-an-array", "Invalid topics array this-is-not-an-array"],
    [[{ topic: 123 }], "Invalid topics array, the topic names have to be a valid string"],
    [[{ topic: "a" }, { topic: "a" }], "it cannot have multiple entries for the same topic"],
    [[{ topic: "a", configEntries: {} }], 'Invalid configEntries for topic "a", must be an array'],
    [[{ topic: "a", configEntries: ["x"] }], 'Invalid configEntries for topic "a". Entry 0 must be an object'],
    [[{ topic: "a", configEntries: [{ name: "x" }] }], 'Entry 0 must have a valid "value" property'],
    [[{ topic: "a", configEntries: [{ value: "x" }] }], 'Entry 0 must have a valid "name" property'],
  ])("to create are checked: %j", async (topics, message) => {
    await expect(admin.createTopics({ topics: any(topics) })).rejects.toThrow(message);
  });

  test("are created once", async () => {
    const topics = [{ topic: fresh("t") }, { topic: fresh("t"), numPartitions: 2 }];
    expect(await admin.createTopics({ topics })).toBe(true);
    expect(await admin.createTopics({ topics })).toBe(false);
    expect(await admin.listTopics()).toEqual(expect.arrayContaining(topics.map(({ topic }) => topic)));
  });

  test("are not created to try it", async () => {
    const topic = fresh("t");
    expect(await admin.createTopics({ validateOnly: true, topics: [{ topic }] })).toBe(true);
    expect(await admin.listTopics()).not.toContain(topic);
  });

  test("take replicas and settings", async () => {
    const topic = fresh("t");
    const replicaAssignment = [{ partition: 0, replicas: [1] }];
    await admin.createTopics({
      topics: [{ topic, replicaAssignment, configEntries: [{ name: "cleanup.policy", value: "compact" }] }],
    });
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    expect(topics).toEqual([
      {
        name: topic,
        partitions: [
          { partitionErrorCode: 0, partitionId: 0, leader: 1, replicas: [1], isr: [1], offlineReplicas: [] },
        ],
      },
    ]);
  });

  test("that cannot be say each why", async () => {
    const existing = await world().topic();
    const topics = [{ topic: existing }, { topic: "wr/ong" }, { topic: fresh("t"), replicationFactor: 9 }];
    const error: unknown = await admin.createTopics({ topics }).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(KafkaJSAggregateError);
    const { errors } = error as { errors: { name: string; type: string; topic: string }[] };
    expect(errors.map(({ name }) => name)).toEqual(Array.from({ length: 3 }, () => "KafkaJSCreateTopicError"));
    expect(new Map(errors.map(({ topic, type }) => [topic, type]))).toEqual(
      new Map([
        [existing, "TOPIC_ALREADY_EXISTS"],
        ["wr/ong", "INVALID_TOPIC_EXCEPTION"],
        [topics[2].topic, "INVALID_REPLICATION_FACTOR"],
      ]),
    );
  });

  test("are deleted", async () => {
    const topic = await world().topic();
    await expect(admin.deleteTopics({ topics: any(null) })).rejects.toThrow("Invalid topics array null");
    await expect(admin.deleteTopics({ topics: any([1]) })).rejects.toThrow("the names must be a valid string");
    await admin.deleteTopics({ topics: [topic] });
    expect(await admin.listTopics()).not.toContain(topic);
    await expect(admin.deleteTopics({ topics: [topic] })).rejects.toMatchObject({
      cause: { type: "UNKNOWN_TOPIC_OR_PARTITION" },
    });
  });

  test("get more partitions, never fewer", async () => {
    const topic = await world().topic();
    const create = (topicPartitions: unknown) => admin.createPartitions({ topicPartitions: any(topicPartitions) });
    await expect(create(undefined)).rejects.toThrow("Invalid topic partitions array");
    await expect(create([])).rejects.toThrow("Empty topic partitions array");
    await expect(create([{ topic: 1 }])).rejects.toThrow("the topic names have to be a valid string");
    await expect(create([{ topic: "a" }, { topic: "a" }])).rejects.toThrow("multiple entries for the same topic");
    await create([{ topic, count: 3, assignments: [[1], [1]] }]);
    expect((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions).toHaveLength(3);
    await expect(create([{ topic, count: 2 }])).rejects.toMatchObject({ type: "INVALID_PARTITIONS" });
  });

  test("that do not exist cannot be described", async () => {
    await expect(admin.fetchTopicMetadata({ topics: [fresh("none")] })).rejects.toMatchObject({
      ...{ name: "KafkaJSProtocolError", type: "UNKNOWN_TOPIC_OR_PARTITION", code: 3 },
    });
    await expect(admin.fetchTopicMetadata({ topics: any([""]) })).rejects.toThrow("Invalid topic ");
  });

  test("are all described without names", async () => {
    const topic = await world().topic();
    expect((await admin.fetchTopicMetadata()).topics.map(({ name }) => name)).toContain(topic);
  });
});

describe("offsets of topics", () => {
  test("are the ends of their partitions", async () => {
    const topic = await world().topic(2);
    await fill(topic, 3);
    await expect(admin.fetchTopicOffsets(any(undefined))).rejects.toThrow("Invalid topic undefined");
    expect(await admin.fetchTopicOffsets(topic)).toEqual([
      { partition: 0, offset: "3", high: "3", low: "0" },
      { partition: 1, offset: "0", high: "0", low: "0" },
    ]);
  });

  test("are found by time, or are the ends", async () => {
    const topic = await world().topic();
    const producer = await world().producer();
    await producer.send({ topic, messages: ["1000", "2000"].map(timestamp => ({ value: "v", timestamp })) });
    const at = async (timestamp?: number) => (await admin.fetchTopicOffsetsByTimestamp(topic, timestamp))[0].offset;
    expect([await at(500), await at(1500), await at(2500), await at()]).toEqual(["0", "1", "2", "2"]);
    await expect(admin.fetchTopicOffsetsByTimestamp(any(null))).rejects.toThrow("Invalid topic null");
  });
});

describe("records to delete", () => {
  const low = async (topic: string) => (await admin.fetchTopicOffsets(topic)).map(partition => partition.low);

  test("are checked", async () => {
    const remove = (options: object) => admin.deleteTopicRecords(any(options));
    await expect(remove({ topic: null })).rejects.toThrow('Invalid topic "null"');
    await expect(remove({ topic: "t", partitions: [] })).rejects.toThrow("Invalid partitions");
  });

  test("are those before an offset, or all", async () => {
    const topic = await world().topic(2);
    for (const partition of [0, 1]) await fill(topic, 5, partition);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "2" }] });
    expect(await low(topic)).toEqual(["2", "0"]);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: "-1" }] });
    expect(await low(topic)).toEqual(["2", "5"]);
  });

  test("of no partition delete nothing", async () => {
    const topic = await world().topic();
    await fill(topic, 5);
    const partitions = [
      { partition: 0, offset: "2" },
      { partition: 2, offset: "5" },
    ];
    const error: unknown = await admin.deleteTopicRecords({ topic, partitions }).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(KafkaJSDeleteTopicRecordsError);
    expect(error).toMatchObject({
      retriable: false,
      partitions: [{ partition: 2, offset: "5", error: { name: "KafkaJSBrokerNotFound" } }],
    });
    expect(await low(topic)).toEqual(["0"]);
  });

  test("end within the log", async () => {
    const topic = await world().topic();
    await fill(topic, 2);
    const remove = admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "99" }] });
    await expect(remove).rejects.toMatchObject({
      name: "KafkaJSNonRetriableError",
      cause: {
        name: "KafkaJSDeleteTopicRecordsError",
        partitions: [{ partition: 0, offset: "99", error: { type: "OFFSET_OUT_OF_RANGE" } }],
      },
    });
  });
});

describe("offsets of groups", () => {
  const of = async (groupId: string, topic: string) => (await admin.fetchOffsets({ groupId, topics: [topic] }))[0];

  test("are checked", async () => {
    await expect(admin.fetchOffsets({ groupId: "" })).rejects.toThrow("Invalid groupId ");
    await expect(admin.fetchOffsets({ groupId: "g", topics: any("t") })).rejects.toThrow("Expected topics array");
    await expect(admin.setOffsets({ groupId: "", topic: "t", partitions: [] })).rejects.toThrow("Invalid groupId ");
    await expect(admin.setOffsets({ groupId: "g", topic: "", partitions: [] })).rejects.toThrow("Invalid topic ");
    await expect(admin.setOffsets({ groupId: "g", topic: "t", partitions: [] })).rejects.toThrow("Invalid partitions");
    await expect(admin.resetOffsets({ groupId: "", topic: "t" })).rejects.toThrow("Invalid groupId ");
    await expect(admin.resetOffsets({ groupId: "g", topic: "" })).rejects.toThrow("Invalid topic ");
  });

  test("are −1 where there are none, and what was set", async () => {
    const topic = await world().topic(2);
    const groupId = fresh("group");
    const none = [0, 1].map(partition => ({ partition, offset: "-1", metadata: null }));
    expect(await of(groupId, topic)).toEqual({ topic, partitions: none });
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: "13" }] });
    expect((await of(groupId, topic)).partitions.map(({ offset }) => offset)).toEqual(["-1", "13"]);
  });

  test("are those of all topics without names", async () => {
    const groupId = fresh("group");
    const topics = [await world().topic(), await world().topic()];
    for (const topic of topics) {
      await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: "7" }] });
    }
    const found = await admin.fetchOffsets({ groupId });
    expect(found.map(({ topic }) => topic).sort()).toEqual(topics.sort());
  });

  test.each([
    [true, "-2", "2"],
    [false, "-1", "5"],
  ])("that are reset (earliest: %s) stand for the ends until they are resolved", async (earliest, raw, resolved) => {
    const topic = await world().topic();
    await fill(topic, 5);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "2" }] });
    const groupId = fresh("group");
    await admin.resetOffsets({ groupId, topic, earliest });
    expect((await of(groupId, topic)).partitions[0].offset).toBe(raw);
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic], resolveOffsets: true });
    expect(found.partitions).toEqual([{ partition: 0, offset: resolved, metadata: null }]);
    expect((await of(groupId, topic)).partitions[0].offset).toBe(resolved);
  });

  test("of running members are not set", async () => {
    const topic = await world().topic();
    const groupId = fresh("group");
    const consumer = await world().consumer({ groupId });
    await consumer.subscribe({ topic });
    await consumer.run();
    const set = admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: "1" }] });
    await expect(set).rejects.toThrow("The consumer group must have no running instances, current state: Stable");
  });
});

describe("groups", () => {
  test("are listed, described and deleted", async () => {
    const topic = await world().topic();
    const groupId = fresh("group");
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: "1" }] });
    expect((await admin.listGroups()).groups.map(group => group.groupId)).toContain(groupId);
    const { groups } = await admin.describeGroups([groupId, "nobody"]);
    expect(groups.map(({ state }) => state)).toEqual(["Empty", "Dead"]);
    expect(await admin.deleteGroups([groupId])).toEqual([{ groupId, errorCode: 0 }]);
    expect((await admin.listGroups()).groups.map(group => group.groupId)).not.toContain(groupId);
  });

  test("that cannot be deleted say why", async () => {
    await expect(admin.deleteGroups(any("g"))).rejects.toThrow("Invalid groupIds array g");
    await expect(admin.deleteGroups(any([1]))).rejects.toThrow("Invalid groupId name: 1");
    const error: unknown = await admin.deleteGroups(["nobody"]).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(KafkaJSDeleteGroupsError);
    expect(error).toMatchObject({
      groups: [{ groupId: "nobody", errorCode: 69, error: { type: "GROUP_ID_NOT_FOUND" } }],
    });
  });
});

test("describes the cluster", async () => {
  const [host, port] = world().servers.split(":");
  const found = await admin.describeCluster();
  expect(found).toEqual({
    brokers: [{ nodeId: 1, host, port: Number(port) }],
    ...{ controller: 1, clusterId: expect.any(String) },
  });
});

describe("settings", () => {
  const { TOPIC, BROKER } = ConfigResourceTypes;

  test.each([
    [null, "Invalid resources array null"],
    [[], "Resources array cannot be empty"],
    [[{ type: 1999, name: "t" }], "Invalid resource type 1999"],
    [[{ type: 2, name: 123 }], "Invalid resource name 123"],
    [[{ type: 2, name: "t", configNames: "x", configEntries: "x" }], /Invalid resource config(Names "|Entries )x/],
    [[{ type: 2, name: "t", configNames: {}, configEntries: [{ name: "x", value: 1 }] }], /Invalid resource config/],
  ])("of %j are refused", async (resources, message) => {
    await expect(admin.describeConfigs({ resources: any(resources) })).rejects.toThrow(message);
    await expect(admin.alterConfigs({ resources: any(resources) })).rejects.toThrow(message);
  });

  test("are described, some or all, with where they come from", async () => {
    const topic = await world().topic();
    const describe = (more: object) => admin.describeConfigs({ resources: [{ type: TOPIC, name: topic, ...more }] });
    const one = await describe({ configNames: ["cleanup.policy"] });
    expect(one.resources).toMatchObject([
      {
        ...{ errorCode: 0, resourceName: topic, resourceType: TOPIC },
        configEntries: [
          {
            ...{ configName: "cleanup.policy", configValue: "delete", isDefault: true, readOnly: false },
            ...{ isSensitive: false, configSource: ConfigSource.DEFAULT_CONFIG, configSynonyms: [] },
          },
        ],
      },
    ]);
    expect((await describe({})).resources[0].configEntries.length).toBeGreaterThan(20);
  });

  test("of topics are replaced as a whole", async () => {
    const topic = fresh("t");
    const configEntries = [
      { name: "cleanup.policy", value: "compact" },
      { name: "retention.ms", value: "1000" },
    ];
    await admin.createTopics({ topics: [{ topic, configEntries }] });
    const resource = { type: TOPIC, name: topic };
    const alter = (value: string, validateOnly: boolean) =>
      admin.alterConfigs({
        validateOnly,
        resources: [{ ...resource, configEntries: [{ name: "retention.ms", value }] }],
      });
    const values = async () => {
      const configNames = ["cleanup.policy", "retention.ms"];
      const { resources } = await admin.describeConfigs({ resources: [{ ...resource, configNames }] });
      return Object.fromEntries(resources[0].configEntries.map(one => [one.configName, one.configValue]));
    };
    await alter("2000", true);
    expect(await values()).toEqual({ "cleanup.policy": "compact", "retention.ms": "1000" });
    await alter("2000", false);
    expect(await values()).toEqual({ "cleanup.policy": "delete", "retention.ms": "2000" });
    await expect(alter("x", false)).rejects.toMatchObject({ type: "INVALID_CONFIG" });
  });

  test("of a broker are asked of that broker", async () => {
    const describe = (name: string) =>
      admin.describeConfigs({ resources: [{ type: BROKER, name }], includeSynonyms: true });
    const { resources } = await describe("1");
    expect(resources[0].configEntries.find(({ configName }) => configName === "broker.id")).toBeDefined();
    await expect(describe("99")).rejects.toThrow("the cluster has no broker 99");
  });
});

describe("access rights", () => {
  const acl = {
    ...{ resourceType: AclResourceTypes.TOPIC, resourceName: "t", resourcePatternType: ResourcePatternTypes.LITERAL },
    ...{ principal: "User:alice", host: "*", operation: AclOperationTypes.READ },
    permissionType: AclPermissionTypes.ALLOW,
  };

  test.each([
    [{ principal: 1 }, "the principals have to be a valid string"],
    [{ host: 1 }, "the hosts have to be a valid string"],
    [{ resourceName: 1 }, "the resourceNames have to be a valid string"],
    [{ operation: 99 }, "Invalid operation type 99"],
    [{ resourcePatternType: 99 }, "Invalid resource pattern type 99"],
    [{ permissionType: 99 }, "Invalid permission type 99"],
    [{ resourceType: 99 }, "Invalid resource type 99"],
  ])("with %j are refused", async (wrong, message) => {
    await expect(admin.createAcls({ acl: any([{ ...acl, ...wrong }]) })).rejects.toThrow(message);
    await expect(admin.deleteAcls({ filters: any([{ ...acl, ...wrong }]) })).rejects.toThrow(message);
    await expect(admin.describeAcls(any({ ...acl, ...wrong }))).rejects.toThrow(/Invalid/);
  });

  test("are lists that are not empty", async () => {
    await expect(admin.createAcls({ acl: any("x") })).rejects.toThrow("Invalid ACL array x");
    await expect(admin.createAcls({ acl: [] })).rejects.toThrow("Empty ACL array");
    await expect(admin.deleteAcls({ filters: any("x") })).rejects.toThrow("Invalid ACL Filter array x");
    await expect(admin.deleteAcls({ filters: [] })).rejects.toThrow("Empty ACL Filter array");
  });

  test("need an authorizer, as the broker says", async () => {
    const refused = { name: "KafkaJSProtocolError", type: "SECURITY_DISABLED", code: 54 };
    await expect(admin.createAcls({ acl: [acl] })).rejects.toMatchObject(refused);
    await expect(admin.describeAcls(acl)).rejects.toMatchObject(refused);
    await expect(admin.deleteAcls({ filters: [acl] })).rejects.toMatchObject(refused);
  });
});

describe("reassignments", () => {
  const partition = (more: object) => [{ topic: "t", partitionAssignment: [{ partition: 0, replicas: [1], ...more }] }];

  test.each([
    [null, "Invalid topics array null"],
    [[{ topic: 1 }], "the topic names have to be a valid string"],
    [[{ topic: "a" }, { topic: "a" }], "multiple entries for the same topic"],
    [[{ topic: "t", partitionAssignment: 1 }], "Invalid partitions array: 1 for topic: t"],
    [partition({ partition: -1 }), "Invalid partitions index: -1 for topic: t"],
    [partition({ replicas: 1 }), "Invalid replica assignment: 1 for topic: t on partition: 0"],
    [partition({ replicas: [-1] }), "Replicas must be a non negative number"],
  ])("of %j are refused", async (topics, message) => {
    await expect(admin.alterPartitionReassignments({ topics: any(topics) })).rejects.toThrow(message);
  });

  test("begin, and are listed while they last", async () => {
    const topic = await world().topic();
    const assign = (broker: number) =>
      admin.alterPartitionReassignments({
        topics: [{ topic, partitionAssignment: [{ partition: 0, replicas: [broker] }] }],
      });
    await assign(1);
    expect(await admin.listPartitionReassignments()).toEqual({ topics: [] });
    expect(await admin.listPartitionReassignments({ topics: [{ topic, partitions: [0] }] })).toEqual({ topics: [] });
    await expect(assign(99)).rejects.toMatchObject({
      name: "KafkaJSAggregateError",
      errors: [{ type: "INVALID_REPLICA_ASSIGNMENT", topic, partition: 0 }],
    });
  });

  test("to list are checked", async () => {
    const list = (topics: unknown) => admin.listPartitionReassignments({ topics: any(topics) });
    await expect(list("x")).rejects.toThrow("Invalid topics array x");
    await expect(list([{ topic: "t", partitions: 1 }])).rejects.toThrow("Invalid partition array: 1 for topic: t");
    await expect(list([{ topic: "t", partitions: [-1] }])).rejects.toThrow("have to be a valid number greater than 0");
  });
});
