import { MalformedError } from "@samsa/base";
import { expect, test } from "vitest";
import { nodePattern } from "../src/pattern.ts";

test("an expression is held against the whole of a text, in the syntax of RE2", () => {
  expect(["foo", "foobar", "afoo", "fo"].map(nodePattern("foo.*"))).toEqual([true, true, false, false]);
  expect(nodePattern("(?i)FOO|b[a-c]\\d+\\pL")("foo")).toBe(true);
  expect(nodePattern("(?i)FOO|b[a-c]\\d+\\pL")("bc12ä")).toBe(true);
});

test("what is none, what needs memory of what was before, and what is too large is refused", () => {
  for (const wrong of ["[", "(", "a**b)", "(a)\\1", "(?=a)", "(?:(?:x{1000}){1000}){1000}", "a".repeat(2001)]) {
    expect(() => nodePattern(wrong), wrong.slice(0, 30)).toThrow(MalformedError);
  }
});

test("a hostile expression takes no longer than another", () => {
  // Backtracking would not end here.
  expect(nodePattern("(?:(?:a*)*)*b")("a".repeat(249))).toBe(false);
});
