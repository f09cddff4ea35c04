import { utf8 } from "@samsa/base";
import { OffsetMap } from "@samsa/log";
import { buildBatch, endTxnBatch } from "@samsa/records";
import { describe, expect, test } from "vitest";
import { compact } from "../src/compact.ts";
import { Fixture, NOW, TOPIC_ID } from "./fixture.ts";

const SEGMENTS = 100;

/** Counts reads of the disk during `work`, by the suffix of the file. */
class Reads {
  readonly #fixture: Fixture;

  constructor(fixture: Fixture) {
    this.#fixture = fixture;
  }

  of(work: () => void): Record<string, number> {
    const counts: Record<string, number> = {};
    this.#fixture.node.disk.fault = (operation, path) => {
      if (operation === "read") {
        const kind = path.slice(path.lastIndexOf(".") + 1);
        counts[kind] = (counts[kind] ?? 0) + 1;
      }
      return undefined;
    };
    work();
    this.#fixture.node.disk.fault = undefined;
    return counts;
  }
}

/** A log of 100 segments, each of five records a millisecond apart. Every tenth segment has an aborted transaction. */
async function longLog(indexBytes = 1 << 20): Promise<Fixture> {
  const fixture = new Fixture(
    3,
    { segmentBytes: 100_000, indexIntervalBytes: 0, retentionMs: -1 },
    { indexBytes, tailBytes: 0 },
  );
  const { log, tools } = fixture;
  for (let segment = 0; segment < SEGMENTS; segment++) {
    const aborts = segment % 10 === 5;
    for (let i = 0; i < 5; i++) {
      const now = NOW + segment * 5 + i;
      if (aborts && i === 4) {
        const marker = { producerId: 9n, producerEpoch: 0, timestamp: now, coordinatorEpoch: 0, commit: false };
        log.append(endTxnBatch(marker, tools), { origin: "coordinator", now, leaderEpoch: 0 });
        continue;
      }
      const of = {
        producerId: 9n,
        producerEpoch: 0,
        baseSequence: Math.floor(segment / 10) * 4 + i,
        transactional: true,
      };
      const bytes = buildBatch([{ timestamp: now, key: null, value: null }], aborts ? of : {}, tools);
      expect(log.append(bytes, { origin: "client", now, leaderEpoch: 0 }).error).toBe(0);
    }
    log.roll();
  }
  log.highWatermark = log.endOffset;
  await fixture.restart();
  fixture.log.highWatermark = fixture.log.endOffset;
  return fixture;
}

