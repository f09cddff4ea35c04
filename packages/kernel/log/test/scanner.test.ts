import { buildBatch, FIELD } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EpochCache, LogScanner, ProducerStates, Segment } from "../src/index.ts";
import { tools } from "./fixture.ts";

interface Batch {
  readonly first: number;
  readonly last: number;
  readonly epoch: number;
  readonly time: number;
  /** Sequence number of the first record of producer 1; -1: no producer. */
  readonly sequence: number;
  readonly bytes: Uint8Array;
  /** Position in the file. */
  readonly at: number;
}

interface Facts {
  readonly count: number;
  readonly gap: number;
  readonly raise: number;
  readonly time: number;
  readonly owned: boolean;
}

const facts: fc.Arbitrary<Facts[]> = fc.array(
  fc.record({
    count: fc.integer({ min: 1, max: 4 }),
    gap: fc.constantFrom(0, 0, 0, 1, 1000),
    raise: fc.constantFrom(0, 0, 0, 1, 4),
    time: fc.nat(100),
    owned: fc.boolean(),
  }),
  { minLength: 1, maxLength: 14, size: "max" },
);
const bases = fc.constantFrom(0, 9, 2 ** 32 - 2, 2 ** 52);

function batchesOf(base: number, all: readonly Facts[]): Batch[] {
  let next = base;
  let epoch = 0;
  let at = 0;
  let sequence = 0;
  return all.map(({ count, gap, raise, time, owned }) => {
    const first = next + gap;
    epoch += raise;
    const of = owned ? { producerId: 1n, producerEpoch: 0, baseSequence: sequence } : {};
    const records = Array.from({ length: count }, () => ({ timestamp: time, key: null, value: new Uint8Array(9) }));
    const bytes = buildBatch(records, { baseOffset: first, leaderEpoch: epoch, ...of }, tools);
    const batch = { first, last: first + count - 1, epoch, time, sequence: owned ? sequence : -1, bytes, at };
    next = batch.last + 1;
    at += bytes.length;
    if (owned) sequence += count;
    return batch;
  });
}

function join(batches: readonly Batch[], tail: Uint8Array = new Uint8Array(0)): Uint8Array {
  return Uint8Array.from([...batches.flatMap(({ bytes }) => [...bytes]), ...tail]);
}

/** Scans a file in pieces of the given sizes, again and again. */
function scan(
  bytes: Uint8Array,
  base: number,
  {
    pieces = [1 << 20],
    rebuild = true,
    from = 0,
    interval = 60,
  }: { pieces?: readonly number[]; rebuild?: boolean; from?: number; interval?: number } = {},
) {
  const segment = new Segment(base, rebuild ? 0 : bytes.length, { created: 0, modified: 0, jitter: 0 });
  const producers = new ProducerStates();
  const epochs = new EpochCache();
  const scanner = new LogScanner({
    tools,
    segment,
    producers,
    epochs,
    indexIntervalBytes: interval,
    fileSize: bytes.length,
    rebuild,
    producersFrom: from,
    expected: base,
  });
  for (let at = 0, i = 0; at < bytes.length && scanner.fault === undefined; i++) {
    const size = pieces[i % pieces.length];
    // The scanner must not keep a part of the caller's buffer.
    const piece = bytes.slice(at, at + size);
    scanner.feed(piece);
    piece.fill(0xff);
    at += size;
  }
  return { scanner, segment, producers, epochs };
}

const pieces = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 });

