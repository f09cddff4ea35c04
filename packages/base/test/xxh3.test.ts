import { expect, test } from "vitest";
import { xxh3 } from "../src/index.ts";

/** Hashes of the reference implementation (xxHash 0.8.3). Byte i of the input is 7i + 3 modulo 251. */
const VECTORS: readonly (readonly [length: number, hash: string])[] = [
  [0, "2d06800538d394c2"],
  [1, "13e608bc156defed"],
  [2, "1c9074b93943b86c"],
  [3, "a9088dda485b481c"],
  [4, "6d9253b16c8b1ed3"],
  [7, "8e8291ad89127e2e"],
  [8, "60539db630471163"],
  [9, "feff668361d723a8"],
  [12, "6829454be0cc3199"],
  [16, "b8c859b0f030b585"],
  [17, "714a04408e79b80f"],
  [32, "19ff4ee1d6ba1a55"],
  [33, "3e44983ad21679c8"],
  [64, "38bcde5122f74956"],
  [96, "75d654bdaee123df"],
  [100, "0de27c6732e616cb"],
  [128, "4634ae6a253a60e4"],
  [129, "c095b9b1b087722d"],
  [144, "bc948c7dc4355668"],
  [160, "cee9e8a663fd2a23"],
  [200, "a369f2930049476f"],
  [240, "887af00281f75d38"],
  [241, "82b1de299f6e411e"],
  [256, "09e7b9170a140747"],
  [300, "4745d9048126a285"],
  [1023, "2a12aa56d19e0abe"],
  [1024, "f75e768c7cdd54b2"],
  [1025, "667a5eabe344e5df"],
  [1088, "71a5e25f2281e942"],
  [2048, "9e5e4a8160109a5d"],
  [5000, "8e5898f51713d386"],
];

test.each(VECTORS)("a text of %i bytes hashes as the reference says", (length, hash) => {
  const bytes = Uint8Array.from({ length }, (_, i) => (7 * i + 3) % 251);
  expect(BigInt.asUintN(64, xxh3(bytes)).toString(16).padStart(16, "0")).toBe(hash);
});
