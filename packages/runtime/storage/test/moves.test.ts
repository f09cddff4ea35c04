import { fromUtf8, utf8 } from "@samsa/base";
import { OffsetMap, writeOffsets } from "@samsa/log";
import { BatchCursor, buildBatch, endTxnBatch, RecordCursor } from "@samsa/records";
import { describe, expect, test } from "vitest";
import { compact } from "../src/compact.ts";
import { replaceFile } from "../src/files.ts";
import { type LogDir, openLogDir, type PartitionLog } from "../src/index.ts";
import { LogMove } from "../src/log-move.ts";
import { CONFIG, Fixture, NOW, TOPIC_ID } from "./fixture.ts";

const COMPACTED = { ...CONFIG, segmentBytes: 700, cleanupPolicy: new Set(["compact"]) as typeof CONFIG.cleanupPolicy };

/** A machine with a compacted log in one directory, and a second directory. */
class TwoDirs {
  readonly fixture: Fixture;
  second: LogDir;

  constructor(config: Partial<typeof CONFIG> = {}) {
    this.fixture = new Fixture(7, { ...COMPACTED, ...config });
    this.second = this.open();
  }

  open(): LogDir {
    const configOf = () => this.fixture.config;
    return openLogDir(this.fixture.node.env, "/data2", { nodeId: 1, clusterId: "cluster", configOf });
  }

  get log(): PartitionLog {
    return this.fixture.log;
  }

  put(key: string, value: string | null, options: object = {}): void {
    const record = { timestamp: NOW, key: utf8(key), value: value === null ? null : utf8(value) };
    const bytes = buildBatch([record], options, this.fixture.tools);
    const { error } = this.log.append(bytes, { origin: "client", now: NOW, leaderEpoch: 0 });
    expect(error).toBe(0);
  }

  async flush(): Promise<void> {
    await this.fixture.flush();
    this.log.highWatermark = this.log.endOffset;
  }

  /** Compacts as much as possible. Returns the first offset that was not compacted. */
  async clean(): Promise<number | undefined> {
    const { env } = this.fixture.node;
    const range = this.log.cleanable(env.clock.now());
    const to = await this.fixture.settle(
      compact(this.log, range, {
        map: new OffsetMap(1 << 20, 0.9, env.crypto.digest),
        bufferBytes: 4096,
        pause: () => new Promise(resolve => env.timers.after(1, resolve)),
        stopped: () => false,
      }),
    );
    if (to !== undefined) this.log.cleanedTo = to;
    return to;
  }

  crash(unsynced: "random" | "cached" | "lost"): void {
    this.fixture.crash(unsynced);
    this.second = this.open();
  }

  /** Offset, key and value of each record, oldest first. */
  records(log: PartitionLog): string[] {
    const found: string[] = [];
    const record = new RecordCursor();
    for (let offset = log.startOffset; offset < log.endOffset; ) {
      const read = log.read({ offset, maxBytes: 1 << 20, minOneMessage: true, limitOffset: log.endOffset });
      expect(read.nextOffset).toBeGreaterThan(offset);
      for (const chunk of read.chunks) {
        const batch = new BatchCursor(chunk);
        while (batch.next()) {
          record.open(batch, this.fixture.tools.codecs);
          while (!batch.isControl && record.next()) {
            const value = record.value();
            found.push(`${record.offset} ${fromUtf8(record.key() as Uint8Array)} ${value && fromUtf8(value)}`);
          }
        }
      }
      offset = read.nextOffset;
    }
    return found;
  }
}

/** A compacted log with gaps of many offsets between its segments. */
async function compacted(): Promise<TwoDirs> {
  const dirs = new TwoDirs();
  for (let i = 0; i < 40; i++) {
    dirs.put(`u${i}`, "v".repeat(30));
    for (let k = 0; k < 5; k++) dirs.put("hot", `h${i}`);
  }
  dirs.log.roll();
  dirs.put("last", "x");
  await dirs.flush();
  await dirs.clean();
  return dirs;
}

/** Moves the log step by step; `visit` may stop it after any step. */
async function move(dirs: TwoDirs, visit: () => boolean): Promise<void> {
  const source = dirs.log;
  const { fixture } = dirs;
  const copy = dirs.second.createFuture(source, TOPIC_ID);
  const work = new LogMove(source, copy);
  work.align();
  if (visit()) return;
  while (work.step()) if (visit()) return;
  await fixture.settle(copy.flush());
  if (visit()) return;
  await fixture.settle(work.secure());
  if (visit()) return;
  work.swap();
  if (visit()) return;
  await fixture.settle(copy.home.syncNames());
  if (visit()) return;
  source.delete();
  visit();
}

