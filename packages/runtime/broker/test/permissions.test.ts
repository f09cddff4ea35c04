import { type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import type { Authorizer } from "@samsa/security";
import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";

const TOPIC = Errors.TOPIC_AUTHORIZATION_FAILED;
const GROUP = Errors.GROUP_AUTHORIZATION_FAILED.code;
const CLUSTER = Errors.CLUSTER_AUTHORIZATION_FAILED;
const TRANSACTION = Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED.code;

/** Actions that the client may not perform in this test, as "DELETE TOPIC t"; "*" is any name. */
const refused = new Set<string>();
/** Actions that the broker has asked about. */
const asked: string[] = [];
let mayWriteSome = true;

const authorizer: Authorizer = {
  allows(_client, { operation, resource, name }) {
    asked.push(`${operation} ${resource} ${name}`);
    return !refused.has(`${operation} ${resource} ${name}`) && !refused.has(`${operation} ${resource} *`);
  },
  allowsSome: (_client, operation, resource) => mayWriteSome && operation === "WRITE" && resource === "TOPIC",
};

let broker: TestBroker;
let wire: RawConnection;

beforeAll(async () => {
  const settings = {
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "unstable.api.versions.enable": "true",
  };
  broker = await TestBroker.start(settings, undefined, undefined, { authorizer });
  wire = await broker.connect();
  await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
  await wire.ask("FindCoordinator", 3, { key: "t", keyType: 1 });
});

afterAll(async () => {
  wire.close();
  await broker.stop();
});

beforeEach(() => {
  refused.clear();
  asked.length = 0;
  mayWriteSome = true;
});

const newTopic = (name: string) => ({ name, numPartitions: 1, replicationFactor: 1 });

async function create(...names: string[]): Promise<Map<string, Uuid>> {
  const { topics } = await wire.ask("CreateTopics", 7, { topics: names.map(newTopic), timeoutMs: 5000 });
  return new Map(topics.map(({ name, topicId }) => [name, topicId]));
}

describe("topics are created", () => {
  test("with the permission on the cluster, or on each", async () => {
    refused.add("CREATE TOPIC *");
    expect((await create("c1")).size).toBe(1);
    expect(asked.filter(action => action.startsWith("CREATE"))).toEqual(["CREATE CLUSTER kafka-cluster"]);
    refused.clear();
    for (const action of ["CREATE CLUSTER kafka-cluster", "CREATE TOPIC c2", "CREATE TOPIC twice"]) refused.add(action);
    const names = ["c2", "c3", "twice", "twice", "__cluster_metadata"];
    const { topics } = await wire.ask("CreateTopics", 7, { topics: names.map(newTopic), timeoutMs: 5000 });
    expect(topics.map(({ name, errorCode, errorMessage }) => [name, errorCode, errorMessage])).toEqual([
      ["c3", 0, null],
      [
        "__cluster_metadata",
        Errors.INVALID_REQUEST.code,
        "Creation of internal topic __cluster_metadata is prohibited.",
      ],
      ["twice", Errors.INVALID_REQUEST.code, "Duplicate topic name."],
      ["c2", TOPIC.code, "Authorization failed."],
    ]);
  });

  test("and their settings are told to those who may describe them", async () => {
    refused.add("DESCRIBE_CONFIGS TOPIC c4");
    const topics = ["c4", "c5"].map(newTopic);
    const { topics: created } = await wire.ask("CreateTopics", 7, { topics, timeoutMs: 5000 });
    const [hidden, shown] = created;
    expect(hidden).toMatchObject({ errorCode: 0, numPartitions: -1, replicationFactor: -1, configs: [] });
    expect(hidden?.topicConfigErrorCode).toBe(TOPIC.code);
    expect(shown).toMatchObject({ errorCode: 0, numPartitions: 1, replicationFactor: 1, topicConfigErrorCode: 0 });
    expect(shown?.configs?.length).toBeGreaterThan(10);
  });
});

describe("topics are deleted", () => {
  const remove = async (topics: { name: string | null; topicId?: Uuid | string }[]) => {
    const { responses } = await wire.ask("DeleteTopics", 6, { topics: topics as never, timeoutMs: 5000 });
    return responses.map(({ name, topicId, errorCode, errorMessage }) => [name, topicId, errorCode, errorMessage]);
  };

  test("with the permission on the cluster, or on each, and nothing is told about secret ones", async () => {
    const ids = await create("open", "seen", "secret");
    const idOf = (name: string): Uuid => ids.get(name) ?? ZERO_UUID;
    const strange = "AAAAAAAAAAAAAAAAAAAAZw";
    refused.add("DELETE CLUSTER kafka-cluster").add("DELETE TOPIC seen").add("DELETE TOPIC secret");
    refused.add("DESCRIBE TOPIC secret").add("DESCRIBE TOPIC absent").add("DELETE TOPIC nowhere");
    const { code, message } = TOPIC;
    const named = ["seen", "secret", "absent", "nowhere"].map(name => ({ name }));
    expect(await remove(named)).toEqual([
      ["nowhere", ZERO_UUID, Errors.UNKNOWN_TOPIC_OR_PARTITION.code, expect.any(String)],
      ["seen", ZERO_UUID, code, message],
      ["secret", ZERO_UUID, code, message],
      ["absent", ZERO_UUID, code, message],
    ]);
    const byId = [idOf("seen"), idOf("secret"), strange].map(topicId => ({ name: null, topicId }));
    expect(await remove(byId)).toEqual([
      [null, strange, Errors.UNKNOWN_TOPIC_ID.code, expect.any(String)],
      ["seen", idOf("seen"), code, message],
      [null, idOf("secret"), code, message],
    ]);
    const twice = await remove([{ name: "secret" }, { name: "secret" }, { name: "secret", topicId: idOf("secret") }]);
    expect(twice.map(([, , errorCode]) => errorCode)).toEqual([42, 42]);
    expect(await remove([{ name: "open" }])).toEqual([["open", idOf("open"), 0, null]]);
    refused.delete("DELETE CLUSTER kafka-cluster");
    expect(await remove([{ name: "secret" }, { name: null, topicId: idOf("seen") }])).toEqual([
      ["secret", idOf("secret"), 0, null],
      ["seen", idOf("seen"), 0, null],
    ]);
  });

  test("in old versions, too", async () => {
    await create("old");
    refused.add("DELETE CLUSTER kafka-cluster").add("DELETE TOPIC old");
    const { responses } = await wire.ask("DeleteTopics", 4, { topicNames: ["old"], timeoutMs: 5000 });
    expect(responses).toMatchObject([{ name: "old", errorCode: TOPIC.code }]);
  });
});

test("partitions are added with the permission on each topic", async () => {
  await create("p1", "p2");
  refused.add("ALTER TOPIC p1");
  const topics = ["p1", "p2"].map(name => ({ name, count: 2, assignments: null }));
  const { results } = await wire.ask("CreatePartitions", 3, { topics, timeoutMs: 5000, validateOnly: false });
  expect(results).toEqual([
    { name: "p1", errorCode: TOPIC.code, errorMessage: null },
    { name: "p2", errorCode: 0, errorMessage: null },
  ]);
});

describe("settings", () => {
  const SUBSCRIPTION = 16;
  const GROUPS = 32;
  const LOGGER = 8;
  const resources = [
    [2, "s1"],
    [2, "s2"],
    [4, "1"],
    [SUBSCRIPTION, "m"],
    [GROUPS, "g1"],
    [GROUPS, "g2"],
  ] as const;
  const denials = ["TOPIC s1", "CLUSTER kafka-cluster", "GROUP g1"];
  const codes = [
    ["s1", TOPIC.code, TOPIC.message],
    ["1", CLUSTER.code, CLUSTER.message],
    ["m", CLUSTER.code, CLUSTER.message],
    ["g1", GROUP, Errors.GROUP_AUTHORIZATION_FAILED.message],
  ];
  const told = (results: readonly { resourceName: string; errorCode: number; errorMessage: string | null }[]) =>
    results.map(({ resourceName, errorCode, errorMessage }) => [resourceName, errorCode, errorMessage]);

  beforeAll(() => create("s1", "s2"));

  test("are described with the permission on the resource, or on the cluster", async () => {
    for (const denial of denials) refused.add(`DESCRIBE_CONFIGS ${denial}`);
    const named = [...resources, [LOGGER, "1"] as const].map(([resourceType, resourceName]) => {
      return { resourceType, resourceName, configurationKeys: null };
    });
    const { results } = await wire.ask("DescribeConfigs", 4, { resources: named });
    const refusals = results.filter(({ errorCode }) => errorCode !== 0);
    expect(told(refusals)).toEqual([...codes, ["1", CLUSTER.code, CLUSTER.message]]);
    expect(results.slice(0, 2).map(({ resourceName, errorCode }) => [resourceName, errorCode])).toEqual([
      ["s2", 0],
      ["g2", 0],
    ]);
    expect(refusals.every(({ configs }) => configs.length === 0)).toBe(true);
  });

  const setting = { 2: "retention.ms", 4: "log.retention.ms", 16: "interval.ms", 32: "consumer.session.timeout.ms" };

  test.each(["AlterConfigs", "IncrementalAlterConfigs"] as const)("are altered by %s so, too", async api => {
    for (const denial of denials) refused.add(`ALTER_CONFIGS ${denial}`);
    const named = resources.map(([resourceType, resourceName]) => {
      const change = { name: setting[resourceType], value: "50000", configOperation: 0 };
      return { resourceType, resourceName, configs: [change] };
    });
    const { responses } = await wire.ask(api, 1, { resources: named, validateOnly: false } as never);
    expect(told(responses.filter(({ errorCode }) => errorCode !== 0))).toEqual(codes);
    expect(responses.filter(({ errorCode }) => errorCode === 0).map(({ resourceName }) => resourceName)).toEqual([
      "s2",
      "g2",
    ]);
    refused.clear();
    const keys = ["retention.ms"];
    const { results } = await wire.ask("DescribeConfigs", 4, {
      resources: ["s1", "s2"].map(resourceName => ({ resourceType: 2, resourceName, configurationKeys: keys })),
    });
    const [before, after] = results.map(({ configs }) => configs[0]?.value);
    expect(before).not.toBe("50000");
    expect(after).toBe("50000");
  });

  test("levels of loggers need the permission on the cluster", async () => {
    const configs = [{ name: "kafka", value: "INFO", configOperation: 0 }];
    const request = { resources: [{ resourceType: LOGGER, resourceName: "1", configs }], validateOnly: false };
    const open = await wire.ask("IncrementalAlterConfigs", 1, request);
    expect(open.responses[0]?.errorCode).toBe(Errors.INVALID_CONFIG.code);
    refused.add("ALTER_CONFIGS CLUSTER kafka-cluster");
    const closed = await wire.ask("IncrementalAlterConfigs", 1, request);
    expect(told(closed.responses)).toEqual([["1", CLUSTER.code, CLUSTER.message]]);
  });
});

describe("groups", () => {
  const commit = (groupId: string) =>
    wire.ask("OffsetCommit", 8, {
      ...{ groupId, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null },
      topics: [{ name: "offsets", partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "" }] }],
    });

  beforeAll(async () => {
    await create("offsets");
    for (const group of ["a", "b"]) await commit(group);
  });

  test("are listed with the permission on the cluster, or on each", async () => {
    const list = async () => (await wire.ask("ListGroups", 5, {})).groups.map(({ groupId }) => groupId).sort();
    expect(await list()).toEqual(expect.arrayContaining(["a", "b"]));
    refused.add("DESCRIBE GROUP a");
    expect(await list()).toContain("a");
    refused.add("DESCRIBE CLUSTER kafka-cluster");
    expect(await list()).not.toContain("a");
    expect(await list()).toContain("b");
  });

  test("are found, described, read and deleted with the permission on each", async () => {
    refused.add("DESCRIBE GROUP a").add("DELETE GROUP a");
    const { coordinators } = await wire.ask("FindCoordinator", 6, { keyType: 0, coordinatorKeys: ["a", "b"] });
    expect(coordinators.map(({ key, errorCode, nodeId }) => [key, errorCode, nodeId])).toEqual([
      ["a", GROUP, -1],
      ["b", 0, 1],
    ]);
    const found = await wire.ask("FindCoordinator", 3, { keyType: 0, key: "a" });
    expect(found).toMatchObject({ errorCode: GROUP, nodeId: -1 });
    const described = await wire.ask("DescribeGroups", 5, { groups: ["b", "a"], includeAuthorizedOperations: true });
    expect(described.groups.map(({ groupId, errorCode }) => [groupId, errorCode])).toEqual([
      ["a", GROUP],
      ["b", 0],
    ]);
    // READ, DELETE, DESCRIBE, and the configurations.
    expect(described.groups[1]?.authorizedOperations).toBe(3400);
    const groups = ["a", "b"].map(groupId => ({ groupId, memberId: null, memberEpoch: -1, topics: null }));
    const fetched = await wire.ask("OffsetFetch", 8, { groups, requireStable: false });
    expect(fetched.groups).toMatchObject([
      { groupId: "a", errorCode: GROUP, topics: [] },
      { groupId: "b", errorCode: 0, topics: [{ name: "offsets" }] },
    ]);
    expect(await wire.ask("OffsetFetch", 7, { groupId: "a", topics: null })).toMatchObject({ errorCode: GROUP });
    const deleted = await wire.ask("DeleteGroups", 2, { groupsNames: ["a", "b", "a"] });
    expect(deleted.results).toMatchObject([
      { groupId: "b", errorCode: 0 },
      { groupId: "a", errorCode: GROUP },
    ]);
    refused.clear();
    const after = await wire.ask("OffsetFetch", 7, { groupId: "a", topics: null });
    expect(after.topics.length).toBe(1);
  });

  test("of new protocols are described with the permission on each", async () => {
    refused.add("DESCRIBE GROUP a");
    for (const api of ["ConsumerGroupDescribe", "ShareGroupDescribe"] as const) {
      const { groups } = await wire.ask(api, 1, { groupIds: ["b", "a"], includeAuthorizedOperations: false });
      expect(groups.map(({ groupId, errorCode }) => [groupId, errorCode])).toEqual([
        ["a", GROUP],
        ["b", Errors.GROUP_ID_NOT_FOUND.code],
      ]);
    }
    const asks = ["a", "b"].map(groupId => ({ groupId, topics: null }));
    const offsets = await wire.ask("DescribeShareGroupOffsets", 1, { groups: asks });
    expect(offsets.groups.map(({ groupId, errorCode }) => [groupId, errorCode])).toEqual([
      ["a", GROUP],
      ["b", 0],
    ]);
  });

  test("see only the topics that match a pattern and that the client may describe", async () => {
    await create("match-open", "match-secret");
    refused.add("DESCRIBE TOPIC match-secret");
    const beat = (memberEpoch: number) =>
      wire.ask("ConsumerGroupHeartbeat", 1, {
        ...{ groupId: "regex", memberId: "m", memberEpoch, rebalanceTimeoutMs: 5000, topicPartitions: [] },
        ...{ subscribedTopicRegex: "match-.*", subscribedTopicNames: null },
      });
    await beat(0);
    const assigned = async () => {
      const { groups } = await wire.ask("ConsumerGroupDescribe", 1, { groupIds: ["regex"] });
      return groups[0]?.members[0]?.targetAssignment.topicPartitions.map(({ topicName }) => topicName) ?? [];
    };
    let epoch = 1;
    await expect
      .poll(async () => {
        epoch = (await beat(epoch)).memberEpoch || epoch;
        return assigned();
      })
      .toEqual(["match-open"]);
  });
});

