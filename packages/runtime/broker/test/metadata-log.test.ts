import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DiskError } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { configKey, RESOURCE_TYPE } from "@samsa/metadata";
import { encodeMetadataRecord, metadataRecord } from "@samsa/protocol";
import type { RawConnection } from "@samsa/wire";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";

const HOUR = 3_600_000;
/** Bootstrap snapshot of a cluster. */
const FIRST = "00000000000000000000-0000000000.checkpoint";
/** Small enough for a snapshot after a few topics. */
const OFTEN = { "metadata.log.max.record.bytes.between.snapshots": "1000" };

let directory: string;
let broker: TestBroker | undefined;
let wire: RawConnection;

const start = async (settings: Record<string, string> = {}, world = {}): Promise<void> => {
  broker = await TestBroker.start(settings, directory, world);
  wire = await broker.connect();
};

/** Closes the broker and keeps its directory. */
const end = async (): Promise<void> => {
  wire.close();
  await broker?.node.close();
  broker = undefined;
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "samsa-metadata-"));
});
afterEach(async () => {
  if (broker !== undefined) await end();
  rmSync(directory, { recursive: true, force: true });
});

const folder = (): string => join(directory, "data", "__cluster_metadata-0");
const named = (suffix: string): string[] =>
  readdirSync(folder())
    .filter(name => name.endsWith(suffix))
    .sort();

const newest = (): string => named(".checkpoint").at(-1) as string;

async function create(...names: readonly string[]): Promise<void> {
  const topics = names.map(name => ({ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }));
  const { topics: made } = await wire.ask("CreateTopics", 7, {
    topics,
    timeoutMs: 10_000,
  });
  expect(made.map(({ errorCode }) => errorCode)).toEqual(names.map(() => 0));
}

const topics = (): string[] => [...(broker as TestBroker).broker.topics.image.topicIds.keys()].sort();

