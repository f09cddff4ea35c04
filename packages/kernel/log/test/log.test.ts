import { crc32c, utf8 } from "@samsa/base";
import { BatchCursor, buildBatch, endTxnBatch } from "@samsa/records";
import { describe, expect, test } from "vitest";
import {
  EpochCache,
  type LogConfig,
  type LogEffect,
  offsetOfFile,
  readEpochs,
  readOffsets,
  readSnapshot,
  readTopicId,
  VERIFICATION,
  writeEpochs,
  writeOffsets,
  writeSnapshot,
  writeTopicId,
} from "../src/index.ts";
import { openState, tools } from "./fixture.ts";

const CONFIG: Partial<LogConfig> = {
  segmentBytes: 100_000,
  segmentMs: 1000,
  segmentIndexBytes: 1_000_000,
  maxMessageBytes: 1_000_000,
  retentionMs: 5000,
  cleanupPolicy: new Set(["delete"]),
  fileDeleteDelayMs: 0,
};

function open(config: Partial<LogConfig> = {}) {
  const state = openState({ ...CONFIG, ...config });
  const out: LogEffect[] = [];
  state.createSegment(0, 0, out);
  const append = (
    options: Parameters<typeof buildBatch>[1],
    count = 1,
    more: { guard?: number; now?: number } = {},
  ) => {
    const now = more.now ?? 0;
    const records = Array.from({ length: count }, () => ({ timestamp: now, key: null, value: utf8("v") }));
    return state.append(buildBatch(records, options, tools), { origin: "client", leaderEpoch: 0, now, ...more }, out);
  };
  const mark = (epoch: number, coordinatorEpoch: number, commit: boolean, transactionVersion: number) => {
    const bytes = endTxnBatch({ producerId: 7n, producerEpoch: epoch, coordinatorEpoch, commit, timestamp: 0 }, tools);
    return state.append(bytes, { origin: "coordinator", leaderEpoch: 0, now: 0, transactionVersion }, out);
  };
  return { state, out, append, mark };
}
const from = (baseSequence: number, producerEpoch = 0, transactional = false) => ({
  producerId: 7n,
  producerEpoch,
  baseSequence,
  transactional,
});

