import type { RawConnection } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { alterConfigs, TestBroker } from "./wire.ts";
import { logOf } from "./logs.ts";

const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;
const TOPIC = 2;
const BROKER = 4;
const LOGGER = 8;
const METRICS = 16;
const GROUP = 32;

type Change = readonly [name: string, operation: number, value: string | null];

interface Described {
  readonly name: string;
  readonly value: string | null;
  readonly readOnly: boolean;
  readonly configSource: number;
  readonly isSensitive: boolean;
  readonly configType: number;
  readonly documentation: string | null;
  readonly synonyms: readonly { name: string; value: string | null; source: number }[];
}

let broker: TestBroker;
let wire: RawConnection;
beforeAll(async () => {
  broker = await TestBroker.start({ "log.retention.hours": "24", "message.max.bytes": "2000000" });
  wire = await broker.connect();
  const topic = { name: "t", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  await wire.ask("CreateTopics", 7, { topics: [topic], timeoutMs: 1000 });
});
afterAll(async () => {
  wire.close();
  await broker.stop();
});

const resource = (resourceType: number, resourceName: string, changes: readonly Change[]) => ({
  resourceType,
  resourceName,
  configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value })),
});

async function alter(type: number, name: string, changes: readonly Change[], validateOnly = false) {
  const request = { resources: [resource(type, name, changes)], validateOnly };
  const { responses } = await wire.ask("IncrementalAlterConfigs", 1, request);
  return [responses[0].errorCode, responses[0].errorMessage];
}

async function legacy(type: number, name: string, values: Record<string, string | null>) {
  const configs = Object.entries(values).map(([name, value]) => ({ name, value }));
  const request = { resources: [{ resourceType: type, resourceName: name, configs }], validateOnly: false };
  const { responses } = await wire.ask("AlterConfigs", 2, request);
  return [responses[0].errorCode, responses[0].errorMessage];
}

async function describeAll(type: number, name: string, keys: string[] | null = null, version = 4) {
  const request = {
    resources: [{ resourceType: type, resourceName: name, configurationKeys: keys }],
    includeSynonyms: true,
    ...(version >= 3 ? { includeDocumentation: true } : {}),
  };
  const { results } = await wire.ask("DescribeConfigs", version, request);
  return results[0];
}

async function described(type: number, name: string, key: string): Promise<Described | undefined> {
  return (await describeAll(type, name, [key])).configs[0];
}

