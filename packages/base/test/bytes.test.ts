import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addI64,
  ByteReader,
  ByteWriter,
  crc32c,
  fromUtf8,
  type Int64,
  javaStringHash,
  MalformedError,
  parseUuid,
  nearestNumber,
  randomUuid,
  subtractI64,
  toInt64,
  utf8,
  utf8Length,
  uuidFromBytes,
  uuidToBytes,
} from "../src/index.ts";
import { murmur2 } from "../src/murmur2.ts";

function written(write: (w: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(1);
  write(writer);
  return Uint8Array.from(writer.finish());
}

describe("bytes", () => {
  const edges = [
    0n,
    -1n,
    2n ** 48n,
    -(2n ** 48n),
    2n ** 53n - 1n,
    2n ** 53n,
    -(2n ** 53n),
    2n ** 63n - 1n,
    -(2n ** 63n),
  ];
  const bits = fc.oneof(
    fc.maxSafeInteger().map(BigInt),
    fc.integer().map(BigInt),
    fc.constantFrom(...edges),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  );
  const int64: fc.Arbitrary<Int64> = bits.map(toInt64);

  test("numbers come back as written", () => {
    fc.assert(
      fc.property(fc.integer(), int64, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (i, n, b) => {
        const bytes = written(w => {
          w.i32(i);
          w.i64(n);
          w.big64(b);
          w.varint(i);
          w.uvarint(i >>> 0);
          w.varlong(n);
        });
        const r = new ByteReader(bytes);
        expect([r.i32(), r.i64(), r.big64(), r.varint(), r.uvarint(), r.varlong()]).toEqual([i, n, b, i, i >>> 0, n]);
        expect(r.remaining()).toBe(0);
      }),
    );
  });

  test("varlongs agree with a big-integer model", () => {
    fc.assert(
      fc.property(int64, n => {
        let rest = BigInt.asUintN(64, (BigInt(n) << 1n) ^ (BigInt(n) >> 63n));
        const model: number[] = [];
        for (; rest > 127n; rest >>= 7n) model.push(Number(rest & 127n) | 128);
        model.push(Number(rest));
        expect([...written(w => w.varlong(n))]).toEqual(model);
      }),
    );
  });

  test("a 64-bit number is a number exactly where that loses nothing, and sums wrap", () => {
    fc.assert(
      fc.property(bits, bits, (a, b) => {
        const [x, y] = [toInt64(a), toInt64(b)];
        expect([BigInt(x), typeof x === "number"]).toEqual([a, Number.isSafeInteger(Number(a))]);
        expect([x < y, x === y, x > y]).toEqual([a < b, a === b, a > b]);
        expect(addI64(x, y)).toBe(toInt64(BigInt.asIntN(64, a + b)));
        expect(subtractI64(x, y)).toBe(toInt64(BigInt.asIntN(64, a - b)));
        const near = nearestNumber(x);
        expect(Number.isSafeInteger(near) && (near === x || Math.abs(near) === Number.MAX_SAFE_INTEGER)).toBe(true);
        expect(Math.sign(near)).toBe(a < 0n ? -1 : a > 0n ? 1 : 0);
      }),
    );
  });

  test("text comes back as written, of the length foretold", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), text => {
        const length = utf8Length(text);
        expect(length).toBe(utf8(text).length);
        const bytes = written(w => w.text(text, length));
        expect(new ByteReader(bytes).text(length)).toBe(text);
        expect(fromUtf8(bytes)).toBe(text);
      }),
    );
    expect(utf8Length("\ud800x")).toBe(utf8("\ud800x").length);
  });

  test("what ends early, or cannot be, is malformed", () => {
    expect(() => new ByteReader(new Uint8Array(3)).i32()).toThrow(MalformedError);
    expect(() => new ByteReader(new Uint8Array(8), 4, 6).i32()).toThrow(MalformedError);
    expect(() => new ByteReader(new Uint8Array(3)).raw(-1)).toThrow(MalformedError);
    expect(() => new ByteReader(new Uint8Array(9).fill(255)).uvarint()).toThrow(MalformedError);
    expect(() => new ByteReader(new Uint8Array(20).fill(255)).varlong()).toThrow(MalformedError);
    expect(() => new ByteReader(new Uint8Array(8).fill(0x7f)).offset()).toThrow(MalformedError);
  });
});

test("crc32c matches the standard check value, at any split", () => {
  const bytes = utf8("123456789");
  expect(crc32c(bytes)).toBe(0xe3069283);
  for (let i = 0; i <= 9; i++) expect(crc32c(bytes, i, 9, crc32c(bytes, 0, i))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
});

test("hashes match Java's", () => {
  const known: [string, number][] = [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ];
  for (const [text, hash] of known) expect(murmur2(utf8(text))).toBe(hash);
  expect(javaStringHash("hello")).toBe(99162322);
  expect(javaStringHash("consumer-group-1")).toBe(147483020);
});

test("ids are the bytes they spell", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), bytes => {
      const uuid = uuidFromBytes(bytes);
      expect(uuid).toBe(Buffer.from(bytes).toString("base64url"));
      expect(uuidToBytes(uuid)).toEqual(bytes);
      expect(parseUuid(uuid)).toBe(uuid);
    }),
  );
  expect(parseUuid("short")).toBeUndefined();
  expect(parseUuid("AAAAAAAAAAAAAAAAAAAAAB")).toBeUndefined();
  let draws = 0;
  const uuid = randomUuid(n => new Uint8Array(n).fill(draws++ === 0 ? 0xfb : 7));
  expect(draws).toBe(2);
  expect(uuid.startsWith("-")).toBe(false);
});
