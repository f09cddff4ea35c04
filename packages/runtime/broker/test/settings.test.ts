import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type AnyConfigSpec, ConfigError, parseConfig } from "@samsa/base";
import { EMPTY_IMAGE, MetadataDelta } from "@samsa/metadata";
import { metadataRecord } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { clientMetricsConfigs } from "../src/config/client-metrics-configs.ts";
import { checkBrokerConfigs, namedAnew, threadsFault } from "../src/config/config-checks.ts";
import { brokerConfigs } from "../src/config/configs.ts";
import { groupConfigs, isGroupConfigAvailable } from "../src/config/group-configs.ts";
import { type ListenerSettings, planListeners } from "../src/config/listeners.ts";
import { Settings } from "../src/config/settings.ts";
import { topicConfigs } from "../src/config/topic-configs.ts";
import { unavailableBrokerConfigs, whyUnavailable } from "../src/config/unavailable-configs.ts";

function table(specs: Readonly<Record<string, AnyConfigSpec>>): string {
  const rows = Object.entries(specs)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, spec]) => {
      const bounds = [
        spec.min === undefined ? "" : `≥ ${spec.min}`,
        spec.max === undefined ? "" : `≤ ${spec.max}`,
        spec.oneOf === undefined ? "" : spec.oneOf.join(", "),
      ].filter(text => text !== "");
      const update = spec.update ?? "";
      return `| \`${name}\` | ${spec.type} | ${spec.default ?? "none"} | ${bounds.join(", ")} | ${update} | ${spec.doc} |`;
    });
  return ["| setting | type | default | allowed | changes at run time | |", "|---|---|---|---|---|---|", ...rows].join(
    "\n",
  );
}

/** Kafka's topic settings that are not available, and are refused. */
const UNAVAILABLE_TOPIC_SETTINGS = [
  "local.retention.bytes",
  "local.retention.ms",
  "remote.copy.lag.bytes",
  "remote.copy.lag.ms",
  "remote.log.copy.disable",
  "remote.log.delete.on.disable",
];

function listed(names: readonly string[]): string {
  const rows = names.map(name => `| \`${name}\` | ${whyUnavailable(name)} |`);
  return ["| setting | why it has no effect |", "|---|---|", ...rows].join("\n");
}

test("a reason says why a setting has no effect", () => {
  const groups = Object.keys(groupConfigs).filter(name => !isGroupConfigAvailable(name));
  const names = [...UNAVAILABLE_TOPIC_SETTINGS, ...groups, ...Object.keys(unavailableBrokerConfigs)];
  expect(names.filter(name => whyUnavailable(name) === undefined)).toEqual([]);
});

test("docs/settings.md is what the declarations say", async () => {
  const page = [
    "# Settings",
    "",
    "All settings of Apache Kafka 4.4: first those that have an effect, then those that have none, with the reason: a feature",
    "that is missing, or machinery of Java that there is not here.",
    "",
    "- A settings file may contain a setting that is not available; a warning names it.",
    "- Values are validated as in Kafka, including those of settings that are not available.",
    "- A change of a setting that is not available fails with INVALID_CONFIG for a topic or a group. For a broker it is",
    "  accepted where Kafka accepts it, and shown; the broker's log names it once.",
    "- Dynamic settings may change for one broker only (per-broker), or for one or all brokers (cluster-wide).",
    "",
    "Generated from the declarations by `vitest run packages/runtime/broker -u`.",
    "",
    "## Broker",
    "",
    table(brokerConfigs),
    "",
    "## Topic",
    "",
    table(topicConfigs),
    "",
    "## Group",
    "",
    table(Object.fromEntries(Object.entries(groupConfigs).filter(([name]) => isGroupConfigAvailable(name)))),
    "",
    "## Subscription to clients' metrics",
    "",
    table(clientMetricsConfigs),
    "",
    "## Without effect: topic",
    "",
    listed(UNAVAILABLE_TOPIC_SETTINGS),
    "",
    "## Without effect: group",
    "",
    listed(Object.keys(groupConfigs).filter(name => !isGroupConfigAvailable(name))),
    "",
    "## Without effect: broker",
    "",
    listed(Object.keys(unavailableBrokerConfigs).sort()),
    "",
  ].join("\n");
  await expect(page).toMatchFileSnapshot("../../../../docs/settings.md");
});

