import { ZERO_UUID } from "@samsa/base";
import { SimCluster } from "@samsa/sim";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Admin, ClusterClient } from "../src/index.ts";

let cluster: SimCluster;
let client: ClusterClient;
let admin: Admin;

beforeEach(async () => {
  cluster = new SimCluster({
    settings: { "offsets.topic.num.partitions": "3", "transaction.state.log.num.partitions": "3" },
  });
  await cluster.startAll();
  client = cluster.client();
  admin = new Admin(client);
});

afterEach(async () => {
  client.close();
  await cluster.close();
});

const run = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);
/** Repeats a question until the answer is the expected one: brokers hear of changes one after the other. */
async function eventually<T>(ask: () => Promise<T>, look: (answer: T) => unknown, expected: unknown): Promise<void> {
  for (let i = 0; ; i++) {
    const seen = look(await run(ask()));
    if (i === 50) expect(seen).toEqual(expected);
    try {
      expect(seen).toEqual(expected);
      return;
    } catch {
      await cluster.world.runFor(20);
    }
  }
}

const refusal = (promise: Promise<unknown>): Promise<unknown> => cluster.refusal(promise);

describe("topics", () => {
  test("are created, listed, described, grown and deleted; each has a result of its own", async () => {
    const made = await run(
      admin.topics.create([
        { name: "a", partitions: 3, replicationFactor: 2, configs: { "retention.ms": "1000" } },
        {
          name: "b",
          assignments: [
            [2, 3],
            [3, 1],
          ],
        },
        { name: "not/valid", partitions: 1 },
      ]),
    );
    expect([made.value("a").partitions, made.value("a").replicationFactor, made.value("b").partitions]).toEqual([
      3, 2, 2,
    ]);
    expect(made.value("a").configs?.get("retention.ms")).toBe("1000");
    expect([...made.errors].map(([name, error]) => [name, error.name])).toEqual([
      ["not/valid", "INVALID_TOPIC_EXCEPTION"],
    ]);
    expect(() => made.orThrow()).toThrow("not/valid");
    const names = (topics: { name: string }[]) => topics.map(({ name }) => name).toSorted();
    await eventually(() => admin.topics.list(), names, ["a", "b"]);
    const told = await run(admin.topics.describe(["a", "b", "missing"], { authorizedOperations: true }));
    expect(told.value("b").partitions.map(({ leader, replicas, isr }) => [leader, replicas, isr])).toEqual([
      [2, [2, 3], [2, 3]],
      [3, [3, 1], [3, 1]],
    ]);
    expect(told.value("a").authorizedOperations).toContain("DESCRIBE_CONFIGS");
    expect(told.get("missing")).toMatchObject({ name: "UNKNOWN_TOPIC_OR_PARTITION" });
    const grown = await run(
      admin.topics.addPartitions(
        new Map([
          ["a", 5],
          ["b", 1],
        ]),
      ),
    );
    expect([grown.get("a"), grown.get("b")]).toMatchObject([true, { name: "INVALID_PARTITIONS" }]);
    await eventually(
      () => admin.topics.describeOne("a"),
      ({ partitions }) => partitions.length,
      5,
    );
    expect((await run(admin.topics.delete(["a", "missing"]))).get("a")).toBe(true);
    await eventually(() => admin.topics.list(), names, ["b"]);
  });

  test("a topic that is only validated is not created", async () => {
    const made = await run(admin.topics.create([{ name: "a" }], { validateOnly: true }));
    expect(made.errors.size).toBe(0);
    expect(await run(admin.topics.list())).toEqual([]);
  });
});

