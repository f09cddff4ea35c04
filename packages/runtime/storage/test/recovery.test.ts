import { joined } from "@samsa/base";
import { endTxnBatch } from "@samsa/records";
import { describe, expect, test } from "vitest";
import { Fixture, NOW } from "./fixture.ts";

test("what recovery cuts off a log is gone for good: a second power cut does not bring it back", () => {
  const fixture = new Fixture(1, { segmentBytes: 100_000 });
  for (const from of [0, 2, 4]) {
    fixture.log.append(fixture.batch(2, from), { origin: "client", now: 1_700_000_000_000, leaderEpoch: 0 });
  }
  fixture.log.writePending();
  const path = `${fixture.log.path}/${fixture.log.state.active.file}`;
  const whole = fixture.log.size;
  fixture.node = fixture.world.crash("a", { unsynced: "kept" });
  fixture.node.disk.flipBit(path, Math.floor(whole / 2));
  fixture.dir = fixture.open();
  expect(fixture.log.endOffset).toBe(2);
  fixture.node = fixture.world.crash("a", { unsynced: "lost" });
  expect(fixture.node.env.disk.open(path, "read").size()).toBe(whole / 3);
});

describe("a bit of a batch's head that its checksum does not cover", () => {
  /** Log of five batches of two records, after the bit of the third one's offset or epoch has turned over. */
  function recovered(at: number, bit: number): { readonly end: number; readonly epoch: number } {
    const fixture = new Fixture(1, { segmentBytes: 100_000 });
    for (const from of [0, 2, 4, 6, 8]) {
      fixture.log.append(fixture.batch(2, from), { origin: "client", now: NOW, leaderEpoch: 3 });
    }
    fixture.log.writePending();
    const path = `${fixture.log.path}/${fixture.log.state.active.file}`;
    const size = fixture.log.size / 5;
    fixture.crash("kept");
    fixture.node = fixture.world.crash("a", { unsynced: "kept" });
    fixture.node.disk.flipBit(path, 2 * size + at, bit);
    fixture.dir = fixture.open();
    const { endOffset: end, latestEpoch: epoch } = fixture.log;
    expect(fixture.node.env.disk.open(path, "read").size()).toBe((end / 2) * size);
    // The log goes on where it ends, without a hole.
    expect(fixture.log.append(fixture.batch(2, end), { origin: "client", now: NOW, leaderEpoch: 3 }).firstOffset).toBe(
      end,
    );
    return { end, epoch };
  }

  test.each([
    { what: "the highest byte of the offset", at: 1, bit: 4 },
    { what: "a high byte of the offset", at: 3, bit: 0 },
    { what: "the lowest byte of the offset, upwards", at: 7, bit: 4 },
    { what: "the lowest byte of the offset, downwards", at: 7, bit: 2 },
    { what: "the epoch, upwards", at: 15, bit: 4 },
    { what: "the epoch, downwards", at: 15, bit: 0 },
  ])("costs no batch before it, and leaves no hole: $what", ({ at, bit }) => {
    expect(recovered(at, bit)).toEqual({ end: 4, epoch: 3 });
  });
});

test("indexes that are made again below the recovery point outlast a second power cut", async () => {
  const time = 1_700_000_000_000;
  for (let seed = 1; seed <= 30; seed++) {
    const fixture = new Fixture(seed, { segmentBytes: 100_000 });
    for (const from of [0, 1, 2]) {
      const options = { origin: "client", now: time, leaderEpoch: 0 } as const;
      fixture.log.append(fixture.batch(1, from, time + from), options);
      fixture.log.roll();
    }
    await fixture.flush();
    await fixture.settle(fixture.dir.checkpoint());
    fixture.node.disk.flipBit(`${fixture.log.path}/leader-epoch-checkpoint`, 0, 7);
    fixture.crash("kept");
    // Repairs the leader epoch checkpoint, so that the next start trusts the indexes.
    fixture.log.append(fixture.batch(1, 3, time + 3), { origin: "client", now: time, leaderEpoch: 0 });
    await fixture.flush();
    fixture.crash("random");
    for (const offset of [0, 1, 2]) {
      expect(fixture.log.offsetForTimestamp(time + offset)).toMatchObject({ offset, timestamp: time + offset });
    }
  }
});

