import { ALL, type Mask, maskOf, WORD } from "./alphabet.ts";

/** A pattern that cannot be used, with what is wrong in the words of RE2/J. */
export class RegexError extends Error {}

const of = (pattern: RegExp): Mask => maskOf(symbol => pattern.test(symbol));
const DIGIT = of(/\d/);
/** No topic name has white space. */
const SPACE: Mask = 0n;

export const CLASS_ESCAPES: Readonly<Record<string, Mask | undefined>> = {
  d: DIGIT,
  D: ALL & ~DIGIT,
  s: SPACE,
  S: ALL & ~SPACE,
  w: WORD,
  W: ALL & ~WORD,
};

export const POSIX: Readonly<Record<string, Mask>> = {
  alnum: of(/[0-9A-Za-z]/),
  alpha: of(/[A-Za-z]/),
  ascii: ALL,
  blank: SPACE,
  cntrl: 0n,
  digit: DIGIT,
  graph: ALL,
  lower: of(/[a-z]/),
  print: ALL,
  punct: of(/[-._]/),
  space: SPACE,
  upper: of(/[A-Z]/),
  word: WORD,
  xdigit: of(/[0-9A-Fa-f]/),
};

/** A general category of Unicode of one or two letters, a script, or Any. */
export function unicodeClass(name: string, fold: boolean): Mask {
  if (name === "Any") return ALL;
  let pattern: RegExp;
  try {
    pattern = new RegExp(name.length <= 2 ? `^\\p{${name}}` : `^\\p{Script=${name}}`, "u");
  } catch {
    throw new RegexError("invalid character class range");
  }
  return maskOf(
    symbol =>
      pattern.test(symbol) || (fold && (pattern.test(symbol.toLowerCase()) || pattern.test(symbol.toUpperCase()))),
  );
}