describe("producers", () => {
  test("repeats are answered with the first offset, gaps refused", () => {
    const { append, state } = open();
    expect(append(from(100)).error).toBe(0);
    for (let i = 1; i < 7; i++) expect(append(from(100 + i)).firstOffset).toBe(i);
    expect(append(from(104))).toMatchObject({ error: 0, firstOffset: 4, duplicate: true });
    expect(append(from(101)).error).toBe(45);
    expect(append(from(108)).error).toBe(45);
    expect(append(from(0, -1)).error).toBe(47);
    expect(append(from(5, 1)).error).toBe(45);
    expect(append(from(0, 1)).error).toBe(0);
    expect(append(from(107)).error).toBe(47);
    expect(state.endOffset).toBe(8);
  });

  test("sequences wrap, and a repeat across the wrap is known", () => {
    const { append } = open();
    expect(append(from(2147483646), 3).error).toBe(0);
    expect(append(from(2147483646), 3).duplicate).toBe(true);
    expect(append(from(1)).error).toBe(0);
  });

  test("transactions: stable offset, markers, aborted list, fencing", () => {
    const { append, mark, state } = open();
    append({}, 5);
    expect(append(from(0, 0, true), 2).error).toBe(0);
    expect(append(from(2)).error).toBe(48);
    expect(state.producers.firstUndecided(100)).toBe(5);
    expect(mark(0, 3, false, 0).error).toBe(0);
    expect(state.producers.firstUndecided(7)).toBe(5);
    expect(state.producers.firstUndecided(8)).toBe(-1);
    expect(state.abortedIn(0, 8)).toEqual([{ producerId: 7n, firstOffset: 5, lastOffset: 7, lastStableOffset: 8 }]);
    expect(state.abortedIn(8, 9)).toEqual([]);
    expect(mark(0, 2, false, 0).error).toBe(52);
    expect(append(from(2, 0, true)).error).toBe(0);
    expect(mark(0, 3, true, 2).error).toBe(47);
    expect(mark(1, 3, true, 2).error).toBe(0);
    expect(mark(1, 3, true, 2).error).toBe(0);
    expect(mark(0, 3, true, 2).error).toBe(47);
  });

  test("an unverified transaction is refused", () => {
    const { append, state } = open();
    const batch = new BatchCursor(buildBatch([{ timestamp: 0, key: null, value: null }], from(0, 0, true), tools));
    batch.next();
    expect(append(from(0, 0, true), 1, { guard: 0 }).error).toBe(48);
    const guard = state.producers.startVerification(batch, false);
    expect(append(from(0, 0, true), 1, { guard: guard + 1 }).error).toBe(48);
    expect(append(from(0, 0, true), 1, { guard }).error).toBe(0);
    expect(append(from(1, 0, true), 1, { guard: 0 }).error).toBe(0);
    expect(state.producers.startVerification(batch, false)).toBe(0);
  });

  describe("while a transaction is verified", () => {
    const begin = (state: ReturnType<typeof open>["state"], sequence: number, epoch: number, bumps = false): number => {
      const batch = { producerId: 7n, producerEpoch: epoch, baseSequence: sequence };
      return state.producers.startVerification(batch, bumps);
    };

    test("a producer that was fenced changes nothing for its successor", () => {
      const { append, state } = open();
      const guard = begin(state, 0, 1);
      expect(append(from(0, 1, true), 1, { guard }).error).toBe(0);
      expect(begin(state, 0, 0)).toBe(VERIFICATION.STALE);
      expect(state.producers.verifying).toBe(0);
      expect(begin(state, 1, 1)).toBe(VERIFICATION.OPEN);
      expect(append(from(1, 1, true), 1, { guard: 0 }).error).toBe(0);
    });

    test("a lower sequence counts in its epoch only", () => {
      const { append, state } = open();
      const guard = begin(state, 5, 1);
      expect(begin(state, 0, 0)).toBe(guard);
      expect(append(from(5, 1, true), 1, { guard }).error).toBe(0);
      const other = open();
      begin(other.state, 5, 1);
      begin(other.state, 4, 1);
      expect(other.append(from(5, 1, true), 1, { guard }).error).toBe(45);
      expect(other.append(from(4, 1, true), 1, { guard }).error).toBe(0);
      const later = open();
      begin(later.state, 0, 1);
      expect(begin(later.state, 5, 2)).toBe(guard);
      expect(later.append(from(5, 2, true), 1, { guard }).error).toBe(0);
    });

    test("the first request says whether sequences begin at 0", () => {
      const strict = open();
      const guard = begin(strict.state, 0, 0, true);
      begin(strict.state, 1, 1, false);
      expect(strict.append(from(1, 1, true), 1, { guard }).error).toBe(45);
      const lax = open();
      begin(lax.state, 0, 0, false);
      begin(lax.state, 1, 1, true);
      expect(lax.append(from(1, 1, true), 1, { guard }).error).toBe(0);
    });

    test("the marker of the transaction before ends it, but not for a producer that had begun the next one", () => {
      for (const bumps of [false, true]) {
        const { append, mark, state } = open();
        append(from(0, 0, true), 1, { guard: begin(state, 0, 0, bumps) });
        const next = begin(state, 0, 1, bumps);
        expect(mark(1, 0, true, 2).error).toBe(0);
        expect(append(from(0, 1, true), 1, { guard: next }).error).toBe(bumps ? 0 : 48);
      }
    });
  });

  test("snapshots survive the round trip, and idle producers go", () => {
    const { append, state } = open();
    append(from(4), 3);
    const bytes = writeSnapshot(state.producers.entries.values(), crc32c);
    expect(readSnapshot(bytes, crc32c)).toEqual([...state.producers.entries.values()]);
    expect(() => readSnapshot(bytes.with(20, 9), crc32c)).toThrow();
    expect(state.producers.expire(10, 11)).toBe(0);
    expect(state.producers.expire(11, 11)).toBe(1);
  });
});

