import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RegexError } from "../src/regex/classes.ts";
import { TopicRegex } from "../src/regex/matcher.ts";

describe("what a pattern matches, whole names only", () => {
  test.each([
    ["foo.*", ["foo", "foo-1"], ["fo", "xfoo"]],
    ["^(a|bc)+$", ["abca"], ["", "ab"]],
    ["(?i)AbC\\d{2,3}", ["abc12", "ABC123"], ["abc1", "abc1234"]],
    ["(?i:a)b", ["Ab", "ab"], ["AB"]],
    ["[[:alpha:]_-]+", ["a_-B"], ["a1"]],
    ["[^a-c.]x", ["dx", "-x"], ["ax", ".x"]],
    ["a\\b-\\bb\\B.", ["a-bc"], ["a-b."]],
    ["\\Qa.b\\E+", ["a.bbb"], ["aXb"]],
    ["x{2}|y{0,1}", ["xx", "y", ""], ["x", "yy"]],
    ["\\p{Lu}\\PL\\p{^Nd}", ["A1x"], ["a1x", "A11"]],
    ["\\x61\\x{62}\\143", ["abc"], ["abd"]],
    ["(?P<n>a)(?<m>b)a*?", ["ab", "abaa"], ["a"]],
    ["a{,2}", [], ["aa"]],
  ])("%s", (pattern, hits, misses) => {
    const regex = new TopicRegex(pattern);
    expect([...hits, ...misses].filter(name => regex.matches(name))).toEqual(hits);
  });

  test("as JavaScript's do, where both know what is said", () => {
    const leaf = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "\\w", "\\b", "-");
    const pattern = fc.letrec<{ node: string }>(tie => ({
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
      fc.property(pattern, fc.array(name), (text, names) => {
        const [own, theirs] = [new TopicRegex(text), new RegExp(`^(?:${text})$`)];
        for (const each of names) expect(own.matches(each)).toBe(theirs.test(each));
      }),
      { numRuns: 500 },
    );
  });
});

test.each([
  ["(a", "missing closing )"],
  ["a)", "missing closing )"],
  ["[a", "missing closing ]"],
  ["[b-a]", "invalid character class range"],
  ["[[:no:]]", "invalid character class range"],
  ["\\pX", "invalid character class range"],
  ["*a", "missing argument to repetition operator"],
  ["a**", "invalid nested repetition operator"],
  ["a{2,1}", "invalid repeat count"],
  ["a{1001}", "invalid repeat count"],
  ["(a)\\1", "invalid escape sequence"],
  ["\\Z", "invalid escape sequence"],
  ["a\\", "trailing backslash at end of expression"],
  ["(?=a)", "invalid or unsupported Perl syntax"],
  ["(?<!a)b", "invalid or unsupported Perl syntax"],
  ["(?P<1-2>a)", "invalid named capture"],
  ["((a{900}){900}){900}", "expression is too large"],
  ["((((){1000}){1000}){1000}){1000}", "expression is too large"],
  [`${"(".repeat(300)}a${")".repeat(300)}`, "expression nests too deeply"],
])("%s is refused", (pattern, why) => {
  expect(() => new TopicRegex(pattern)).toThrow(new RegexError(why));
});

test("patterns that choke on backtracking take time that grows with the name and no faster", () => {
  const name = "a".repeat(240);
  for (const pattern of ["(a*)*b", "(a|aa)+b", "(a?){200}a{200}b", "(.*)(.*)(.*)(.*)(.*)b"]) {
    const regex = new TopicRegex(pattern);
    expect(regex.matches(name)).toBe(false);
    expect(regex.work).toBeLessThan(240 * 4000);
  }
});
