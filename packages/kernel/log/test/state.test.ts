import { buildBatch } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  fileName,
  fitsIndex,
  LOG_SUFFIX,
  type LogConfig,
  type LogEffect,
  LogState,
  offsetOfFile,
  Segment,
  SNAPSHOT_SUFFIX,
} from "../src/index.ts";
import { openState, tools } from "./fixture.ts";

const LARGEST_RELATIVE = 2 ** 31 - 1;

interface Batch {
  readonly first: number;
  readonly last: number;
  readonly size: number;
  readonly time: number;
}

/** Log of which the model knows each batch; the files are names only. */
class Pair {
  readonly state: LogState;
  readonly files = new Set<string>();
  readonly out: LogEffect[] = [];
  batches: Batch[] = [];
  /** Base offsets of the segments, and the times of their creation and last change. */
  bases: { base: number; created: number; modified: number }[] = [];
  end: number;
  start: number;
  now = 10_000;
  readonly jitterMs: number;

  constructor(base: number, config: Partial<LogConfig>, jitter: number) {
    this.end = this.start = base;
    this.state = openState(config, { base, jitter });
    this.jitterMs = Math.floor(jitter * Math.min(this.state.config.segmentJitterMs, this.state.config.segmentMs));
    this.began(base);
    this.state.createSegment(base, this.now, this.out);
    this.perform();
  }

  perform(): void {
    for (const effect of this.out.splice(0)) {
      if (effect.kind === "write" || effect.kind === "replace") this.files.add(effect.file);
      if (effect.kind === "delete" || effect.kind === "remove") this.files.delete(effect.file);
    }
  }

  began(base: number): void {
    this.bases.push({ base, created: this.now, modified: this.now });
  }

  own(i: number): Batch[] {
    const end = this.bases[i + 1]?.base ?? this.end;
    return this.batches.filter(({ first }) => first >= this.bases[i].base && first < end);
  }

  size(i: number): number {
    return this.own(i).reduce((sum, { size }) => sum + size, 0);
  }

  /** Timestamp of a segment for retention: that of its newest record, or of its last change. */
  largest(i: number): number {
    const newest = Math.max(-1, ...this.own(i).map(({ time }) => time));
    return newest >= 0 ? newest : this.bases[i].modified;
  }

  append(gap: number, length: number, time: number): void {
    const first = this.end + gap;
    const bytes = buildBatch(
      [{ timestamp: time, key: null, value: new Uint8Array(length) }],
      {
        baseOffset: first,
        leaderEpoch: 1,
      },
      tools,
    );
    const { config } = this.state;
    const i = this.bases.length - 1;
    const active = this.bases[i];
    const own = this.own(i);
    const begun = own[0]?.time ?? -1;
    const waited = begun >= 0 ? time - begun : this.now - active.created;
    const compacts = config.cleanupPolicy.has("compact");
    const most = (compacts ? Math.min(config.segmentMs, config.maxCompactionLagMs) : config.segmentMs) - this.jitterMs;
    const rolls =
      this.size(i) + bytes.length > config.segmentBytes ||
      (own.length > 0 && waited > most) ||
      first - active.base > LARGEST_RELATIVE;
    const added = this.state.appendVerbatim(bytes, this.now, this.out);
    expect([added.error, added.firstOffset, added.lastOffset]).toEqual([0, first, first]);
    if (rolls) {
      // A segment begins where the one before ends, if its indexes can reach the record.
      const base = first - this.end <= LARGEST_RELATIVE ? this.end : first;
      // An empty segment goes, unless the leap is too wide for the tail of a segment that a power failure took.
      if (own.length === 0 && base !== active.base && base - 1 - active.base <= LARGEST_RELATIVE) this.bases.pop();
      if (own.length > 0 || base !== active.base) this.began(base);
    }
    (this.bases.at(-1) as { modified: number }).modified = this.now;
    this.batches.push({ first, last: first, size: bytes.length, time });
    this.end = first + 1;
  }

