import { crc32c, sameBytes, utf8 } from "@samsa/base";
import { nodeCodecs, nodeCrc32c, pureCodecs } from "@samsa/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const bothKinds = [
  ["native", nodeCodecs()],
  ["pure", pureCodecs()],
] as const;

const inputs = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc
    .array(fc.constantFrom("alpha ", "beta ", "{}", "0000000000000000000000"), { maxLength: 800 })
    .map(w => utf8(w.join(""))),
);

test("crc32c agrees with the tables on either side of the threshold", () => {
  const native = nodeCrc32c();
  expect(native(utf8("123456789"), 0, 9)).toBe(0xe3069283);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1200 }), fc.nat(1200), fc.nat(1200), (bytes, a, b) => {
      const [start, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)];
      expect(native(bytes, start, end, 77)).toBe(crc32c(bytes, start, end, 77));
      expect(native(bytes, end, bytes.length, native(bytes, 0, end))).toBe(crc32c(bytes));
    }),
  );
});

describe.each(bothKinds)("%s codecs", (_, codecs) => {
  const [, other] = bothKinds[codecs === bothKinds[0][1] ? 1 : 0];
  test.each([
    ["gzip", (i: Uint8Array) => codecs.gzip(i, 6), (o: Uint8Array, limit: number) => other.gunzip(o, limit)],
    ["zstd", (i: Uint8Array) => codecs.zstd(i, 3), (o: Uint8Array, limit: number) => other.unzstd(o, limit)],
    ["snappy", (i: Uint8Array) => codecs.snappy(i), (o: Uint8Array, limit: number) => other.unsnappy(o, limit)],
    ["lz4", (i: Uint8Array) => codecs.lz4(i), (o: Uint8Array, limit: number) => other.unlz4(o, limit)],
  ] as const)("%s round trips into the other kind, within the limit", (_name, shrink, grow) => {
    fc.assert(
      fc.property(inputs, input => {
        const small = shrink(input);
        expect(sameBytes(grow(small, input.length), input)).toBe(true);
        if (input.length > 0) expect(() => grow(small, input.length - 1)).toThrow();
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    ["gunzip", (i: Uint8Array) => codecs.gzip(i, 3)],
    ["unzstd", (i: Uint8Array) => codecs.zstd(i, 3)],
    ["unsnappy", (i: Uint8Array) => codecs.snappy(i)],
    ["unlz4", (i: Uint8Array) => codecs.lz4(i)],
  ] as const)("%s stops at a bomb and at garbage", (name, shrink) => {
    const bomb = shrink(new Uint8Array(1 << 20));
    expect(bomb.length).toBeLessThan(60_000);
    expect(() => codecs[name](bomb, 100_000)).toThrow();
    expect(codecs[name](bomb, 1 << 20).length).toBe(1 << 20);
    expect(() => codecs[name](bomb.subarray(0, bomb.length - 3), 1 << 20)).toThrow();
    expect(() => codecs[name](Uint8Array.of(), 100)).toThrow();
    expect(() => codecs[name](utf8("\xff\xff\xffnot at all"), 100)).toThrow();
  });
});
