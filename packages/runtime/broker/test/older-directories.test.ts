import { fromUtf8, utf8 } from "@samsa/base";
import { encodeMetadataRecord, formatQuorumState, metadataRecord, quorumStateData } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import { type SimNode, World } from "@samsa/sim";
import { readMetaProperties, readWhole, replaceFile } from "@samsa/storage";
import { beforeEach, describe, expect, test } from "vitest";
import type { FirstQuorum } from "../src/first-quorum.ts";
import { formatStorage } from "../src/format.ts";
import { Node } from "../src/node.ts";

const META = "/data/meta.properties";
const NODE = {
  "node.id": "1",
  "process.roles": "broker,controller",
  listeners: "PLAINTEXT://n1:9092,CONTROLLER://n1:9093",
  "log.dirs": "/data",
  "initial.broker.registration.timeout.ms": "3000",
};
/** The node is the one voter by its settings: kraft.version is 0. */
const STATIC = { ...NODE, "controller.quorum.voters": "1@n1:9093" };
/** Voters are in the log. */
const DYNAMIC = { ...NODE, "controller.quorum.bootstrap.servers": "n1:9093" };
type Settings = Readonly<Record<string, string>>;

let world: World;
let machine: SimNode;
beforeEach(() => {
  world = new World(1);
  machine = world.node("n1");
});

function format(settings: Settings, asked: { features?: string[]; quorum?: FirstQuorum } = {}): void {
  const all = new Map(Object.entries(settings));
  formatStorage(machine.env, { settings: all, clusterId: "cluster", ignoreFormatted: false, features: [], ...asked });
}

function start(settings: Settings): Promise<Node> {
  return world.settle(Node.start(machine.env, { settings: new Map(Object.entries(settings)) }));
}

/** Stops a node; the next life of its machine begins. */
async function stop(node: Node): Promise<void> {
  await world.settle(node.close());
  world.crash("n1", { unsynced: "kept" });
}

async function restarted(node: Node, settings: Settings): Promise<Node> {
  await stop(node);
  return start(settings);
}

function read(path: string): string {
  return fromUtf8(readWhole(machine.env.disk, path) ?? new Uint8Array(0));
}

function write(path: string, text: string): void {
  replaceFile(machine.env.disk, path, utf8(text), true);
}

/** Levels of the features of a node's metadata. */
const levels = (node: Node) => Object.fromEntries(node.shared.loader.image.features);

describe("a meta.properties of version 0", () => {
  test("is taken, gets the id of its directory, and stays of its version", async () => {
    format(STATIC);
    write(META, "#\nbroker.id=1\ncluster.id=cluster\n");
    let node = await start(STATIC);
    const { directoryId } = node.dirs.metadata;
    const text = read(META);
    expect(text).toBe(`version=0\ncluster.id=cluster\nbroker.id=1\ndirectory.id=${directoryId}\n`);
    expect(node.shared.loader.image.brokers.get(1)?.logDirs).toEqual([directoryId]);
    node = await restarted(node, STATIC);
    expect([node.dirs.metadata.directoryId, read(META)]).toEqual([directoryId, text]);
    await stop(node);
  });

  test.each([
    ["broker.id=2\ncluster.id=cluster\n", "/data belongs to node 2, not to node 1."],
    [
      "version=0\nnode.id=1\ncluster.id=cluster\n",
      `${META} has version 0 and no broker.id: restore the file from a copy.`,
    ],
    [
      "version=1\nbroker.id=1\ncluster.id=cluster\n",
      `${META} has version 1 and no node.id: restore the file from a copy.`,
    ],
    [
      "version=2\nnode.id=1\ncluster.id=cluster\n",
      `${META} has version 2, but this release knows versions 0 and 1 only.`,
    ],
  ])("is refused if it is %j, and not changed", async (text, sentence) => {
    format(STATIC);
    write(META, text);
    await expect(start(STATIC)).rejects.toThrow(sentence);
    expect(read(META)).toBe(text);
  });
});