describe("segments", () => {
  test("roll by size, by time of records, and go by age", () => {
    const { append, state, out } = open({ segmentBytes: 150 });
    append({});
    append({});
    append({});
    expect(state.segments.map(s => s.base)).toEqual([0, 2]);
    append({}, 1, { now: 1002 });
    expect(state.segments.map(s => s.base)).toEqual([0, 2, 3]);
    expect(state.snapshots).toEqual([2, 3]);
    expect(state.expired(5001, 1)).toBe(0);
    expect(state.expired(5001, 4)).toBe(2);
    expect(state.expired(9001, 4)).toBe(3);
    state.dropOldest(3, 9001, out);
    expect([state.startOffset, state.endOffset, state.active.base]).toEqual([4, 4, 4]);
    expect(append({}, 40).error).toBe(18);
  });
});

test("a batch keeps the kind of time by which it was judged, though the setting has changed since", () => {
  const { state, out } = open({ timestampType: "CreateTime" });
  const bytes = buildBatch([{ timestamp: 5, key: null, value: utf8("v") }], {}, tools);
  const judged = { origin: "client", leaderEpoch: 0, maxTimestamps: [9], timestampType: "LogAppendTime" } as const;
  expect(state.append(bytes, { ...judged, now: 9 }, out).logAppendTime).toBe(9);
  const batch = new BatchCursor(bytes);
  batch.next();
  expect([batch.timestampType, batch.maxTimestamp, batch.intact(crc32c)]).toEqual(["LogAppendTime", 9, true]);
});

describe("small files", () => {
  test("are what they were", () => {
    const epochs = [
      { epoch: 1, startOffset: 0 },
      { epoch: 4, startOffset: 99 },
    ];
    expect(readEpochs(writeEpochs(epochs))).toEqual(epochs);
    expect(readEpochs(new Uint8Array(0))).toEqual([]);
    const offsets = [{ topic: "a.b-c", partition: 3, offset: 2 ** 40 }];
    expect(readOffsets(writeOffsets(offsets))).toEqual(offsets);
    for (const bad of ["1\n0\n", "0\n2\n1 2\n", "0\n1\n1 2 3\n", "0\n1\n1 2", "0\n1\n1 x\n"])
      expect(() => readEpochs(utf8(bad)), bad).toThrow();
    expect(readTopicId(writeTopicId("zzzzzzzzzzzzzzzzzzzzzg" as never))).toBe("zzzzzzzzzzzzzzzzzzzzzg");
    expect(readTopicId(utf8("version: 0\n"))).toBeUndefined();
    expect([offsetOfFile("00000000000000000012.log", ".log"), offsetOfFile("x.log", ".log")]).toEqual([12, -1]);
  });

  test("epochs end where the next begins", () => {
    const cache = new EpochCache();
    for (const [epoch, offset] of [
      [1, 10],
      [3, 20],
      [3, 25],
      [5, 30],
    ])
      cache.assign(epoch, offset);
    expect([0, 1, 2, 3, 5, 6, -1].map(epoch => cache.endOffsetFor(epoch, 40))).toEqual([
      { epoch: 0, endOffset: 10 },
      { epoch: 1, endOffset: 20 },
      { epoch: 1, endOffset: 20 },
      { epoch: 3, endOffset: 30 },
      { epoch: 5, endOffset: 40 },
      { epoch: -1, endOffset: -1 },
      { epoch: -1, endOffset: -1 },
    ]);
    expect([9, 10, 29, 35].map(offset => cache.epochAt(offset))).toEqual([-1, 1, 3, 5]);
    cache.truncateFromStart(22);
    cache.truncateFromEnd(30);
    expect(cache.entries).toEqual([{ epoch: 3, startOffset: 22 }]);
  });
});
