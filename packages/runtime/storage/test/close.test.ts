import type { DiskError, Env } from "@samsa/base";
import type { DiskOperation } from "@samsa/sim";
import { describe, expect, test } from "vitest";
import { openLogDir } from "../src/index.ts";
import { CONFIG, Fixture, NOW, TOPIC_ID } from "./fixture.ts";

const REQUEST = { origin: "client", leaderEpoch: 1, now: NOW } as const;
const MARKER = "/data/.kafka_cleanshutdown";

/** Records the operations of the disk, in order; those that `fail` accepts get EIO. */
function record(fixture: Fixture, fail?: (operation: DiskOperation, path: string) => boolean): string[] {
  const calls: string[] = [];
  fixture.node.disk.fault = (operation, path) => {
    calls.push(`${operation} ${path}`);
    return fail?.(operation, path) === true ? "EIO" : undefined;
  };
  return calls;
}

function fill(fixture: Fixture, partitions: number): void {
  for (let i = 0; i < partitions; i++) {
    const log = fixture.dir.get("t", i) ?? fixture.dir.create("t", i, TOPIC_ID);
    log.append(fixture.batch(3), REQUEST);
    log.writePending();
  }
}

describe("closing a directory", () => {
  test("flushes every log, then writes the checkpoints, then the marker, and lets go of the lock last", async () => {
    const fixture = new Fixture(1);
    fill(fixture, 40);
    let locked: boolean | undefined;
    const calls = record(fixture, (operation, path) => {
      const last = operation === "rename" && path.startsWith(MARKER);
      if (last) locked = fixture.node.env.disk.lock("/data/.lock") === undefined;
      return false;
    });
    await fixture.settle(fixture.dir.close(7));
    expect(locked).toBe(true);
    const last = (what: RegExp) => calls.findLastIndex(call => what.test(call));
    const first = (what: RegExp) => calls.findIndex(call => what.test(call));
    for (let i = 0; i < 40; i++) expect(first(new RegExp(`^sync /data/t-${i}/0+\\.log$`))).toBeGreaterThan(-1);
    const logs = last(/^(sync|syncDirectory) \/data\/t-\d+/);
    const checkpoints = first(/offset-checkpoint/);
    expect(logs).toBeLessThan(checkpoints);
    expect(last(/offset-checkpoint/)).toBeLessThan(first(/cleanshutdown/));
    // Syncs of the directory with the logs' own directories are shared.
    expect(calls.filter(call => call === "syncDirectory /data").length).toBeLessThan(40);
    fixture.node.disk.fault = undefined;
    fixture.crash("lost");
    expect([fixture.dir.cleanStart, fixture.dir.previousBrokerEpoch, fixture.dir.logs.size]).toEqual([true, 7, 40]);
    for (const log of fixture.dir.logs.values()) expect([log.endOffset, log.topicId]).toEqual([3, TOPIC_ID]);
  });

  test("leaves the marker out when one log cannot be flushed, closes the others, and frees the lock", async () => {
    const fixture = new Fixture(2);
    fill(fixture, 40);
    record(fixture, (operation, path) => operation === "sync" && path.startsWith("/data/t-17/"));
    await expect(fixture.settle(fixture.dir.close())).rejects.toMatchObject({ code: "EIO" });
    fixture.node.disk.fault = undefined;
    expect(fixture.node.env.disk.stat(MARKER)).toBeUndefined();
    const other = openLogDir(fixture.node.env, "/data", { nodeId: 1, clusterId: "cluster", configOf: () => CONFIG });
    expect([other.cleanStart, other.logs.size]).toEqual([false, 40]);
  });

  test("leaves the marker out when a checkpoint cannot be written", async () => {
    const fixture = new Fixture(3);
    fill(fixture, 2);
    let offline: DiskError | undefined;
    Object.assign(fixture.options, { onOffline: (_dir: unknown, error: DiskError) => (offline = error) });
    await fixture.restart();
    record(fixture, (operation, path) => operation === "sync" && path.includes("replication-offset"));
    await expect(fixture.settle(fixture.dir.close())).rejects.toMatchObject({ code: "EIO" });
    expect(offline?.code).toBe("EIO");
    fixture.node.disk.fault = undefined;
    expect(fixture.node.env.disk.stat(MARKER)).toBeUndefined();
  });

  test("keeps at most a few logs at it at a time, and blocks for none", async () => {
    const fixture = new Fixture(4);
    let turn = 0;
    let inTurn = 0;
    let most = 0;
    const { env } = fixture.node;
    const blocked: string[] = [];
    const watched: Env = {
      ...env,
      disk: {
        ...env.disk,
        syncDirectoryNow: path => blocked.push(path),
        open(path, mode) {
          if (turn !== fixture.world.events()) inTurn = 0;
          turn = fixture.world.events();
          if (path.endsWith(".snapshot.tmp")) most = Math.max(most, ++inTurn);
          const file = env.disk.open(path, mode);
          return { ...file, syncNow: () => blocked.push(path) };
        },
      },
    };
    await fixture.settle(fixture.dir.close());
    const options = { nodeId: 1, clusterId: "cluster", configOf: () => CONFIG };
    fixture.dir = openLogDir(watched, "/data", options);
    fill(fixture, 1000);
    blocked.length = 0;
    await fixture.settle(fixture.dir.close());
    expect(blocked).toEqual([]);
    // A turn of the event loop starts as many closes as the width allows, plus one for each that ended in it.
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(16);
    fixture.dir = fixture.open();
    expect([fixture.dir.cleanStart, fixture.dir.logs.size]).toEqual([true, 1000]);
    // Unwritten logs need no device, but closing them must still yield to other tasks.
    const before = fixture.world.events();
    await fixture.settle(fixture.dir.close());
    expect(fixture.world.events() - before).toBeGreaterThan(1000 / 16 - 1);
  });
});

