import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Disk, type DiskFile, utf8 } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { buildBatch } from "@samsa/records";
import { describe, expect, test, vi } from "vitest";
import { type LogDir, openLogDir } from "../src/index.ts";
import { CONFIG, Fixture, NOW, TOPIC_ID } from "./fixture.ts";

const REQUEST = { origin: "client", leaderEpoch: 1, now: NOW } as const;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

function within<T>(disk: Disk, path: string, work: (file: DiskFile) => T): T {
  const file = disk.open(path, "write");
  const result = work(file);
  file.close();
  return result;
}

describe("recovery", () => {
  const LOG = "/data/t-0/00000000000000000000.log";
  test("a torn tail or a flipped bit costs the batches from there on", () => {
    for (let byte = 0; byte < 400; byte += 7) {
      for (const torn of [true, false]) {
        const fixture = new Fixture(byte, { segmentBytes: 100_000 });
        const sizes: number[] = [];
        for (let i = 0; i < 5; i++) {
          const batch = fixture.batch(1, i);
          sizes.push(batch.length);
          fixture.log.append(batch, REQUEST);
        }
        fixture.log.writePending();
        within(fixture.node.env.disk, LOG, file => {
          if (torn) return file.truncate(byte);
          const one = new Uint8Array(1);
          file.read(one, byte);
          file.write([one.map(b => b ^ 0x10)], byte);
        });
        fixture.crash("kept");
        const whole = Math.floor(byte / sizes[0]);
        // Epochs and offsets lie outside the checksum; a changed offset can only look like a gap or a step back.
        const unchecked = !torn && byte % sizes[0] < 16;
        if (!unchecked) expect(fixture.log.endOffset, `byte ${byte} ${torn}`).toBe(whole);
      }
    }
  });

  test("producers and aborted transactions come back after a crash", async () => {
    const fixture = new Fixture(1);
    const producer = { producerId: 9n, producerEpoch: 0, transactional: true };
    fixture.log.append(fixture.batch(3), REQUEST);
    fixture.log.append(fixture.batch(2, 3, NOW, { ...producer, baseSequence: 0 }), REQUEST);
    fixture.log.highWatermark = 5;
    await fixture.flush();
    fixture.crash();
    expect(fixture.log.stableOffset).toBe(0);
    fixture.log.highWatermark = 5;
    expect(fixture.log.stableOffset).toBe(3);
    const again = fixture.log.append(fixture.batch(2, 3, NOW, { ...producer, baseSequence: 0 }), REQUEST);
    expect(again).toMatchObject({ duplicate: true, firstOffset: 3 });
  });
});

