import { FORBIDDEN_FIRST_WORDS } from "./layers.ts";

const FORBIDDEN = new RegExp(`^\\s*(?:/\\*\\*|//|\\*) (?:${FORBIDDEN_FIRST_WORDS.join("|")})\\b`);

/** Numbers of the lines on which a comment, or a line of one, begins with a forbidden word. */
export function forbiddenComments(text: string): number[] {
  return text.split("\n").flatMap((line, i) => (FORBIDDEN.test(line) ? [i + 1] : []));
}