test("a copy follows a log that is cut and grows again with other records", async () => {
  const dirs = new TwoDirs({ cleanupPolicy: new Set(["delete"]) as typeof CONFIG.cleanupPolicy });
  for (const value of ["a", "b", "c"]) dirs.put("k", value);
  await dirs.flush();
  const copy = dirs.second.createFuture(dirs.log, TOPIC_ID);
  const move = new LogMove(dirs.log, copy);
  move.align();
  while (move.step());
  dirs.log.truncateTo(1);
  for (const [offset, epoch] of [
    [1, 2],
    [2, 2],
    [3, 2],
  ] as const) {
    const record = { timestamp: NOW, key: utf8("k"), value: utf8(`of another leader ${offset}`) };
    const bytes = buildBatch([record], { baseOffset: offset, leaderEpoch: epoch }, dirs.fixture.tools);
    expect(dirs.log.appendAsFollower(bytes).error).toBe(0);
  }
  while (move.step());
  const whole = { offset: 0, maxBytes: 1 << 20, minOneMessage: true, limitOffset: 4 };
  const bytes = (log: PartitionLog) => Buffer.concat(log.read(whole).chunks).toString("hex");
  expect(copy.endOffset).toBe(4);
  expect(bytes(copy)).toBe(bytes(dirs.log));
});

describe("the move of a compacted log", () => {
  test.each(["cached", "random", "lost"] as const)("loses nothing whenever it is cut off: %s", async unsynced => {
    let steps = 1;
    for (let stop = 1; stop <= steps; stop++) {
      const dirs = await compacted();
      const { endOffset } = dirs.log;
      const all = dirs.records(dirs.log);
      expect(all).toHaveLength(42);
      let seen = 0;
      await move(dirs, () => ++seen === stop);
      steps = Math.max(steps, seen + (seen === stop ? 1 : 0));
      dirs.crash(unsynced);
      const kept = dirs.fixture.dir.get("t", 0) ?? dirs.second.get("t", 0);
      expect(kept?.endOffset, `step ${stop}`).toBe(endOffset);
      expect(kept && dirs.records(kept), `step ${stop}`).toEqual(all);
      // Compaction has left gaps in the copied records; recovery must not take them for a lost tail.
      const copy = dirs.second.futures.get("t-0");
      const copied = copy === undefined ? [] : dirs.records(copy);
      expect(copied).toEqual(all.slice(0, copied.length));
      if (unsynced === "cached" && seen > 2 && copy !== undefined) expect(copied.length).toBeGreaterThan(0);
    }
    expect(steps).toBeGreaterThan(6);
  });

  test("keeps what is known of it: its start and how far it was compacted, also when power goes at once", async () => {
    const dirs = await compacted();
    const { cleanedTo } = dirs.log;
    expect(cleanedTo).toBeGreaterThan(0);
    await move(dirs, () => {
      // These records have been copied already.
      if ((dirs.second.futures.get("t-0")?.endOffset ?? 0) > 60) dirs.log.deleteRecords(50);
      return false;
    });
    expect(dirs.second.get("t", 0)?.cleanedTo).toBe(cleanedTo);
    dirs.crash("lost");
    expect(dirs.second.get("t", 0)?.startOffset).toBe(50);
  });

  test("reads nothing again that was flushed before it took the log's place", async () => {
    const dirs = await compacted();
    await move(dirs, () => false);
    const reads = new Set<string>();
    dirs.fixture.node.disk.fault = (operation, path) => {
      if (operation === "read" && path.endsWith(".log")) reads.add(path);
      return undefined;
    };
    dirs.crash("cached");
    const { segments } = dirs.second.get("t", 0)?.state ?? { segments: [] };
    expect(segments.length).toBeGreaterThan(2);
    expect([...reads]).toEqual([`/data2/t-0/${segments[segments.length - 1].file}`]);
  });

  test("of which Kafka has not written down how far it was flushed, is kept as far as it was compacted", async () => {
    const dirs = await compacted();
    const { endOffset } = dirs.log;
    const all = dirs.records(dirs.log);
    await dirs.fixture.settle(dirs.fixture.dir.checkpoint());
    replaceFile(
      dirs.fixture.node.env.disk,
      "/data/recovery-point-offset-checkpoint",
      writeOffsets([{ topic: "t", partition: 0, offset: 0 }]),
      false,
    );
    dirs.crash("cached");
    expect([dirs.log.endOffset, dirs.records(dirs.log)]).toEqual([endOffset, all]);
  });

  test("waits with compaction until it has ended: a deleted key does not come back", async () => {
    const dirs = new TwoDirs({ segmentBytes: 1000, deleteRetentionMs: 0 });
    const { fixture, log } = dirs;
    const transaction = { producerId: 5n, producerEpoch: 0, transactional: true };
    dirs.put("K", "secret");
    dirs.put("A", "aborted", { ...transaction, baseSequence: 0 });
    for (let i = 0; i < 20; i++) dirs.put(`fill${i}`, "x".repeat(60));
    dirs.put("K", null);
    const marker = { producerId: 5n, producerEpoch: 0, timestamp: NOW, coordinatorEpoch: 0, commit: false };
    log.append(endTxnBatch(marker, fixture.tools), { origin: "coordinator", now: NOW, leaderEpoch: 0 });
    dirs.put("P", "other");
    log.roll();
    await dirs.flush();
    const copy = dirs.second.createFuture(log, TOPIC_ID);
    const work = new LogMove(log, copy);
    work.align();
    work.step();
    expect(copy.endOffset).toBeLessThan(log.endOffset);
    for (let i = 0; i < 4; i++) {
      expect(await dirs.clean()).toBeUndefined();
      dirs.put(`later${i}`, "y");
      log.roll();
      await dirs.flush();
      await fixture.world.runFor(10);
    }
    const before = dirs.records(log);
    while (work.step());
    await fixture.settle(copy.flush());
    work.swap();
    expect(dirs.records(copy)).toEqual(before);
    expect(before.filter(line => line.includes(" K "))).toEqual(["0 K secret", "22 K null"]);
    expect(copy.stableOffset).toBe(copy.endOffset);
  });

  test("ends a compaction that is under way, and lets others begin when it is given up", async () => {
    const dirs = await compacted();
    for (let i = 0; i < 40; i++) dirs.put("hot", `again ${i}`);
    dirs.log.roll();
    await dirs.flush();
    const cleaning = dirs.clean();
    const work = new LogMove(dirs.log, dirs.second.createFuture(dirs.log, TOPIC_ID));
    expect(await cleaning).toBeUndefined();
    work.cancel();
    expect(await dirs.clean()).toBeGreaterThan(200);
  });
});