test("indexes that are made again up to the recovery point outlast a second power cut", async () => {
  const options = { origin: "client", now: NOW, leaderEpoch: 0 } as const;
  for (let seed = 1; seed <= 30; seed++) {
    const fixture = new Fixture(seed, { segmentBytes: 100_000 });
    fixture.log.append(fixture.batch(1, 0), options);
    // A clean shutdown moves the recovery point to the end of the log.
    await fixture.restart();
    fixture.log.append(fixture.batch(1, 1), options);
    fixture.log.writePending();
    fixture.crash("lost");
    expect(fixture.log.endOffset).toBe(1);
    fixture.log.roll();
    fixture.log.append(fixture.batch(1, 1), options);
    fixture.log.writePending();
    fixture.crash("random");
    expect(fixture.log.offsetForTimestamp(NOW), `seed ${seed}`).toMatchObject({ offset: 0, timestamp: NOW });
  }
});

test("an index with a bit turned over is made again from the log, or does no harm but to a time", async () => {
  const records = 40;
  for (const suffix of ["index", "timeindex"]) {
    for (let byte = 0; byte < 60; byte++) {
      const fixture = new Fixture(4, { segmentBytes: 100_000, indexIntervalBytes: 100 });
      for (let i = 0; i < records; i++) {
        // Recovery reads the last segments again and trusts the first.
        if (i === records - 2 || i === records - 1) fixture.log.roll();
        fixture.log.append(fixture.batch(1, i, 1_700_000_000_000 + i), {
          origin: "client",
          now: 1_700_000_000_000,
          leaderEpoch: 0,
        });
      }
      await fixture.flush();
      await fixture.settle(fixture.dir.checkpoint());
      const path = `${fixture.log.path}/00000000000000000000.${suffix}`;
      // Flipping the top bit of a byte makes a large difference; flipping the lowest may make no visible one.
      fixture.node.disk.flipBit(path, byte, 7);
      fixture.crash("kept");
      const log = fixture.log;
      expect(log.endOffset).toBe(records);
      for (const offset of [0, 17, records - 1]) {
        const read = log.read({ offset, maxBytes: 1, minOneMessage: true, limitOffset: records });
        expect([read.error, read.nextOffset], `${suffix} ${byte}`).toEqual([0, offset + 1]);
        const found = log.offsetForTimestamp(1_700_000_000_000 + offset);
        // A wrong timestamp between those of its neighbours cannot be detected.
        if (suffix === "index") expect(found?.offset).toBe(offset);
      }
    }
  }
});

