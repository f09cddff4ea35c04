import { expect, test } from "vitest";
import { sipHash128 } from "../src/index.ts";

const KEY = Uint8Array.from({ length: 16 }, (_, i) => i);

function hex(key: Uint8Array, input: Uint8Array): string {
  const words = new Uint32Array(4);
  sipHash128(key)(input, words);
  return Buffer.from(words.buffer).toString("hex");
}

test("a digest is that of the reference implementation", () => {
  const given: [number, string][] = [
    [0, "a3817f04ba25a8e66df67214c7550293"],
    [1, "da87c1d86b99af44347659119b22fc45"],
    [2, "8177228da4a45dc7fca38bdef60affe4"],
    [15, "5493e99933b0a8117e08ec0f97cfc3d9"],
    [16, "6ee2a4ca67b054bbfd3315bf85230577"],
  ];
  for (const [length, digest] of given) expect(hex(KEY, KEY.subarray(0, length))).toBe(digest);
});

test("every bit of the key and of the input counts", () => {
  const input = Uint8Array.from({ length: 21 }, (_, i) => 200 - i);
  const seen = new Set([hex(KEY, input)]);
  for (const [bytes, digest] of [
    [KEY.slice(), (changed: Uint8Array) => hex(changed, input)],
    [input.slice(), (changed: Uint8Array) => hex(KEY, changed)],
  ] as const) {
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      bytes[bit >> 3] ^= 1 << (bit & 7);
      seen.add(digest(bytes));
      bytes[bit >> 3] ^= 1 << (bit & 7);
    }
  }
  expect(seen.size).toBe(1 + 8 * (16 + 21));
});

test("a subarray has the digest of its bytes", () => {
  const input = Uint8Array.from({ length: 64 }, (_, i) => i * 3);
  expect(hex(KEY, input.subarray(5, 32))).toBe(hex(KEY, input.slice(5, 32)));
});
