import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AnyConfigSpec, ConfigError, parseConfig } from "@samsa/base";
import { EMPTY_IMAGE, MetadataDelta } from "@samsa/metadata";
import { metadataRecord } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { clientMetricsConfigs } from "../src/client-metrics-configs.ts";
import { brokerConfigs } from "../src/configs.ts";
import { groupConfigs, isGroupConfigAvailable } from "../src/group-configs.ts";
import { planListeners } from "../src/listeners.ts";
import { Settings } from "../src/settings.ts";
import { topicConfigs } from "../src/topic-configs.ts";
import { KAFKA_BROKER_SETTINGS, KAFKA_TOPIC_SETTINGS, type KafkaSetting } from "./kafka-settings.ts";

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

function missing(all: readonly KafkaSetting[], specs: object): string[] {
  return all.map(({ name }) => name).filter(name => !Object.hasOwn(specs, name));
}

function listed(names: readonly string[]): string {
  return names.map(name => `- \`${name}\``).join("\n");
}

test("docs/settings.md is what the declarations say", async () => {
  const page = [
    "# Settings",
    "",
    "Every setting of Apache Kafka 4.4: those that have an effect, then the names of those that are not yet available.",
    "",
    "- A file with a setting that is not available is accepted; one line says that it has no effect.",
    "- Changing one at run time is refused: for a topic or a group with INVALID_CONFIG, for a broker with INVALID_REQUEST.",
    "- Settings that change at run time do so for one broker (per-broker) or for one and for all (cluster-wide).",
    "",
    "Written from the declarations; `vitest run packages/runtime/broker -u` writes it anew.",
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
    "## Not yet available: topic",
    "",
    listed(missing(KAFKA_TOPIC_SETTINGS, topicConfigs)),
    "",
    "## Not yet available: group",
    "",
    listed(Object.keys(groupConfigs).filter(name => !isGroupConfigAvailable(name))),
    "",
    "## Not yet available: broker",
    "",
    listed(missing(KAFKA_BROKER_SETTINGS, brokerConfigs)),
    "",
  ].join("\n");
  await expect(page).toMatchFileSnapshot("../../../../docs/settings.md");
});

describe("what is declared is Kafka's", () => {
  const TYPES: Record<string, string> = { "log.dir": "one directory only", "listener.security.protocol.map": "pairs" };

  test.each([
    ["broker", brokerConfigs, KAFKA_BROKER_SETTINGS],
    ["topic", topicConfigs, KAFKA_TOPIC_SETTINGS],
  ] as const)("%s", (_, specs, settings) => {
    const known = new Map(settings.map(setting => [setting.name, setting]));
    for (const [name, spec] of Object.entries<AnyConfigSpec>(specs)) {
      const update = spec.update ?? "read-only";
      const type = Object.hasOwn(TYPES, name) ? known.get(name)?.type : spec.type;
      expect(known.get(name)).toEqual({ name, type, update });
    }
  });
});

describe("what is declared is read", () => {
  const folder = join(import.meta.dirname, "../src");
  const declaring = [
    "configs.ts",
    "consumer-group-configs.ts",
    "topic-configs.ts",
    "group-configs.ts",
    "client-metrics-configs.ts",
  ];
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter(file => file.endsWith(".ts") && !declaring.includes(file))
    .map(file => readFileSync(join(folder, file), "utf8"))
    .join("\n");
  const isRead = (name: string) => sources.includes(`"${name}"`) || new RegExp(`config\\.${name}\\b`).test(sources);

  test("of a broker, by its name or for a topic", () => {
    const standingFor = (specs: object, isUsed: (name: string) => boolean) =>
      Object.entries<AnyConfigSpec>(specs as Record<string, AnyConfigSpec>).flatMap(([name, { synonyms = [] }]) =>
        isUsed(name) ? synonyms : [],
      );
    // Of groups not every setting has an effect yet.
    const stoodFor = new Set([...standingFor(topicConfigs, () => true), ...standingFor(groupConfigs, isRead)]);
    const unread = Object.keys(brokerConfigs).filter(name => !isRead(name) && !stoodFor.has(name));
    const UNREAD = [
      // There is no replication that could be throttled.
      "follower.replication.throttled.rate",
      "leader.replication.throttled.rate",
      // Its check is all: a single node is both.
      "process.roles",
    ];
    expect(unread).toEqual(UNREAD);
  });

  test("of a group", () => {
    const unread = Object.keys(groupConfigs).filter(name => isGroupConfigAvailable(name) && !isRead(name));
    expect(unread).toEqual([]);
  });

  test("of a topic", () => {
    const UNREAD = [
      // There is no replication that could be throttled.
      "follower.replication.throttled.replicas",
      "leader.replication.throttled.replicas",
      // It can only be off.
      "remote.storage.enable",
    ];
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
  for (const [name, spec] of Object.entries<AnyConfigSpec>(topicConfigs)) {
    const [synonym] = spec.synonyms ?? [];
    if (synonym === undefined) continue;
    changeable++;
    const value = other((brokerConfigs as Readonly<Record<string, AnyConfigSpec>>)[synonym]);
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
  const plan = (listeners: string[], advertised?: string[]) =>
    planListeners({
      listeners,
      advertised,
      controllerNames: ["CONTROLLER"],
      protocols: ["PLAINTEXT:PLAINTEXT", "INSIDE:PLAINTEXT", "CONTROLLER:PLAINTEXT", "SSL:SSL"],
    });

  test("what is listened on and what is told", () => {
    const { listen, advertise } = plan(
      ["PLAINTEXT://:9092", "INSIDE://[::1]:9094", "CONTROLLER://:9093"],
      ["INSIDE://inside.example:19094"],
    );
    expect(listen.map(({ name }) => name)).toEqual(["PLAINTEXT", "INSIDE"]);
    expect(listen[1].host).toBe("::1");
    expect(advertise.get("PLAINTEXT")).toEqual({ name: "PLAINTEXT", host: "localhost", port: 9092 });
    expect(advertise.get("INSIDE")).toEqual({ name: "INSIDE", host: "inside.example", port: 19094 });
  });

  test.each([
    [["localhost:9092"], undefined, "NAME://host:port"],
    [["PLAINTEXT://h:99999"], undefined, "NAME://host:port"],
    [["CONTROLLER://h:1"], undefined, "at least one broker listener"],
    [["PLAINTEXT://h:1", "PLAINTEXT://h:2"], undefined, "different name"],
    [["OTHER://h:1"], undefined, "listener.security.protocol.map"],
    [["SSL://h:1"], undefined, "not available"],
    [["PLAINTEXT://h:1"], ["PLAINTEXT://0.0.0.0:1"], "name a host"],
    [["PLAINTEXT://h:1"], ["INSIDE://h:1"], "not one of the broker's listeners"],
  ] as const)("%s, %s is refused", (listeners, advertised, reason) => {
    expect(() => plan([...listeners], advertised && [...advertised])).toThrow(ConfigError);
    expect(() => plan([...listeners], advertised && [...advertised])).toThrow(reason);
  });
});