describe("metadata of an older level", () => {
  test("stay at their level, from one start to the next, with records that its releases can read", async () => {
    format(STATIC, { features: ["metadata.version=7"] });
    let node = await start(STATIC);
    expect(levels(node)).toEqual({ "metadata.version": 7 });
    // Directories of a partition came with a later level.
    expect(node.shared.loader.image.brokers.get(1)?.logDirs).toEqual([]);
    node = await restarted(node, STATIC);
    expect(levels(node)).toEqual({ "metadata.version": 7 });
    expect(node.shared.quorum.isLeader).toBe(true);
    await stop(node);
  });

  test("may be raised, and are at the new level after a start", async () => {
    format(STATIC, { features: ["metadata.version=7"] });
    let node = await start(STATIC);
    const featureUpdates = [
      { feature: "metadata.version", maxVersionLevel: 20, upgradeType: 1, allowDowngrade: false },
    ];
    const request = { timeoutMs: 1000, featureUpdates, validateOnly: false };
    const answer = await world.settle(node.broker.channel.call("UpdateFeatures", request as never));
    expect(answer.errorCode).toBe(0);
    await world.runFor(1000);
    expect(levels(node)["metadata.version"]).toBe(20);
    node = await restarted(node, STATIC);
    expect(levels(node)["metadata.version"]).toBe(20);
    expect(node.shared.loader.image.brokers.get(1)?.logDirs).toEqual([node.dirs.metadata.directoryId]);
    await stop(node);
  });
});

describe("a bootstrap.checkpoint of the formatter before KIP-1170", () => {
  /** Formats the directory as that formatter did, for a cluster that begins at a level of metadata.version. */
  async function formatAt(featureLevel: number): Promise<void> {
    format(STATIC);
    const { crypto, codecs, disk } = machine.env;
    await world.settle(disk.removeTree("/data/__cluster_metadata-0"));
    const value = encodeMetadataRecord(
      metadataRecord("FeatureLevelRecord", 0, { name: "metadata.version", featureLevel }),
    );
    const batch = buildBatch([{ timestamp: 0, key: null, value }], {}, { crc32c: crypto.crc32c, codecs });
    replaceFile(disk, "/data/bootstrap.checkpoint", batch, true);
  }

  test("says at which level the cluster begins", async () => {
    await formatAt(14);
    let node = await start(STATIC);
    expect(levels(node)).toEqual({ "metadata.version": 14 });
    node = await restarted(node, STATIC);
    expect(levels(node)).toEqual({ "metadata.version": 14 });
    await stop(node);
  });

  test.each([6, 34])("is refused at level %d, which this release does not know", async level => {
    await formatAt(level);
    const sentence = `metadata.version is ${level}, but this release knows levels from 7 to 33 only`;
    await expect(start(STATIC)).rejects.toThrow(sentence);
    await expect(start(STATIC)).rejects.toThrow(sentence);
  });
});

describe("voters that are not those of the settings", () => {
  test("of a quorum that keeps its voters in the log count, whatever the settings say", async () => {
    format(DYNAMIC, { quorum: { kind: "standalone" } });
    let node = await start(DYNAMIC);
    expect(node.shared.quorum.voters.map(({ id }) => id)).toEqual([1]);
    node = await restarted(node, { ...STATIC, "controller.quorum.voters": "1@n1:9093,2@n2:9093,3@n3:9093" });
    // Two of three would not answer.
    expect(node.shared.quorum.voters.map(({ id }) => id)).toEqual([1]);
    expect(node.shared.quorum.isLeader).toBe(true);
    await stop(node);
  });

  test("of a quorum without voters in its log are those of the settings, which must agree among its nodes", async () => {
    format(STATIC);
    const node = await start(STATIC);
    expect(node.shared.quorum.voters.map(({ id }) => id)).toEqual([1]);
    await stop(node);
    // Alone it is no majority of the voters that it is told of now, and says who is missing.
    const more = { ...STATIC, "controller.quorum.voters": "1@n1:9093,2@n2:9093,3@n3:9093" };
    await expect(start(more)).rejects.toThrow("the controller refuses to register this broker");
  });

  test("do not have a node that has got another directory: it follows, and does not vote", async () => {
    const other = "1@n1:9093:JEXY6aqzQY-32P5TStzaFg";
    format(DYNAMIC, { quorum: { kind: "voters", voters: other } });
    const known = readMetaProperties(utf8(read(META)));
    expect(known.directoryId).toBe("JEXY6aqzQY-32P5TStzaFg");
    write(META, read(META).replace("JEXY6aqzQY-32P5TStzaFg", "MvDxzVmcRsaTz33bUuRU6A"));
    await expect(start(DYNAMIC)).rejects.toThrow("the controller refuses to register this broker");
  });

  test("do not have the leader that quorum-state names: another is elected in a later epoch", async () => {
    format(STATIC);
    let node = await start(STATIC);
    const { epoch } = node.shared.quorum;
    await stop(node);
    const state = quorumStateData.defaults({ leaderId: 5, leaderEpoch: epoch + 3, votedId: -1 });
    write("/data/__cluster_metadata-0/quorum-state", formatQuorumState({ version: 0, state }));
    node = await start(STATIC);
    expect(node.shared.quorum.isLeader).toBe(true);
    expect(node.shared.quorum.epoch).toBeGreaterThan(epoch + 3);
    await stop(node);
  });
});
