import { fromUtf8, utf8 } from "@samsa/base";
import type { LogConfig } from "@samsa/log";
import { BatchCursor, buildBatch } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CleanerSettings, LogCleaner, type PartitionLog } from "../src/index.ts";
import { Compacted, op } from "./compacted.ts";
import { Fixture, NOW, TOPIC_ID } from "./fixture.ts";

describe("compaction", () => {
  test("keeps the last of each key, what readers were promised, and what producers did", async () => {
    const histories = fc.array(op, { minLength: 5, maxLength: 60 });
    // The map has room for all keys, or for four: those of the largest batch.
    const property = fc.asyncProperty(
      fc.nat(),
      fc.constantFrom(1 << 20, 5 * 24),
      histories,
      async (seed, mapBytes, ops) => {
        const compacted = new Compacted(seed, mapBytes);
        for (const next of ops) await compacted.run(next);
        compacted.log.roll();
        await compacted.compact();
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });
});

const SETTINGS: CleanerSettings = {
  enabled: true,
  threads: 1,
  dedupeBytes: 1 << 20,
  loadFactor: 0.9,
  bufferBytes: 4096,
  bytesPerSecond: Infinity,
  backoffMs: 15_000,
};

/** A machine with compacted topics "a", "b" and "c", and a cleaner. */
class Cleaned {
  readonly fixture = new Fixture(1, { segmentBytes: 2000, cleanupPolicy: new Set(["compact"]) });
  settings: CleanerSettings;
  readonly cleaner: LogCleaner;

  constructor(settings: Partial<CleanerSettings> = {}, config: Partial<LogConfig> = {}) {
    this.fixture.config = { ...this.fixture.config, ...config };
    this.settings = { ...SETTINGS, ...settings };
    this.cleaner = new LogCleaner({
      env: this.fixture.node.env,
      dirs: () => [this.fixture.dir],
      settings: () => this.settings,
    });
  }

  log(topic: string): PartitionLog {
    return this.fixture.dir.get(topic, 0) ?? this.fixture.dir.create(topic, 0, TOPIC_ID);
  }

  /** Writes `keys` different keys `times` times with timestamp `at`, and rolls the segment. */
  async write(topic: string, keys: number, times: number, at = NOW): Promise<void> {
    const log = this.log(topic);
    for (let i = 0; i < keys * times; i++) {
      const record = { timestamp: at, key: utf8(`key ${i % keys}`), value: utf8(`value ${i}`) };
      log.append(buildBatch([record], {}, this.fixture.tools), { origin: "client", now: at, leaderEpoch: 0 });
    }
    log.roll();
    await this.fixture.settle(log.flush());
    log.highWatermark = log.endOffset;
  }

  count(topic: string): number {
    const log = this.log(topic);
    let count = 0;
    for (let offset = 0; offset < log.endOffset; ) {
      const read = log.read({ offset, maxBytes: 10_000, minOneMessage: true, limitOffset: log.endOffset });
      if (read.chunks.length === 0) break;
      for (const chunk of read.chunks) {
        for (const batch = new BatchCursor(chunk); batch.next(); ) count += batch.count;
      }
      offset = read.nextOffset;
    }
    return count;
  }

  /** True if the log's directory has files of an unfinished compaction. */
  hasLeft(topic: string): boolean {
    const files = this.fixture.node.env.disk.list(`/data/${topic}-0`);
    return files.some(({ name }) => /cleaned|swap/.test(name));
  }

  async run(ms: number): Promise<void> {
    await this.fixture.world.runFor(ms);
  }
}

describe("the cleaner", () => {
  test("compacts what is dirty enough, again and again, until it is stopped", async () => {
    const cleaned = new Cleaned();
    await cleaned.write("a", 4, 100);
    await cleaned.write("b", 100, 1);
    cleaned.cleaner.start();
    await cleaned.run(1000);
    expect([cleaned.count("a"), cleaned.count("b"), cleaned.log("a").cleanedTo]).toEqual([4, 100, 400]);
    // A tenth of the log is now dirty, less than the minimum ratio of one half.
    await cleaned.write("b", 10, 1);
    await cleaned.run(16_000);
    expect([cleaned.count("b"), cleaned.cleaner.report.mostDirty > 0]).toEqual([110, true]);
    await cleaned.write("b", 10, 10);
    await cleaned.run(16_000);
    expect(cleaned.count("b")).toBe(100);
    await cleaned.fixture.settle(cleaned.cleaner.stop());
    await cleaned.write("a", 4, 100);
    await cleaned.run(60_000);
    expect(cleaned.count("a")).toBe(404);
  });

  test("leaves a log alone in which something throws, and goes on with the others", async () => {
    const cleaned = new Cleaned();
    for (const topic of ["a", "b", "c"]) await cleaned.write(topic, 4, 100);
    cleaned.log("a").cleanable = () => {
      throw new Error("planted");
    };
    Object.defineProperty(cleaned.log("b"), "replaceSegments", {
      value: () => {
        throw new Error("planted");
      },
    });
    cleaned.cleaner.start();
    await cleaned.run(40_000);
    expect([cleaned.count("c"), cleaned.cleaner.report.uncleanable]).toEqual([4, 2]);
    await cleaned.write("c", 4, 100);
    await cleaned.run(40_000);
    expect(cleaned.count("c")).toBe(4);
    await cleaned.fixture.settle(cleaned.cleaner.stop());
  });

  test("keeps a tombstone for delete.retention.ms after it was first compacted, and no longer", async () => {
    const retention = 100_000;
    const cleaned = new Cleaned({ backoffMs: 1000 }, { deleteRetentionMs: retention, minCleanableRatio: 0 });
    const { fixture } = cleaned;
    const log = cleaned.log("a");
    const put = async (key: string, value: Uint8Array | null) => {
      const bytes = buildBatch([{ timestamp: NOW, key: utf8(key), value }], {}, fixture.tools);
      log.append(bytes, { origin: "client", now: NOW, leaderEpoch: 0 });
      log.roll();
      await fixture.settle(log.flush());
      log.highWatermark = log.endOffset;
    };
    await put("k", utf8("value"));
    await put("k", null);
    await put("x", utf8("1"));
    cleaned.cleaner.start();
    await cleaned.run(5000);
    expect([log.cleanedTo, cleaned.count("a")]).toEqual([3, 2]);
    await put("y", utf8("1"));
    await cleaned.run(retention - 10_000);
    expect([log.cleanedTo, cleaned.count("a")]).toEqual([4, 3]);
    await cleaned.run(10_000);
    await put("z", utf8("1"));
    await cleaned.run(5000);
    expect([log.cleanedTo, cleaned.count("a")]).toEqual([5, 3]);
    await fixture.settle(cleaned.cleaner.stop());
  });

  test("is not there when it is switched off", async () => {
    const cleaned = new Cleaned({ enabled: false });
    await cleaned.write("a", 4, 100);
    cleaned.cleaner.start();
    await cleaned.run(60_000);
    expect(cleaned.count("a")).toBe(400);
    await cleaned.cleaner.stop();
  });

  test("rests for as long as it is told when there is nothing to do", async () => {
    for (const backoffMs of [1000, 30_000]) {
      const cleaned = new Cleaned({ backoffMs });
      cleaned.cleaner.start();
      await cleaned.run(100);
      await cleaned.write("a", 4, 100);
      await cleaned.run(5000);
      expect(cleaned.count("a")).toBe(backoffMs === 1000 ? 4 : 400);
      await cleaned.fixture.settle(cleaned.cleaner.stop());
    }
  });

  test("reads and writes no more bytes a second than it may", async () => {
    const cleaned = new Cleaned({ bytesPerSecond: 10_000 });
    await cleaned.write("a", 4, 500);
    const { size } = cleaned.log("a");
    cleaned.cleaner.start();
    const begun = cleaned.fixture.world.now();
    await cleaned.fixture.world.runUntil(() => cleaned.log("a").cleanedTo > 0);
    // Compaction reads the log twice: for its keys and to copy it.
    const rate = (2 * size * 1000) / (cleaned.fixture.world.now() - begun);
    expect([rate > 9000, rate < 11_000]).toEqual([true, true]);
    await cleaned.fixture.settle(cleaned.cleaner.stop());
  });

  test("works on as many logs at a time as it has threads", async () => {
    const topics = ["a", "b", "c"];
    for (const threads of [1, 2]) {
      const cleaned = new Cleaned({ threads, bytesPerSecond: 100_000 });
      for (const topic of topics) await cleaned.write(topic, 4, 500);
      cleaned.cleaner.start();
      await cleaned.fixture.world.runUntil(() => topics.some(topic => cleaned.log(topic).cleanedTo > 0));
      const touched = topics.filter(topic => cleaned.count(topic) < 2000 || cleaned.hasLeft(topic));
      expect(touched.length).toBe(threads);
      await cleaned.fixture.settle(cleaned.cleaner.stop());
    }
  });

  test("goes on where it stopped when there is no room for all keys at once", async () => {
    const cleaned = new Cleaned({ dedupeBytes: 1000 * 24, loadFactor: 0.5 }, { minCleanableRatio: 0 });
    await cleaned.write("a", 3000, 2);
    cleaned.cleaner.start();
    await cleaned.run(60_000);
    expect([cleaned.count("a"), cleaned.log("a").cleanedTo]).toEqual([3000, 6000]);
    await cleaned.fixture.settle(cleaned.cleaner.stop());
  });

  test("leaves young records alone, and lets none wait for too long", async () => {
    const hour = 3_600_000;
    const young = new Cleaned({}, { minCompactionLagMs: hour });
    await young.write("a", 4, 100, young.fixture.node.env.clock.now());
    young.cleaner.start();
    await young.run(hour - 30_000);
    expect(young.count("a")).toBe(400);
    await young.run(60_000);
    expect(young.count("a")).toBe(4);
    await young.fixture.settle(young.cleaner.stop());

    const waiting = new Cleaned({}, { minCleanableRatio: 1, maxCompactionLagMs: hour });
    await waiting.write("a", 4, 100, waiting.fixture.node.env.clock.now());
    waiting.cleaner.start();
    await waiting.run(hour - 30_000);
    expect(waiting.count("a")).toBe(400);
    await waiting.run(60_000);
    expect(waiting.count("a")).toBe(4);
    await waiting.fixture.settle(waiting.cleaner.stop());
  });

  test("leaves a log that cannot be read as it is, and goes on with the others", async () => {
    const cleaned = new Cleaned();
    for (const topic of ["a", "b"]) await cleaned.write(topic, 4, 100);
    cleaned.fixture.node.disk.flipBit("/data/a-0/00000000000000000000.log", 100);
    cleaned.cleaner.start();
    await cleaned.run(60_000);
    expect([cleaned.count("b"), cleaned.log("a").cleanedTo, cleaned.cleaner.report.uncleanable]).toEqual([4, 0, 1]);
    expect(cleaned.hasLeft("a")).toBe(false);
    await cleaned.fixture.settle(cleaned.cleaner.stop());
  });

  test("gives up a log that is cut or deleted meanwhile, and what it has written beside it", async () => {
    for (const end of ["truncate", "delete"] as const) {
      const cleaned = new Cleaned({ bytesPerSecond: 100_000 });
      await cleaned.write("a", 400, 2);
      const log = cleaned.log("a");
      cleaned.cleaner.start();
      await cleaned.fixture.world.runUntil(() => cleaned.hasLeft("a"));
      if (end === "delete") log.delete();
      else log.truncateTo(300);
      await cleaned.run(20_000);
      const left = cleaned.fixture.node.env.disk
        .list("/data")
        .filter(({ name }) => name.startsWith("a-"))
        .flatMap(({ name }) => cleaned.fixture.node.env.disk.list(`/data/${name}`));
      expect(left.filter(({ name }) => /cleaned|swap/.test(name))).toEqual([]);
      if (end === "truncate") expect([log.endOffset, cleaned.count("a")]).toEqual([300, 300]);
      await cleaned.fixture.settle(cleaned.cleaner.stop());
    }
  });

  test("tells at the next start how far it came", async () => {
    const cleaned = new Cleaned();
    await cleaned.write("a", 4, 100);
    cleaned.cleaner.start();
    await cleaned.run(1000);
    await cleaned.fixture.settle(cleaned.cleaner.stop());
    await cleaned.fixture.restart();
    expect(cleaned.log("a").cleanedTo).toBe(400);
    const { env } = cleaned.fixture.node;
    const file = env.disk.open("/data/cleaner-offset-checkpoint", "read");
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    expect(fromUtf8(bytes)).toBe("0\n1\na 0 400\n");
  });
});

describe("an exchange of segments that a power cut interrupts", () => {
  /** A log of two segments whose first is about to be exchanged for a segment with its last record only. */
  async function exchanging(names: Readonly<Record<string, string>>): Promise<Cleaned> {
    const cleaned = new Cleaned();
    await cleaned.write("a", 1, 3);
    const { env } = cleaned.fixture.node;
    const record = { timestamp: NOW, key: utf8("key 0"), value: utf8("value 2") };
    const bytes = buildBatch([record], { baseOffset: 2, leaderEpoch: 0 }, cleaned.fixture.tools);
    for (const [suffix, beside] of Object.entries(names)) {
      const file = env.disk.open(`/data/a-0/00000000000000000000${suffix}${beside}`, "create");
      if (suffix === ".log") file.write([bytes], 0);
      file.close();
    }
    await cleaned.fixture.settle(cleaned.fixture.dir.checkpoint());
    cleaned.fixture.crash("kept");
    return cleaned;
  }

  test("did not happen while a file has not got its second name", async () => {
    const cleaned = await exchanging({ ".log": ".swap", ".index": ".cleaned", ".timeindex": ".cleaned" });
    expect([cleaned.count("a"), cleaned.hasLeft("a"), cleaned.log("a").endOffset]).toEqual([3, false, 3]);
  });

  test("is finished when all files have", async () => {
    const cleaned = await exchanging({ ".log": ".swap", ".index": ".swap", ".timeindex": ".swap" });
    expect([cleaned.count("a"), cleaned.hasLeft("a"), cleaned.log("a").endOffset]).toEqual([1, false, 3]);
  });
});
