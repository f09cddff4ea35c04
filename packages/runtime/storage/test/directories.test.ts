import { type Uuid, utf8 } from "@samsa/base";
import { type SimNode, World } from "@samsa/sim";
import { beforeEach, describe, expect, test } from "vitest";
import {
  LogDirs,
  type LogDirsOptions,
  readMetaProperties,
  readWhole,
  replaceFile,
  writeMetaProperties,
} from "../src/index.ts";
import { CONFIG, TOPIC_ID } from "./fixture.ts";

const METADATA = "__cluster_metadata";
const META_ID = "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid;

let world: World;
let node: SimNode;
beforeEach(() => {
  world = new World(1);
  node = world.node("a");
});

function open(paths: readonly string[], options: Partial<LogDirsOptions> = {}): LogDirs {
  return new LogDirs(node.env, {
    paths,
    metadataPath: paths[0],
    metadataTopic: METADATA,
    nodeId: 1,
    configOf: () => CONFIG,
    ...options,
  });
}

async function close(dirs: LogDirs, brokerEpoch?: number): Promise<void> {
  let ended = false;
  const work = dirs.close(brokerEpoch);
  const end = () => void (ended = true);
  work.then(end, end);
  await world.runUntil(() => ended);
  return work;
}

function meta(path: string) {
  return readMetaProperties(readWhole(node.env.disk, `${path}/meta.properties`) ?? new Uint8Array(0));
}

describe("several log directories", () => {
  test("are one node's in one cluster, each with an id, a lock and a marker of its own", async () => {
    const dirs = open(["/a", "/b", "/c"], { metadataPath: "/m" });
    dirs.metadata.create(METADATA, 0, META_ID);
    const found = ["/a", "/b", "/c", "/m"].map(meta);
    expect(new Set(found.map(({ directoryId }) => directoryId)).size).toBe(4);
    expect(found.every(({ clusterId, nodeId }) => clusterId === dirs.clusterId && nodeId === 1)).toBe(true);
    // A directory for metadata only gets no partitions.
    expect(dirs.live.map(({ path }) => path)).toEqual(["/a", "/b", "/c"]);
    expect(() => open(["/c"])).toThrow("in use");
    await close(dirs, 9);
    const again = open(["/a", "/b", "/c"], { metadataPath: "/m" });
    expect(again.opened.map(({ cleanStart }) => cleanStart)).toEqual([true, true, true]);
    expect([again.clusterId, again.previousBrokerEpoch]).toEqual([dirs.clusterId, 9]);
    expect(again.opened.map(({ directoryId }) => directoryId)).toEqual(dirs.opened.map(d => d.directoryId));
  });

  test("take logs in turn: the one with the fewest is next, the metadata's log does not count", () => {
    const dirs = open(["/a", "/b", "/c"]);
    dirs.metadata.create(METADATA, 0, META_ID);
    const placed = Array.from({ length: 6 }, (_, i) => dirs.create("t", i, TOPIC_ID)?.home.path);
    expect(placed).toEqual(["/a", "/b", "/c", "/a", "/b", "/c"]);
    dirs.get("t", 1)?.delete();
    expect(dirs.create("t", 6, TOPIC_ID)?.home.path).toBe("/b");
    expect([...dirs.logs()]).toHaveLength(6);
  });

  test("take what is assigned to them, and nothing new once cordoned", () => {
    const dirs = open(["/a", "/b"]);
    dirs.cordoned = new Set(["/a"]);
    expect([0, 1].map(i => dirs.create("t", i, TOPIC_ID)?.home.path)).toEqual(["/b", "/b"]);
    expect(dirs.create("t", 2, TOPIC_ID, dirs.opened[0].directoryId)?.home.path).toBe("/a");
    expect(dirs.create("t", 3, TOPIC_ID, "unknownxxxxxxxxxxxxxxA" as Uuid)?.home.path).toBe("/b");
    // A replica assigned just before the cordoning still needs a directory.
    dirs.cordoned = new Set(["/a", "/b"]);
    expect(dirs.create("t", 4, TOPIC_ID)?.home.path).toBe("/a");
    expect(dirs.cordonedIds).toEqual(dirs.opened.map(({ directoryId }) => directoryId));
  });

  test("stand in for one whose disk fails when a log is made", () => {
    const failed: string[] = [];
    const dirs = open(["/a", "/b"], { onOffline: path => failed.push(path) });
    node.disk.fault = (_operation, path) => (path.startsWith("/a") ? "EIO" : undefined);
    expect(dirs.create("t", 0, TOPIC_ID)?.home.path).toBe("/b");
    expect([failed, dirs.anyOffline, dirs.offlineIds]).toEqual([["/a"], true, [dirs.opened[0].directoryId]]);
    expect(dirs.withId(dirs.opened[0].directoryId)).toBeUndefined();
    node.disk.fault = () => "EIO";
    expect(dirs.create("t", 1, TOPIC_ID)).toBeUndefined();
  });

  test("do not begin a log twice that one of them has failed to make", () => {
    // Files that are allocated in full are made at once.
    const dirs = open(["/a", "/b"], { configOf: () => ({ ...CONFIG, preallocate: true }) });
    node.disk.fault = (operation, path) => (operation === "write" && path.startsWith("/a") ? "EIO" : undefined);
    expect(dirs.create("t", 0, TOPIC_ID)).toBeUndefined();
    expect([dirs.live.map(({ path }) => path), node.env.disk.stat("/b/t-0")]).toEqual([["/b"], undefined]);
  });

  test("are served without one that cannot be opened, unless it is the metadata's or the last", async () => {
    await close(open(["/a", "/b"]), 5);
    node.disk.fault = (_operation, path) => (path.startsWith("/b") ? "EIO" : undefined);
    const dirs = open(["/a", "/b"]);
    expect([dirs.live.map(({ path }) => path), dirs.anyOffline, [...dirs.failures.keys()]]).toEqual([
      ["/a"],
      true,
      ["/b"],
    ]);
    // The epoch in the offline directory is unknown.
    expect(dirs.previousBrokerEpoch).toBe(-1);
    await close(dirs);
    node.disk.fault = (_operation, path) => (path.startsWith("/a") ? "EIO" : undefined);
    expect(() => open(["/a", "/b"])).toThrow("EIO");
    node.disk.fault = (_operation, path) => (path.startsWith("/m") ? undefined : "EIO");
    expect(() => open(["/a", "/b"], { metadataPath: "/m" })).toThrow("EIO");
    node.disk.fault = undefined;
    // A refused start holds no lock.
    await close(open(["/a", "/b"]));
  });

  test("close all, and tell of a failure after that", async () => {
    const dirs = open(["/a", "/b", "/c"]);
    node.disk.fault = (operation, path) => (operation === "sync" && path.startsWith("/b/") ? "EIO" : undefined);
    await expect(close(dirs)).rejects.toMatchObject({ code: "EIO" });
    node.disk.fault = undefined;
    expect(open(["/a", "/b", "/c"]).opened.map(({ cleanStart }) => cleanStart)).toEqual([true, false, true]);
  });
});