describe("a log without records", () => {
  const filesOf = ({ node }: Fixture): string[] => node.env.disk.list("/data/t-0").map(({ name }) => name);
  const ALL = [
    "00000000000000000000.index",
    "00000000000000000000.log",
    "00000000000000000000.timeindex",
    "leader-epoch-checkpoint",
    "partition.metadata",
  ];

  test("has no files until its first record, not even after stops, epochs and looks at it", async () => {
    const fixture = new Fixture(1);
    for (let epoch = 1; epoch < 4; epoch++) {
      const { log } = fixture;
      // The metadata give the id of a log without `partition.metadata`.
      if (epoch > 1) log.adopt(TOPIC_ID);
      log.beginEpoch(epoch);
      expect([log.endOffset, log.size, log.offsetForTimestamp(0), log.enforceRetention(NOW)]).toEqual([
        0,
        0,
        undefined,
        0,
      ]);
      await fixture.settle(fixture.dir.checkpoint());
      await fixture.settle(fixture.dir.close());
      expect(filesOf(fixture)).toEqual([]);
      fixture.dir = fixture.open();
      expect(fixture.log.topicId).toBeUndefined();
    }
    fixture.log.adopt(TOPIC_ID);
    fixture.log.append(fixture.batch(1), REQUEST);
    fixture.log.writePending();
    expect(filesOf(fixture).sort()).toEqual(ALL);
    expect(fixture.log.isNamed, "the names are not durable yet").toBe(false);
    await fixture.settle(fixture.log.syncNames());
    expect(fixture.log.isNamed).toBe(true);
    await fixture.flush();
    fixture.crash();
    expect([fixture.log.topicId, fixture.log.endOffset]).toEqual([TOPIC_ID, 1]);
  });

  test("gets its topic's id in the background, for Kafka puts a log without it aside", async () => {
    const fixture = new Fixture(1);
    expect([fixture.log.endOffset, ...filesOf(fixture)]).toEqual([0]);
    fixture.dir.tick(0);
    expect(filesOf(fixture)).toEqual(["partition.metadata"]);
    await fixture.settle(fixture.dir.close());
    fixture.dir = fixture.open();
    expect([fixture.log.topicId, fixture.log.endOffset]).toEqual([TOPIC_ID, 0]);
    fixture.node.env.disk.removeFile("/data/t-0/partition.metadata");
    await fixture.settle(fixture.dir.close());
    fixture.dir = fixture.open();
    fixture.log.adopt(TOPIC_ID);
    fixture.log.append(fixture.batch(1), REQUEST);
    fixture.log.writePending();
    fixture.dir.tick(0);
    expect(filesOf(fixture).sort(), "the first record came first").toEqual(ALL);
  });

  test("is not named by a flush that began before its first record", async () => {
    const fixture = new Fixture(1);
    const { log } = fixture;
    const before = log.syncNames();
    log.append(fixture.batch(1), REQUEST);
    log.writePending();
    await fixture.settle(before);
    expect(log.isNamed).toBe(false);
    await fixture.settle(log.syncNames());
    expect(log.isNamed).toBe(true);
  });

  test("makes its files at once if it begins at a later offset", async () => {
    const fixture = new Fixture(1);
    fixture.log.restartAt(7);
    await fixture.settle(fixture.dir.close());
    expect(filesOf(fixture)).toContain("00000000000000000007.log");
    fixture.dir = fixture.open();
    expect([fixture.log.topicId, fixture.log.startOffset, fixture.log.endOffset]).toEqual([TOPIC_ID, 7, 7]);
  });
});

describe("high watermarks", () => {
  const FILE = "/data/replication-offset-checkpoint";

  test("are on the disk soon after they have moved, and are written no more often than that", async () => {
    const fixture = new Fixture(1, {}, { watermarkIntervalMs: 300 });
    const { disk, clock } = fixture.node.env;
    let writes = 0;
    fixture.node.disk.fault = (operation, path) => {
      if (operation === "rename" && path.startsWith(FILE)) writes++;
      return undefined;
    };
    const after = async (ms: number): Promise<number> => {
      await fixture.world.runFor(ms);
      fixture.dir.tick(clock.monotonic());
      await fixture.world.runFor(100);
      return writes;
    };
    fixture.log.append(fixture.batch(3), REQUEST);
    await fixture.flush();
    fixture.log.highWatermark = 2;
    expect([await after(0), await after(300), await after(300), await after(300)]).toEqual([0, 1, 1, 1]);
    fixture.log.highWatermark = 3;
    expect([await after(300), await after(100)]).toEqual([2, 2]);
    expect(disk.stat(FILE)).toBeDefined();
    fixture.crash("lost");
    expect(fixture.log.highWatermark).toBe(3);
  });
});

describe("start offsets", () => {
  const FILE = "/data/log-start-offset-checkpoint";

  test("are on the disk within their interval once they have moved, and before the first checkpoint", async () => {
    const fixture = new Fixture(1, {}, { startIntervalMs: 300, firstCheckpointMs: 1000, watermarkIntervalMs: 1e9 });
    const { clock } = fixture.node.env;
    const written: string[] = [];
    fixture.node.disk.fault = (operation, path) => {
      if (operation === "rename" && !path.includes("t-0")) written.push(path.replace(".tmp", ""));
      return undefined;
    };
    const after = async (ms: number): Promise<string[]> => {
      await fixture.world.runFor(ms);
      fixture.dir.tick(clock.monotonic());
      await fixture.world.runFor(100);
      return written.splice(0);
    };
    fixture.log.append(fixture.batch(3), REQUEST);
    await fixture.flush();
    expect(await after(500), "nothing is looked at before").toEqual([]);
    // The first look writes all of them.
    expect(await after(500)).toContain(FILE);
    expect(await after(250)).toEqual([]);
    fixture.log.highWatermark = 3;
    fixture.log.raiseStart(2);
    expect(await after(400)).toEqual([FILE]);
    expect(await after(400)).toEqual([]);
    fixture.crash("lost");
    expect(fixture.log.startOffset).toBe(2);
  });
});

