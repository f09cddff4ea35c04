import { decodeSnapshot, type Snapshot } from "@samsa/quorum";
import { type SimNode, World } from "@samsa/sim";
import { readMetaProperties, readWhole } from "@samsa/storage";
import { beforeEach, expect, test } from "vitest";
import { type FirstQuorum, StorageError } from "../src/first-quorum.ts";
import { formatStorage } from "../src/format.ts";
import { Node } from "../src/node.ts";

const FIRST = "1@localhost:9093:JEXY6aqzQY-32P5TStzaFg";
const SECOND = "2@[::1]:9094:MvDxzVmcRsaTz33bUuRU6A";
const BROKER_ONLY = { "process.roles": "broker", "controller.quorum.bootstrap.servers": "h:1" };

let node: SimNode;
beforeEach(() => {
  node = new World(1).node("a");
});

interface Asked {
  readonly settings?: Readonly<Record<string, string>>;
  readonly clusterId?: string;
  readonly releaseVersion?: string;
  readonly features?: readonly string[];
  readonly quorum?: FirstQuorum;
}

function format({ settings, clusterId = "cluster", ...asked }: Asked = {}): string[] {
  const all = new Map(Object.entries({ "log.dirs": "/a", ...settings }));
  const options = { quorum: { kind: "standalone" } as const, features: [], ignoreFormatted: false, ...asked };
  return formatStorage(node.env, { settings: all, clusterId, ...options });
}

test("a release, or a level of metadata.version, says with which features a cluster begins", () => {
  const begins = (asked: Asked, dir: string) => format({ ...asked, settings: { "log.dirs": dir } })[0];
  expect(begins({}, "/1")).toBe("Bootstrap metadata: metadata.version=33 (4.4-IV2), kraft.version=1");
  expect(begins({ releaseVersion: "4.0" }, "/2")).toContain("metadata.version=25 (4.0-IV3)");
  expect(begins({ releaseVersion: "3.7-IV1" }, "/3")).toContain("metadata.version=16 (3.7-IV1)");
  // The third number of a release changes no feature.
  expect(begins({ releaseVersion: "3.9.1" }, "/4")).toContain("metadata.version=21 (3.9-IV0)");
  expect(begins({ features: ["metadata.version=7"] }, "/5")).toContain("metadata.version=7 (3.3-IV3)");
  expect(begins({ features: ["kraft.version=1"] }, "/6")).toContain("kraft.version=1");
});

test.each<[Asked, string]>([
  [{ releaseVersion: "2.8" }, "Unknown metadata.version '2.8'. Supported metadata.version are: 3.3-IV3, 3.4-IV0"],
  [{ releaseVersion: "4.5" }, "Unknown metadata.version '4.5'"],
  [{ features: ["metadata.version=6"] }, "metadata.version 6 is not available: levels from 7 to 33 are."],
  [{ features: ["metadata.version=21"], releaseVersion: "4.0" }, "to avoid ambiguity"],
  [{ features: ["metadata.version"] }, "Can't parse feature=level string metadata.version: equals sign not found."],
  [{ features: ["metadata.version=x"] }, "unable to parse x as a short"],
  [
    { features: ["no.such.feature=2"] },
    "Unsupported feature: no.such.feature. Supported features are: eligible.leader.replicas.version, group.version, ",
  ],
  [
    { features: ["eligible.leader.replicas.version=1"], releaseVersion: "3.9" },
    "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23",
  ],
  [{ features: ["kraft.version=0"] }, "Cannot set kraft.version to 0"],
  [
    { features: ["kraft.version=1"], settings: { "controller.quorum.voters": "1@h:1" }, quorum: undefined as never },
    "Cannot set kraft.version to 1 unless controller.quorum.voters is empty",
  ],
  [{ clusterId: "a b" }, '"a b" is not a cluster id.'],
  [{ clusterId: "" }, '"" is not a cluster id.'],
  [{ quorum: { kind: "voters", voters: "1@h:99999:JEXY6aqzQY-32P5TStzaFg" } }, "expected id@host:port:directory"],
  [{ quorum: { kind: "voters", voters: " ," } }, "No voters given."],
  [{ quorum: { kind: "voters", voters: `${FIRST},${FIRST}` } }, "Node id 1 was specified more than once."],
  [{ quorum: { kind: "voters", voters: "1@h:1:AAAAAAAAAAAAAAAAAAAAAQ" } }, "AAAAAAAAAAAAAAAAAAAAAQ is reserved"],
  [{ settings: BROKER_ONLY }, "You can only use --standalone on a controller."],
  [{ settings: { "controller.quorum.voters": "1@h:1" } }, "specify controller.quorum.bootstrap.servers instead."],
  [{ quorum: undefined as never }, "you must specify one of the following: --standalone"],
])("%j is refused", (asked, why) => {
  const refused = () => format(asked);
  expect(refused).toThrow(StorageError);
  expect(refused).toThrow(why);
  expect(node.env.disk.list("/")).toEqual([]);
});

test("a directory that cannot be read is passed over; when none can it is an error", () => {
  node.disk.fault = (_operation, path) => (path.startsWith("/b") ? "EIO" : undefined);
  const lines = format({ settings: { "log.dirs": "/a,/b" } });
  expect(lines[0]).toBe("I/O error trying to read log directory /b. Ignoring...");
  expect(lines.at(-1)).toBe("Formatting dynamic metadata voter directory /a with metadata.version 4.4-IV2.");
  node.disk.fault = () => "EIO";
  expect(() => format()).toThrow("No available log directories to format.");
});