describe("what is declared is read", () => {
  const folder = join(import.meta.dirname, "../src");
  const declaring = [
    "configs.ts",
    "unavailable-configs.ts",
    "consumer-group-configs.ts",
    "topic-configs.ts",
    "group-configs.ts",
    "client-metrics-configs.ts",
  ];
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter(file => file.endsWith(".ts") && !declaring.includes(basename(file)))
    .map(file => readFileSync(join(folder, file), "utf8"))
    .join("\n");
  const isRead = (name: string) => sources.includes(`"${name}"`) || new RegExp(`config\\.${name}\\b`).test(sources);

  test("of a broker, by its name or for a topic", () => {
    const standingFor = (specs: object, isUsed: (name: string) => boolean) =>
      Object.entries<AnyConfigSpec>(specs as Record<string, AnyConfigSpec>).flatMap(([name, { synonyms = [] }]) =>
        isUsed(name) ? synonyms : [],
      );
    // Some group settings have no effect yet.
    const stoodFor = new Set([...standingFor(topicConfigs, () => true), ...standingFor(groupConfigs, isRead)]);
    const unread = Object.keys(brokerConfigs).filter(name => !isRead(name) && !stoodFor.has(name));
    expect(unread).toEqual([]);
  });

  test("of a group", () => {
    const unread = Object.keys(groupConfigs).filter(name => isGroupConfigAvailable(name) && !isRead(name));
    expect(unread).toEqual([]);
  });

  test("of a topic", () => {
    // Tiered storage can only be off.
    const UNREAD = ["remote.storage.enable"];
    expect(Object.keys(topicConfigs).filter(name => !isRead(name))).toEqual(UNREAD);
  });
});

test("every default is itself allowed", () => {
  expect(parseConfig(brokerConfigs, () => undefined)["num.partitions"]).toBe(1);
  expect(parseConfig(topicConfigs, () => undefined)["cleanup.policy"]).toEqual(["delete"]);
});

test("every synonym of a topic's setting is a setting of the broker", () => {
  for (const spec of Object.values(topicConfigs) as AnyConfigSpec[]) {
    for (const synonym of spec.synonyms ?? []) expect(Object.keys(brokerConfigs)).toContain(synonym);
  }
});

describe("which value is in force", () => {
  const file = new Map([
    ["log.retention.hours", "2"],
    ["log.segment.bytes", "2000000"],
  ]);
  const settings = new Settings(1, file);
  const image = (type: number, resourceName: string, name: string, value: string) => {
    const delta = new MetadataDelta(EMPTY_IMAGE);
    delta.replay(metadataRecord("ConfigRecord", 0, { resourceType: type, resourceName, name, value }));
    return delta.apply({ offset: 1, epoch: 1, timestamp: 1 });
  };

  test("the file's, in the topic's unit", () => {
    expect(settings.topic(EMPTY_IMAGE, "t")["retention.ms"]).toBe(7_200_000);
    expect(settings.topic(EMPTY_IMAGE, "t")["segment.bytes"]).toBe(2_000_000);
  });

  test("the cluster's before the file's, the broker's before the cluster's, the topic's before all", () => {
    const ms = (type: number, name: string, key: string) =>
      settings.topic(image(type, name, key, "5000"), "t")["retention.ms"];
    expect(ms(4, "", "log.retention.ms")).toBe(5000);
    expect(ms(4, "1", "log.retention.ms")).toBe(5000);
    expect(ms(4, "2", "log.retention.ms")).toBe(7_200_000);
    expect(ms(2, "t", "retention.ms")).toBe(5000);
    expect(ms(2, "u", "retention.ms")).toBe(7_200_000);
  });

  test("the broker's defaults are parsed once for all topics, until one of them changes", () => {
    let lookups = 0;
    const counted = new Map(file);
    counted.get = name => {
      lookups++;
      return file.get(name);
    };
    const settings = new Settings(1, counted);
    const delta = new MetadataDelta(EMPTY_IMAGE);
    for (let i = 0; i < 100; i++) {
      const value = { resourceType: 2, resourceName: `t${i}`, name: "retention.ms", value: String(i) };
      delta.replay(metadataRecord("ConfigRecord", 0, value));
    }
    const first = delta.apply({ offset: 1, epoch: 1, timestamp: 1 });
    const all = (of: typeof first) => Array.from({ length: 101 }, (_, i) => settings.topic(of, `t${i}`));
    settings.topic(first, "t0");
    const once = lookups;
    expect(all(first).map(config => config["retention.ms"])).toEqual([...Array(100).keys(), 7_200_000]);
    expect(lookups).toBe(once);
    const next = new MetadataDelta(first);
    const change = { resourceType: 4, resourceName: "", name: "log.retention.ms", value: "5000" };
    next.replay(metadataRecord("ConfigRecord", 0, change));
    const second = next.apply({ offset: 2, epoch: 1, timestamp: 2 });
    expect(all(second).map(config => config["retention.ms"])).toEqual([...Array(100).keys(), 5000]);
    expect(lookups).toBeLessThanOrEqual(2 * once);
  });

  test("all that has a say is listed, the most specific first", () => {
    const found = settings.topicSetting(image(2, "t", "segment.bytes", "3000000"), "t", "segment.bytes");
    expect(found.map(({ name, source }) => [name, source])).toEqual([
      ["segment.bytes", 1],
      ["log.segment.bytes", 4],
      ["log.segment.bytes", 5],
    ]);
  });
});

