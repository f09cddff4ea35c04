import { type BlockCodecs, concat, crc32c, DecompressionBuffer, sameBytes, utf8 } from "@samsa/base";
import { nodeCodecs, nodeCrc32c, pureCodecs } from "@samsa/node";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import wabt from "wabt";
import { BLOCKS_WASM } from "../src/blocks-wasm.ts";
import { plainLz4, plainSnappy } from "./block-model.ts";

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

test("the block decoders are those of blocks.wat", async () => {
  const source = readFileSync(join(import.meta.dirname, "..", "src", "blocks.wat"), "utf8");
  const built = (await wabt()).parseWat("blocks.wat", source).toBinary({}).buffer;
  expect(BLOCKS_WASM).toBe(Buffer.from(built).toString("base64"));
});

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

const CODECS = ["gzip", "zstd", "snappy", "lz4"] as const;
const READERS = { gzip: "gunzip", zstd: "unzstd", snappy: "unsnappy", lz4: "unlz4" } as const;

/** Decompresses with at most `limit` bytes of output. */
function grown(codecs: BlockCodecs, codec: (typeof CODECS)[number], input: Uint8Array, limit: number): Uint8Array {
  const output = new DecompressionBuffer(limit);
  codecs[READERS[codec]](input, output, limit);
  return output.contents();
}

describe.each(bothKinds)("%s codecs", (_, codecs) => {
  const [, other] = bothKinds[codecs === bothKinds[0][1] ? 1 : 0];
  test.each(CODECS)("%s round trips into the other kind, within the limit", codec => {
    fc.assert(
      fc.property(inputs, input => {
        const small = codecs[codec](input, 3);
        expect(sameBytes(grown(other, codec, small, input.length), input)).toBe(true);
        if (input.length > 0) expect(() => grown(other, codec, small, input.length - 1)).toThrow();
      }),
      { numRuns: 60 },
    );
  });

  test.each(CODECS)("%s appends to one buffer, whatever failed before", codec => {
    const output = new DecompressionBuffer(0);
    fc.assert(
      fc.property(fc.array(fc.tuple(inputs, fc.integer({ min: 0, max: 3 })), { maxLength: 6 }), parts => {
        output.reset(100_000);
        const whole: Uint8Array[] = [];
        for (const [input, cut] of parts) {
          const small = codecs[codec](input, 3);
          const before = output.length;
          // A damaged input leaves arbitrary bytes, and does not spoil the next one.
          if (cut > 0) expect(() => codecs[READERS[codec]](small.subarray(0, -cut), output, 100_000)).toThrow();
          output.length = before;
          codecs[READERS[codec]](small, output, 100_000);
          whole.push(input);
        }
        expect(sameBytes(output.contents(), concat(whole))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test.each(CODECS)("%s stops at a bomb and at garbage", codec => {
    const bomb = codecs[codec](new Uint8Array(1 << 20), 3);
    expect(bomb.length).toBeLessThan(60_000);
    expect(() => grown(codecs, codec, bomb, 100_000)).toThrow();
    expect(grown(codecs, codec, bomb, 1 << 20).length).toBe(1 << 20);
    expect(() => grown(codecs, codec, bomb.subarray(0, bomb.length - 3), 1 << 20)).toThrow();
    expect(() => grown(codecs, codec, Uint8Array.of(), 100)).toThrow();
    expect(() => grown(codecs, codec, utf8("\xff\xff\xffnot at all"), 100)).toThrow();
  });
});

test("a runtime whose zlib has no zstd decompresses it all the same, and writes frames that all read", async () => {
  vi.resetModules();
  vi.doMock("node:zlib", async original => ({
    ...(await original<typeof import("node:zlib")>()),
    ...{ zstdCompressSync: undefined, zstdDecompressSync: undefined, createZstdDecompress: undefined },
  }));
  const old = await import("../src/codecs.ts");
  vi.doUnmock("node:zlib");
  // Files that are tested later in this thread get the modules of this one otherwise.
  vi.resetModules();
  expect(old.hasZstd).toBe(false);
  const codecs = old.pureCodecs();
  const other = pureCodecs();
  fc.assert(
    fc.property(inputs, input => {
      const small = other.zstd(input, 3);
      expect(sameBytes(grown(codecs, "zstd", small, input.length), input)).toBe(true);
      if (input.length > 0) expect(() => grown(codecs, "zstd", small, input.length - 1)).toThrow();
      const stored = codecs.zstd(input, 3);
      expect(sameBytes(grown(codecs, "zstd", stored, input.length), input)).toBe(true);
      expect(sameBytes(grown(other, "zstd", stored, input.length), input)).toBe(true);
    }),
    { numRuns: 60 },
  );
  // Several blocks, and one that is full.
  for (const length of [131_072, 131_073, 400_000]) {
    const long = new Uint8Array(length).map((_, index) => index * 7 + (index >> 9));
    const stored = codecs.zstd(long, 3);
    for (const each of [codecs, other]) expect(sameBytes(grown(each, "zstd", stored, length), long)).toBe(true);
  }
  const bomb = other.zstd(new Uint8Array(1 << 20), 3);
  expect(() => grown(codecs, "zstd", bomb, 100_000)).toThrow();
  expect(() => grown(codecs, "zstd", utf8("\xff\xff\xffnot at all"), 100)).toThrow();
});

describe("damaged blocks are refused, or decoded as a plain decoder does", () => {
  const decoder = pureCodecs();
  const most = 5000;
  const outcome = (decode: () => Uint8Array): Uint8Array | "refused" => {
    try {
      return decode();
    } catch {
      return "refused";
    }
  };
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
  const noise = fc.uint8Array({ maxLength: 60 });

  test.each([
    ["lz4", plainLz4],
    ["snappy", plainSnappy],
  ] as const)("%s", (codec, plain) => {
    let refused = 0;
    let read = 0;
    const check = (block: Uint8Array): void => {
      const wanted = outcome(() => plain(block, most));
      const found = outcome(() => grown(decoder, codec, block, most));
      if (wanted === "refused" || found === "refused") {
        expect(found).toBe(wanted);
        refused++;
      } else {
        expect(sameBytes(found, wanted)).toBe(true);
        read++;
      }
    };
    fc.assert(
      fc.property(inputs, damage, (input, places) => {
        const block = decoder[codec](input).slice();
        for (const [place, byte] of places) block[place % block.length] = byte;
        check(block);
      }),
      { numRuns: 2000 },
    );
    fc.assert(fc.property(noise, check), { numRuns: 2000 });
    expect(Math.min(refused, read)).toBeGreaterThan(500);
  });
});
