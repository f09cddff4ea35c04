import { ZERO_UUID } from "@samsa/base";
import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";

const NOT_ASKED = -2147483648;
const CHARACTERS = "contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";

interface Created {
  readonly name: string;
  readonly topicId: string;
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly numPartitions: number;
  readonly replicationFactor: number;
  readonly configs: readonly { name: string; value: string | null; configSource: number }[] | null;
}

let broker: TestBroker;
let wire: RawConnection;
beforeAll(async () => {
  broker = await TestBroker.start({ "num.partitions": "2", "log.retention.hours": "24" });
  wire = await broker.connect();
});
afterAll(async () => {
  wire.close();
  await broker.stop();
});

const topic = (name: string, more: object = {}) => ({
  name,
  numPartitions: 1,
  replicationFactor: 1,
  assignments: [],
  configs: [],
  ...more,
});
const assigned = (partitionIndex: number, ...brokerIds: number[]) => ({
  numPartitions: -1,
  replicationFactor: -1,
  assignments: [{ partitionIndex, brokerIds }],
});

async function create(topics: readonly object[], version = 7, validateOnly = false): Promise<readonly Created[]> {
  const request = { topics, timeoutMs: 1000, validateOnly };
  return (await wire.ask("CreateTopics", version, request)).topics;
}

function metadata(version: number, names: readonly (string | null)[] | null, more: object = {}) {
  const ids = version >= 10 ? { topicId: ZERO_UUID } : {};
  const topics = names === null ? null : names.map(name => ({ name, ...ids }));
  return wire.ask("Metadata", version, { topics, ...more });
}

const QUIET = { allowAutoTopicCreation: false };

describe("CreateTopics", () => {
  test.each([2, 3, 4, 5, 6, 7])("version %i", async version => {
    const [made] = await create([topic(`v${version}`, { numPartitions: -1, replicationFactor: -1 })], version);
    expect(made).toMatchObject({ name: `v${version}`, errorCode: 0, errorMessage: null });
    expect(made.topicId === ZERO_UUID).toBe(version < 7);
    if (version < 5) return;
    expect([made.numPartitions, made.replicationFactor]).toEqual([2, 1]);
    expect(made.configs?.map(({ name }) => name)).toEqual(made.configs?.map(({ name }) => name).toSorted());
    const retention = made.configs?.find(({ name }) => name === "retention.ms");
    expect(retention).toMatchObject({ value: "86400000", configSource: 4 });
  });

  // Expected codes and messages are those of Apache Kafka 4.4.0.
  test.each<[string, object, number, string | null]>([
    ["v7", {}, 36, "Topic 'v7' already exists."],
    ["a b", {}, 17, `Topic name is invalid: 'a b' ${CHARACTERS}`],
    ["", {}, 17, "Topic name is invalid: the empty string is not allowed"],
    ["..", {}, 17, "Topic name is invalid: '..' is not allowed"],
    [
      "x".repeat(250),
      {},
      17,
      `Topic name is invalid: the length of '${"x".repeat(250)}' is longer than the max allowed length 249`,
    ],
    ["x".repeat(249), {}, 0, null],
    ["__cluster_metadata", {}, 42, "Creation of internal topic __cluster_metadata is prohibited."],
    ["n", { numPartitions: 0 }, 37, "Number of partitions was set to an invalid non-positive value."],
    ["n", { replicationFactor: 0 }, 38, "Replication factor must be larger than 0, or -1 to use the default value."],
    [
      "n",
      { replicationFactor: 3 },
      38,
      "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only " +
        "1 broker(s) are registered or some brokers have all their log directories cordoned.",
    ],
    ["n", { numPartitions: 10_001 }, 44, "Excessively large number of partitions per request."],
    ["n", { configs: [{ name: "nope", value: "1" }] }, 40, "Unknown topic config name: nope"],
    [
      "n",
      { configs: [{ name: "retention.ms", value: null }] },
      40,
      "Null value not supported for topic configs: retention.ms",
    ],
    ["n", assigned(0, 1), 0, null],
    [
      "n",
      { ...assigned(0, 1), numPartitions: 1 },
      42,
      "A manual partition assignment was specified, but numPartitions was not set to -1.",
    ],
    [
      "n",
      { ...assigned(0, 1), replicationFactor: 1 },
      42,
      "A manual partition assignment was specified, but replication factor was not set to -1.",
    ],
    ["n", assigned(1, 1), 39, "partitions should be a consecutive 0-based integer sequence"],
    ["n", assigned(0, 2), 39, "The manual partition assignment includes broker 2, but no such broker is registered."],
  ])("on trial: %s %j: %i", async (name, more, code, message) => {
    const [result] = await create([topic(name, more)], 7, true);
    expect([result.errorCode, result.errorMessage]).toEqual([code, message]);
    expect(broker.broker.topics.topic("n")).toBeUndefined();
  });

  test("names that metrics could not tell apart", async () => {
    await create([topic("col_a")]);
    const [dot, underscore, other] = await create([topic("col.a"), topic("col_a"), topic("cola")]);
    expect(dot).toMatchObject({ errorCode: 17, errorMessage: "Topic 'col.a' collides with existing topic: col_a" });
    expect(underscore.errorCode).toBe(36);
    expect(other.errorCode).toBe(0);
  });

  test("a name that stands twice is told last", async () => {
    const results = await create([topic("twice"), topic("twice"), topic("once")], 7, true);
    expect(results.map(r => [r.name, r.errorCode, r.errorMessage])).toEqual([
      ["once", 0, null],
      ["twice", 42, "Duplicate topic name."],
    ]);
  });
});