test("every default of topics that the broker can change while it runs reaches them", () => {
  const settings = new Settings(1, new Map());
  const other = (spec: AnyConfigSpec): string => {
    if (spec.oneOf !== undefined) return spec.oneOf.find(value => value !== spec.default) ?? "";
    if (spec.type === "boolean") return spec.default === "true" ? "false" : "true";
    if (spec.max === 1) return "0.25";
    return String(Math.max(spec.min ?? 0, 1) + 1);
  };
  let changeable = 0;
  for (const [name, { synonyms = [] }] of Object.entries<AnyConfigSpec>(topicConfigs)) {
    const [synonym] = synonyms;
    if (synonym === undefined) continue;
    changeable++;
    const spec = (brokerConfigs as Readonly<Record<string, AnyConfigSpec>>)[synonym];
    // No library for Node has other levels of lz4.
    const value = synonym === "compression.lz4.level" ? (spec.default ?? "") : other(spec);
    for (const resourceName of ["", "1"]) {
      const delta = new MetadataDelta(EMPTY_IMAGE);
      const record = { resourceType: 4, resourceName, name: synonym, value };
      delta.replay(metadataRecord("ConfigRecord", 0, record));
      const image = delta.apply({ offset: 1, epoch: 1, timestamp: 1 });
      expect([name, settings.topicValue(image, "t", name)]).toEqual([
        name,
        { name, value, source: resourceName === "" ? 3 : 2 },
      ]);
      expect(() => settings.topic(image, "t")).not.toThrow();
    }
  }
  expect(changeable).toBeGreaterThan(20);
});

test("what the metadata has of another program's making, and is not possible, does not count", () => {
  const settings = new Settings(1, new Map([["message.max.bytes", "2000"]]));
  const delta = new MetadataDelta(EMPTY_IMAGE);
  for (const [name, value] of [
    ["message.max.bytes", "many"],
    ["node.id", "7"],
    ["ssl.keystore.password", "secret"],
  ]) {
    delta.replay(metadataRecord("ConfigRecord", 0, { resourceType: 4, resourceName: "1", name, value }));
  }
  const image = delta.apply({ offset: 1, epoch: 1, timestamp: 1 });
  const config = settings.broker(image);
  expect([config["message.max.bytes"], config["node.id"]]).toEqual([2000, 1]);
  expect(settings.brokerSetting(image, "message.max.bytes").map(({ source }) => source)).toEqual([4, 5]);
});

test("times below zero mean for ever, in any unit", () => {
  const forEver = new Settings(1, new Map([["log.retention.hours", "-5"]]));
  expect(forEver.topic(EMPTY_IMAGE, "t")["retention.ms"]).toBe(-1);
});

