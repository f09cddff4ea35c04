import { MalformedError } from "@samsa/base";
import fc from "fast-check";
import { expect, test } from "vitest";
import { nodePattern } from "../src/pattern.ts";

test("an expression is held against the whole of a text, in the syntax of RE2", () => {
  expect(["foo", "foobar", "afoo", "fo"].map(nodePattern("foo.*"))).toEqual([true, true, false, false]);
  expect(nodePattern("(?i)FOO|b[a-c]\\d+\\pL")("foo")).toBe(true);
  expect(nodePattern("(?i)FOO|b[a-c]\\d+\\pL")("bc12ä")).toBe(true);
});

test("what is none, what needs memory of what was before, and what is too large is refused", () => {
  for (const wrong of [
    "[",
    "(",
    "a**b)",
    "(a)\\1",
    "(?=a)",
    "(?:(?:x{1000}){1000}){1000}",
    "(?:ab?){400}",
    "a".repeat(2001),
  ]) {
    expect(() => nodePattern(wrong), wrong.slice(0, 30)).toThrow(MalformedError);
  }
});

test("a hostile expression takes no longer than another", () => {
  // A backtracking engine would not finish here.
  expect(nodePattern("(?:(?:a*)*)*b")("a".repeat(249))).toBe(false);
});

test("means what JavaScript means, where both know what is said", () => {
  const leaf = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "\\w", "\\b", "-");
  const expression = fc.letrec<{ node: string }>(tie => ({
    node: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.tuple(tie("node"), tie("node")).map(([x, y]) => x + y),
      fc.tuple(tie("node"), tie("node")).map(([x, y]) => `(?:${x}|${y})`),
      fc.tuple(tie("node"), fc.constantFrom("*", "+", "?", "{2}", "{1,2}", "*?")).map(([x, q]) => `(?:${x})${q}`),
    ),
  })).node;
  const name = fc.string({ unit: fc.constantFrom("a", "b", "-", "c"), maxLength: 6 });
  fc.assert(
    fc.property(expression, fc.array(name), (text, names) => {
      const [own, theirs] = [nodePattern(text), new RegExp(`^(?:${text})$`)];
      for (const each of names) expect(own(each)).toBe(theirs.test(each));
    }),
    { numRuns: 300 },
  );
});