describe("a preallocated segment", () => {
  const append = (fixture: Fixture, count: number, from: number) =>
    fixture.log.append(fixture.batch(count, from), { origin: "client", now: 1_700_000_000_000, leaderEpoch: 0 });
  const sizes = (fixture: Fixture) =>
    fixture.node.env.disk
      .list(fixture.log.path)
      .filter(({ name }) => name.endsWith(".log"))
      .map(({ name }) => fixture.node.env.disk.stat(`${fixture.log.path}/${name}`)?.size);

  test("is as long as it may get, and is cut when it ends, by a roll or a clean stop", async () => {
    const fixture = new Fixture(2, { segmentBytes: 10_000, preallocate: true });
    append(fixture, 2, 0);
    fixture.log.writePending();
    const { size } = fixture.log;
    expect([size < 200, sizes(fixture)]).toEqual([true, [10_000]]);
    fixture.log.roll();
    append(fixture, 2, 2);
    fixture.log.writePending();
    expect(sizes(fixture)).toEqual([size, 10_000]);
    await fixture.restart();
    expect([fixture.dir.cleanStart, fixture.log.endOffset, sizes(fixture)]).toEqual([true, 4, [size, size]]);
    // A segment that is continued after a restart is not preallocated again.
    append(fixture, 2, 4);
    fixture.log.writePending();
    expect(sizes(fixture)).toEqual([size, 2 * size]);
  });

  test("is recovered up to the zeros, also when there is nothing but zeros", () => {
    const fixture = new Fixture(3, { segmentBytes: 10_000, preallocate: true });
    fixture.log.writePending();
    fixture.crash("kept");
    expect([fixture.log.endOffset, sizes(fixture)]).toEqual([0, [0]]);
    append(fixture, 3, 0);
    fixture.log.roll();
    append(fixture, 2, 3);
    fixture.log.writePending();
    const [first] = sizes(fixture);
    fixture.crash("kept");
    expect([fixture.log.endOffset, fixture.log.size]).toEqual([
      5,
      sizes(fixture).reduce((sum, size) => (sum ?? 0) + (size ?? 0), 0),
    ]);
    expect(sizes(fixture)[0]).toBe(first);
    const found = fixture.log.read({ offset: 0, maxBytes: 10_000, minOneMessage: true, limitOffset: 5 });
    expect(found.nextOffset).toBeGreaterThan(0);
    expect(fixture.log.offsetForTimestamp(0)?.offset).toBe(0);
  });
});

