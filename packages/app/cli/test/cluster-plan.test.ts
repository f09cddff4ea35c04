import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkNoCluster, formatCluster, knownControllers } from "../src/cluster/cluster-folder.ts";
import { type ClusterShape, clusterSize, ofOneNode, planCluster } from "../src/cluster/cluster-plan.ts";
import { mergeMetrics } from "../src/cluster/merged-metrics.ts";

const shapeOf = (brokers: number, controllers = 3, more: Partial<ClusterShape> = {}): ClusterShape => ({
  ...{ brokers, controllers, hostName: "here" },
  ...more,
});

/** Value of a setting on each node. */
function values(name: string, settings: Readonly<Record<string, string>>, shape: ClusterShape) {
  const given = { "log.dirs": "/d", ...settings };
  return planCluster(new Map(Object.entries(given)), shape).nodes.map(node => node.settings.get(name));
}

test("a node that names no quorum has internal topics of one replica, another those of Kafka", () => {
  const name = "offsets.topic.replication.factor";
  expect(ofOneNode(new Map()).get(name)).toBe("1");
  expect(ofOneNode(new Map([[name, "2"]])).get(name)).toBe("2");
  expect(ofOneNode(new Map([["controller.quorum.bootstrap.servers", "a:1,b:1"]])).has(name)).toBe(false);
  expect(ofOneNode(new Map([["controller.quorum.voters", "1@a:1"]])).has(name)).toBe(false);
});

describe("a plan", () => {
  test("makes the first nodes controllers, and counts up ids, ports and directories", () => {
    const given = { "log.dirs": "/a,/b", "metadata.log.dir": "/m", listeners: "IN://:9092,OUT://0.0.0.0:9192" };
    const settings = { ...given, "advertised.listeners": "IN://h:9092,OUT://[::1]:9192" };
    const shape = shapeOf(4);
    expect(values("node.id", settings, shape)).toEqual(["1", "2", "3", "4"]);
    expect(values("process.roles", settings, shape)).toEqual([...Array(3).fill("broker,controller"), "broker"]);
    expect(values("listeners", settings, shape)).toEqual([
      "IN://:9092,OUT://0.0.0.0:9192,CONTROLLER://localhost:19092",
      "IN://:9093,OUT://0.0.0.0:9193,CONTROLLER://localhost:19093",
      "IN://:9094,OUT://0.0.0.0:9194,CONTROLLER://localhost:19094",
      "IN://:9095,OUT://0.0.0.0:9195",
    ]);
    expect(values("advertised.listeners", settings, shape)[3]).toBe("IN://h:9095,OUT://[::1]:9195");
    expect(values("log.dirs", settings, shape)[2]).toBe("/a/3,/b/3");
    expect(values("metadata.log.dir", settings, shape)[2]).toBe("/m/3");
    expect(new Set(values("controller.quorum.bootstrap.servers", settings, shape))).toEqual(
      new Set(["localhost:19092,localhost:19093,localhost:19094"]),
    );
    expect(values("broker.rack", settings, shape)[0]).toBe("here");
    expect(values("broker.rack", { ...settings, "broker.rack": "r" }, shape)[0]).toBeUndefined();
  });

  test("takes a controller listener from the settings, and its places from a cluster that exists", () => {
    const settings = { listeners: "PLAINTEXT://127.0.0.1:1000,CONTROLLER://127.0.0.1:2000" };
    expect(values("listeners", settings, shapeOf(2, 1))).toEqual([
      "PLAINTEXT://127.0.0.1:1000,CONTROLLER://127.0.0.1:2000",
      "PLAINTEXT://127.0.0.1:1001",
    ]);
    const known = [{ id: 1, host: "::1", port: 3000 }];
    expect(values("listeners", { listeners: "PLAINTEXT://:0" }, shapeOf(1, 1, { known }))).toEqual([
      "PLAINTEXT://:0,CONTROLLER://[::1]:3000",
    ]);
    expect(() => values("listeners", settings, shapeOf(1, 1, { known }))).toThrow("have the ports 3000");
  });

  test("spreads replicas over up to three brokers, unless the settings say otherwise", () => {
    const of = (name: string, brokers: number, settings = {}) => values(name, settings, shapeOf(brokers, 1)).at(-1);
    for (const name of ["default", "offsets.topic", "transaction.state.log", "share.coordinator.state.topic"]) {
      expect([1, 2, 3, 5].map(brokers => of(`${name}.replication.factor`, brokers))).toEqual(["1", "2", "3", "3"]);
    }
    for (const name of [
      "min.insync.replicas",
      "transaction.state.log.min.isr",
      "share.coordinator.state.topic.min.isr",
    ]) {
      expect([1, 2, 3, 5].map(brokers => of(name, brokers))).toEqual(["1", "1", "2", "2"]);
      expect(of(name, 3, { [name]: "1" })).toBeUndefined();
    }
  });

  test("is refused when ports meet, or when a setting is wrong", () => {
    const plan = (listeners: string, shape = shapeOf(3)) => values("listeners", { listeners }, shape);
    expect(() => plan("PLAINTEXT://:9092,CONTROLLER://:9093")).toThrow("leave as many ports between the listeners");
    expect(() => plan("PLAINTEXT://:65535")).toThrow("end above 65535");
    expect(() => plan("PLAINTEXT://:9092,CONTROLLER://:0")).toThrow("cannot have port 0");
    expect(() => plan("PLAINTEXT")).toThrow(ConfigError);
    expect(() => values("listeners", { "num.partitions": "x" }, shapeOf(3))).toThrow(ConfigError);
  });
});