  /** Deletes as `retentionMs` and `retentionBytes` of the config and the start offset say, one segment at a time. */
  retain(highWatermark: number, settings: Partial<LogConfig>): void {
    const { state } = this;
    state.config = { ...state.config, ...settings };
    const { cleanupPolicy, retentionMs, retentionBytes } = state.config;
    let gone = 0;
    for (; gone < this.bases.length; gone++) {
      const isLast = gone === this.bases.length - 1;
      const end = isLast ? this.end : this.bases[gone + 1].base;
      const rest = this.bases.reduce((sum, _, i) => sum + (i > gone ? this.size(i) : 0), 0);
      const isOld = retentionMs >= 0 && this.now - this.largest(gone) > retentionMs;
      const isTooMuch = retentionBytes >= 0 && rest >= retentionBytes;
      const isBelow = !isLast && end <= this.start;
      const goes = isBelow || (cleanupPolicy.has("delete") && (isOld || isTooMuch));
      if (!goes || end > highWatermark || (isLast && this.size(gone) === 0)) break;
    }
    expect(state.expired(this.now, highWatermark), "number of expired segments").toBe(gone);
    state.dropOldest(gone, this.now, this.out);
    if (gone === this.bases.length) this.began(this.end);
    this.bases.splice(0, gone);
    this.batches = this.batches.filter(({ first }) => first >= this.bases[0].base);
    if (gone > 0) this.start = Math.max(this.start, this.bases[0].base);
  }

  truncate(back: number): void {
    const cut = this.batches.at(-1 - back);
    if (cut === undefined || cut.first < this.start) return;
    const i = this.bases.findLastIndex(({ base }) => base <= cut.first);
    const position = this.own(i).reduce((sum, { first, size }) => sum + (first < cut.first ? size : 0), 0);
    this.state.truncateTo(cut.first, position, this.out);
    this.state.producers.endOffset = cut.first;
    this.bases.length = i + 1;
    this.batches = this.batches.filter(({ first }) => first < cut.first);
    this.end = cut.first;
    // Whoever truncates reads the batches after the last entry of the time index.
    for (const { time, last } of this.own(i)) this.state.active.noteTimestamp(time, last);
  }

  /** Replaces adjacent closed segments by one, in which some batches are left. */
  compact(from: number, count: number, keep: number): void {
    const { state } = this;
    const old = state.segments.slice(from, from + count).filter(segment => segment !== state.active);
    if (old.length === 0) return;
    const base = old[0].base;
    const end = this.bases[from + old.length].base;
    if (!fitsIndex(base, end)) return;
    const left = this.batches.filter(({ first }, i) => first < base || first >= end || i % 4 < keep);
    const fresh = new Segment(base, 0, { created: this.now, modified: this.now, jitter: this.jitterMs });
    for (const { first, last, size, time } of left) {
      if (first >= base && first < end) fresh.push({ size, lastOffset: last, maxTimestamp: time }, 100);
    }
    for (let i = 0; i < old.length; i++) expect(state.after(old[i])?.base).toBe(this.bases[from + i + 1].base);
    state.replaceSegments(old, fresh, this.out);
    this.batches = left;
    this.bases.splice(from, old.length, { base, created: this.now, modified: this.now });
    for (const effect of this.out) {
      if (effect.kind === "rename") expect(effect.file).toBe(`${effect.to}.swap`);
      if (effect.kind === "rename" && effect.to.endsWith(LOG_SUFFIX)) this.files.add(effect.to);
    }
    const deleted = this.out.findIndex(({ kind }) => kind === "rename");
    expect(this.out.findLastIndex(({ kind }) => kind === "delete")).toBeLessThan(deleted);
    this.out.splice(
      0,
      this.out.length,
      ...this.out.filter(effect => effect.kind !== "delete" || effect.file !== fresh.file),
    );
  }