test("offsets are found in logs, and records deleted", async () => {
  await run(admin.topics.create([{ name: "a", assignments: [[1, 2, 3]] }]));
  for (const value of ["x", "y", "z"]) await cluster.produce("a", value);
  const at = { topic: "a", partition: 0 };
  const found = await run(
    admin.offsets(
      [
        { ...at, at: "latest" },
        { topic: "a", partition: 9, at: "latest" },
      ],
      { timeoutMs: 2000 },
    ),
  );
  expect(found.of("a", 0)).toMatchObject({ offset: 3 });
  expect(found.of("a", 9)).toMatchObject({ name: "UNKNOWN_TOPIC_OR_PARTITION" });
  expect((await run(admin.topics.deleteRecords([{ ...at, offset: 2 }]))).of("a", 0)).toBe(2);
  expect((await run(admin.offsets([{ ...at, at: "earliest" }]))).of("a", 0)).toMatchObject({ offset: 2 });
  const timestamp = cluster.clientEnv.clock.now() + 1;
  const late = await run(admin.offsets([{ ...at, at: { timestamp } }]));
  expect(late.of("a", 0)).toMatchObject({ offset: -1 });
});

test("settings are described and changed, of a broker by that broker", async () => {
  await run(admin.topics.create([{ name: "a" }]));
  const changed = await run(
    admin.configs.alter({
      "topic:a": { "cleanup.policy": { op: "append", value: "compact" }, "retention.ms": { op: "set", value: "7" } },
      "topic:missing": { "retention.ms": { op: "delete" } },
      "broker:2": { "log.cleaner.threads": { op: "set", value: "2" } },
    }),
  );
  expect([changed.get("topic:a"), changed.get("broker:2")]).toEqual([true, true]);
  expect(changed.get("topic:missing")).toMatchObject({ name: "UNKNOWN_TOPIC_OR_PARTITION" });
  const told = await run(admin.configs.describe(["topic:a", "broker:2", "broker:1"], { synonyms: true }));
  expect(told.value("topic:a").get("cleanup.policy")).toMatchObject({
    value: "delete,compact",
    source: "DYNAMIC_TOPIC_CONFIG",
  });
  expect(told.value("topic:a").get("cleanup.policy")?.synonyms.length).toBeGreaterThan(1);
  const threads = (broker: "broker:1" | "broker:2") => told.value(broker).get("log.cleaner.threads");
  expect([threads("broker:1")?.value, threads("broker:2")?.value, threads("broker:2")?.source]).toEqual([
    ...["1", "2", "DYNAMIC_BROKER_CONFIG"],
  ]);
  const some = await run(admin.configs.describe(["topic:a"], { names: ["retention.ms"], documentation: true }));
  expect([...some.value("topic:a").keys()]).toEqual(["retention.ms"]);
  expect(some.value("topic:a").get("retention.ms")?.type).toBe("LONG");
  expect(await run(admin.configs.listResources({ types: ["topic"] }))).toEqual(["topic:a"]);
});

test("groups: offsets are committed, read, deleted; the group is listed, described and deleted", async () => {
  await run(admin.topics.create([{ name: "a", partitions: 2 }]));
  const set = await run(
    admin.groups.alterOffsets("g", [
      { topic: "a", partition: 0, offset: 5, metadata: "m" },
      { topic: "a", partition: 1, offset: 6 },
    ]),
  );
  expect(set.errors.size).toBe(0);
  const read = await run(admin.groups.offsets(["g", "other"]));
  expect(read.value("g").map(({ partition, offset, metadata }) => [partition, offset, metadata])).toEqual([
    [0, 5, "m"],
    [1, 6, ""],
  ]);
  expect(read.value("other")).toEqual([]);
  expect(
    (await run(admin.groups.offsets(["g"], { partitions: [{ topic: "a", partition: 1 }] }))).value("g").length,
  ).toBe(1);
  expect(await run(admin.groups.list())).toMatchObject([{ groupId: "g", state: "Empty" }]);
  expect(await run(admin.groups.list({ states: ["Stable"] }))).toEqual([]);
  const told = await run(admin.groups.describe(["g", "other"], { authorizedOperations: true }));
  expect(told.value("g")).toMatchObject({ type: "Classic", state: "Empty", members: [] });
  expect(told.value("g").authorizedOperations).toContain("READ");
  expect(told.get("other")).toMatchObject({ name: "GROUP_ID_NOT_FOUND" });
  expect((await run(admin.groups.deleteOffsets("g", [{ topic: "a", partition: 0 }]))).of("a", 0)).toBe(true);
  expect((await run(admin.groups.offsets(["g"]))).value("g").length).toBe(1);
  expect((await run(admin.groups.delete(["g", "other"]))).get("g")).toBe(true);
  expect(await run(admin.groups.list())).toEqual([]);
});