describe("a log directory", () => {
  test("refuses strangers, and a second user", async () => {
    const fixture = new Fixture(2);
    const open = (nodeId: number, clusterId: string) => () =>
      openLogDir(fixture.node.env, "/data", { nodeId, clusterId, configOf: () => CONFIG });
    expect(open(1, "cluster")).toThrow("in use");
    await fixture.settle(fixture.dir.close());
    expect(open(2, "cluster")).toThrow("belongs to node 1");
    expect(open(1, "other")).toThrow("belongs to cluster cluster");
    const { directoryId } = fixture.dir;
    expect(open(1, "cluster")().directoryId).toBe(directoryId);
    expect(() => openLogDir(fixture.node.env, "/new", { nodeId: 1, configOf: () => CONFIG })).toThrow("not formatted");
  });

  test.each([
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "replication-offset-checkpoint",
    "cleaner-offset-checkpoint",
  ])("opens with a %s that is damaged, and loses no record by it", async name => {
    for (const junk of ["junk", "1\n0\n", "0\n1\nx y z\n", "0\n9007199254740993\n", "0\n1\nt 0 9007199254740993\n"]) {
      for (const ending of ["clean", "crash"] as const) {
        const fixture = new Fixture(9);
        fixture.log.append(fixture.batch(5), REQUEST);
        await fixture.flush();
        if (ending === "clean") await fixture.settle(fixture.dir.close());
        const file = fixture.node.env.disk.open(`/data/${name}`, "create");
        file.truncate(0);
        file.write([utf8(junk)], 0);
        file.syncNow();
        file.close();
        const warned = vi.spyOn(fixture.node.env.logger, "warn");
        if (ending === "clean") fixture.dir = fixture.open();
        else fixture.crash("kept");
        expect([fixture.log.startOffset, fixture.log.endOffset]).toEqual([0, 5]);
        if (ending === "clean") expect(warned.mock.calls.map(([, facts]) => facts?.path)).toContain(`/data/${name}`);
      }
    }
  });

  test("goes offline when the disk fails, and says so", async () => {
    let offline: LogDir | undefined;
    const fixture = new Fixture(3, {}, { onOffline: dir => (offline = dir) });
    fixture.log.append(fixture.batch(1), REQUEST);
    fixture.node.disk.fault = operation => (operation === "write" ? "EIO" : undefined);
    expect(fixture.log.writePending()).toBe(false);
    expect(offline).toBe(fixture.dir);
    await fixture.settle(fixture.dir.close());
    fixture.node.disk.fault = undefined;
    fixture.dir = fixture.open();
    expect([fixture.dir.cleanStart, fixture.log.endOffset]).toEqual([false, 0]);
  });

  test("removes a deleted log after its delay", async () => {
    const fixture = new Fixture(4);
    fixture.log.append(fixture.batch(1), REQUEST);
    fixture.log.writePending();
    fixture.log.delete();
    const names = () => fixture.node.env.disk.list("/data").filter(entry => entry.directory);
    expect(names()).toMatchObject([{ name: expect.stringMatching(/^t-0\.[0-9a-f]{32}-delete$/) }]);
    expect(fixture.dir.get("t", 0)).toBeUndefined();
    fixture.dir.tick(fixture.node.env.clock.monotonic() + 59_000);
    await fixture.world.runFor(100);
    expect(names()).toHaveLength(1);
    fixture.dir.tick(fixture.node.env.clock.monotonic() + 61_000);
    await fixture.world.runFor(100);
    expect(names()).toHaveLength(0);
  });

  test("deletes a log that is closed already", async () => {
    const fixture = new Fixture(1);
    fixture.log.append(fixture.batch(1), REQUEST);
    await fixture.settle(fixture.log.close());
    fixture.log.delete();
    expect(fixture.dir.get("t", 0)).toBeUndefined();
  });

  test("does not take what the checkpoints say of a deleted log for its successor's", async () => {
    const fixture = new Fixture(5);
    fixture.log.append(fixture.batch(4), REQUEST);
    await fixture.flush();
    fixture.log.highWatermark = 4;
    fixture.log.deleteRecords(3);
    await fixture.settle(fixture.dir.checkpoint());
    fixture.log.delete();
    fixture.log.append(fixture.batch(4), REQUEST);
    fixture.log.writePending();
    fixture.crash("cached");
    expect([fixture.log.startOffset, fixture.log.recoveryPoint, fixture.log.endOffset]).toEqual([0, 0, 4]);
    // Checkpoints that contain the new log are trusted.
    fixture.log.highWatermark = 4;
    fixture.log.deleteRecords(2);
    await fixture.settle(fixture.dir.checkpoint());
    fixture.crash("cached");
    expect([fixture.log.startOffset, fixture.log.endOffset]).toEqual([2, 4]);
  });

  test("flushes that overlap share one", async () => {
    const path = mkdtempSync(join(tmpdir(), "samsa-storage-"));
    const env = nodeEnv({ logger: silent });
    const tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };
    try {
      const options = { nodeId: 1, clusterId: "c", configOf: () => CONFIG };
      let dir = openLogDir(env, path, options);
      const log = dir.create("t", 0, TOPIC_ID);
      for (let i = 0; i < 30; i++) {
        log.append(buildBatch([{ timestamp: NOW, key: null, value: utf8(`v${i}`) }], {}, tools), REQUEST);
      }
      const [first, second, third] = [log.flush(), log.flush(), log.flush()];
      expect(second).toBe(third);
      await Promise.all([first, second]);
      expect(log.recoveryPoint).toBe(30);
      for (let i = 0; i < 300; i++) dir.create("many", i, TOPIC_ID);
      await dir.close(5);
      dir = openLogDir(env, path, options);
      expect([dir.cleanStart, dir.previousBrokerEpoch, dir.logs.size]).toEqual([true, 5, 301]);
      expect([dir.get("t", 0)?.endOffset, dir.get("t", 0)?.topicId]).toEqual([30, TOPIC_ID]);
      await dir.close();
    } finally {
      rmSync(path, { recursive: true });
    }
  });
});