describe("the recovery point", () => {
  const REQUEST = { origin: "client", now: 1_700_000_000_000, leaderEpoch: 0 } as const;
  const fill = (fixture: Fixture, batches: number) => {
    for (let i = 0; i < batches; i++) fixture.log.append(fixture.batch(2), REQUEST);
    fixture.log.writePending();
  };
  /** Lets the flush of a roll end and runs the directory's tick. */
  const rest = async (fixture: Fixture) => {
    await fixture.world.runFor(500);
    fixture.dir.tick(fixture.node.env.clock.monotonic());
    await fixture.world.runFor(500);
  };
  /** Segment files that a start reads after the crash `unsynced`. */
  const readAtStart = (fixture: Fixture, unsynced: "cached" | "lost") => {
    const read = new Set<string>();
    fixture.node.disk.fault = (operation, path) => {
      if (operation === "read" && path.endsWith(".log")) read.add(path.slice(path.lastIndexOf("/") + 1));
      return undefined;
    };
    fixture.crash(unsynced);
    fixture.node.disk.fault = undefined;
    return [...read];
  };

  test("moves to the new segment at a roll, and a start reads nothing below it", async () => {
    const fixture = new Fixture(20, { segmentBytes: 400 });
    fill(fixture, 40);
    expect(fixture.log.state.segments.length).toBeGreaterThan(8);
    await rest(fixture);
    const { active } = fixture.log.state;
    expect(fixture.log.recoveryPoint).toBe(active.base);
    expect(readAtStart(fixture, "cached")).toEqual([active.file]);
    expect(fixture.log.endOffset).toBe(80);
    fill(fixture, 1);
    await rest(fixture);
    // A power failure takes only records that were not flushed.
    const { recoveryPoint } = fixture.log;
    expect(readAtStart(fixture, "lost").length).toBeLessThanOrEqual(1);
    expect([recoveryPoint >= active.base, fixture.log.endOffset]).toEqual([true, recoveryPoint]);
  });

  test("is not past a segment whose index has not been flushed: the last byte of the log alone does not make it so", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const fixture = new Fixture(seed, { segmentBytes: 100_000, indexIntervalBytes: 0 });
      for (let i = 0; i < 6; i++) fixture.log.append(fixture.batch(1, i, 1_700_000_000_000 + i), REQUEST);
      await fixture.flush();
      await fixture.settle(fixture.dir.checkpoint());
      fixture.log.roll();
      fixture.log.append(fixture.batch(1, 6, 1_700_000_000_006), REQUEST);
      fixture.log.writePending();
      fixture.crash("random");
      for (let i = 0; i < 6; i++) expect(fixture.log.offsetForTimestamp(1_700_000_000_000 + i)?.offset).toBe(i);
      expect(fixture.log.offsetForTimestamp(1_700_000_000_007)).toBeUndefined();
    }
  });

  test("keeps damage to its segment: those after a flipped bit stay, and can be read", async () => {
    const fixture = new Fixture(21, { segmentBytes: 400 });
    fill(fixture, 40);
    await rest(fixture);
    const [first, second] = fixture.log.state.segments;
    fixture.node.disk.flipBit(`${fixture.log.path}/${first.file}`, first.size - 10);
    fixture.crash("cached");
    expect(fixture.log.endOffset).toBe(80);
    const read = fixture.log.read({ offset: second.base, maxBytes: 100_000, minOneMessage: true, limitOffset: 80 });
    expect([read.error, read.nextOffset > second.base]).toEqual([0, true]);
  });

  test("is not believed beyond a cut, and no segment after a lost end stays", async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const fixture = new Fixture(seed, { segmentBytes: 400 });
      fill(fixture, 20);
      await rest(fixture);
      fixture.log.truncateTo(10);
      for (let i = 0; i < 25; i++) fixture.log.append(fixture.batch(1, 1000 + i), REQUEST);
      fixture.log.writePending();
      fixture.crash("random");
      const { log } = fixture;
      expect(log.endOffset).toBeGreaterThanOrEqual(10);
      for (let offset = 0, next = 0; offset < log.endOffset; offset = next) {
        const read = log.read({ offset, maxBytes: 1, minOneMessage: true, limitOffset: log.endOffset });
        next = read.nextOffset;
        // Batches have one or two records. Those from before the truncation may come back if they leave no gap.
        expect([1, 2], `seed ${seed}: no offset is missing at ${offset}`).toContain(next - offset);
      }
    }
  });

  test("of a log that was killed young is nothing: no segment after a lost end stays", async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const fixture = new Fixture(seed, { segmentBytes: 400 });
      fixture.log.append(fixture.batch(1, 0), REQUEST);
      await fixture.flush();
      fixture.crash("cached");
      for (let i = 1; i < 12; i++) {
        fixture.log.append(fixture.batch(1, i), REQUEST);
        fixture.log.writePending();
      }
      fixture.crash("random");
      const { log } = fixture;
      for (let offset = 0; offset < log.endOffset; offset++) {
        const read = log.read({ offset, maxBytes: 1, minOneMessage: true, limitOffset: log.endOffset });
        expect(read.nextOffset, `seed ${seed}: no offset is missing at ${offset}`).toBe(offset + 1);
      }
    }
  });

  test("of a log that another program wrote is not known: nothing is removed after a gap", async () => {
    const fixture = new Fixture(22, { segmentBytes: 400 });
    fill(fixture, 20);
    await fixture.flush();
    const { segments } = fixture.log.state;
    const { disk } = fixture.node.env;
    for (const name of disk.list(fixture.log.path).map(file => file.name)) {
      if (name.startsWith(segments[2].file.slice(0, 20)) || name.endsWith(".cut"))
        disk.removeFile(`${fixture.log.path}/${name}`);
    }
    fixture.crash("cached");
    expect(fixture.log.endOffset).toBe(40);
  });
});

test("a follower's log has no gap between its segments, wherever compaction has left gaps in the leader's", () => {
  const fixture = new Fixture(23, { segmentBytes: 400 });
  for (let i = 0; i < 30; i++) {
    const batch = fixture.batch(2);
    new DataView(batch.buffer, batch.byteOffset).setBigInt64(0, BigInt(i * 1000));
    expect(fixture.log.appendAsFollower(batch).error).toBe(0);
  }
  fixture.log.writePending();
  expect(fixture.log.state.segments.length).toBeGreaterThan(3);
  fixture.crash("cached");
  expect([fixture.log.endOffset, fixture.log.state.segments.length > 3]).toEqual([29_002, true]);
});