describe("directories that do not belong together are refused in one sentence", () => {
  test("of another cluster, of another node, of two clusters", async () => {
    await close(open(["/a"], { clusterId: "one" }));
    await close(open(["/b"], { clusterId: "two" }));
    expect(() => open(["/a", "/b"])).toThrow("/a belongs to cluster one, but /b to cluster two.");
    expect(() => open(["/a"], { clusterId: "two" })).toThrow("/a belongs to cluster one, not to cluster two.");
    expect(() => open(["/a"], { nodeId: 2 })).toThrow("/a belongs to node 1, not to node 2.");
  });

  test("copies of one another", async () => {
    await close(open(["/a", "/b"]));
    replaceFile(node.env.disk, "/b/meta.properties", writeMetaProperties(meta("/a") as never), true);
    expect(() => open(["/a", "/b"])).toThrow(
      /^\/a and \/b are the same directory or copies of it: both have the id \S+\.$/,
    );
  });

  test("with metadata and a meta.properties that says nothing", async () => {
    const dirs = open(["/a"]);
    dirs.metadata.create(METADATA, 0, META_ID);
    await close(dirs);
    for (const content of ["junk", "", "version=1\nnode.id=1\n"]) {
      replaceFile(node.env.disk, "/a/meta.properties", utf8(content), true);
      expect(() => open(["/a"])).toThrow("/a holds __cluster_metadata-0, but its meta.properties names no cluster.id");
      const kept = readWhole(node.env.disk, "/a/meta.properties");
      expect(kept).toEqual(utf8(content));
    }
    node.env.disk.removeFile("/a/meta.properties");
    expect(() => open(["/a"])).toThrow("names no cluster.id: restore the file from a copy.");
    expect(node.env.disk.stat("/a/meta.properties")).toBeUndefined();
  });

  test("without their metadata, which nothing may be made up for", async () => {
    const dirs = open(["/a", "/b"]);
    dirs.metadata.create(METADATA, 0, META_ID);
    await close(dirs);
    expect(() => open(["/new", "/a"])).toThrow("/a holds __cluster_metadata-0, but metadata.log.dir is /new");
    expect(() => open(["/new", "/b"])).toThrow("The metadata directory /new is empty, but /b is in use");
    expect(node.env.disk.stat("/new")).toBeUndefined();
    // A new directory beside them is accepted.
    await close(open(["/a", "/b", "/new"]));
    expect(meta("/new").clusterId).toBe(dirs.clusterId);
  });
});
