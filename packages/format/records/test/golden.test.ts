import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromUtf8 } from "@samsa/base";
import { describe, expect, test } from "vitest";
import { BatchCursor, buildBatch, endTxnBatch, readRecords } from "../src/index.ts";
import { tools } from "./tools.ts";

/** Written by the Java client: see golden/Golden.java. */
const VECTORS = (
  JSON.parse(readFileSync(join(import.meta.dirname, "golden/vectors.json"), "utf8")) as {
    name: string;
    base64: string;
  }[]
).map(({ name, base64 }) => ({ name, bytes: Uint8Array.from(Buffer.from(base64, "base64")) }));
const vector = (name: string) => VECTORS.find(v => v.name === name)?.bytes as Uint8Array;

describe("what the Java client writes", () => {
  const expected = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      offset: 1000 + i,
      timestamp: 1_700_000_000_000 + ((i * 7919) % 1000),
      key: i % 5 === 0 ? null : `key-${i}`,
      value: i % 7 === 3 ? null : `value ${i} ${"lorem ipsum ".repeat(i % 4)}`,
      headers: i % 3 === 0 ? [] : [`h${i}=v${i}`, "\u00fc=null"],
    }));
  test.each(["none", "gzip", "snappy", "lz4", "zstd", "lz4-large", "snappy-large"])("%s", name => {
    const bytes = vector(name);
    const batch = new BatchCursor(bytes);
    expect(batch.next()).toBe(true);
    expect(batch.intact(tools.crc32c)).toBe(true);
    expect([batch.producerId, batch.producerEpoch, batch.baseSequence, batch.leaderEpoch]).toEqual([4711n, 3, 17, 5]);
    const read = readRecords(bytes, tools).map(r => ({
      ...r,
      key: r.key && fromUtf8(r.key),
      value: r.value && fromUtf8(r.value),
      headers: r.headers?.map(h => `${h.key}=${h.value === null ? "null" : fromUtf8(h.value)}`),
    }));
    expect(read).toEqual(expected(name.endsWith("large") ? 1200 : 20));
  });

  test("uncompressed batches and markers are the same byte for byte", () => {
    const ours = buildBatch(
      readRecords(vector("none"), tools),
      { baseOffset: 1000, leaderEpoch: 5, producerId: 4711n, producerEpoch: 3, baseSequence: 17 },
      tools,
    );
    expect(ours).toEqual(vector("none"));
    for (const [name, offset, at] of [
      ["commit", 7, 1_700_000_000_000],
      ["abort", 8, 1_700_000_000_001],
    ] as const) {
      const marker = { producerId: 4711n, producerEpoch: 3, coordinatorEpoch: 9, commit: name === "commit" };
      const bytes = endTxnBatch({ ...marker, timestamp: at }, tools);
      bytes[7] = offset;
      bytes.set([0, 0, 0, 2], 12);
      expect(bytes, name).toEqual(vector(name));
    }
  });
});
