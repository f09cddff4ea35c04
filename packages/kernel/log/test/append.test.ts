import { crc32c, utf8 } from "@samsa/base";
import { BatchCursor, buildBatch, readRecords } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  fileName,
  LOG_SUFFIX,
  type LogConfig,
  type LogEffect,
  LogState,
  readEpochs,
  TIME_INDEX_SUFFIX,
} from "../src/index.ts";
import { openState, tools } from "./fixture.ts";

function open(config: Partial<LogConfig> = {}, base = 0) {
  const state = openState(config, { base });
  const out: LogEffect[] = [];
  state.createSegment(base, 0, out);
  return { state, out };
}

function batch(count: number, options: Parameters<typeof buildBatch>[1] = {}, timestamp = 1): Uint8Array {
  const records = Array.from({ length: count }, (_, i) => ({ timestamp, key: null, value: utf8(`${i}`) }));
  return buildBatch(records, options, tools);
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap(part => [...part]));
}

/** All that an append can change. */
function snapshotOf(state: LogState, out: readonly LogEffect[]) {
  const { endOffset, startOffset, size, snapshots } = state;
  const segments = state.segments.map(segment => [segment.base, segment.size, segment.maxTimestamp]);
  const producers = structuredClone([...state.producers.entries.values()]);
  return {
    endOffset,
    startOffset,
    size,
    snapshots,
    segments,
    producers,
    epochs: state.epochs.entries,
    out: out.length,
  };
}