describe("transactions", () => {
  const init = (fields: object) =>
    wire.ask("InitProducerId", 6, { transactionalId: null, transactionTimeoutMs: 60_000, ...fields });

  test("idempotent producers need the permission on the cluster, or to write to any topic", async () => {
    refused.add("IDEMPOTENT_WRITE CLUSTER kafka-cluster");
    expect((await init({})).errorCode).toBe(0);
    mayWriteSome = false;
    expect((await init({})).errorCode).toBe(CLUSTER.code);
    refused.clear();
    expect((await init({})).errorCode).toBe(0);
  });

  test("each transactional id needs permission, and two-phase commit another", async () => {
    refused.add("WRITE TRANSACTIONAL_ID denied").add("TWO_PHASE_COMMIT TRANSACTIONAL_ID two");
    expect((await init({ transactionalId: "denied" })).errorCode).toBe(TRANSACTION);
    expect((await init({ transactionalId: "two", enable2Pc: true })).errorCode).toBe(TRANSACTION);
    expect((await init({ transactionalId: "two" })).errorCode).toBe(0);
  });

  test("are listed and described with the permission on each", async () => {
    await init({ transactionalId: "seen" });
    await init({ transactionalId: "secret" });
    refused.add("DESCRIBE TRANSACTIONAL_ID secret");
    const { transactionStates } = await wire.ask("ListTransactions", 1, { stateFilters: [], producerIdFilters: [] });
    const names = transactionStates.map(({ transactionalId }) => transactionalId);
    expect(names).toContain("seen");
    expect(names).not.toContain("secret");
    const described = await wire.ask("DescribeTransactions", 0, { transactionalIds: ["secret", "seen"] });
    expect(described.transactionStates.map(({ transactionalId, errorCode }) => [transactionalId, errorCode])).toEqual([
      ["secret", TRANSACTION],
      ["seen", 0],
    ]);
  });

  test("commit offsets of groups that the client may read", async () => {
    const { producerId, producerEpoch } = await init({ transactionalId: "commits" });
    refused.add("READ GROUP closed");
    const producer = { transactionalId: "commits", producerId, producerEpoch };
    const added = async (groupId: string) => (await wire.ask("AddOffsetsToTxn", 3, { ...producer, groupId })).errorCode;
    expect([await added("closed"), await added("open")]).toEqual([GROUP, 0]);
    const committed = await wire.ask("TxnOffsetCommit", 3, {
      ...{ ...producer, groupId: "closed", generationId: -1, memberId: "" },
      topics: [{ name: "x", partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "" }] }],
    });
    expect(committed.topics[0]?.partitions[0]?.errorCode).toBe(GROUP);
    refused.add("WRITE TRANSACTIONAL_ID commits");
    expect([await added("closed"), await added("open")]).toEqual([TRANSACTION, TRANSACTION]);
    const v3 = await wire.ask("AddPartitionsToTxn", 3, {
      ...{ v3AndBelowTransactionalId: "commits", v3AndBelowProducerId: producerId, v3AndBelowProducerEpoch: 0 },
      v3AndBelowTopics: [{ name: "absent", partitions: [0, 1] }],
    });
    const codes = v3.resultsByTopicV3AndBelow[0]?.resultsByPartition.map(one => one.partitionErrorCode);
    expect(codes).toEqual([TRANSACTION, TRANSACTION]);
  });

  test("batches of a transaction need the permission on its id, and an id", async () => {
    await create("txn");
    const { producerId, producerEpoch } = await init({ transactionalId: "writes" });
    const write = async (transactionalId: string | null, isTransactional: boolean) => {
      const stamp = isTransactional ? { producerId, producerEpoch, baseSequence: 0, transactional: true } : {};
      const record = { timestamp: Date.now(), key: null, value: Buffer.from("v") };
      const batch = (of: object) => [buildBatch([record], of, broker.broker.tools)];
      const partition = (index: number, records: Uint8Array[]) => ({ index, records });
      const { responses } = await wire.ask("Produce", 9, {
        ...{ transactionalId, acks: -1, timeoutMs: 1000 },
        topicData: [
          { name: "txn", partitionData: [partition(0, batch(stamp))] },
          { name: "absent", partitionData: [partition(0, batch({}))] },
        ],
      });
      return responses.map(({ partitionResponses }) => partitionResponses[0]?.errorCode);
    };
    const { UNKNOWN_TOPIC_OR_PARTITION } = Errors;
    expect(await write(null, true), "the whole request").toEqual([TRANSACTION, TRANSACTION]);
    refused.add("WRITE TRANSACTIONAL_ID writes");
    expect(await write("writes", true)).toEqual([TRANSACTION, TRANSACTION]);
    expect(await write("writes", false), "no transaction").toEqual([0, UNKNOWN_TOPIC_OR_PARTITION.code]);
  });
});

test("authorized operations of the cluster are none without the permission to describe it", async () => {
  const all = 8096;
  const metadata = async () =>
    (await wire.ask("Metadata", 9, { topics: [], includeClusterAuthorizedOperations: true }))
      .clusterAuthorizedOperations;
  const cluster = async () =>
    (await wire.ask("DescribeCluster", 2, { includeClusterAuthorizedOperations: true })).clusterAuthorizedOperations;
  expect([await metadata(), await cluster()]).toEqual([all, all]);
  refused.add("ALTER CLUSTER kafka-cluster");
  expect([await metadata(), await cluster()]).toEqual([all & ~(1 << 7), all & ~(1 << 7)]);
  refused.add("DESCRIBE CLUSTER kafka-cluster");
  expect([await metadata(), await cluster()]).toEqual([0, 0]);
});