describe("the metadata log and its snapshots", () => {
  test("a log that ends below its newest snapshot continues at the snapshot", async () => {
    await start(OFTEN);
    for (let i = 0; i < 30; i++) await create(`t${i}`);
    await expect.poll(() => named(".checkpoint").length).toBeGreaterThan(2);
    await end();
    const before = named(".checkpoint").at(-1) as string;
    // After a crash, damage near the beginning truncates the log there.
    truncateSync(join(folder(), "00000000000000000000.log"), 500);
    rmSync(join(directory, "data", ".kafka_cleanshutdown"));
    await start();
    const known = topics();
    expect(known.length).toBeGreaterThan(20);
    await create("later");
    expect((broker as TestBroker).node.shared.quorum.endOffset).toBeGreaterThan(Number(before.slice(0, 20)));
    await end();
    expect(named(".log")).toEqual([`${before.slice(0, 20)}.log`]);
    await start();
    expect(topics()).toEqual([...known, "later"].sort());
  });

  test("is refused in one sentence when no snapshot covers what came before the log", async () => {
    await start({ ...OFTEN, "metadata.max.retention.bytes": "1", "metadata.log.segment.ms": "1" });
    for (let i = 0; i < 40; i++) await create(`t${i}`);
    await expect.poll(() => named(".log")[0]).not.toBe("00000000000000000000.log");
    await end();
    for (const name of named(".checkpoint")) rmSync(join(folder(), name));
    await expect(start()).rejects.toThrow(/begins at offset \d+, and no snapshot there covers what came before/);
  });

  test.each([
    ["is empty", ""],
    ["is not JSON", "junk"],
    ["lacks its end", '{"leaderId":1,"leaderEp'],
    ["is no object", "7"],
  ])("is refused in one sentence when quorum-state %s", async (_, content) => {
    await start();
    await end();
    writeFileSync(join(folder(), "quorum-state"), content);
    const error: unknown = await start().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      name: "QuorumError",
      message: expect.stringMatching(/quorum-state is damaged: [^\n]+\.$/),
    });
    // The file is not overwritten: an operator may still read the vote in it.
    expect(readFileSync(join(folder(), "quorum-state"), "utf8")).toBe(content);
  });

  test("is refused in one sentence when its newest snapshot is damaged", async () => {
    await start();
    await end();
    writeFileSync(join(folder(), newest()), "junk");
    const error: unknown = await start().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      name: "QuorumError",
      message: expect.stringMatching(/^The snapshot of the metadata \S+ is damaged \([^\n]+\): restore it[^\n]+\.$/),
    });
  });

  test("leftovers of snapshots are removed at the start", async () => {
    await start();
    await end();
    for (const suffix of [".part", ".deleted"]) {
      writeFileSync(join(folder(), `00000000000000000900-0000000001.checkpoint${suffix}`), "half");
    }
    await start();
    expect([...named(".part"), ...named(".deleted")]).toEqual([]);
  });

  test("is trimmed behind snapshots by metadata.max.retention.bytes", async () => {
    await start({ ...OFTEN, "metadata.max.retention.bytes": "1", "metadata.log.segment.ms": "1" });
    for (let i = 0; i < 40; i++) await create(`t${i}`);
    await expect.poll(() => named(".checkpoint")).toHaveLength(1);
    const [base] = named(".log");
    expect(Number(base.slice(0, 20))).toBeGreaterThan(0);
    await end();
    await start();
    expect(topics()).toHaveLength(40);
  });

  // The bootstrap snapshot has no timestamp and counts as old, as in Kafka.
  test("is trimmed behind snapshots by metadata.max.retention.ms, and not with -1", async () => {
    for (const [retention, left] of [
      [String(HOUR), 1],
      ["-1", 3],
    ] as const) {
      let now = Date.now();
      const clock = { now: () => now, monotonic: () => now };
      await start({ "metadata.max.retention.ms": retention, "metadata.log.max.snapshot.interval.ms": "1" }, { clock });
      const { node } = broker as TestBroker;
      for (let i = 0; i < 2; i++) {
        now += 2 * HOUR;
        await create(`t${i}`);
        await expect.poll(() => named(".checkpoint")).toHaveLength(retention === "-1" ? i + 2 : 1);
      }
      now += 2 * HOUR;
      node.maintainMetadata();
      await expect.poll(() => named(".checkpoint")).toHaveLength(left);
      await end();
      rmSync(directory, { recursive: true });
      mkdirSync(directory);
    }
  });

  test("a snapshot is due after metadata.log.max.snapshot.interval.ms, if anything has changed", async () => {
    let ahead = 0;
    const began = performance.now();
    const clock = { now: () => Date.now(), monotonic: () => performance.now() - began + ahead };
    await start({}, { clock });
    await create("t");
    const { node } = broker as TestBroker;
    node.maintainMetadata();
    await create("u");
    expect(newest()).toBe(FIRST);
    ahead += HOUR;
    node.maintainMetadata();
    await expect.poll(newest).not.toBe(FIRST);
    const second = newest();
    ahead += HOUR;
    node.maintainMetadata();
    await create("v");
    await expect.poll(newest).not.toBe(second);
  });

  test("a snapshot that fails leaves nothing behind, and is tried again after a minute", async () => {
    let ahead = 0;
    let isFull = true;
    let attempts = 0;
    const clock = { now: () => Date.now(), monotonic: () => performance.now() + ahead };
    const real = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } }).disk;
    const disk: typeof real = {
      ...real,
      open: (path, mode) => {
        const file = real.open(path, mode);
        if (!path.endsWith(".part") || mode === "read") return file;
        attempts++;
        if (isFull) file.sync = () => Promise.reject(new DiskError("ENOSPC", path, "no space left"));
        return file;
      },
    };
    await start({}, { clock });
    await end();
    await start(OFTEN, { clock, disk });
    for (let i = 0; i < 40; i++) await create(`t${i}`);
    expect([attempts, named(".part"), named(".checkpoint")]).toEqual([1, [], [FIRST]]);
    isFull = false;
    ahead += 60_001;
    await create("u");
    await expect.poll(newest).not.toBe(FIRST);
    expect([attempts, named(".part")]).toEqual([2, []]);
    await end();
    await start();
    expect(topics()).toHaveLength(41);
  });

  test("a snapshot waits for the device without holding up the event loop", async () => {
    const blocking: string[] = [];
    const real = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } }).disk;
    const disk: typeof real = {
      ...real,
      syncDirectoryNow: path => {
        blocking.push(path);
        real.syncDirectoryNow(path);
      },
      open: (path, mode) => {
        const file = real.open(path, mode);
        const syncNow = file.syncNow.bind(file);
        file.syncNow = () => {
          blocking.push(path);
          syncNow();
        };
        return file;
      },
    };
    await start(OFTEN, { disk });
    expect(newest()).toBe(FIRST);
    // The bootstrap snapshot is written at the start, before anybody is served.
    expect(blocking.splice(0)).not.toEqual([]);
    for (let i = 0; i < 30; i++) await create(`t${i}`);
    await expect.poll(newest).not.toBe(FIRST);
    expect(blocking).toEqual([]);
  });

  test("the time of a snapshot is read once", async () => {
    let reads = 0;
    const real = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } }).disk;
    const disk: typeof real = {
      ...real,
      open: (path, mode) => {
        if (path.endsWith(".checkpoint") && path.includes("-00000000") && mode === "read") reads++;
        return real.open(path, mode);
      },
    };
    await start({ ...OFTEN, "metadata.max.retention.ms": String(100 * HOUR) }, { disk });
    const { node } = broker as TestBroker;
    for (let i = 0; i < 30; i++) await create(`t${i}`);
    await expect.poll(() => named(".checkpoint").length).toBeGreaterThan(2);
    node.maintainMetadata();
    await create("u");
    const before = reads;
    for (let i = 0; i < 10; i++) node.maintainMetadata();
    await create("v");
    expect(reads).toBe(before);
  });

  test("a start counts the log that it reads towards the next snapshot", async () => {
    await start();
    for (let i = 0; i < 30; i++) await create(`t${i}`);
    await end();
    await start();
    expect(newest()).toBe(FIRST);
    await end();
    await start(OFTEN);
    await create("u");
    await expect.poll(newest).not.toBe(FIRST);
  });
});