describe("an append", () => {
  test("by a leader gives the next offsets, its epoch and the time that the setting asks for", () => {
    const runs = fc.array(
      fc.record({
        counts: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
        epoch: fc.constantFrom(0, 0, 1),
        time: fc.constantFrom(5, 2 ** 40),
        appendTime: fc.boolean(),
      }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(runs, fc.constantFrom(0, 2 ** 31 - 2, 2 ** 52), (all, base) => {
        const { state, out } = open({ segmentBytes: 300 }, base);
        let next = base;
        let leaderEpoch = 0;
        for (const { counts, epoch, time, appendTime } of all) {
          leaderEpoch += epoch;
          const bytes = joined(...counts.map(count => batch(count, {}, time)));
          const total = counts.reduce((sum, count) => sum + count, 0);
          const timestampType = appendTime ? "LogAppendTime" : "CreateTime";
          const request = { origin: "client", now: 77, leaderEpoch, timestampType } as const;
          const before = snapshotOf(state, out);
          const added = state.append(bytes, request, out);
          if (bytes.length > 300) {
            expect([added.error, snapshotOf(state, out)]).toEqual([18, before]);
            continue;
          }
          expect(added).toEqual({
            error: 0,
            firstOffset: next,
            lastOffset: next + total - 1,
            logAppendTime: appendTime ? 77 : -1,
            duplicate: false,
          });
          const cursor = new BatchCursor(bytes);
          for (const count of counts) {
            expect([cursor.next(), cursor.intact(crc32c), cursor.leaderEpoch]).toEqual([true, true, leaderEpoch]);
            expect([cursor.baseOffset, cursor.lastOffset]).toEqual([next, next + count - 1]);
            expect([cursor.timestampType, cursor.maxTimestamp]).toEqual([timestampType, appendTime ? 77 : time]);
            next += count;
          }
          expect(readRecords(bytes, tools).map(({ offset }) => offset)).toEqual(
            Array.from({ length: total }, (_, i) => next - total + i),
          );
          const write = out.findLast(effect => effect.kind === "write") as LogEffect & { kind: "write" };
          expect([write.file, write.position + bytes.length]).toEqual([state.active.file, state.active.size]);
          expect(write.bytes).toBe(bytes);
          const saved = out.findLast(effect => effect.kind === "replace" && !effect.file.endsWith(".snapshot"));
          expect(readEpochs((saved as LogEffect & { kind: "replace" }).bytes)).toEqual(state.epochs.entries);
          expect(state.epochs.latest).toBe(leaderEpoch);
        }
        expect(state.endOffset).toBe(next);
      }),
    );
  });

  test("that is refused changes nothing", () => {
    const { state, out } = open({ segmentBytes: 400 });
    const request = { origin: "client", now: 5, leaderEpoch: 0 } as const;
    const of = { producerId: 7n, producerEpoch: 0, baseSequence: 0 };
    expect(state.append(batch(3, of), request, out).error).toBe(0);
    const before = snapshotOf(state, out);
    const next = { ...of, baseSequence: 3 };
    for (const [name, bytes, error] of [
      ["nothing", new Uint8Array(0), 2],
      ["a torn batch", batch(2, next).subarray(0, 70), 2],
      ["a torn second batch", joined(batch(1, next), batch(1).subarray(0, 65)), 2],
      ["a gap in sequences", batch(1, { ...of, baseSequence: 4 }), 45],
      ["a gap in the second batch", joined(batch(1, next), batch(1, { ...of, baseSequence: 9 })), 45],
      ["more than a segment", batch(200, next), 18],
    ] as const) {
      expect(state.append(bytes, request, out), name).toMatchObject({ error, firstOffset: -1, lastOffset: -1 });
      expect(snapshotOf(state, out), name).toEqual(before);
    }
    const damaged = batch(1, { baseOffset: 3 });
    damaged[damaged.length - 1] ^= 1;
    for (const [name, bytes, error] of [
      ["nothing", new Uint8Array(0), 2],
      ["a damaged batch", damaged, 2],
      ["an offset that is there", batch(1, { baseOffset: 2 }), 1],
      ["offsets that go back", joined(batch(2, { baseOffset: 5 }), batch(1, { baseOffset: 6 })), 1],
      ["a torn batch", batch(1, { baseOffset: 3 }).subarray(0, 66), 2],
    ] as const) {
      expect(state.appendVerbatim(bytes, 5, out).error, name).toBe(error);
      expect(snapshotOf(state, out), name).toEqual(before);
    }
    expect(state.append(batch(1, next), request, out)).toMatchObject({ error: 0, firstOffset: 3 });
  });

  test("takes batches as they are from a leader, with gaps and old producers", () => {
    const { state, out } = open();
    const bytes = joined(
      batch(1, { baseOffset: 4, leaderEpoch: 2, producerId: 1n, producerEpoch: 5, baseSequence: 9 }),
      batch(2, { baseOffset: 9, leaderEpoch: 3, producerId: 1n, producerEpoch: 3, baseSequence: 70 }),
    );
    const copy = bytes.slice();
    expect(state.appendVerbatim(bytes, 5, out)).toMatchObject({ error: 0, firstOffset: 4, lastOffset: 10 });
    expect([bytes, state.endOffset]).toEqual([copy, 11]);
    expect(state.epochs.entries).toEqual([
      { epoch: 2, startOffset: 4 },
      { epoch: 3, startOffset: 9 },
    ]);
    expect(state.producers.entries.get(1n)).toMatchObject({
      epoch: 3,
      batches: [{ lastSequence: 71, lastOffset: 10 }],
    });
  });
});

test("batches of one run that are too far apart for the indexes of a segment go to several", () => {
  const far = 2 ** 31 + 9;
  for (const [offsets, bases] of [
    [
      [0, 1, far, far + 1],
      [0, far],
    ],
    [[0, 2 ** 31 - 1], [0]],
    [
      [0, 2 ** 31],
      [0, 1],
    ],
    [
      [far, 3 * far],
      [0, far, 3 * far],
    ],
  ] as const) {
    const { state, out } = open({ indexIntervalBytes: 0 });
    const bytes = joined(...offsets.map(baseOffset => batch(1, { baseOffset })));
    const added = state.appendVerbatim(bytes, 5, out);
    expect(added).toMatchObject({ error: 0, firstOffset: offsets[0], lastOffset: offsets.at(-1) });
    expect(state.segments.map(({ base }) => base)).toEqual(bases);
    expect(state.size).toBe(bytes.length);
    for (const segment of state.segments) expect(segment.ready().offsets.sane(segment.size)).toBe(true);
    expect([state.startOffset, state.endOffset]).toEqual([0, (offsets.at(-1) ?? 0) + 1]);
  }
});

describe("a segment", () => {
  test("ends when either of its indexes is full", () => {
    for (const [segmentIndexBytes, most] of [
      [48, 3],
      [60, 4],
      [120, 9],
    ]) {
      const { state, out } = open({ segmentIndexBytes, indexIntervalBytes: 0 });
      for (let i = 0; i < 60; i++) state.append(batch(1, {}, i), { origin: "client", now: 5, leaderEpoch: 0 }, out);
      expect(state.segments.length).toBeGreaterThan(3);
      for (const segment of state.segments) {
        const { offsets, times } = segment.ready();
        expect(offsets.count).toBeLessThanOrEqual(Math.floor(segmentIndexBytes / 8));
        expect(times.count * 12, "room for a closing entry is kept").toBeLessThanOrEqual(segmentIndexBytes);
        if (segment !== state.active) expect(times.count).toBe(most);
      }
    }
  });

  test("that was preallocated is cut to its size when it is closed, and only then", () => {
    const { state, out } = open({ preallocate: true, segmentBytes: 200 });
    const cuts = () => out.flatMap(effect => (effect.kind === "truncate" ? [[effect.file, effect.size]] : []));
    expect(out).toContainEqual({ kind: "allocate", file: fileName(0, LOG_SUFFIX), size: 200 });
    state.append(batch(1), { origin: "client", now: 5, leaderEpoch: 0 }, out);
    const { size } = state.active;
    expect(cuts()).toEqual([]);
    state.roll(5, out);
    expect(cuts()).toEqual([[fileName(0, LOG_SUFFIX), size]]);
    state.append(batch(1), { origin: "client", now: 5, leaderEpoch: 0 }, out);
    state.close(out);
    state.close(out);
    expect(cuts().slice(1)).toEqual([[fileName(1, LOG_SUFFIX), size]]);
  });

  test("gets a last entry in its time index when it is closed, with the newest record", () => {
    const { state, out } = open();
    for (const time of [5, 9, 7]) {
      state.append(batch(1, {}, time), { origin: "client", now: 5, leaderEpoch: 0 }, out);
    }
    expect(state.active.ready().times.count).toBe(0);
    state.close(out);
    const { times } = state.active.ready();
    expect([times.count, times.lastTimestamp, times.lastOffset]).toEqual([1, 9, 1]);
    const written = out.filter(effect => effect.kind === "write" && effect.file === fileName(0, TIME_INDEX_SUFFIX));
    expect(written.at(-1)).toMatchObject({ position: 0, bytes: { length: 12 } });
    // An empty file came first, as Kafka expects it beside every segment.
    expect(written.length).toBe(2);
  });
});

describe("a log", () => {
  test("that is emptied begins anew at any offset, and forgets all it knew", () => {
    const { state, out } = open({ segmentBytes: 200 });
    const of = { producerId: 7n, producerEpoch: 0, transactional: true };
    for (let i = 0; i < 6; i++) {
      state.append(batch(1, { ...of, baseSequence: i }), { origin: "client", now: 5, leaderEpoch: i }, out);
    }
    const files = state.segments.map(({ file }) => file);
    const { snapshots } = state;
    expect([files.length > 2, snapshots.length > 1, state.producers.firstOpenOffset]).toEqual([true, true, 0]);
    out.length = 0;
    state.truncateFully(2 ** 52, 9, out);
    expect([state.startOffset, state.endOffset, state.active.base, state.size]).toEqual([2 ** 52, 2 ** 52, 2 ** 52, 0]);
    expect([state.segments.length, state.snapshots, state.epochs.entries]).toEqual([1, [], []]);
    expect([state.producers.entries.size, state.producers.firstOpenOffset]).toEqual([0, -1]);
    const gone = out.flatMap(effect => (effect.kind === "delete" || effect.kind === "remove" ? [effect.file] : []));
    for (const file of files) expect(gone).toContain(file);
    for (const offset of snapshots) expect(gone).toContain(fileName(offset, ".snapshot"));
    const added = state.append(
      batch(2, { ...of, baseSequence: 44 }),
      { origin: "client", now: 5, leaderEpoch: 9 },
      out,
    );
    expect(added).toMatchObject({ error: 0, firstOffset: 2 ** 52 });
    expect(state.epochs.entries).toEqual([{ epoch: 9, startOffset: 2 ** 52 }]);
  });

  test("goes on beyond records that compaction has left out", () => {
    const { state, out } = open();
    state.append(
      batch(2, { producerId: 7n, producerEpoch: 0, baseSequence: 0 }),
      { origin: "client", now: 5, leaderEpoch: 0 },
      out,
    );
    state.extendTo(50, 6, out);
    expect([state.endOffset, state.producers.endOffset, state.active.base, state.snapshots]).toEqual([
      50,
      50,
      50,
      [50],
    ]);
    expect(state.append(batch(1), { origin: "client", now: 5, leaderEpoch: 0 }, out).firstOffset).toBe(50);
    // A segment without records is replaced, as its name would only suggest missing ones.
    state.roll(7, out);
    out.length = 0;
    state.extendTo(70, 8, out);
    expect(state.segments.map(({ base }) => base)).toEqual([0, 50, 70]);
    expect(out).toContainEqual({ kind: "delete", file: fileName(51, LOG_SUFFIX) });
  });
});