test("a feature has the level that was asked for, whether the release has it or not", () => {
  const levels = (asked: Asked, directory: string) => {
    format({ ...asked, settings: { "log.dirs": directory } });
    return Object.fromEntries(
      snapshot(directory)!.records.flatMap(({ type, value }) =>
        type === "FeatureLevelRecord" ? [[value.name, value.featureLevel]] : [],
      ),
    );
  };
  const elr = "eligible.leader.replicas.version";
  expect(levels({}, "/1")).toMatchObject({ "metadata.version": 33, [elr]: 1, "group.version": 1 });
  expect(levels({ features: [`${elr}=0`] }, "/2")).not.toHaveProperty(elr);
  expect(levels({ releaseVersion: "4.0" }, "/3")).not.toHaveProperty(elr);
  const asked = levels({ releaseVersion: "4.0", features: [`${elr}=1`, "kraft.version=1"] }, "/4");
  expect(asked).toMatchObject({ "metadata.version": 25, [elr]: 1 });
  expect(asked).not.toHaveProperty("kraft.version");
});

test("what is cut off in the middle is formatted anew", () => {
  node.disk.fault = (operation, path) => (operation === "rename" && path.includes("meta") ? "EIO" : undefined);
  expect(() => format()).toThrow("EIO");
  node.disk.fault = undefined;
  expect(format().at(-1)).toContain("Formatting");
});

/** Bootstrap snapshot in `directory`; undefined if there is none. */
function snapshot(directory = "/a"): Snapshot | undefined {
  const { disk, crypto, codecs } = node.env;
  const bytes = readWhole(disk, `${directory}/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint`);
  return bytes && decodeSnapshot(bytes, { crc32c: crypto.crc32c, codecs });
}

const directoryId = (directory = "/a") => readMetaProperties(readWhole(node.env.disk, `${directory}/meta.properties`)!);

test("each of several first voters knows all of them", () => {
  const voters = { kind: "voters", voters: ` ${SECOND} ,${FIRST}` } as const;
  const settings = { "node.id": "2", "log.dirs": "/a,/b" };
  expect(format({ settings, quorum: voters })).toEqual([
    "Bootstrap metadata: metadata.version=33 (4.4-IV2), kraft.version=1",
    "Formatting dynamic metadata voter directory /a with metadata.version 4.4-IV2.",
    "Formatting data directory /b with metadata.version 4.4-IV2.",
  ]);
  expect(directoryId().directoryId).toBe("MvDxzVmcRsaTz33bUuRU6A");
  const { kraftVersion, voters: told } = snapshot()!;
  expect(kraftVersion).toBe(1);
  const endpoint = (host: string, port: number) => [{ name: "CONTROLLER", host, port }];
  expect(told?.map(({ id, directoryId: dir, endpoints }) => [id, dir, endpoints])).toEqual([
    [1, "JEXY6aqzQY-32P5TStzaFg", endpoint("localhost", 9093)],
    [2, "MvDxzVmcRsaTz33bUuRU6A", endpoint("::1", 9094)],
  ]);
});

test("a controller that is none of the first voters joins them with a directory of its own", () => {
  const lines = format({ settings: { "node.id": "3" }, quorum: { kind: "voters", voters: `${FIRST},${SECOND}` } });
  expect(lines.at(-1)).toBe("Formatting dynamic metadata directory /a with metadata.version 4.4-IV2.");
  expect(snapshot()?.voters?.map(({ id }) => id)).toEqual([1, 2]);
});

test("a controller without first voters gets the quorum's version, but no voters", () => {
  const lines = format({ quorum: { kind: "none" } });
  expect(lines).toEqual([
    "Bootstrap metadata: metadata.version=33 (4.4-IV2), kraft.version=1",
    "Formatting metadata directory /a with metadata.version 4.4-IV2.",
  ]);
  expect(snapshot()).toMatchObject({ kraftVersion: 1, voters: undefined });
});

test("a broker gets no metadata, with or without a flag", () => {
  for (const quorum of [undefined as never, { kind: "none" } as const]) {
    const directory = quorum === undefined ? "/a" : "/b";
    format({ settings: { ...BROKER_ONLY, "log.dirs": directory }, quorum });
    expect(directoryId(directory)).toMatchObject({ clusterId: "cluster", nodeId: 1 });
    expect(snapshot(directory)).toBeUndefined();
  }
});

test("a voter is reached where its listener is advertised", () => {
  const listeners = "PLAINTEXT://h:9092,CONTROLLER://:9093";
  format({ settings: { listeners, "advertised.listeners": "PLAINTEXT://h:9092,CONTROLLER://outside:29093" } });
  expect(snapshot()?.voters?.[0]?.endpoints).toEqual([{ name: "CONTROLLER", host: "outside", port: 29093 }]);
  format({ settings: { listeners, "log.dirs": "/b" } });
  expect(snapshot("/b")?.voters?.[0]?.endpoints).toEqual([{ name: "CONTROLLER", host: "localhost", port: 9093 }]);
});

test("a format that has ended survives a power cut", () => {
  const world = new World(1);
  node = world.node("a");
  format({ settings: { "log.dirs": "/a,/b/c" } });
  const { disk } = world.crash("a", { unsynced: "lost" }).env;
  for (const path of ["/a", "/b/c"]) expect(disk.stat(`${path}/meta.properties`)).toBeDefined();
});

test.each<Readonly<Record<string, string>>>([
  { "controller.quorum.voters": "1@a:9093,2@b:9093", listeners: "PLAINTEXT://:9092,CONTROLLER://:9093" },
  { "process.roles": "broker", "controller.quorum.bootstrap.servers": "b:9093" },
])("a node of a cluster does not begin a cluster of its own: %j", async given => {
  const settings = new Map(Object.entries({ "node.id": "1", "log.dirs": "/a", ...given }));
  await expect(Node.start(node.env, { settings })).rejects.toThrow("/a is not formatted");
  expect(node.env.disk.stat("/a")).toBeUndefined();
});