test("a log that is being closed takes nothing more: it would be behind the end that is written down", async () => {
  const fixture = new Fixture(10);
  fill(fixture, 1);
  const { log } = fixture;
  const closed = fixture.dir.close();
  expect(() => log.append(fixture.batch(1), REQUEST)).toThrow("being closed");
  expect(() => log.appendAsFollower(fixture.batch(1))).toThrow("being closed");
  await fixture.settle(closed);
});

describe("a flush", () => {
  test("covers any number of segments and their indexes", async () => {
    const fixture = new Fixture(5, { segmentBytes: 200 });
    for (let i = 0; i < 12; i++) fixture.log.append(fixture.batch(2, i * 2), REQUEST);
    expect(fixture.log.state.segments.length).toBeGreaterThan(5);
    const calls = record(fixture);
    await fixture.flush();
    expect(calls.filter(call => /^sync .*\.timeindex$/.test(call))).toHaveLength(fixture.log.state.segments.length - 1);
    expect(fixture.log.recoveryPoint).toBe(24);
    fixture.node.disk.fault = undefined;
    fixture.crash("lost");
    expect(fixture.log.endOffset).toBe(24);
  });

  test("does not vouch for what came after a truncation that it did not see", async () => {
    const fixture = new Fixture(6, { segmentBytes: 100_000 });
    for (let i = 0; i < 5; i++) fixture.log.append(fixture.batch(2, i * 2), REQUEST);
    const flush = fixture.log.flush();
    fixture.log.truncateTo(4);
    for (let i = 0; i < 5; i++) fixture.log.append(fixture.batch(2, 100 + i * 2), REQUEST);
    fixture.log.writePending();
    await fixture.settle(flush);
    expect(fixture.log.recoveryPoint).toBe(4);
    await fixture.flush();
    expect(fixture.log.recoveryPoint).toBe(14);
  });

  test("of a log that is deleted meanwhile ends, and takes nothing offline", async () => {
    const fixture = new Fixture(7);
    fixture.log.append(fixture.batch(2), REQUEST);
    const flush = fixture.log.flush();
    fixture.log.delete();
    await fixture.settle(flush);
    expect(fixture.dir.offline).toBe(false);
  });
});

test("a truncation is written down at the next tick: a recovery point must not say more than there is", async () => {
  const fixture = new Fixture(8);
  fixture.log.append(fixture.batch(10), REQUEST);
  await fixture.flush();
  await fixture.settle(fixture.dir.checkpoint());
  fixture.log.truncateTo(0);
  fixture.dir.tick(fixture.node.env.clock.monotonic());
  await fixture.world.runFor(200);
  const file = fixture.node.env.disk.open("/data/recovery-point-offset-checkpoint", "read");
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  expect(new TextDecoder().decode(bytes)).toBe("0\n1\nt 0 0\n");
});

test("what is to be removed is removed one after the other, and a stop does not wait for the rest", async () => {
  const fixture = new Fixture(9);
  fill(fixture, 3);
  for (const log of [...fixture.dir.logs.values()]) log.delete();
  const left = () => fixture.node.env.disk.list("/data").filter(({ name }) => name.endsWith("-delete")).length;
  fixture.dir.tick(fixture.node.env.clock.monotonic() + 61_000);
  await fixture.settle(fixture.dir.close());
  expect(left()).toBe(2);
  fixture.dir = fixture.open();
  expect(left()).toBe(2);
  fixture.dir.tick(fixture.node.env.clock.monotonic());
  await fixture.world.runFor(100);
  expect(left()).toBe(0);
});