test("the index of aborted transactions goes on where a clean stop has left it", async () => {
  const fixture = new Fixture(24, { segmentBytes: 100_000 });
  const now = 1_700_000_000_000;
  for (let sequence = 0; sequence < 3; sequence++) {
    const of = { producerId: 4n, producerEpoch: 0, baseSequence: sequence, transactional: true };
    fixture.log.append(fixture.batch(1, 0, now, of), { origin: "client", now, leaderEpoch: 0 });
    const marker = { producerId: 4n, producerEpoch: 0, timestamp: now, coordinatorEpoch: 0, commit: false };
    fixture.log.append(endTxnBatch(marker, fixture.tools), { origin: "coordinator", now, leaderEpoch: 0 });
    await fixture.restart();
    const aborted = fixture.log.abortedTransactions(0, 100).map(({ firstOffset }) => firstOffset);
    expect(aborted).toEqual([0, 2, 4].slice(0, sequence + 1));
  }
});

test("closed segments that recovery has read are sealed: the next start need not read them", async () => {
  const options = { origin: "client", now: NOW, leaderEpoch: 0 } as const;
  const fixture = new Fixture(7, { segmentBytes: 100_000 });
  for (const from of [0, 1, 2]) {
    fixture.log.append(fixture.batch(1, from), options);
    fixture.log.writePending();
    fixture.log.roll();
  }
  fixture.crash("kept");
  expect(fixture.log.recoveryPoint).toBe(0);
  await fixture.world.runFor(1000);
  expect(fixture.log.recoveryPoint).toBe(2);
  await fixture.settle(fixture.dir.checkpoint());
  fixture.crash("kept");
  expect(fixture.log.recoveryPoint).toBe(2);
  expect(fixture.log.endOffset).toBe(3);
});

test.each(["a stop", "a crash"])("a log of batches more than 2^31 offsets apart is the same after %s", async end => {
  const far = 2 ** 31 + 9;
  const offsets = [far, far + 1, 3 * far, 5 * far];
  const fixture = new Fixture(1, { indexIntervalBytes: 0 });
  const batches = offsets.map(baseOffset => fixture.batch(1, baseOffset, NOW, { baseOffset, leaderEpoch: 0 }));
  // Two are of one run.
  const runs = [joined(batches.slice(0, 1)), joined(batches.slice(1, 3)), joined(batches.slice(3))];
  for (const run of runs) expect(fixture.log.appendAsFollower(run).error).toBe(0);
  const read = (): number[] => {
    const { log } = fixture;
    const found: number[] = [];
    for (let offset = log.startOffset; offset < log.endOffset; ) {
      const limits = { maxBytes: 1, minOneMessage: true, limitOffset: log.endOffset };
      const { error, chunks, nextOffset } = log.read({ offset, ...limits });
      expect([error, chunks.length > 0]).toEqual([0, true]);
      found.push(nextOffset - 1);
      offset = nextOffset;
    }
    return found;
  };
  const state = () => ({
    bounds: [fixture.log.startOffset, fixture.log.endOffset],
    bases: fixture.log.state.segments.map(({ base }) => base),
    offsets: read(),
  });
  const before = state();
  expect(before).toEqual({ bounds: [0, 5 * far + 1], bases: [0, far, 3 * far, 5 * far], offsets });
  await fixture.flush();
  if (end === "a stop") await fixture.restart();
  else fixture.crash("lost");
  expect(state()).toEqual(before);
  fixture.log.truncateTo(7);
  expect([fixture.log.startOffset, fixture.log.endOffset]).toEqual([0, 7]);
});
