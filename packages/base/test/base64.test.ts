import { fromBase64, fromBase64Url, toBase64, toBase64Url } from "@samsa/base";
import fc from "fast-check";
import { expect, test } from "vitest";

test("bytes have the texts that Node gives them, and come back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
      const node = Buffer.from(bytes);
      expect([toBase64(bytes), toBase64Url(bytes)]).toEqual([node.toString("base64"), node.toString("base64url")]);
      expect(fromBase64(toBase64(bytes))).toEqual(bytes);
      expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes);
    }),
  );
});

test("other texts are none", () => {
  for (const text of ["a", "ab", "abc", "a===", "ab=c", "ab!=", "ab\n=", "äbcd", "====", "abcd=", "-_-_"]) {
    expect(fromBase64(text), text).toBeUndefined();
  }
  expect(fromBase64("")).toEqual(new Uint8Array(0));
  expect(fromBase64Url("abcde")).toBeUndefined();
});