describe("a scan of a segment", () => {
  test("finds all batches, whatever the pieces are, and fills indexes, epochs and producers", () => {
    fc.assert(
      fc.property(bases, facts, pieces, fc.constantFrom(0, 60, 300), (base, all, sizes, interval) => {
        const batches = batchesOf(base, all);
        const bytes = join(batches);
        const { scanner, segment, producers, epochs } = scan(bytes, base, { pieces: sizes, interval });
        const end = (batches.at(-1) as Batch).last + 1;
        expect([scanner.fault, scanner.suspect, scanner.validBytes]).toEqual([undefined, undefined, bytes.length]);
        expect([scanner.nextOffset, producers.endOffset, segment.size]).toEqual([end, end, bytes.length]);
        // An entry is due before the first batch that begins more than the interval after the last entry.
        const entries: [number, number][] = [];
        let since = 0;
        for (const { last, at, bytes: own } of batches) {
          if (since > interval) {
            entries.push([last, at]);
            since = 0;
          }
          since += own.length;
        }
        const { offsets, times } = segment.ready();
        expect(Array.from({ length: offsets.count }, (_, i) => [offsets.offsetAt(i), offsets.positionAt(i)])).toEqual(
          entries,
        );
        for (let i = 0; i < times.count; i++) {
          const upTo = batches.filter(({ last }) => last <= times.offsetAt(i)).map(({ time }) => time);
          expect(times.timestampAt(i), "no record up to there is newer").toBe(Math.max(...upTo));
        }
        const newest = Math.max(...batches.map(({ time }) => time));
        const first = batches.find(({ time }) => time === newest) as Batch;
        expect([segment.maxTimestamp, segment.offsetOfMaxTimestamp]).toEqual([newest, first.last]);
        expect([segment.firstTimestamp, segment.largestTimestamp]).toEqual([batches[0].time, newest]);
        for (const { first: offset, epoch } of batches) expect(epochs.epochAt(offset)).toBe(epoch);
        const own = batches.filter(({ sequence }) => sequence >= 0);
        expect(producers.entries.get(1n)?.batches.map(({ lastOffset }) => lastOffset)).toEqual(
          own.length === 0 ? undefined : own.slice(-5).map(({ last }) => last),
        );
      }),
    );
  });

  test("applies only later batches to producers that a snapshot has loaded, and leaves the segment alone", () => {
    fc.assert(
      fc.property(facts, fc.nat(14), (all, from) => {
        const batches = batchesOf(5, all);
        const start = batches[from % batches.length].first;
        const { scanner, segment, producers } = scan(join(batches), 5, { rebuild: false, from: start });
        expect([scanner.fault, segment.firstTimestamp, segment.indexes]).toEqual([undefined, undefined, undefined]);
        const own = batches.filter(({ sequence, last }) => sequence >= 0 && last >= start);
        expect(producers.entries.get(1n)?.batches.map(({ lastOffset }) => lastOffset) ?? []).toEqual(
          own.slice(-5).map(({ last }) => last),
        );
      }),
    );
  });

  test("stops before the first damaged batch, also if only a bit is wrong", () => {
    fc.assert(
      fc.property(facts, fc.nat(), fc.nat(), fc.nat(7), pieces, (all, which, place, bit, sizes) => {
        const batches = batchesOf(0, all);
        const hit = batches[which % batches.length];
        // All that a checksum covers, the checksum itself, the version and the length.
        const at = FIELD.length + (place % (hit.bytes.length - FIELD.length));
        const isEpoch = at >= FIELD.leaderEpoch && at < FIELD.leaderEpoch + 4;
        const bytes = join(batches);
        bytes[hit.at + at] ^= 1 << bit;
        const { scanner, segment } = scan(bytes, 0, { pieces: sizes });
        if (isEpoch) {
          // A checksum does not cover the epoch: the batches before it are safe at least.
          expect(scanner.validBytes).toBeGreaterThanOrEqual(hit.at);
          return;
        }
        const faults = [scanner.fault !== undefined, scanner.validBytes, segment.size];
        expect(faults).toEqual([true, hit.at, hit.at]);
      }),
      { numRuns: 300 },
    );
  });

  test("stops at a torn end, at zeros and at noise", () => {
    const tails = fc.oneof(
      fc.nat(200).map(length => new Uint8Array(length)),
      fc.uint8Array({ minLength: 1, maxLength: 200 }).map(bytes => Uint8Array.from(bytes, byte => byte | 0x80)),
    );
    fc.assert(
      fc.property(facts, tails, fc.nat(), pieces, (all, tail, cut, sizes) => {
        const batches = batchesOf(0, all);
        const whole = scan(join(batches, tail), 0, { pieces: sizes });
        const valid = join(batches).length;
        expect([whole.scanner.validBytes, whole.segment.size]).toEqual([valid, valid]);
        expect(whole.scanner.fault !== undefined).toBe(tail.length >= 61);
        const last = batches.at(-1) as Batch;
        const torn = scan(join(batches).subarray(0, last.at + (cut % last.bytes.length)), 0, { pieces: sizes });
        expect(torn.scanner.validBytes).toBe(last.at);
        expect(torn.scanner.nextOffset).toBe(batches.at(-2) === undefined ? 0 : (batches.at(-2) as Batch).last + 1);
      }),
    );
  });

  test("stops at batches that go back in offset or epoch, and suspects the one that leapt", () => {
    fc.assert(
      fc.property(facts, facts, fc.constantFrom("offset", "epoch"), (before, after, field) => {
        const batches = batchesOf(
          0,
          [...before, ...after].map(each => ({ ...each, gap: 0, raise: 0 })),
        );
        const bytes = join(batches);
        const hit = batches[before.length];
        const view = new DataView(bytes.buffer);
        // A checksum covers neither: only the batch after it shows that it is wrong.
        if (field === "offset") view.setBigInt64(hit.at, BigInt(hit.first + 500));
        else view.setInt32(hit.at + FIELD.leaderEpoch, 3);
        const { scanner } = scan(bytes, 0);
        const follower = batches[before.length + 1] as Batch | undefined;
        expect(scanner.validBytes).toBe(follower?.at ?? bytes.length);
        expect([scanner.suspect, scanner.fault !== undefined]).toEqual(
          follower === undefined ? [undefined, false] : [hit.at, true],
        );
        if (field === "offset" && before.length > 1) {
          view.setBigInt64(hit.at, BigInt(hit.first - 1));
          const back = scan(bytes, 0).scanner;
          expect([back.validBytes, back.suspect, back.fault !== undefined]).toEqual([hit.at, undefined, true]);
        }
      }),
    );
  });

  test("takes no batch outside of the offsets that its segment can have", () => {
    for (const [base, first, isValid] of [
      [100, 100, true],
      [100, 99, false],
      [100, 100 + 2 ** 31 - 1, true],
      [100, 100 + 2 ** 31, false],
      [2 ** 53 - 2 ** 31, 2 ** 53 - 2, true],
    ] as const) {
      const bytes = buildBatch([{ timestamp: 1, key: null, value: null }], { leaderEpoch: 0 }, tools);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      view.setBigInt64(0, BigInt(first));
      expect(scan(bytes, base).scanner.fault === undefined, `${first} in ${base}`).toBe(isValid);
    }
    for (const high of [2n ** 53n, 2n ** 62n, -1n]) {
      const bytes = buildBatch([{ timestamp: 1, key: null, value: null }], { leaderEpoch: 0 }, tools);
      new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, high);
      expect(scan(bytes, 0).scanner.validBytes, `offset ${high}`).toBe(0);
    }
  });
});