test("the cluster, its quorum and its features", async () => {
  const told = await run(admin.cluster.describe({ authorizedOperations: true }));
  expect(new Set(told.nodes.map(({ id }) => id))).toEqual(new Set([1, 2, 3]));
  expect([told.clusterId, told.authorizedOperations?.includes("ALTER")]).toEqual(["cluster", true]);
  const quorum = await run(admin.cluster.describeQuorum());
  expect([quorum.leaderId, quorum.voters.map(({ id }) => id), quorum.highWatermark > 0]).toEqual([9, [9], true]);
  const features = await run(admin.cluster.describeFeatures());
  expect(features.get("transaction.version")).toMatchObject({ finalized: 2, maxSupported: 2 });
  await run(admin.cluster.updateFeatures({ "transaction.version": { level: 1, type: "safe-downgrade" } }));
  expect((await run(admin.cluster.describeFeatures())).get("transaction.version")?.finalized).toBe(1);
  await expect(refusal(admin.cluster.updateFeatures({ "no.such.feature": { level: 1 } }))).resolves.toMatchObject({
    name: "INVALID_UPDATE_VERSION",
  });
  await expect(refusal(admin.cluster.unregisterBroker(77))).resolves.toMatchObject({
    name: "BROKER_ID_NOT_REGISTERED",
  });
  await expect(refusal(admin.cluster.unregisterController(77))).resolves.toMatchObject({
    name: "CONTROLLER_ID_NOT_REGISTERED",
  });
  await expect(
    refusal(admin.cluster.addVoter({ id: 4, directoryId: ZERO_UUID, listeners: [] })),
  ).resolves.toMatchObject({
    name: "INVALID_REQUEST",
  });
});

test("quotas are set, described and removed", async () => {
  const entity = { user: "alice", "client-id": null };
  const set = await run(
    admin.cluster.alterQuotas([{ entity, values: { producer_byte_rate: 1000, consumer_byte_rate: 5 } }]),
  );
  expect(set.errors.size).toBe(0);
  const filter = { components: [{ type: "user", match: { name: "alice" } }] } as const;
  const all = <T>(answer: T): T => answer;
  await eventually(() => admin.cluster.describeQuotas(filter), all, [
    { entity, values: { producer_byte_rate: 1000, consumer_byte_rate: 5 } },
  ]);
  await run(admin.cluster.alterQuotas([{ entity, values: { producer_byte_rate: null } }]));
  await eventually(
    () => admin.cluster.describeQuotas(),
    quotas => quotas.map(({ values }) => values),
    [{ consumer_byte_rate: 5 }],
  );
  expect(await run(admin.cluster.describeQuotas({ ...filter, strict: true }))).toEqual([]);
});

test("replicas: directories, elections and reassignments", async () => {
  await run(admin.topics.create([{ name: "a", assignments: [[1, 2]] }]));
  await cluster.untilPartition("a", { isr: [1, 2] });
  await cluster.produce("a", "x");
  const dirs = await run(admin.replicas.describeLogDirs());
  expect(new Map([...dirs.orThrow()].map(([id, found]) => [id, found.map(({ path }) => path)]))).toEqual(
    new Map([1, 2, 3].map(id => [id, ["/data"]])),
  );
  expect(dirs.value(1)[0].replicas.find(({ topic }) => topic === "a")?.sizeBytes).toBeGreaterThan(60);
  expect((await run(admin.replicas.electLeaders("preferred", "all"))).size).toBe(0);
  const elected = await run(admin.replicas.electLeaders("preferred", [{ topic: "a", partition: 0 }]));
  expect(elected.of("a", 0)).toMatchObject({ name: "ELECTION_NOT_NEEDED" });
  const moved = await run(admin.replicas.reassign([{ topic: "a", partition: 0, replicas: [3, 1] }]));
  expect(moved.of("a", 0)).toBe(true);
  await cluster.untilPartition("a", { isr: [1, 3] });
  expect(await run(admin.replicas.listReassignments())).toEqual([]);
  const none = await run(admin.replicas.reassign([{ topic: "a", partition: 0, replicas: null }]));
  expect(none.of("a", 0)).toMatchObject({ name: "NO_REASSIGNMENT_IN_PROGRESS" });
  const places = await run(admin.replicas.moveToLogDirs([{ broker: 1, topic: "a", partition: 0, path: "/data" }]));
  expect([...places].map(([key]) => key)).toEqual(["1:a/0"]);
});

