import { expect, test } from "vitest";
import { toHex } from "../src/index.ts";

test("bytes are two digits each", () => {
  expect(toHex(Uint8Array.of(0, 10, 171, 255))).toBe("000aabff");
  expect(toHex(new Uint8Array(0))).toBe("");
});
