import { readdirSync } from "node:fs";
import { errorOf } from "@samsa/protocol";
import { buildBatch, readRecords } from "@samsa/records";
import { describe, expect, test } from "vitest";
import { Bench, broken, gates, path, useDirectories } from "./dirs-bench.ts";
import { logOf } from "./logs.ts";
import { alterConfigs } from "./wire.ts";

useDirectories();

async function describeDirs(bench: Bench, topics: object[] | null = null, version = 5) {
  return (await bench.wire.ask("DescribeLogDirs", version, { topics })).results;
}

/** Requests that partitions of t move to the directory `name`; returns the errors. */
async function move(bench: Bench, name: string, partitions: readonly number[], topic = "t"): Promise<string[]> {
  const dirs = [{ path: path(name), topics: [{ name: topic, partitions }] }];
  const { results } = await bench.wire.ask("AlterReplicaLogDirs", 2, { dirs });
  return results.flatMap(result => result.partitions.map(({ errorCode }) => errorOf(errorCode).name));
}

/** Appends `count` records of `size` bytes, one per batch. */
async function fill(bench: Bench, count: number, size: number, partition = 0): Promise<void> {
  const log = bench.broker.topics.partition("t", partition);
  const value = new Uint8Array(size);
  for (let i = 0; i < count; i++) {
    const bytes = buildBatch([{ timestamp: Date.now(), key: null, value }], {}, bench.broker.tools);
    await new Promise<void>(resolve => {
      log?.appendAsLeader(bytes, { origin: "client", now: Date.now() }, { acks: "LEADER", done: () => resolve() });
    });
  }
}