test("transactions and producers", async () => {
  const fenced = await run(admin.transactions.fence(["t"]));
  expect(fenced.value("t").producerEpoch).toBe(0);
  expect(await run(admin.transactions.list())).toMatchObject([{ transactionalId: "t", state: "Empty" }]);
  expect(await run(admin.transactions.list({ states: ["Ongoing"] }))).toEqual([]);
  const told = await run(admin.transactions.describe(["t", "other"]));
  expect(told.value("t")).toMatchObject({ state: "Empty", producerId: fenced.value("t").producerId, partitions: [] });
  expect(told.get("other")).toMatchObject({ name: "TRANSACTIONAL_ID_NOT_FOUND" });
  await run(admin.topics.create([{ name: "a" }]));
  await cluster.produce("a", "x");
  expect((await run(admin.transactions.describeProducers([{ topic: "a", partition: 0 }]))).of("a", 0)).toEqual([]);
});

test("what needs an authorizer or secrets is refused by name", async () => {
  const acl = {
    resourceType: "TOPIC",
    resourceName: "a",
    principal: "User:x",
    operation: "READ",
    permission: "ALLOW",
  } as const;
  const made = await run(admin.access.createAcls([acl]));
  expect([...made.errors.values()].map(({ name }) => name)).toEqual(["SECURITY_DISABLED"]);
  await expect(refusal(admin.access.describeAcls())).resolves.toMatchObject({ name: "SECURITY_DISABLED" });
  await expect(refusal(admin.access.createToken())).resolves.toMatchObject({ retriable: false });
});

test("a call ends when its caller gives up", async () => {
  for (const id of [1, 2, 3]) cluster.end(id, "kill");
  const late = await refusal(admin.topics.list({ timeoutMs: 1000 }));
  expect(late).toMatchObject({ name: "BROKERS_UNREACHABLE" });
  const abort = new AbortController();
  const aborted = admin.cluster.describe({ signal: abort.signal }).catch((error: unknown) => error);
  await cluster.world.runFor(500);
  abort.abort();
  await expect(run(aborted)).resolves.toMatchObject({ name: "ABORTED" });
});

describe("controllers only (KIP-919)", () => {
  const direct = (servers: typeof cluster.brokers): Admin => {
    const settings = { ...client.settings, nodes: "controllers", bootstrapServers: servers } as const;
    return new Admin((client = new ClusterClient(cluster.clientEnv, settings)));
  };

  test("settings, features and the quorum are theirs, also while no broker is there", async () => {
    client.close();
    const own = direct(cluster.controllers);
    for (const id of [1, 2, 3]) cluster.end(id, "kill");
    const { nodes, controllerId } = await run(own.cluster.describe());
    expect(nodes.map(({ id }) => id)).toEqual([controllerId]);
    expect((await run(own.cluster.describeQuorum())).leaderId).toBe(controllerId);
    const set = { "log.cleaner.threads": { op: "set", value: "2" } } as const;
    (await run(own.configs.alter({ "broker:": set }))).orThrow();
    const described = (await run(own.configs.describe(["broker:"]))).value("broker:");
    expect(described.get("log.cleaner.threads")?.value).toBe("2");
  });

  test("what only brokers know is refused, and so is a broker in place of a controller", async () => {
    client.close();
    const own = direct(cluster.controllers);
    const lists = own.groups.describe(["g"]).then(found => found.errors.get("g"));
    await expect(run(lists)).resolves.toMatchObject({ name: "UNSUPPORTED_ENDPOINT_TYPE" });
    const wrong = direct(cluster.brokers);
    await expect(refusal(wrong.cluster.describe())).resolves.toMatchObject({ name: "MISMATCHED_ENDPOINT_TYPE" });
  });
});