describe("listeners", () => {
  const planAll = (listeners: string[], advertised?: string[], more: Partial<ListenerSettings> = {}) =>
    planListeners({
      nodeId: 1,
      roles: ["broker", "controller"],
      voters: [],
      listeners,
      advertised,
      controllerNames: ["CONTROLLER"],
      protocols: ["PLAINTEXT:PLAINTEXT", "INSIDE:PLAINTEXT", "CONTROLLER:PLAINTEXT", "SSL:SSL", "PLAIN-1:PLAINTEXT"],
      interBrokerName: undefined,
      interBrokerProtocol: "PLAINTEXT",
      hostName: "this.machine",
      ...more,
    });
  const plan = (...args: Parameters<typeof planAll>) => planAll(...args).broker;

  test("what is listened on and what is told", () => {
    const { listen, advertise } = plan(
      ["PLAINTEXT://:9092", "INSIDE://[::1]:9094", "CONTROLLER://:9093"],
      ["INSIDE://inside.example:19094", "CONTROLLER://inside.example:9093"],
    );
    expect(listen.map(({ name }) => name)).toEqual(["PLAINTEXT", "INSIDE"]);
    expect(listen[1].host).toBe("::1");
    expect(advertise.get("PLAINTEXT")).toEqual({ name: "PLAINTEXT", host: "this.machine", port: 9092 });
    expect(advertise.get("INSIDE")).toEqual({ name: "INSIDE", host: "inside.example", port: 19094 });
  });

  test.each([
    [["localhost:9092"], undefined, "NAME://host:port"],
    [["PLAINTEXT://h:99999"], undefined, "NAME://host:port"],
    [["CONTROLLER://h:1"], undefined, "at least one broker listener"],
    [["PLAINTEXT://h:1", "PLAINTEXT://h:2"], undefined, "different name"],
    [["OTHER://h:1"], undefined, "listener.security.protocol.map"],
    [["SSL://h:1"], undefined, "must be a listener name"],
    [["PLAINTEXT://h:1"], ["PLAINTEXT://0.0.0.0:1"], "nonroutable meta-address 0.0.0.0"],
    [["PLAINTEXT://0.0.0.0:1"], undefined, "nonroutable meta-address 0.0.0.0"],
    [["PLAINTEXT://h:1", "INSIDE://h:1"], undefined, "different port"],
    [["PLAINTEXT://h:1", "INSIDE://1.2.3.4:1"], undefined, "different port"],
    [["INSIDE://h:1"], undefined, "must be a listener name defined in advertised.listeners"],
    [["PLAINTEXT://h:1"], ["INSIDE://h:1"], "not one of the broker's listeners"],
  ] as const)("%s, %s is refused", (listeners, advertised, reason) => {
    expect(() => plan([...listeners], advertised && [...advertised])).toThrow(ConfigError);
    expect(() => plan([...listeners], advertised && [...advertised])).toThrow(reason);
  });

  test("an empty host is told as this machine's name, and one port serves both kinds of addresses", () => {
    expect(plan(["PLAINTEXT://h:1"], ["PLAINTEXT://:2"]).advertise.get("PLAINTEXT")?.host).toBe("this.machine");
    expect(plan(["PLAINTEXT://127.0.0.1:1", "INSIDE://[::1]:1"]).listen.length).toBe(2);
    expect(plan(["PLAINTEXT://h:0", "INSIDE://h:0"]).listen.length).toBe(2);
  });

  test("a controller has its own listeners, told as advertised.listeners or the voters say", () => {
    const both = ["PLAINTEXT://:9092", "CONTROLLER://:9093"];
    const told = (...args: Parameters<typeof planAll>) => [...planAll(...args).controller.advertise.values()];
    expect(told(both)).toEqual([{ name: "CONTROLLER", host: "this.machine", port: 9093 }]);
    expect(told(both, ["PLAINTEXT://a:1", "CONTROLLER://b:2"])).toEqual([{ name: "CONTROLLER", host: "b", port: 2 }]);
    const voters = [
      { id: 1, host: "c", port: 3 },
      { id: 2, host: "d", port: 4 },
    ];
    expect(told(both, undefined, { voters })).toEqual([{ name: "CONTROLLER", host: "c", port: 3 }]);
    expect(planAll(["PLAINTEXT://h:1"]).controller.listen).toEqual([]);
    expect(() => planAll(["PLAINTEXT://h:1"], undefined, { voters })).toThrow("must contain at least one value");
  });

  test("a node with one role has the listeners of that role", () => {
    const controller = { roles: ["controller"] };
    const alone = planAll(["CONTROLLER://h:1"], undefined, controller);
    expect([alone.controller.listen.length, alone.broker.listen.length]).toEqual([1, 0]);
    expect(() => planAll(["CONTROLLER://h:1", "PLAINTEXT://h:2"], undefined, controller)).toThrow(
      "must only contain KRaft controller listeners",
    );
    expect(() => planAll(["PLAINTEXT://h:2"], undefined, controller)).toThrow("must contain at least one value");
    const broker = { roles: ["broker"] };
    expect(planAll(["PLAINTEXT://h:2"], undefined, broker).controller.listen).toEqual([]);
    expect(() => planAll(["CONTROLLER://h:1", "PLAINTEXT://h:2"], undefined, broker)).toThrow(
      "must not contain a value appearing in the 'listeners'",
    );
  });

  test("the listener between brokers has a protocol and is told", () => {
    const two = ["INSIDE://h:1", "PLAIN-1://h:2"];
    expect(plan(two, undefined, { interBrokerName: "plain-1" }).listen.map(({ name }) => name)).toEqual([
      "INSIDE",
      "PLAIN-1",
    ]);
    expect(() => plan(two, undefined, { interBrokerName: "NOPE" })).toThrow(
      "Listener with name NOPE defined in inter.broker.listener.name not found in listener.security.protocol.map.",
    );
    expect(() => plan(two, undefined, { interBrokerName: "SSL" })).toThrow("must be a listener name defined in");
  });
});