function offsets(bench: Bench, partition = 0): number[] {
  const log = logOf(bench.broker.topics.partition("t", partition));
  const found: number[] = [];
  for (let offset = log?.startOffset ?? 0; log !== undefined && offset < log.endOffset; ) {
    const read = log.read({ offset, maxBytes: 1 << 20, minOneMessage: true, limitOffset: log.endOffset });
    for (const chunk of read.chunks) found.push(...readRecords(chunk, bench.broker.tools).map(r => r.offset));
    read.release?.();
    offset = read.nextOffset;
  }
  return found;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const home = (bench: Bench, partition = 0): string | undefined =>
  logOf(bench.broker.topics.partition("t", partition)).home.path;
const entries = (name: string): string[] => readdirSync(path(name)).filter(entry => entry.startsWith("t-"));

async function started(partitions = 2): Promise<Bench> {
  const bench = await Bench.start();
  await bench.create("t", partitions);
  await bench.until(() => !bench.assigned("t").includes(undefined));
  return bench;
}

describe("DescribeLogDirs", () => {
  test("tells of each directory, its room, and the partitions in it that were asked for", async () => {
    const bench = await started(3);
    await bench.produce("t", 0);
    await bench.cordon(path("b"));
    const [a, b] = await describeDirs(bench);
    expect([a, b].map(({ logDir, errorCode, isCordoned }) => [logDir, errorCode, isCordoned])).toEqual([
      [path("a"), 0, false],
      [path("b"), 0, true],
    ]);
    const size = logOf(bench.broker.topics.partition("t", 0)).size;
    expect(size).toBeGreaterThan(60);
    const partition = { partitionSize: 0, offsetLag: 0, isFutureKey: false };
    // The metadata log is not described.
    expect(a.topics).toEqual([
      {
        name: "t",
        partitions: [
          { ...partition, partitionIndex: 0, partitionSize: size },
          { ...partition, partitionIndex: 2 },
        ],
      },
    ]);
    expect(a.usableBytes).toBeGreaterThan(0);
    expect(a.totalBytes).toBeGreaterThanOrEqual(a.usableBytes);
    const some = await describeDirs(bench, [{ topic: "t", partitions: [1, 9] }]);
    expect(some.map(({ topics }) => topics.map(t => t.partitions.map(p => p.partitionIndex)))).toEqual([[], [[1]]]);
    expect((await describeDirs(bench, null, 3))[0].totalBytes).toBe(-1);
  });

  test("says which is offline, and nothing of what is in it", async () => {
    const bench = await started();
    broken.add(path("b"));
    expect(await bench.produce("t", 1)).toBe("KAFKA_STORAGE_ERROR");
    const [a, b] = await describeDirs(bench);
    expect([a.errorCode, errorOf(b.errorCode).name, b.topics, b.totalBytes]).toEqual([
      0,
      "KAFKA_STORAGE_ERROR",
      [],
      -1,
    ]);
  });
});

describe("AlterReplicaLogDirs", () => {
  test("moves a log with all that is in it, and takes records all the while", async () => {
    const bench = await started();
    await fill(bench, 60, 100_000);
    const log = logOf(bench.broker.topics.partition("t", 0));
    log?.roll();
    await fill(bench, 60, 100_000);
    expect(await move(bench, "b", [0])).toEqual(["NONE"]);
    let during = 0;
    while (home(bench) === path("a")) {
      expect(await bench.produce("t", 0)).toBe("NONE");
      during++;
    }
    expect(during).toBeGreaterThan(2);
    expect(await bench.produce("t", 0)).toBe("NONE");
    expect(offsets(bench)).toEqual(upTo(121 + during));
    await bench.until(() => bench.assigned("t")[0] === "b");
    await bench.until(() => !entries("a").includes("t-0"));
    expect(entries("b").sort()).toEqual(["t-0", "t-1"]);
    expect(entries("a")).toEqual([expect.stringMatching(/^t-0\.[0-9a-f]{32}-delete$/)]);
    await bench.stop();
    const again = await Bench.start();
    expect([home(again), again.assigned("t")]).toEqual([path("b"), ["b", "b"]]);
    expect(offsets(again)).toEqual(upTo(121 + during));
    expect(await again.produce("t", 0)).toBe("NONE");
  });

  test("keeps what only readers know of: the first offset, the high watermark, producers", async () => {
    const bench = await started();
    const partition = bench.broker.topics.partition("t", 0);
    const producer = { producerId: 7n, producerEpoch: 0, baseSequence: 0 };
    const batch = () =>
      buildBatch([{ timestamp: Date.now(), key: null, value: new Uint8Array(9) }], producer, bench.broker.tools);
    const request = { origin: "client", now: Date.now(), leaderEpoch: partition?.leaderEpoch ?? 0 } as const;
    await fill(bench, 5, 10);
    logOf(partition).append(batch(), request);
    await fill(bench, 1, 10);
    logOf(partition).deleteRecords(3);
    expect(await move(bench, "b", [0])).toEqual(["NONE"]);
    await bench.until(() => home(bench) === path("b"));
    const log = logOf(partition);
    expect([log?.startOffset, log?.highWatermark, log?.endOffset]).toEqual([3, 7, 7]);
    expect(log?.append(batch(), request)).toMatchObject({ duplicate: true, firstOffset: 5 });
    expect(log?.latestEpoch).toBe(partition?.leaderEpoch);
  });

  test("acknowledges nothing from the last flush of the copy until the copy is the log", async () => {
    const bench = await started();
    await fill(bench, 3, 100);
    const partition = bench.broker.topics.partition("t", 0);
    const until = (holds: () => boolean) => expect.poll(holds).toBe(true);
    gates.close(/b\/t-0\.[0-9a-f]{32}-future\/.*\.log$/);
    expect(await move(bench, "b", [0])).toEqual(["NONE"]);
    // The first flush: the copy has all records, and then the controller is told.
    await until(() => gates.waiting === 1);
    expect(await bench.produce("t", 0)).toBe("NONE");
    gates.pass();
    // The last flush: the copy has the record that was appended meanwhile.
    await until(() => gates.waiting === 1);
    const produced = bench.produce("t", 0);
    await until(() => partition?.endOffset === 5);
    for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve));
    expect([home(bench), partition?.highWatermark]).toEqual([path("a"), 4]);
    gates.open();
    expect(await produced).toBe("NONE");
    expect([home(bench), partition?.highWatermark]).toEqual([path("b"), 5]);
    expect(offsets(bench)).toEqual(upTo(5));
  });

  test("goes on after a stop in the middle, and shows how far it is", async () => {
    const bench = await started();
    await fill(bench, 40, 500_000);
    expect(await move(bench, "b", [0])).toEqual(["NONE"]);
    const [, b] = await describeDirs(bench, [{ topic: "t", partitions: [0] }]);
    const [copy] = b.topics[0].partitions;
    expect(copy).toMatchObject({ partitionIndex: 0, isFutureKey: true });
    expect(copy.offsetLag).toBeGreaterThan(0);
    await bench.stop();
    expect(entries("a")).toEqual(["t-0"]);
    expect(entries("b").sort()).toEqual([expect.stringMatching(/^t-0\.[0-9a-f]{32}-future$/), "t-1"]);
    const again = await Bench.start();
    await again.until(() => home(again) === path("b"));
    expect(offsets(again)).toEqual(upTo(40));
    await again.until(() => again.assigned("t")[0] === "b");
  });

  test("copies no faster than the setting says, which may be changed, and stops at once meanwhile", async () => {
    const bench = await Bench.start({ "replica.fetch.backoff.ms": "10" });
    await bench.create("t", 2);
    await bench.until(() => !bench.assigned("t").includes(undefined));
    await fill(bench, 40, 500_000);
    const rate = "replica.alter.log.dirs.io.max.bytes.per.second";
    expect((await alterConfigs(bench.wire, 4, "", { [rate]: "1000" })).errorCode).toBe(0);
    const lag = async (): Promise<number> => {
      const [, b] = await describeDirs(bench, [{ topic: "t", partitions: [0] }]);
      return Number(b.topics[0].partitions[0].offsetLag);
    };
    expect(await move(bench, "b", [0])).toEqual(["NONE"]);
    await expect.poll(lag).toBeLessThan(40);
    const first = await lag();
    expect(first).toBeGreaterThan(20);
    for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setTimeout(resolve, 10));
    expect([await lag(), home(bench)]).toEqual([first, path("a")]);
    // A partition that is not moved is served as ever, and so is the one that is.
    expect([await bench.produce("t", 0), await bench.produce("t", 1)]).toEqual(["NONE", "NONE"]);
    await bench.stop();
    const again = await Bench.start({ "replica.fetch.backoff.ms": "10" });
    const copied = async (): Promise<boolean> => {
      const [, b] = await describeDirs(again, [{ topic: "t", partitions: [0] }]);
      return b.topics[0].partitions[0].isFutureKey;
    };
    expect(await copied()).toBe(true);
    await alterConfigs(again.wire, 4, "", { [rate]: null });
    await again.until(() => home(again) === path("b"));
    expect(offsets(again)).toEqual(upTo(41));
  });

  test("a move to where the log is ends the one under way; a third directory takes over", async () => {
    const bench = await Bench.start({ "log.dirs": `${path("a")},${path("b")},${path("c")}` });
    await bench.create("t", 1);
    await bench.until(() => !bench.assigned("t").includes(undefined));
    await fill(bench, 30, 500_000);
    expect(await move(bench, "b", [0])).toEqual(["NONE"]);
    expect(await move(bench, "b", [0])).toEqual(["NONE"]);
    expect(entries("b")).toHaveLength(1);
    expect(await move(bench, "a", [0])).toEqual(["NONE"]);
    expect(entries("b")).toEqual([expect.stringMatching(/-delete$/)]);
    expect(await move(bench, "b", [0])).toEqual(["NONE"]);
    expect(await move(bench, "c", [0])).toEqual(["NONE"]);
    await bench.until(() => home(bench) === path("c"));
    expect(offsets(bench)).toEqual(upTo(30));
    await bench.until(() => bench.assigned("t")[0] === "c");
    expect(entries("b").every(name => name.endsWith("-delete"))).toBe(true);
  });

  test("a directory that fails under a move leaves the partition where it is", async () => {
    const bench = await started();
    await fill(bench, 40, 500_000);
    expect(await move(bench, "b", [0])).toEqual(["NONE"]);
    broken.add(path("b"));
    await bench.until(() => bench.image().brokers.get(1)?.logDirs.length === 1);
    expect(await bench.produce("t", 0)).toBe("NONE");
    expect([home(bench), bench.node.healthy]).toEqual([path("a"), true]);
    expect(await move(bench, "b", [0])).toEqual(["KAFKA_STORAGE_ERROR"]);
    expect(bench.assigned("t")[0]).toBe("a");
    await bench.stop();
    broken.clear();
    // The copied records still exist, and the copy continues there.
    const again = await Bench.start();
    await again.until(() => home(again) === path("b"));
    expect(offsets(again)).toEqual(upTo(41));
  });

  test("a topic that is deleted takes the copy along", async () => {
    const bench = await started();
    await fill(bench, 20, 500_000);
    expect(await move(bench, "b", [0])).toEqual(["NONE"]);
    await bench.delete("t");
    for (const name of [...entries("a"), ...entries("b")]) expect(name).toMatch(/-delete$/);
    expect(await bench.create("t", 2)).toBe("NONE");
    expect(await bench.produce("t", 0)).toBe("NONE");
  });

  test("is refused by Kafka's codes", async () => {
    const bench = await started();
    expect(await move(bench, "nowhere", [0])).toEqual(["LOG_DIR_NOT_FOUND"]);
    expect(await move(bench, "b", [7])).toEqual(["UNKNOWN_TOPIC_OR_PARTITION"]);
    expect(await move(bench, "b", [0], "n".repeat(240))).toEqual(["INVALID_TOPIC_EXCEPTION"]);
    expect(await bench.cordon(path("b"))).toBe("NONE");
    expect(await move(bench, "b", [0])).toEqual(["INVALID_REPLICA_ASSIGNMENT"]);
    expect(await move(bench, "a", [0, 1])).toEqual(["NONE", "NONE"]);
    await bench.until(() => home(bench, 1) === path("a"));
  });
});
