import { BufferPool } from "@samsa/base";
import { describe, expect, it } from "vitest";

describe("a buffer pool", () => {
  it("gives a returned buffer again, for any size of its kind", () => {
    const pool = new BufferPool();
    const first = pool.take(5000);
    expect(first.length).toBe(5000);
    pool.give(first);
    const second = pool.take(8192);
    expect(second.length).toBe(8192);
    expect(second.buffer).toBe(first.buffer);
    expect(pool.take(8192).buffer).not.toBe(first.buffer);
  });

  it("takes back once, and only what it gave", () => {
    const pool = new BufferPool();
    const buffer = pool.take(4096);
    pool.give(buffer.subarray(10, 20));
    pool.give(buffer);
    pool.give(new Uint8Array(4096));
    expect(pool.take(4096).buffer).toBe(buffer.buffer);
    expect(pool.take(4096).buffer).not.toBe(buffer.buffer);
  });

  it("leaves small and huge ones to the collector, and keeps a bounded amount", () => {
    const pool = new BufferPool();
    for (const size of [0, 100, (1 << 22) + 1]) {
      const buffer = pool.take(size);
      expect(buffer.length).toBe(size);
      pool.give(buffer);
      expect(pool.take(size)).not.toBe(buffer);
    }
    const many = Array.from({ length: 20 }, () => pool.take(1 << 20));
    for (const buffer of many) pool.give(buffer);
    const known = new Set(many.map(({ buffer }) => buffer));
    const again = Array.from({ length: 20 }, () => pool.take(1 << 20));
    expect(again.filter(({ buffer }) => known.has(buffer))).toHaveLength(16);
  });
});
