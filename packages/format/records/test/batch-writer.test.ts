import { utf8 } from "@samsa/base";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  BatchCursor,
  batchSizeBound,
  BatchWriter,
  buildBatch,
  type Codec,
  defaultCompression,
  HEADER_SIZE,
  readRecords,
  type RecordData,
  restampBatch,
} from "../src/index.ts";
import { tools } from "./tools.ts";

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.string(),
);
const data: fc.Arbitrary<RecordData> = fc.oneof(fc.uint8Array({ maxLength: 200 }), text, fc.constant(null));
const record = fc.record({
  timestamp: fc.oneof(fc.integer({ min: 0, max: 2 ** 31 - 1 }), fc.integer({ min: 0, max: 2 ** 50 })),
  key: data,
  value: data,
  headers: fc.array(fc.record({ key: text, value: data }), { maxLength: 3 }),
});
const codec = fc.constantFrom<Codec>(0, 1, 2, 3, 4);
const bytesOf = (value: RecordData) => (typeof value === "string" ? utf8(value) : value);
const stamp = { producerId: 7n, producerEpoch: 3, baseSequence: 12, transactional: true };

test("a batch is that of BatchBuilder, with a producer that is known last", () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), codec, (records, codec) => {
      const writer = new BatchWriter(new Uint8Array(HEADER_SIZE + 40_000).fill(0xaa));
      for (const { timestamp, key, value, headers } of records) {
        expect(writer.append(timestamp, key, value, headers)).toBe(true);
      }
      const compression = defaultCompression(codec);
      const expected = buildBatch(
        records.map(({ timestamp, key, value, headers }) => ({
          timestamp,
          key: bytesOf(key),
          value: bytesOf(value),
          headers: headers.map(header => ({ key: header.key, value: bytesOf(header.value) })),
        })),
        { compression, ...stamp },
        tools,
      );
      expect(writer.count).toBe(records.length);
      expect([...writer.finish(stamp, compression, tools)]).toEqual([...expected]);
    }),
  );
});

test("a record that does not fit changes nothing, and its size is below the bound", () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 2, maxLength: 12 }), fc.nat(600), (records, room) => {
      const writer = new BatchWriter(new Uint8Array(HEADER_SIZE + room));
      const kept: typeof records = [];
      for (const candidate of records) {
        const { timestamp, key, value, headers } = candidate;
        const before = writer.size;
        const bound = batchSizeBound(key, value, headers) - HEADER_SIZE;
        if (writer.append(timestamp, key, value, headers)) {
          kept.push(candidate);
          expect(writer.size - before).toBeLessThanOrEqual(bound);
        } else {
          expect(writer.size).toBe(before);
          expect(bound).toBeGreaterThan(HEADER_SIZE + room - before);
        }
      }
      expect(writer.count).toBe(kept.length);
      const batch = writer.finish(stamp, defaultCompression(0), tools);
      expect(readRecords(batch, tools).map(({ timestamp, key }) => [timestamp, key && [...key]])).toEqual(
        kept.map(({ timestamp, key }) => [timestamp, key === null ? null : [...(bytesOf(key) ?? [])]]),
      );
    }),
  );
});

test("a writer moves to larger memory with its records", () => {
  const writer = new BatchWriter(new Uint8Array(100));
  expect(writer.append(5, "a", "one")).toBe(true);
  expect(writer.append(6, "b", "x".repeat(50))).toBe(false);
  expect(writer.move(new Uint8Array(300))).toHaveLength(100);
  expect(writer.append(6, "b", "x".repeat(50))).toBe(true);
  const records = readRecords(writer.finish(stamp, defaultCompression(0), tools), tools);
  expect(records.map(({ offset, timestamp }) => [offset, timestamp])).toEqual([
    [0, 5],
    [1, 6],
  ]);
});

test("a batch gets another producer in place", () => {
  const writer = new BatchWriter(new Uint8Array(1000));
  writer.append(5, null, "value");
  const batch = writer.finish(stamp, defaultCompression(1), tools);
  restampBatch(batch, { producerId: 8n, producerEpoch: 0, baseSequence: 0, transactional: false }, tools.crc32c);
  const cursor = new BatchCursor(batch);
  expect(cursor.next()).toBe(true);
  expect(cursor.intact(tools.crc32c)).toBe(true);
  expect([cursor.producerId, cursor.producerEpoch, cursor.baseSequence]).toEqual([8n, 0, 0]);
  expect([cursor.isTransactional, cursor.codec]).toEqual([false, 1]);
});