  check(): void {
    this.perform();
    const { state } = this;
    expect([state.startOffset, state.endOffset, state.size]).toEqual([
      this.start,
      this.end,
      this.batches.reduce((sum, { size }) => sum + size, 0),
    ]);
    const segments = state.segments.map(({ base, size, largestTimestamp }) => ({ base, size, largestTimestamp }));
    expect(segments).toEqual(
      this.bases.map(({ base }, i) => ({ base, size: this.size(i), largestTimestamp: this.largest(i) })),
    );
    for (const [i, segment] of state.segments.entries()) {
      const next = this.bases[i + 1]?.base ?? this.end;
      expect(state.after(segment)?.base).toBe(this.bases[i + 1]?.base);
      for (const offset of [segment.base, ...this.own(i).map(({ first }) => first), Math.max(segment.base, next - 1)]) {
        expect(state.segmentOf(offset), `segment of ${offset}`).toBe(segment);
      }
      const { offsets, times } = segment.ready();
      let position = 0;
      for (const { first, size } of this.own(i)) {
        expect(offsets.lookup(first)).toBeLessThanOrEqual(position);
        position += size;
      }
      for (let entry = 0; entry < times.count; entry++) {
        const upTo = this.own(i).filter(({ last }) => last <= times.offsetAt(entry));
        expect(times.timestampAt(entry)).toBe(Math.max(...upTo.map(({ time }) => time)));
      }
      const behind = this.own(i).filter(({ time }) => time > times.lastTimestamp);
      expect(segment.maxTimestamp).toBe(Math.max(Number(times.lastTimestamp), ...behind.map(({ time }) => time)));
    }
    expect(state.segmentOf(this.bases[0].base - 1)).toBeUndefined();
    const logs = [...this.files].filter(name => name.endsWith(LOG_SUFFIX)).sort();
    expect(logs).toEqual(this.bases.map(({ base }) => fileName(base, LOG_SUFFIX)));
    const snapshots = [...this.files].filter(name => name.endsWith(SNAPSHOT_SUFFIX));
    expect(snapshots.map(name => offsetOfFile(name, SNAPSHOT_SUFFIX)).sort((a, b) => a - b)).toEqual(state.snapshots);
    expect(state.producers.snapshotOffset).toBe(state.snapshots.at(-1) ?? -1);
    expect(state.snapshots.filter(offset => offset > this.end)).toEqual([]);
    // A roll drops an empty segment, but not the snapshot at its base.
    expect(state.snapshots.filter(offset => offset < this.bases[0].base).length).toBeLessThanOrEqual(1);
  }
}

type Step = (pair: Pair) => void;
const times = fc.oneof(fc.integer({ min: -1, max: 400 }), fc.constant(-1));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 14,
    arbitrary: fc
      .tuple(fc.constantFrom(0, 0, 0, 0, 0, 3, 2 ** 30, 2 ** 31 + 9), fc.nat(120), times, fc.nat(60))
      .map(([gap, length, time, later]): Step => {
        return pair => {
          pair.now += later;
          pair.append(gap, length, time < 0 ? -1 : pair.now - 300 + time);
        };
      }),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({
        back: fc.nat(3),
        start: fc.nat(30),
        retentionMs: fc.constantFrom(-1, 0, 150, 400, 900),
        retentionBytes: fc.constantFrom(-1, -1, 0, 400, 1200),
        deletes: fc.boolean(),
      })
      .map(({ back, start, retentionMs, retentionBytes, deletes }): Step => {
        return pair => {
          const offset = pair.batches.at(-1 - start)?.first ?? pair.start;
          pair.start = Math.max(pair.start, offset);
          pair.state.raiseStart(offset);
          const cleanupPolicy = new Set<"delete" | "compact">([deletes ? "delete" : "compact"]);
          pair.retain(pair.end - back, { retentionMs, retentionBytes, cleanupPolicy });
        };
      }),
  },
  {
    weight: 2,
    arbitrary: fc.nat(8).map(
      (back): Step =>
        pair =>
          pair.truncate(back),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 3 }), fc.nat(4)).map(
      ([from, count, keep]): Step =>
        pair =>
          pair.compact(from, count, keep),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Step>(pair => {
      const i = pair.bases.length - 1;
      pair.state.roll(pair.now, pair.out);
      if (pair.own(i).length > 0 || pair.bases[i].base !== pair.end) {
        if (pair.own(i).length === 0) pair.bases.pop();
        pair.began(pair.end);
      }
    }),
  },
);

describe("a log's segments", () => {
  test("roll, expire, are truncated and compacted as a list of batches says", () => {
    const configs = fc.record({
      segmentBytes: fc.constantFrom(250, 600, 1 << 20),
      segmentMs: fc.constantFrom(100, 250, Infinity),
      segmentJitterMs: fc.constantFrom(0, 50, 1000),
      maxCompactionLagMs: fc.constantFrom(120, Infinity),
      indexIntervalBytes: fc.constantFrom(0, 150),
    });
    const bases = fc.constantFrom(0, 5, 2 ** 32 - 2, 2 ** 52);
    const jitters = fc.constantFrom(0, 0.5, 0.999);
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60, size: "max" }),
        configs,
        bases,
        jitters,
        (steps, config, base, draw) => {
          const pair = new Pair(base, config, draw);
          for (const next of steps) {
            next(pair);
            pair.check();
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
