import { utf8 } from "@samsa/base";
import { OffsetMap } from "@samsa/log";
import { buildBatch } from "@samsa/records";
import { beforeEach, describe, expect, test } from "vitest";
import { compact } from "../src/compact.ts";
import { openLogDir } from "../src/index.ts";
import { LogMove } from "../src/log-move.ts";
import { CONFIG, Fixture, NOW, TOPIC_ID } from "./fixture.ts";

/** A timestamp beyond 2^53, as from clients that count nanoseconds. */
const NANOS = 1_700_000_000_000_000_001n;
const LATEST = 0x7fffffffffffffffn;
const COUNT = 12;

let fixture: Fixture;
beforeEach(() => {
  fixture = new Fixture(31, { segmentBytes: 400, indexIntervalBytes: 0, segmentMs: Infinity, retentionMs: -1 });
  for (let i = 0; i < COUNT; i++) append(i === COUNT - 1 ? LATEST : NANOS + BigInt(i));
});

/** Appends a record with one of three keys. */
function append(timestamp: bigint | number, key = `key ${fixture.log.endOffset % 3}`): void {
  const of = { producerId: 7n, producerEpoch: 0, baseSequence: fixture.log.endOffset };
  const bytes = buildBatch([{ timestamp, key: utf8(key), value: utf8("value") }], of, fixture.tools);
  // Validation sets the header's maximum timestamp.
  const request = { origin: "client", now: NOW, leaderEpoch: 0, maxTimestamps: [timestamp] } as const;
  expect(fixture.log.append(bytes, request).error).toBe(0);
}

/** Checks lookups and producer state of a log with such timestamps. */
function check(log = fixture.log): void {
  expect(log.endOffset).toBe(COUNT);
  expect(log.offsetForTimestamp(NANOS + 5n)).toMatchObject({ offset: 5, timestamp: NANOS + 5n });
  expect(log.offsetForTimestamp(LATEST)).toMatchObject({ offset: COUNT - 1, timestamp: LATEST });
  expect(log.offsetForTimestamp(NOW)?.offset).toBe(0);
  expect(log.offsetOfMaxTimestamp()).toMatchObject({ offset: COUNT - 1, timestamp: LATEST });
  expect(log.producers.get(7n)).toMatchObject({ lastTimestamp: LATEST });
}

describe("a log of records whose times are nanoseconds", () => {
  test("opens after a clean stop, after a crash, and without its indexes", async () => {
    check();
    await fixture.restart();
    check();
    fixture.log.highWatermark = COUNT;
    fixture.crash("cached");
    check();
    const { disk } = fixture.node.env;
    for (const { name } of disk.list(fixture.log.path)) {
      if (name.endsWith("index")) disk.removeFile(`${fixture.log.path}/${name}`);
    }
    await fixture.restart();
    check();
  });

  test("keeps them, as they are younger than any clock says, and lets the others go", async () => {
    fixture.log.highWatermark = COUNT;
    fixture.log.config = { ...fixture.log.config, retentionMs: 1 };
    expect(fixture.log.enforceRetention(NOW)).toBe(0);
    // Producers do not expire even if the clock is far ahead.
    fixture.log.config = { ...fixture.log.config, retentionMs: 1000 };
    expect(fixture.log.state.producers.expire(Number.MAX_SAFE_INTEGER, 1000)).toBe(0);
  });

  test("rolls by them as by others", () => {
    fixture = new Fixture(32, { segmentMs: 1000 });
    append(NANOS);
    append(NANOS + 1000n);
    expect(fixture.log.state.segments).toHaveLength(1);
    append(NANOS + 1001n);
    expect(fixture.log.state.segments.map(({ base }) => base)).toEqual([0, 2]);
  });

  test("is compacted, and is cut", async () => {
    const { log } = fixture;
    log.config = { ...log.config, cleanupPolicy: new Set(["compact"]) };
    log.roll();
    append(NOW, "other");
    await fixture.flush();
    log.highWatermark = log.endOffset;
    const { env } = fixture.node;
    const done = compact(log, log.cleanable(NOW), {
      map: new OffsetMap(1 << 20, 0.9, env.crypto.digest),
      bufferBytes: 4096,
      pause: () => new Promise(resolve => env.timers.after(1, resolve)),
      stopped: () => false,
    });
    expect(await fixture.settle(done)).toBe(COUNT);
    expect(log.offsetForTimestamp(NANOS)).toMatchObject({ offset: COUNT - 3, timestamp: NANOS + BigInt(COUNT - 3) });
    expect(log.offsetOfMaxTimestamp()).toMatchObject({ offset: COUNT - 1, timestamp: LATEST });
    fixture.crash("cached");
    expect(fixture.log.offsetOfMaxTimestamp()).toMatchObject({ offset: COUNT - 1, timestamp: LATEST });
    fixture.log.truncateTo(COUNT - 1);
    const youngest = NANOS + BigInt(COUNT - 2);
    expect(fixture.log.offsetOfMaxTimestamp()).toMatchObject({ offset: COUNT - 2, timestamp: youngest });
  });

  test("is moved", async () => {
    const configOf = () => CONFIG;
    const other = openLogDir(fixture.node.env, "/other", { nodeId: 1, clusterId: "cluster", configOf });
    await fixture.flush();
    fixture.log.highWatermark = COUNT;
    const move = new LogMove(fixture.log, other.createFuture(fixture.log, TOPIC_ID));
    move.align();
    while (move.step());
    await fixture.settle(move.secure());
    move.swap();
    check(move.copy);
  });
});