describe("Metadata", () => {
  test.each([0, 1, 4, 7, 8, 9, 10, 11, 12, 13])("version %i", async version => {
    const quiet = version >= 4 ? QUIET : {};
    const known = await metadata(version, ["v7", "v7"], quiet);
    expect(known.topics).toHaveLength(1);
    expect(known.topics[0]).toMatchObject({ errorCode: 0, name: "v7", topicAuthorizedOperations: NOT_ASKED });
    expect(known.topics[0].partitions.map(p => [p.partitionIndex, p.leaderId, p.offlineReplicas])).toEqual([
      [0, 1, []],
      [1, 1, []],
    ]);
    expect((await metadata(version, ["a b"], quiet)).topics[0]).toMatchObject({ errorCode: 17, name: "a b" });
    const all = await metadata(version, version === 0 ? [] : null, quiet);
    expect(all.topics.map(({ name }) => name)).toContain("v7");
    if (version > 0) expect((await metadata(version, [], quiet)).topics).toEqual([]);
  });

  test("a topic that is missing is made unless that is forbidden, by who asks or by the broker", async () => {
    expect((await metadata(12, ["missing"], QUIET)).topics[0].errorCode).toBe(3);
    expect((await metadata(12, ["missing"], { allowAutoTopicCreation: true })).topics[0]).toMatchObject({
      errorCode: 0,
      name: "missing",
    });
    const strict = await TestBroker.start({ "auto.create.topics.enable": "false" });
    const client = await strict.connect();
    const request = { topics: [{ name: "t", topicId: ZERO_UUID }], allowAutoTopicCreation: true };
    expect((await client.ask("Metadata", 12, request)).topics[0].errorCode).toBe(3);
    client.close();
    await strict.stop();
  });

  test("by id", async () => {
    const id = (await metadata(12, ["v7"], QUIET)).topics[0].topicId;
    const ask = (topicId: string) => wire.ask("Metadata", 12, { topics: [{ name: null, topicId }], ...QUIET });
    expect((await ask(id)).topics[0]).toMatchObject({ errorCode: 0, name: "v7", topicId: id });
    const other = "BBBBBBBBBBBBBBBBBBBBBA";
    expect((await ask(other)).topics[0]).toMatchObject({ errorCode: 100, name: null, topicId: other });
  });

  test("what a client may do, where it asks", async () => {
    const asked = { includeTopicAuthorizedOperations: true, includeClusterAuthorizedOperations: true };
    const answer = await metadata(8, ["v7"], { ...QUIET, ...asked });
    expect(answer.topics[0].topicAuthorizedOperations).toBe(3576);
    expect((await metadata(8, ["nosuch"], { ...QUIET, ...asked })).topics[0].topicAuthorizedOperations).toBe(3576);
    const cluster = { includeClusterAuthorizedOperations: true };
    const described = await wire.ask("DescribeCluster", 0, cluster);
    expect(answer.clusterAuthorizedOperations).toBe(described.clusterAuthorizedOperations);
    expect(answer.clusterAuthorizedOperations).not.toBe(NOT_ASKED);
    expect((await metadata(8, ["v7"], QUIET)).clusterAuthorizedOperations).toBe(NOT_ASKED);
  });
});

describe("DeleteTopics", () => {
  const byName = async (version: number, ...topicNames: string[]) => {
    const request = { topicNames, timeoutMs: 1000 };
    return (await wire.ask("DeleteTopics", version, request)).responses;
  };
  const delete6 = async (topics: { name: string | null; topicId: string }[]) =>
    (await wire.ask("DeleteTopics", 6, { topics, timeoutMs: 1000 })).responses;

  test.each([1, 2, 3, 4, 5])("version %i", async version => {
    await create([topic(`gone${version}`)]);
    const codes = (await byName(version, `gone${version}`, "nosuch")).map(r => [r.name, r.errorCode]);
    expect(codes).toEqual([
      [`gone${version}`, 0],
      ["nosuch", 3],
    ]);
    expect(broker.broker.topics.topic(`gone${version}`)).toBeUndefined();
  });

  test("by name and by id", async () => {
    const [{ topicId: a }, { topicId: b }] = await create([topic("del-a"), topic("del-b")]);
    const other = "BBBBBBBBBBBBBBBBBBBBBA";
    const refused = await delete6([
      { name: null, topicId: other },
      { name: null, topicId: ZERO_UUID },
      { name: "del-a", topicId: a },
      { name: "del-b", topicId: ZERO_UUID },
      { name: null, topicId: b },
    ]);
    expect(refused.map(r => [r.name, r.topicId, r.errorCode])).toEqual([
      [null, other, 100],
      [null, ZERO_UUID, 42],
      ["del-a", a, 42],
      ["del-b", b, 42],
    ]);
    expect(refused.at(-1)?.errorMessage).toBe("The provided topic name maps to an ID that was already supplied.");
    const twice = { name: "del-a", topicId: ZERO_UUID };
    expect((await delete6([twice, twice])).map(r => [r.errorCode, r.errorMessage])).toEqual([
      [42, "Duplicate topic name."],
    ]);
    expect((await delete6([twice, { name: null, topicId: b }])).map(r => [r.name, r.topicId, r.errorCode])).toEqual([
      ["del-a", a, 0],
      ["del-b", b, 0],
    ]);
  });

  test("where it is disabled", async () => {
    const keeping = await TestBroker.start({ "delete.topic.enable": "false" });
    const client = await keeping.connect();
    const request = { topicNames: ["t"], timeoutMs: 1000 };
    const code = async (version: number) => (await client.ask("DeleteTopics", version, request)).responses[0].errorCode;
    expect([await code(2), await code(3), await code(5)]).toEqual([42, 73, 73]);
    client.close();
    await keeping.stop();
  });
});