describe("settings that do not fit each other", () => {
  const check = (settings: Record<string, string>): void => {
    const given = namedAnew(new Map(Object.entries(settings)));
    checkBrokerConfigs(given.keys(), name => given.get(name));
  };

  // Messages of KafkaConfig, GroupCoordinatorConfig and ShareGroupConfig.
  test.each<[settings: Record<string, string>, why: string]>([
    [{ "node.id": "1", "broker.id": "2" }, "must be set to the same value"],
    [{ "log.roll.ms": "0" }, "log.roll.ms must be greater than or equal to 1"],
    [{ "log.roll.jitter.ms": "-1" }, "log.roll.jitter.ms must be greater than or equal to 0"],
    [{ "log.retention.ms": "0" }, "must be unlimited (-1) or, greater than or equal to 1"],
    [{ "log.retention.hours": "0" }, "must be unlimited (-1) or, greater than or equal to 1"],
    [{ "log.cleaner.threads": "0" }, "should be at least 1"],
    [{ "log.cleaner.dedupe.buffer.size": "1048576" }, "at least 1MB per cleaner thread"],
    [{ "log.cleaner.threads": "200" }, "at least 1MB per cleaner thread"],
    [{ "replica.fetch.wait.max.ms": "30001" }, "to prevent unnecessary socket timeouts"],
    [
      { "replica.fetch.wait.max.ms": "40000", "replica.socket.timeout.ms": "40000" },
      "to prevent frequent changes in ISR",
    ],
    [{ "queued.max.request.bytes": "1000" }, "must be larger or equal to socket.request.max.bytes"],
    [{ "max.connections.per.ip": "0" }, "can be set to zero only if"],
    [{ "connections.max.idle.ms": "100" }, "should always be less than connections.max.idle.ms"],
    [{ "group.share.min.heartbeat.interval.ms": "6000" }, "must be greater than or equal to"],
    [{ "group.share.session.timeout.ms": "70000" }, "must be less than or equal to"],
    [
      { "group.share.delivery.count.limit": "10", "group.share.max.delivery.count.limit": "9" },
      "greater than or equal",
    ],
    [{ "group.share.max.size": "1000", "group.share.max.share.sessions": "999" }, "greater than or equal to"],
    [{ "group.streams.num.standby.replicas": "3" }, "must be less than or equal to"],
    [{ "group.streams.task.offset.interval.ms": "1" }, "must be greater than or equal to"],
    [{ "num.io.threads": "0" }, "Value must be at least 1"],
    [{ "ssl.client.auth": "never" }, "String must be one of"],
  ])("%j is refused", (settings, why) => {
    expect(() => check(settings)).toThrow(ConfigError);
    expect(() => check(settings)).toThrow(why);
  });

  test.each<Record<string, string>>([
    {},
    { "broker.id": "7" },
    { "node.id": "7", "broker.id": "7" },
    { "log.retention.ms": "-1", "log.retention.hours": "0" },
    { "log.roll.ms": "1", "log.roll.jitter.ms": "0" },
    { "queued.max.request.bytes": "-1" },
    { "socket.request.max.bytes": "1000000000" },
    { "max.connections.per.ip": "0", "max.connections.per.ip.overrides": "127.0.0.1:5" },
    { "connections.max.idle.ms": "-1" },
    { "group.min.session.timeout.ms": "0" },
    { "my.plugin.setting": "x", "principal.builder.class": "my.Builder" },
  ])("%j is possible", settings => {
    expect(() => check(settings)).not.toThrow();
  });

  test("threads may double or halve", () => {
    const of = (count: number) => (name: string) => (name === "num.io.threads" ? String(count) : undefined);
    const possible = [3, 4, 8, 16, 17].filter(count => threadsFault(of(8), of(count)) === undefined);
    expect(possible).toEqual([4, 8, 16]);
  });
});
