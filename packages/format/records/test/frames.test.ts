import * as zlib from "node:zlib";
import { concat, viewOf } from "@samsa/base";
import { describe, expect, test } from "vitest";
import { compress, decompress } from "../src/compression.ts";
import { tools } from "./tools.ts";

const LIMIT = 10_000;
const CONTENT = new Uint8Array(900).map((_, i) => (i * i) >> 3);
const HALVES = [CONTENT.subarray(0, 300), CONTENT.subarray(300)];
const NOISE = Uint8Array.of(0x78, 0x78);

const packed = (codec: 1 | 2 | 3 | 4, content: Uint8Array = CONTENT): Uint8Array =>
  compress(content, { codec, level: -1 }, tools.codecs);
const twice = (codec: 1 | 2 | 3 | 4): Uint8Array => concat(HALVES.map(half => packed(codec, half)));
const skippable = concat([Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0), NOISE]);

/** An lz4 frame whose content size is too large by one and whose content checksum is wrong. */
function boastful(): Uint8Array {
  const plain = packed(3);
  const header = Uint8Array.of(...plain.subarray(0, 4), 0x6c, 0x40, 0x85, 3, 0, 0, 0, 0, 0, 0);
  return concat([header, Uint8Array.of(0xbe), plain.subarray(7), Uint8Array.of(1, 2, 3, 4)]);
}

/** An lz4 frame with an uncompressed block one byte larger than its maximum of 64 KiB. */
function oversized(): Uint8Array {
  const content = new Uint8Array(65_537);
  const mark = new Uint8Array(4);
  viewOf(mark).setUint32(0, 0x80000000 + content.length, true);
  return concat([packed(3).subarray(0, 7), mark, content, new Uint8Array(4)]);
}

/** A gzip member with a name and a header checksum. */
function named(): Uint8Array {
  const header = Uint8Array.of(0x1f, 0x8b, 8, 0x0a, 0, 0, 0, 0, 0, 3, 0x66, 0);
  const trailer = new Uint8Array(8);
  viewOf(trailer).setUint32(0, zlib.crc32(CONTENT), true);
  viewOf(trailer).setUint32(4, CONTENT.length, true);
  const sum = zlib.crc32(header);
  return concat([header, Uint8Array.of(sum & 255, (sum >> 8) & 255), zlib.deflateRawSync(CONTENT), trailer]);
}

const TAKEN: readonly (readonly [what: string, codec: number, bytes: Uint8Array])[] = [
  ["zstd, two frames", 4, twice(4)],
  ["zstd, skippable frames", 4, concat([skippable, packed(4), skippable])],
  ["snappy, two streams", 2, twice(2)],
  ["snappy, a raw block", 2, tools.codecs.snappy(CONTENT)],
  ["snappy, three bytes too many", 2, concat([packed(2), NOISE, NOISE.subarray(1)])],
  ["gzip, two members", 1, twice(1)],
  ["gzip, a header with all", 1, named()],
  ["gzip, then noise", 1, concat([named(), NOISE])],
  ["lz4, then noise", 3, concat([packed(3), NOISE])],
];

const REFUSED: readonly (readonly [what: string, codec: number, bytes: Uint8Array])[] = [
  ["zstd, then noise", 4, concat([packed(4), NOISE])],
  ["zstd, torn", 4, packed(4).subarray(0, -1)],
  ["zstd, a torn second frame", 4, concat([packed(4), packed(4).subarray(0, -1)])],
  ["snappy, torn", 2, packed(2).subarray(0, -1)],
  ["gzip, torn", 1, packed(1).subarray(0, -1)],
  ["gzip, a second member that is not sound", 1, concat([packed(1), packed(1).map((b, i) => (i === 30 ? b ^ 1 : b))])],
  ["lz4, torn", 3, packed(3).subarray(0, -4)],
  ["lz4, dependent blocks", 3, packed(3).map((b, i) => (i === 4 ? 0x40 : b))],
  ["nothing at all, gzip", 1, new Uint8Array(0)],
];

describe("compressed streams", () => {
  test.each(TAKEN)("%s: taken", (_what, codec, bytes) => {
    expect(decompress(codec, bytes, tools.codecs, LIMIT)).toEqual(CONTENT);
  });

  test("lz4 is read to the end of its first frame, and no further", () => {
    expect(decompress(3, twice(3), tools.codecs, LIMIT)).toEqual(HALVES[0]);
  });

  test("an lz4 block is no larger than its frame says", () => {
    expect(() => decompress(3, oversized(), tools.codecs, 100_000)).toThrow("reaches past its frame");
  });

  test("an lz4 frame's size and checksum of its content are not compared", () => {
    const bytes = boastful();
    for (let sum = 0; sum < 256; sum++) {
      bytes[14] = sum;
      try {
        expect(decompress(3, bytes, tools.codecs, LIMIT)).toEqual(CONTENT);
        return;
      } catch (error) {
        // Only the right one of the 256 header checksums is accepted.
        expect(String(error)).toMatch("header checksum");
      }
    }
    expect.unreachable("no header checksum was right");
  });

  test.each(REFUSED)("%s: refused", (_what, codec, bytes) => {
    expect(() => decompress(codec, bytes, tools.codecs, LIMIT)).toThrow();
  });

  test.each([1, 2, 3, 4] as const)("no stream of codec %i gives more than its limit", codec => {
    for (const bytes of [packed(codec), twice(codec)]) {
      const size = codec === 3 && bytes.length > packed(3).length ? 300 : 900;
      expect(decompress(codec, bytes, tools.codecs, size).length).toBeGreaterThanOrEqual(300);
      expect(() => decompress(codec, bytes, tools.codecs, 299)).toThrow();
    }
  });
});