test("the number of controllers depends on that of the brokers", () => {
  expect([1, 2, 3, 9].map(count => clusterSize(String(count)).controllers)).toEqual([1, 1, 3, 3]);
  expect(clusterSize("5", "1")).toEqual({ brokers: 5, controllers: 1 });
  for (const bad of ["0", "101", "x", "-1", "1.5"]) expect(() => clusterSize(bad)).toThrow("--brokers wants");
});

describe("the folder of a cluster", () => {
  let root: string;
  const warnings: string[] = [];
  const logger = { debug() {}, info() {}, warn: (text: string) => void warnings.push(text), error() {} };
  const env = nodeEnv({ logger });
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "samsa-folder-"));
    warnings.length = 0;
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const format = () => {
    const settings = new Map([["log.dirs", root]]);
    const plan = planCluster(settings, shapeOf(4));
    return formatCluster(env, root, { plan, settings });
  };
  const meta = (id: number) => readFileSync(join(root, String(id), "meta.properties"), "utf8");

  test("is formatted once, and finished by the next start when a start is cut off", () => {
    const clusterId = format();
    const file = join(root, "cluster.properties");
    expect(knownControllers(env, root, { brokers: 4, controllers: 3 })?.map(({ port }) => port)).toEqual([
      19092, 19093, 19094,
    ]);
    const before = [1, 2, 3, 4].map(meta);
    expect(new Set(before).size).toBe(4);
    for (const text of before) expect(text).toContain(`cluster.id=${clusterId}\n`);
    writeFileSync(file, readFileSync(file, "utf8").replace("formatted=true", "formatted=false"));
    rmSync(join(root, "2"), { recursive: true });
    expect(format()).toBe(clusterId);
    expect([1, 2, 3, 4].map(meta)).toEqual(before);
    expect(warnings).toEqual([]);
  });

  test("gives a controller that has lost its directory another id, so that it does not vote twice", () => {
    format();
    const before = [1, 2, 3, 4].map(meta);
    rmSync(join(root, "2"), { recursive: true });
    rmSync(join(root, "4"), { recursive: true });
    format();
    const after = [1, 2, 3, 4].map(meta);
    expect(after.map((text, i) => text === before[i])).toEqual([true, false, true, false]);
    expect(warnings.filter(text => text.includes("samsa quorum"))).toHaveLength(1);
  });

  test("is of one cluster, or of a single node", () => {
    expect(() => checkNoCluster(env, root)).not.toThrow();
    format();
    expect(() => checkNoCluster(env, root)).toThrow("start it with --brokers 4 --controllers 3");
    expect(() => knownControllers(env, root, { brokers: 4, controllers: 1 })).toThrow("--controllers 3");
    writeFileSync(join(root, "cluster.properties"), "version=1\n");
    expect(() => knownControllers(env, root, { brokers: 4, controllers: 3 })).toThrow("is damaged");
    writeFileSync(join(root, "meta.properties"), "");
    expect(() => knownControllers(env, root, { brokers: 4, controllers: 3 })).toThrow("start it without --brokers");
  });
});

test("metrics of nodes are merged by family, and told apart by the label node", () => {
  const text = (value: number) =>
    `# HELP a A.\n# TYPE a counter\na ${value}\na{x="1}",node="y"} ${value}\n\n# HELP h H.\n# TYPE h histogram\n` +
    `h_bucket{le="+Inf"} ${value}\nh_sum ${value}\nlonely ${value}\n`;
  expect(
    mergeMetrics(
      new Map([
        [1, text(5)],
        [2, text(6)],
      ]),
    ),
  ).toBe(
    `# HELP a A.\n# TYPE a counter\na{node="1"} 5\na{node="1",x="1}",exported_node="y"} 5\n` +
      `a{node="2"} 6\na{node="2",x="1}",exported_node="y"} 6\n\n# HELP h H.\n# TYPE h histogram\n` +
      `h_bucket{node="1",le="+Inf"} 5\nh_sum{node="1"} 5\nh_bucket{node="2",le="+Inf"} 6\nh_sum{node="2"} 6\n\n` +
      `lonely{node="1"} 5\nlonely{node="2"} 6\n`,
  );
});
