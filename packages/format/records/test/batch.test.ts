import { DecompressionBuffer, type Int64, utf8, viewOf } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rebuildBatch } from "../src/builder.ts";
import {
  addSequence,
  assignOffsets,
  BatchBuilder,
  BatchCursor,
  batchSize,
  buildBatch,
  CODEC_NAMES,
  type Codec,
  controlRecord,
  endTxnBatch,
  type NewRecord,
  readControlRecord,
  readRecords,
  RecordCursor,
} from "../src/index.ts";
import { tools } from "./tools.ts";

const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.string({ maxLength: 30 }).map(utf8));
const record: fc.Arbitrary<NewRecord> = fc.record({
  timestamp: fc.oneof(fc.integer({ min: 0, max: 2 ** 31 - 1 }), fc.integer({ min: -1, max: 2 ** 52 })),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 8 }), value: fc.option(bytes) }), { maxLength: 3 }),
});
const plain = (records: readonly (NewRecord & { offset?: number })[], base = 0) =>
  records.map((r, i) => ({
    offset: r.offset ?? base + i,
    timestamp: r.timestamp,
    key: r.key === null ? null : [...r.key],
    value: r.value === null ? null : [...r.value],
    headers: (r.headers ?? []).map(h => ({ key: h.key, value: h.value === null ? null : [...h.value] })),
  }));

describe("batches", () => {
  test("what is built is what is read, with every codec", () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 20 }),
        fc.constantFrom(0, 1, 2, 3, 4),
        (records, codec) => {
          const built = buildBatch(
            records,
            { baseOffset: 70, compression: { codec: codec as Codec, level: 3 } },
            tools,
          );
          expect(plain(readRecords(built, tools))).toEqual(plain(records, 70));
          const batch = new BatchCursor(built);
          expect(batch.next()).toBe(true);
          expect(batch.intact(tools.crc32c)).toBe(true);
          expect(batch.maxTimestamp).toBe(
            records.reduce<Int64>((max, r) => (r.timestamp > max ? r.timestamp : max), -1),
          );
          expect(batchSize(viewOf(built), 0)).toBe(built.length);
          expect(batch.next()).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("large payloads pass every codec", () => {
    const noise = Uint8Array.from({ length: 200_000 }, (_, i) => Math.imul(i * i + 7, 2654435761) >>> 24);
    const text = utf8("all work and no play ".repeat(20_000));
    for (let codec = 0; codec < CODEC_NAMES.length; codec++) {
      const records = [noise, text].map(value => ({ timestamp: 5, key: null, value }));
      const built = buildBatch(records, { compression: { codec: codec as Codec, level: 1 } }, tools);
      const read = readRecords(built, tools);
      expect(read[0].value, CODEC_NAMES[codec]).toEqual(noise);
      expect(read[1].value, CODEC_NAMES[codec]).toEqual(text);
    }
  });

  test("decompression stops at its limit", () => {
    const open = (batch: BatchCursor, limit: number) =>
      new RecordCursor().open(batch, tools.codecs, new DecompressionBuffer(limit));
    for (let codec = 1; codec < 5; codec++) {
      const records = [{ timestamp: 1, key: null, value: new Uint8Array(1_000_000) }];
      const batch = new BatchCursor(buildBatch(records, { compression: { codec: codec as Codec, level: 1 } }, tools));
      batch.next();
      expect(() => open(batch, 100_000), CODEC_NAMES[codec]).toThrow();
      expect(() => open(batch, 1_100_000), CODEC_NAMES[codec]).not.toThrow();
    }
  });

  test("a cursor stops at a torn batch and never throws over noise", () => {
    const built = buildBatch([{ timestamp: 1, key: null, value: utf8("x") }], {}, tools);
    for (let cut = 0; cut < built.length; cut++) expect(new BatchCursor(built, 0, cut).next()).toBe(false);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), noise => {
        const batch = new BatchCursor(noise);
        while (batch.next());
      }),
    );
  });

  test("assigning offsets keeps the checksum, and redoes it for append time", () => {
    const built = buildBatch([{ timestamp: 1, key: null, value: utf8("x") }], { baseSequence: 4 }, tools);
    const batch = new BatchCursor(built);
    batch.next();
    const crc = batch.crc;
    assignOffsets(
      batch,
      { baseOffset: 2 ** 40, leaderEpoch: 9, maxTimestamp: 1, timestampType: "CreateTime" },
      tools.crc32c,
    );
    expect([batch.baseOffset, batch.leaderEpoch, batch.crc]).toEqual([2 ** 40, 9, crc]);
    assignOffsets(
      batch,
      { baseOffset: 3, leaderEpoch: 9, maxTimestamp: 77, timestampType: "LogAppendTime" },
      tools.crc32c,
    );
    expect(batch.intact(tools.crc32c)).toBe(true);
    expect(batch.crc).not.toBe(crc);
    expect(readRecords(built, tools)[0].timestamp).toBe(77);
  });

  test("rebuilding changes the codec and closes gaps", () => {
    const builder = new BatchBuilder({ baseOffset: 5, producerId: 12n, producerEpoch: 1, baseSequence: 3 }, tools);
    builder.append({ timestamp: 10, key: utf8("a"), value: null }, 0);
    builder.append({ timestamp: 11, key: utf8("b"), value: null }, 4);
    const batch = new BatchCursor(builder.build());
    batch.next();
    const again = new BatchCursor(rebuildBatch(batch, { compression: { codec: 4, level: 3 } }, tools));
    again.next();
    expect([again.codec, again.lastOffsetDelta, again.producerId, again.baseSequence]).toEqual([4, 1, 12n, 3]);
    expect(readRecords(again.bytes, tools).map(r => r.offset)).toEqual([5, 6]);
  });

  test("an empty batch keeps its span", () => {
    const batch = new BatchCursor(new BatchBuilder({ baseOffset: 3, deleteHorizon: 99 }, tools).build(6));
    expect(batch.next()).toBe(true);
    expect([batch.count, batch.lastOffset, batch.hasDeleteHorizon, batch.baseTimestamp]).toEqual([0, 9, true, 99]);
  });

  test("sequences wrap", () => {
    expect(addSequence(2147483647, 1)).toBe(0);
    expect(addSequence(2147483646, 3)).toBe(1);
    expect(addSequence(5, 2)).toBe(7);
  });
});

