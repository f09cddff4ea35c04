/** Function that exceeds the limit: its first line, and its number of lines. */
export interface LongFunction {
  readonly line: number;
  readonly lines: number;
}

const STARTS =
  /^(\s*)(?:export |async |static |private |protected |override |get |set |#)*(?:function\*? ?\w*|constructor|\*?[\w#]+)\s*(?:<[^>]*>)?\(.*(?:\{|\()$|^(\s*)(?:export )?const \w+ = (?:async )?\(.*(?:\{|\()$/;
const NOT_FUNCTIONS =
  /^\s*(?:if|for|while|switch|catch|return|describe|test|it|expect|else|do|with|await|super|fc\.\w+)\b/;

/**
 * Finds functions longer than `limit` lines. The formatter puts a closing brace under the first letter of the line that
 * opens the block, so indentation finds the end.
 */
export function longFunctions(text: string, limit: number): LongFunction[] {
  const lines = text.split("\n");
  const found: LongFunction[] = [];
  for (let i = 0; i < lines.length; i++) {
    const start = STARTS.exec(lines[i]);
    if (start === null || NOT_FUNCTIONS.test(lines[i])) continue;
    const indent = start[1] ?? start[2] ?? "";
    let end = i + 1;
    while (end < lines.length && !(lines[end].startsWith(`${indent}}`) && !lines[end].startsWith(`${indent} `))) end++;
    const length = end - i + 1;
    if (length > limit && end < lines.length) found.push({ line: i + 1, lines: length });
  }
  return found;
}