test("a change parses the settings of the topic that it is of, and those of all when it is of the broker", async () => {
  for (let i = 0; i < 5; i++) {
    const topic = { name: `many-${i}`, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    await wire.ask("CreateTopics", 7, { topics: [topic], timeoutMs: 1000 });
  }
  const parsed = vi.spyOn(broker.broker.settings, "topic");
  const topicsOf = async (type: number, name: string, change: Change): Promise<Set<string>> => {
    parsed.mockClear();
    expect(await alter(type, name, [change])).toEqual([0, null]);
    return new Set(parsed.mock.calls.map(([, topic]) => topic));
  };
  expect(await topicsOf(TOPIC, "many-3", ["retention.ms", SET, "5000"])).toEqual(new Set(["many-3"]));
  expect(await topicsOf(GROUP, "g", ["consumer.session.timeout.ms", SET, "46000"])).toEqual(new Set());
  expect(await topicsOf(METRICS, "s", ["interval.ms", SET, "1000"])).toEqual(new Set());
  const all = await topicsOf(BROKER, "", ["message.max.bytes", SET, "3000000"]);
  expect([...all].filter(name => name.startsWith("many-")).length).toBe(5);
  expect(logOf(broker.broker.topics.partition("many-1", 0)).config.maxMessageBytes).toBe(3_000_000);
  for (const [type, name, setting] of [
    [TOPIC, "many-3", "retention.ms"],
    [GROUP, "g", "consumer.session.timeout.ms"],
    [METRICS, "s", "interval.ms"],
    [BROKER, "", "message.max.bytes"],
  ] as const) {
    await alter(type, name, [[setting, DELETE, null]]);
  }
  parsed.mockRestore();
});

describe("settings that have no effect", () => {
  test.each([
    ["1", "num.io.threads", "9"],
    ["1", "num.recovery.threads.per.data.dir", "4"],
    ["", "background.threads", "11"],
    ["", "num.network.threads", "4"],
    ["1", "my.plugin.setting", "x"],
    ["1", "listener.name.plaintext.ssl.provider", "x"],
    ["", "listener.name.plaintext.num.network.threads", "4"],
  ])("of %j: %s=%s is taken, shown and named once in the log", async (name, setting, value) => {
    const named = (): number =>
      broker.lines.filter(({ message }) => message === "this setting was changed at run time and has no effect").length;
    const before = named();
    expect(await alter(BROKER, name, [[setting, SET, value]])).toEqual([0, null]);
    expect(await alter(BROKER, name, [["message.max.bytes", SET, "3000000"]])).toEqual([0, null]);
    expect(named()).toBe(before + 1);
    const shown = await described(BROKER, name, setting);
    const readOnly = /^(?:my|listener)\./.test(setting);
    expect(shown).toMatchObject({ name: setting, readOnly, configSource: name === "" ? 3 : 2 });
    // The value of an unknown setting may be secret.
    expect(shown?.value).toBe(setting.startsWith("my.") ? null : value);
    for (const one of [setting, "message.max.bytes"]) await alter(BROKER, name, [[one, DELETE, null]]);
  });
});

describe("IncrementalAlterConfigs", () => {
  // Expected codes and messages are those of Apache Kafka 4.4.0.
  const unknownConfig = "Cannot update these configs dynamically:";
  const dedupe = "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.";
  const threads = (count: number, why: string): string =>
    "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation failed for " +
    `num.io.threads=${count}, ${why} the current value 8 for configuration Invalid dynamic configuration`;
  test.each<[type: number, name: string, changes: readonly Change[], code: number, message: string | null]>([
    [TOPIC, "t", [["retention.ms", SET, "1000"]], 0, null],
    [
      TOPIC,
      "t",
      [["retention.ms", SET, "abc"]],
      40,
      "Invalid value abc for configuration retention.ms: Not a number of type LONG",
    ],
    [TOPIC, "t", [["nope", SET, "1"]], 40, "Unknown topic config name: nope"],
    [TOPIC, "nosuch", [["nope", SET, "1"]], 40, "Unknown topic config name: nope"],
    [TOPIC, "nosuch", [["retention.ms", SET, "1"]], 3, "The topic 'nosuch' does not exist."],
    [TOPIC, "", [["retention.ms", SET, "1"]], 42, "Default topic resources are not allowed."],
    [TOPIC, "t", [["retention.ms", APPEND, "1"]], 40, "Can't APPEND to key retention.ms because its type is not LIST."],
    [TOPIC, "t", [["cleanup.policy", APPEND, "compact"]], 0, null],
    [TOPIC, "t", [["cleanup.policy", SUBTRACT, "compact,delete"]], 0, null],
    [TOPIC, "t", [["cleanup.policy", SET, "delete,delete"]], 0, null],
    [TOPIC, "t", [["cleanup.policy", DELETE, null]], 0, null],
    [
      TOPIC,
      "t",
      [["remote.storage.enable", SET, "true"]],
      40,
      "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
    ],
    [
      TOPIC,
      "t",
      [["compression.gzip.level", SET, "0"]],
      40,
      "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
    ],
    [TOPIC, "t", [["leader.replication.throttled.replicas", SET, "0:1,1:1"]], 0, null],
    [
      TOPIC,
      "t",
      [["leader.replication.throttled.replicas", SET, "x"]],
      40,
      "Invalid value [x] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas " +
        "must be the literal '*' or a list of replicas in the following format: " +
        "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
    ],
    [TOPIC, "t", [["retention.ms", SET, null]], 42, "Null value not supported for : retention.ms"],
    [
      TOPIC,
      "t",
      [
        ["retention.ms", SET, "1"],
        ["retention.ms", SET, "2"],
      ],
      42,
      "Error due to duplicate config keys",
    ],
    [BROKER, "1", [["log.dirs", SET, "x"]], 42, `${unknownConfig} [log.dirs]`],
    [BROKER, "1", [["num.partitions", SET, "2"]], 42, `${unknownConfig} [num.partitions]`],
    [BROKER, "1", [["num.io.threads", SET, "1"]], 42, threads(1, "value should be at least half")],
    [BROKER, "1", [["num.io.threads", SET, "17"]], 42, threads(17, "value should not be greater than double")],
    [
      BROKER,
      "1",
      [["num.io.threads", SET, "x"]],
      42,
      "Invalid value x for configuration num.io.threads: Not a number of type INT",
    ],
    [BROKER, "1", [["log.cleaner.dedupe.buffer.size", SET, "5"]], 42, dedupe],
    [BROKER, "", [["log.cleaner.dedupe.buffer.size", SET, "5"]], 42, dedupe],
    [
      BROKER,
      "1",
      [["log.retention.ms", SET, "9223372036854775808"]],
      42,
      "Invalid value 9223372036854775808 for configuration log.retention.ms: Not a number of type LONG",
    ],
    [
      BROKER,
      "1",
      [["ssl.keystore.location", SET, "/x"]],
      42,
      "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.location]",
    ],
    [
      BROKER,
      "",
      [["listener.name.plaintext.ssl.keystore.location", SET, "/x"]],
      42,
      "Cannot update these configs at default cluster level, broker id must be specified: [listener.name.plaintext.ssl.keystore.location]",
    ],
    [
      BROKER,
      "",
      [["listener.name.plaintext.num.network.threads", SET, "x"]],
      42,
      "Invalid value x for configuration num.network.threads: Not a number of type INT",
    ],
    [
      BROKER,
      "1",
      [["log.retention.ms", SET, "x"]],
      42,
      "Invalid value x for configuration log.retention.ms: Not a number of type LONG",
    ],
    [BROKER, "7", [["log.retention.ms", SET, "5"]], 42, "Unexpected broker id, expected 1, but received 7"],
    [BROKER, "x", [["log.retention.ms", SET, "5"]], 42, "Node id must be an integer, but it is: x"],
    [
      BROKER,
      "1",
      [["message.max.bytes", APPEND, "5"]],
      40,
      "Config value append is not allowed for config key: message.max.bytes",
    ],
    [BROKER, "1", [["nope", APPEND, "5"]], 40, "Unknown config name: nope"],
    [BROKER, "1", [["message.max.bytes", 9, "5"]], 42, "Unknown operations type 9"],
    [LOGGER, "1", [["root", APPEND, "DEBUG"]], 42, "APPEND operation is not allowed for the BROKER_LOGGER resource"],
    [LOGGER, "1", [["no.such", SET, "DEBUG"]], 40, "Logger no.such does not exist!"],
    [LOGGER, "2", [["root", SET, "DEBUG"]], 42, "Unexpected node id. Expected 1, but received 2"],
    [
      METRICS,
      "sub",
      [["interval.ms", SET, "50"]],
      42,
      "Invalid value 50 for interval.ms, interval must be between 100 and 3600000 (1 hour)",
    ],
    [METRICS, "sub", [["match", SET, "client=a"]], 40, "Illegal client matching pattern: client=a"],
    [METRICS, "sub", [["match", SET, "client_id=(("]], 40, "Illegal client matching pattern: client_id=(("],
    [METRICS, "sub", [["nope", SET, "1"]], 42, "Unknown client metrics configuration: nope"],
    [METRICS, "", [["metrics", SET, "a"]], 42, "Subscription name can't be empty"],
    [
      GROUP,
      "g",
      [["consumer.session.timeout.ms", SET, "1"]],
      40,
      "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive.",
    ],
    [
      GROUP,
      "g",
      [["consumer.session.timeout.ms", SET, "0"]],
      40,
      "Invalid value 0 for configuration consumer.session.timeout.ms: Value must be at least 1",
    ],
    [GROUP, "g", [["nope", SET, "1"]], 40, "Unknown group config name: nope"],
    [GROUP, "", [["consumer.session.timeout.ms", SET, "46000"]], 42, "Default group resources are not allowed."],
    [
      GROUP,
      "g",
      [["streams.num.standby.replicas", SET, "9"]],
      40,
      "streams.num.standby.replicas must be less than or equal to 2",
    ],
    [
      GROUP,
      "g",
      [["streams.assignor.name", SET, "x"]],
      40,
      "streams.assignor.name 'x' is not a registered task assignor. Registered assignors are: [sticky].",
    ],
    [
      GROUP,
      "g",
      [["errors.deadletterqueue.topic.name", SET, "__x"]],
      40,
      "errors.deadletterqueue.topic.name: DLQ topic name must not start with '__'",
    ],
    [
      GROUP,
      "g",
      [["streams.num.standby.replicas", SET, "1"]],
      40,
      "streams.num.standby.replicas is not available yet and would have no effect.",
    ],
    [GROUP, "g", [["errors.deadletterqueue.topic.name", SET, "dead"]], 0, null],
    [GROUP, "g", [["share.auto.offset.reset", SET, "by_duration:PT1H"]], 0, null],
    [99, "x", [["a", SET, "b"]], 42, "Unknown resource type 99"],
  ])("%i %j %j: %i", async (type, name, changes, code, message) => {
    expect(await alter(type, name, changes)).toEqual([code, message]);
  });

  test("resources that are named twice fail, the others do not; the answers keep the order", async () => {
    const twice = resource(TOPIC, "t", [["retention.bytes", SET, "7"]]);
    const once = resource(BROKER, "", [["max.connections", SET, "999"]]);
    const { responses } = await wire.ask("IncrementalAlterConfigs", 1, {
      resources: [twice, once, twice],
      validateOnly: false,
    });
    expect(responses.map(r => [r.errorCode, r.errorMessage])).toEqual([
      [42, "Each resource must appear at most once."],
      [0, null],
      [42, "Each resource must appear at most once."],
    ]);
    expect((await described(TOPIC, "t", "retention.bytes"))?.value).toBe("-1");
  });

  test("a trial changes nothing", async () => {
    expect(await alter(TOPIC, "t", [["flush.ms", SET, "77"]], true)).toEqual([0, null]);
    expect((await described(TOPIC, "t", "flush.ms"))?.value).toBe("9223372036854775807");
    expect((await alter(TOPIC, "t", [["flush.ms", SET, "x"]], true))[0]).toBe(40);
  });
});

describe("AlterConfigs", () => {
  test("replaces all that is set", async () => {
    expect(await legacy(TOPIC, "t", { "retention.ms": "5", "flush.messages": "9" })).toEqual([0, null]);
    expect(await legacy(TOPIC, "t", { "retention.ms": "6" })).toEqual([0, null]);
    expect((await described(TOPIC, "t", "retention.ms"))?.value).toBe("6");
    expect((await described(TOPIC, "t", "flush.messages"))?.configSource).toBe(5);
    expect(await legacy(TOPIC, "t", {})).toEqual([0, null]);
    expect((await described(TOPIC, "t", "retention.ms"))?.value).toBe("86400000");
  });

  test.each<[number, string, Record<string, string | null>, number, string]>([
    [TOPIC, "t", { x: "y" }, 40, "Unknown topic config name: x"],
    [TOPIC, "t", { "retention.ms": null }, 42, "Null value not supported for : retention.ms"],
    [BROKER, "1", { "log.dir": "y" }, 42, "Cannot update these configs dynamically: [log.dir]"],
    [LOGGER, "1", { root: "DEBUG" }, 42, "Unknown resource type 8"],
  ])("%i %j %j: %i", async (type, name, values, code, message) => {
    expect(await legacy(type, name, values)).toEqual([code, message]);
  });
});

describe("DescribeConfigs", () => {
  test("a topic: the value, where it comes from, and all that has a say", async () => {
    await alter(TOPIC, "t", [["max.message.bytes", SET, "1000"]]);
    expect(await described(TOPIC, "t", "max.message.bytes")).toMatchObject({
      value: "1000",
      readOnly: false,
      configSource: 1,
      isSensitive: false,
      configType: 3,
      synonyms: [
        { name: "max.message.bytes", value: "1000", source: 1 },
        { name: "message.max.bytes", value: "2000000", source: 4 },
        { name: "message.max.bytes", value: "1048588", source: 5 },
      ],
    });
    // Kafka shows no synonym with another unit, and reports its value as a default.
    expect(await described(TOPIC, "t", "retention.ms")).toMatchObject({
      value: "86400000",
      configSource: 5,
      synonyms: [],
    });
    for (const { name, documentation, configType } of (await describeAll(TOPIC, "t")).configs) {
      expect([name, documentation?.length]).not.toEqual([name, 0]);
      expect(configType).toBeGreaterThan(0);
    }
    expect((await describeAll(TOPIC, "t", null, 1)).configs[0]).toHaveProperty("synonyms");
  });

  test("a broker: settings of its listeners, and the file's that are not known", async () => {
    const own = await TestBroker.start({
      "listener.name.plaintext.max.connections": "70",
      "listener.name.plaintext.max.connection.creation.rate": "71",
      "listener.name.plaintext.ssl.keystore.location": "none.pem",
      "listener.name.plaintext.ssl.key.password": "secret",
      "listener.name.plaintext.scram-sha-512.sasl.jaas.config": "secret",
      "ssl.keystore.location": "all.pem",
      "my.plugin.password": "secret",
    });
    const wire = await own.connect();
    const values = { "listener.name.plaintext.max.connections": "60" };
    expect((await alterConfigs(wire, BROKER, "1", values))?.errorCode).toBe(0);
    expect((await alterConfigs(wire, BROKER, "", { "max.connection.creation.rate": "900" }))?.errorCode).toBe(0);
    const resources = [{ resourceType: BROKER, resourceName: "1", configurationKeys: null }];
    const request = { resources, includeSynonyms: true, includeDocumentation: false };
    const [{ configs }] = (await wire.ask("DescribeConfigs", 4, request)).results;
    wire.close();
    await own.stop();
    const shown = new Map<string, object>(configs.map((entry: { name: string }) => [entry.name, entry]));
    const [limit, location] = ["max.connections", "ssl.keystore.location"];
    expect(shown.get(`listener.name.plaintext.${limit}`)).toMatchObject({
      ...{ value: "60", readOnly: true, configSource: 2, isSensitive: false, configType: 3 },
      synonyms: [
        { name: `listener.name.plaintext.${limit}`, value: "60", source: 2 },
        { name: `listener.name.plaintext.${limit}`, value: "70", source: 4 },
        { name: limit, value: "2147483647", source: 5 },
      ],
    });
    expect(shown.get(`listener.name.plaintext.${location}`)).toMatchObject({
      ...{ value: "none.pem", readOnly: true, configSource: 4 },
      synonyms: [
        { name: `listener.name.plaintext.${location}`, value: "none.pem", source: 4 },
        { name: location, value: "all.pem", source: 4 },
      ],
    });
    // The rate of all listeners is dynamic, and comes after the listener's own all the same.
    const rate = "max.connection.creation.rate";
    expect(shown.get(`listener.name.plaintext.${rate}`)).toMatchObject({
      ...{ value: "71", configSource: 4 },
      synonyms: [
        { name: `listener.name.plaintext.${rate}`, value: "71", source: 4 },
        { name: rate, value: "2147483647", source: 5 },
      ],
    });
    const secret = { value: null, readOnly: true, configSource: 4, isSensitive: true };
    for (const name of ["ssl.key.password", "scram-sha-512.sasl.jaas.config"]) {
      const full = `listener.name.plaintext.${name}`;
      const synonyms = [{ name: full, value: null, source: 4 }];
      expect(shown.get(full)).toMatchObject({ ...secret, configType: 9, synonyms });
    }
    expect(shown.get("my.plugin.password")).toMatchObject({ ...secret, configType: 0 });
    expect(JSON.stringify(configs)).not.toContain('"secret"');
  });

  test("a broker: the file's, the cluster's, its own", async () => {
    const name = "log.retention.ms";
    expect(await described(BROKER, "1", name)).toMatchObject({ value: null, configSource: 5, synonyms: [] });
    await alter(BROKER, "", [[name, SET, "7000000"]]);
    await alter(BROKER, "1", [[name, SET, "8000000"]]);
    expect(await described(BROKER, "1", name)).toMatchObject({
      value: "8000000",
      readOnly: false,
      configSource: 2,
      synonyms: [
        { name, value: "8000000", source: 2 },
        { name, value: "7000000", source: 3 },
        { name: "log.retention.hours", value: "24", source: 4 },
        { name: "log.retention.hours", value: "168", source: 5 },
      ],
    });
    expect((await described(TOPIC, "t", "retention.ms"))?.value).toBe("8000000");
    expect(await described(BROKER, "1", "node.id")).toMatchObject({ value: "1", readOnly: true, configSource: 5 });
    const cluster = (await describeAll(BROKER, "")).configs.map(({ name, value, configSource }) => [
      name,
      value,
      configSource,
    ]);
    expect(cluster).toContainEqual([name, "7000000", 3]);
    expect(cluster.every(([, , source]) => source === 3)).toBe(true);
    await alter(BROKER, "", [[name, DELETE, null]]);
    await alter(BROKER, "1", [[name, DELETE, null]]);
    expect((await described(TOPIC, "t", "retention.ms"))?.value).toBe("86400000");
  });

  test("a group, and a subscription to metrics", async () => {
    const session = "consumer.session.timeout.ms";
    await alter(GROUP, "g", [[session, SET, "46000"]]);
    expect(await described(GROUP, "g", session)).toMatchObject({
      value: "46000",
      configSource: 8,
      synonyms: [
        { name: session, value: "46000", source: 8 },
        { name: `group.${session}`, value: "45000", source: 5 },
      ],
    });
    expect((await describeAll(GROUP, "nobody")).configs).toHaveLength(21);
    await alter(METRICS, "sub", [
      ["metrics", SET, "a., b."],
      ["interval.ms", SET, "5000"],
    ]);
    const subscription = (await describeAll(METRICS, "sub")).configs.map(c => [c.name, c.value, c.configSource]);
    expect(subscription).toEqual([
      ["interval.ms", "5000", 7],
      ["match", "", 5],
      ["metrics", "a.,b.", 7],
    ]);
  });

  test.each([
    [TOPIC, "nosuch", 3, ""],
    [
      TOPIC,
      "a b",
      17,
      "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
    ],
    [BROKER, "7", 42, "Unexpected broker id, expected 1 or empty string, but received 7"],
    [BROKER, "x", 42, "Broker id must be an integer, but it is: x"],
    [LOGGER, "2", 42, "Unexpected broker id, expected 1 but received 2"],
    [LOGGER, "", 42, "Broker id must not be empty"],
    [LOGGER, "1", 0, ""],
    [GROUP, "", 42, "Group name must not be empty"],
    [METRICS, "", 42, "Client metrics subscription name must not be empty"],
  ])("%i %j: %i", async (type, name, code, message) => {
    expect(await describeAll(type, name)).toEqual({
      resourceType: type,
      resourceName: name,
      errorCode: code,
      errorMessage: message,
      configs: [],
    });
  });

  test("a type that nobody knows", async () => {
    expect((await describeAll(99, "x")).errorCode).toBe(42);
  });
});

test("ListConfigResources names what can be configured; version 0 knows subscriptions only", async () => {
  await alter(METRICS, "listed", [["metrics", SET, "*"]]);
  await alter(GROUP, "listed", [["share.session.timeout.ms", SET, "46000"]]);
  const list = async (resourceTypes: number[]) => {
    const answer = await wire.ask("ListConfigResources", 1, { resourceTypes });
    return [answer.errorCode, answer.configResources.map(r => `${r.resourceType} ${r.resourceName}`)];
  };
  const all = await list([]);
  for (const one of ["16 listed", "32 listed", "8 1", "4 1", "2 t"]) expect(all[1]).toContain(one);
  expect(await list([BROKER, BROKER])).toEqual([0, ["4 1"]]);
  expect(await list([BROKER, 3])).toEqual([35, []]);
  const old = await wire.ask("ListConfigResources", 0, {});
  expect(old.configResources).toContainEqual({ resourceName: "listed", resourceType: METRICS });
  expect(new Set(old.configResources.map(r => r.resourceType))).toEqual(new Set([METRICS]));
});

test("CreatePartitions adds partitions that can be written to", async () => {
  const create = async (name: string, count: number, assignments: { brokerIds: number[] }[] | null = null) => {
    const request = { topics: [{ name, count, assignments }], timeoutMs: 1000, validateOnly: false };
    const { results } = await wire.ask("CreatePartitions", 3, request);
    return [results[0].errorCode, results[0].errorMessage];
  };
  expect(await create("nosuch", 2)).toEqual([3, null]);
  expect(await create("t", 1)).toEqual([37, "Topic already has 1 partition(s)."]);
  expect(await create("t", 0)).toEqual([37, "The topic t currently has 1 partition(s); 0 would not be an increase."]);
  expect(await create("t", 2, [{ brokerIds: [2] }])).toEqual([
    39,
    "The manual partition assignment includes broker 2, but no such broker is registered.",
  ]);
  expect(await create("t", 3, [{ brokerIds: [1] }])).toEqual([
    39,
    "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
  ]);
  expect(await create("t", 3)).toEqual([0, null]);
  expect(broker.broker.topics.partitionsOf("t").map(partition => partition?.fault)).toEqual([0, 0, 0]);
});