describe("a decision", () => {
  test("larger than a batch is whole or absent after a crash", async () => {
    await start();
    // Settings near the size limit need more than one batch for a decision.
    const value = "x".repeat(32_000);
    const names = Array.from({ length: 300 }, (_, i) => `m${i}`);
    const resources = names.map(resourceName => ({
      resourceType: 16,
      resourceName,
      configs: [{ name: "metrics", configOperation: 0, value }],
    }));
    const record = metadataRecord("ConfigRecord", 0, { resourceType: 16, resourceName: "m0", name: "metrics", value });
    expect(encodeMetadataRecord(record).length * names.length).toBeGreaterThan(8 << 20);
    await create("before");
    const file = join(folder(), "00000000000000000000.log");
    const before = readFileSync(file).length;
    const { responses } = await wire.ask("IncrementalAlterConfigs", 1, {
      resources,
      validateOnly: false,
    });
    expect(new Set(responses.map(({ errorCode }) => errorCode))).toEqual(new Set([0]));
    const whole = readFileSync(file);
    await end();
    const settings = () => {
      const { configs } = (broker as TestBroker).broker.topics.image;
      return names.filter(name => configs.has(configKey(RESOURCE_TYPE.clientMetrics, name))).length;
    };
    await start();
    expect(settings()).toBe(names.length);
    await end();
    // The crash has left the first batch, but not the last.
    rmSync(join(directory, "data", ".kafka_cleanshutdown"));
    expect(existsSync(file)).toBe(true);
    writeFileSync(file, whole.subarray(0, before + Math.floor((whole.length - before) * 0.98)));
    await start();
    expect(settings()).toBe(0);
    expect(topics()).toEqual(["before"]);
    await create("after");
    await end();
    await start();
    expect(topics()).toEqual(["after", "before"]);
  });
});