test("a log that is cut while checkpoints are written is not believed before the next ones", async () => {
  const fixture = new Fixture(3, { segmentBytes: 200 });
  for (let i = 0; i < 12; i++) fixture.log.append(fixture.batch(1, i), REQUEST);
  await fixture.flush();
  const { log, dir } = fixture;
  log.highWatermark = 12;
  // The second write of the checkpoints removes the mark of a new log.
  for (let i = 0; i < 2; i++) await fixture.settle(dir.checkpoint());
  expect(log.checkpointed).toBe(log.durablePoint);
  const cuts = () => fixture.node.env.disk.list(log.path).filter(({ name }) => name.endsWith(".cut")).length;
  const before = dir.checkpoint();
  // The recovery points are chosen already, but their file is not written yet.
  log.truncateTo(4);
  await fixture.settle(before);
  expect([cuts(), log.checkpointed]).toEqual([1, 4]);
  for (let i = 0; i < 8; i++) log.append(fixture.batch(1, 100 + i), REQUEST);
  log.writePending();
  // The files no longer hold the records that the old checkpoints cover.
  fixture.crash("lost");
  expect(fixture.log.recoveryPoint).toBe(4);
  await fixture.settle(fixture.dir.checkpoint());
  expect(cuts()).toBe(0);
  fixture.log.append(fixture.batch(1, 200), REQUEST);
  await fixture.flush();
  await fixture.settle(fixture.dir.checkpoint());
  const end = fixture.log.endOffset;
  expect(fixture.log.checkpointed).toBe(fixture.log.durablePoint);
  fixture.crash("lost");
  expect(fixture.log.endOffset).toBe(end);
});

test("a flush waits for the files that were written since the one before, and for no others", async () => {
  const fixture = new Fixture(3);
  const synced: string[] = [];
  fixture.node.disk.watch = (operation, path) => {
    if (operation === "sync" || operation === "syncDirectory") synced.push(path.slice(path.lastIndexOf("/") + 1));
  };
  for (let i = 0; i < 3; i++) {
    fixture.log.append(fixture.batch(1, i), REQUEST);
    await fixture.flush();
    if (i > 0) expect(synced).toEqual(["00000000000000000000.log"]);
    synced.length = 0;
  }
});

test("a log that is emptied and begins where it began writes into its new file", async () => {
  const fixture = new Fixture(3);
  for (let i = 0; i < 3; i++) fixture.log.append(fixture.batch(1, i), REQUEST);
  await fixture.flush();
  fixture.log.restartAt(0);
  fixture.log.append(fixture.batch(2, 100), REQUEST);
  await fixture.flush();
  fixture.crash("lost");
  expect(fixture.log.endOffset).toBe(2);
});
