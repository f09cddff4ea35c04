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
  for (const [i, line] of lines.entries()) {
    const start = STARTS.exec(line);
    if (start === null || NOT_FUNCTIONS.test(line)) continue;
    const indent = start[1] ?? start[2] ?? "";
    const end = lines.findIndex((later, at) => at > i && later.startsWith(`${indent}}`));
    const length = end - i + 1;
    if (length > limit) found.push({ line: i + 1, lines: length });
  }
  return found;
}