describe("what a long log reads", () => {
  test("for a reader of committed records: the aborted transactions up to where nothing more can concern it", async () => {
    const fixture = await longLog();
    const reads = new Reads(fixture);
    const { log } = fixture;
    expect(reads.of(() => expect(log.abortedTransactions(0, 10)).toEqual([]))).toEqual({ txnindex: 1 });
    expect(reads.of(() => log.abortedTransactions(0, 10))).toEqual({});
    expect(reads.of(() => expect(log.abortedTransactions(270, 280)).toHaveLength(1))).toEqual({ txnindex: 1 });
    // There is no aborted transaction above this offset, so nothing needs to be read.
    expect(reads.of(() => expect(log.abortedTransactions(485, 490)).toEqual([]))).toEqual({});
  });

  test("for a time: of each segment before it the last entries, once, and the index of its own", async () => {
    const fixture = await longLog();
    const reads = new Reads(fixture);
    const { log } = fixture;
    const last = SEGMENTS * 5 - 1;
    const first = reads.of(() => expect(log.offsetForTimestamp(NOW + last)?.offset).toBe(last));
    expect(first.index).toBe(1);
    expect(first.timeindex).toBeLessThanOrEqual(SEGMENTS + 1);
    const again = reads.of(() => expect(log.offsetForTimestamp(NOW + last)?.offset).toBe(last));
    expect([again.index, again.timeindex]).toEqual([undefined, undefined]);
    expect(log.offsetOfMaxTimestamp()?.offset).toBe(last);
  });

  test("for retention and compaction: times, not indexes", async () => {
    const fixture = await longLog();
    const { log } = fixture;
    log.config = { ...log.config, retentionMs: 1_000_000 };
    const reads = new Reads(fixture);
    expect(reads.of(() => expect(log.enforceRetention(NOW + 1_000_012)).toBe(2)).index).toBeUndefined();
    expect(reads.of(() => log.cleanable(NOW)).index).toBeUndefined();
  });

  test("stays in memory only up to a bound", async () => {
    const limit = 1000;
    const fixture = await longLog(limit);
    const { log } = fixture;
    for (let offset = 0; offset < log.endOffset; offset++) {
      const read = log.read({ offset, maxBytes: 1, minOneMessage: true, limitOffset: log.endOffset });
      expect(read.nextOffset).toBe(offset + 1);
      read.release?.();
    }
    const held = log.state.segments.reduce((sum, segment) => sum + segment.indexBytes, 0);
    expect(held - log.state.active.indexBytes).toBeLessThanOrEqual(limit);
  });

  test("does not hold up the event loop where a whole log is read, and made durable: compaction", async () => {
    const fixture = new Fixture(4, { segmentBytes: 20_000, cleanupPolicy: new Set(["compact"]) }, { tailBytes: 0 });
    const { log, tools } = fixture;
    const { env } = fixture.node;
    for (let i = 0; i < 40; i++) {
      const record = { timestamp: NOW, key: utf8(`key ${i % 3}`), value: new Uint8Array(4000) };
      log.append(buildBatch([record], {}, tools), { origin: "client", now: NOW, leaderEpoch: 0 });
    }
    log.roll();
    await fixture.flush();
    log.highWatermark = log.endOffset;
    const blocking: string[] = [];
    const open = env.disk.open.bind(env.disk);
    env.disk.open = (path, mode) => {
      const file = open(path, mode);
      const read = (target: Uint8Array, position: number): number => {
        // Reads of headers and indexes are smaller.
        if (path.startsWith("/data/") && target.length > 8192) blocking.push(path);
        return file.read(target, position);
      };
      const syncNow = (): void => void blocking.push(path);
      return Object.create(file, { read: { value: read }, syncNow: { value: syncNow } }) as typeof file;
    };
    env.disk.syncDirectoryNow = path => void blocking.push(path);
    const pause = () => new Promise<void>(resolve => void env.timers.after(1, resolve));
    const map = new OffsetMap(1 << 20, 0.9, env.crypto.digest);
    const options = { map, bufferBytes: 16_384, pause, stopped: () => false };
    expect(await fixture.settle(compact(log, log.cleanable(NOW), options))).toBe(40);
    expect(blocking).toEqual([]);
  });

  test("after a read that had to wait for the device is read ahead, where nobody waits", async () => {
    const fixture = await longLog();
    const { env, disk } = fixture.node;
    const { clock } = env;
    const monotonic = clock.monotonic.bind(clock);
    let ms = 0;
    Object.defineProperty(clock, "monotonic", { value: () => monotonic() + (ms += 5) });
    const read = fixture.log.read({ offset: 7, maxBytes: 1, minOneMessage: true, limitOffset: 100 });
    expect(read.nextOffset).toBe(8);
    let reads = 0;
    disk.fault = (operation, path) => {
      if (operation === "read" && path.endsWith(".log")) reads++;
      return undefined;
    };
    await fixture.world.runFor(100);
    expect(reads).toBe(1);
    disk.fault = undefined;
  });
});

test("a start after kill -9 waits for no device, and lists each log once, where every file is sound", async () => {
  const fixture = new Fixture(5, { segmentBytes: 100_000 });
  const others = [1, 2, 3].map(partition => fixture.dir.create("u", partition, TOPIC_ID));
  fixture.log.append(fixture.batch(1), { origin: "client", now: NOW, leaderEpoch: 0 });
  await fixture.flush();
  await fixture.settle(fixture.dir.checkpoint());
  for (const { path } of others) expect(fixture.node.disk.mount().stat(path)).toBeDefined();
  fixture.node = fixture.world.crash("a", { unsynced: "cached" });
  const operations: string[] = [];
  fixture.node.disk.watch = (operation, path) => void operations.push(`${operation} ${path}`);
  fixture.dir = fixture.open();
  fixture.node.disk.watch = undefined;
  expect(operations.filter(one => one.includes("sync") && /\/[tu]-\d/.test(one))).toEqual([]);
  const listings = operations.filter(one => /^list .*\/[tu]-\d$/.test(one));
  expect(listings.toSorted()).toEqual([...new Set(listings)].toSorted());
  expect(listings).toHaveLength(4);
});