describe("control records", () => {
  test("every kind survives the round trip", () => {
    const directoryId = "AAAAAAAAAAAAAAAAAAAAAQ" as never;
    const voter = { id: 1, directoryId };
    const kinds = [
      { type: "abort", coordinatorEpoch: 3 },
      { type: "commit", coordinatorEpoch: 4 },
      { type: "leaderChange", version: 1, leaderId: 1, voters: [voter], grantingVoters: [voter] },
      { type: "snapshotHeader", lastContainedLogTimestamp: 12345 },
      { type: "snapshotFooter" },
      { type: "kraftVersion", kraftVersion: 1 },
      {
        type: "kraftVoters",
        voters: [
          { ...voter, endpoints: [{ name: "C", host: "h", port: 65535 }], minKraftVersion: 0, maxKraftVersion: 1 },
        ],
      },
    ] as const;
    for (const kind of kinds) {
      const made = controlRecord(kind, 1);
      expect(readControlRecord(made.key as Uint8Array, made.value as Uint8Array)).toEqual(kind);
    }
    expect(readControlRecord(Uint8Array.of(0, 0, 0, 77), Uint8Array.of(0, 0))).toBeUndefined();
  });

  test("the batch that ends a transaction", () => {
    const marker = { producerId: 5n, producerEpoch: 2, coordinatorEpoch: 8, commit: true, timestamp: 4 };
    const batch = new BatchCursor(endTxnBatch(marker, tools));
    batch.next();
    expect([batch.isControl, batch.isTransactional, batch.producerId, batch.baseSequence]).toEqual([
      true,
      true,
      5n,
      -1,
    ]);
  });
});