test("a log of which everything is deleted while it is copied is moved all the same", async () => {
  const dirs = await compacted();
  const { log } = dirs;
  const end = log.endOffset;
  await move(dirs, () => {
    if (log.startOffset < end) expect(log.deleteRecords(-1)).toBe(end);
    return false;
  });
  const moved = dirs.second.get("t", 0) as PartitionLog;
  expect([moved.startOffset, moved.endOffset]).toEqual([end, end]);
  dirs.crash("lost");
  expect(dirs.second.get("t", 0)?.endOffset).toBe(end);
});

test("a log that ends beyond its last record keeps its end when it is moved", async () => {
  const dirs = await compacted();
  const { log } = dirs;
  const all = dirs.records(log);
  const end = log.endOffset + 10;
  // Compaction leaves such an end when it removes the last tombstones before an empty segment.
  log.extendTo(end);
  await dirs.flush();
  await move(dirs, () => false);
  const moved = dirs.second.get("t", 0) as PartitionLog;
  expect(moved.endOffset).toBe(end);
  dirs.crash("lost");
  const kept = dirs.second.get("t", 0) as PartitionLog;
  expect(kept.endOffset).toBe(end);
  kept.highWatermark = end;
  const read = kept.read({ offset: 0, maxBytes: 1 << 20, minOneMessage: true, limitOffset: end });
  expect(read.chunks.length).toBeGreaterThan(0);
  expect(all).toHaveLength(42);
});

test("files that a copy has deleted are removed where its directory is after the move", async () => {
  const dirs = await compacted();
  const { env } = dirs.fixture.node;
  const source = dirs.log;
  const copy = dirs.second.createFuture(source, TOPIC_ID);
  const work = new LogMove(source, copy);
  work.align();
  while (work.step());
  // Discards the first copy.
  copy.restartAt(source.startOffset);
  copy.writePending();
  while (work.step());
  await dirs.fixture.settle(copy.flush());
  work.swap();
  const deleted = () => env.disk.list("/data2/t-0").filter(({ name }) => name.endsWith(".deleted"));
  expect(deleted().length).toBeGreaterThan(0);
  dirs.second.tick(env.clock.monotonic() + CONFIG.fileDeleteDelayMs + 1);
  await dirs.fixture.world.runFor(10_000);
  expect(deleted()).toEqual([]);
});

test("a copy keeps nothing that the log has lost since, and the log takes nothing once it is replaced", () => {
  const dirs = new TwoDirs();
  const source = dirs.log;
  for (let i = 0; i < 10; i++) dirs.put(`old ${i}`, "x");
  const copy = dirs.second.createFuture(source, TOPIC_ID);
  const first = new LogMove(source, copy);
  first.align();
  while (first.step());
  first.cancel();
  source.truncateTo(6);
  source.beginEpoch(1);
  const record = { timestamp: NOW, key: utf8("new"), value: utf8("y") };
  const append = () =>
    source.append(buildBatch([record], {}, dirs.fixture.tools), { origin: "client", now: NOW, leaderEpoch: 1 });
  for (let i = 0; i < 6; i++) append();
  const second = new LogMove(source, copy);
  second.align();
  expect(copy.endOffset).toBe(6);
  while (second.step());
  expect(dirs.records(copy)).toEqual(dirs.records(source));
  second.swap();
  expect(append).toThrow("being closed");
});

test("a directory stops cleanly with a log in it that a move has replaced but not deleted", async () => {
  const dirs = await compacted();
  let seen = 0;
  await move(dirs, () => ++seen > 3 && dirs.second.get("t", 0) !== undefined);
  expect(dirs.fixture.dir.get("t", 0)).toBe(dirs.log);
  await dirs.fixture.restart();
  expect(dirs.fixture.dir.cleanStart).toBe(true);
});
