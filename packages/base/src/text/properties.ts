/** Parser of Java's properties format, compatible with `java.util.Properties`. */

const BLANK = /[ \t\f]/;
const ESCAPES: Readonly<Record<string, string>> = { t: "\t", r: "\r", n: "\n", f: "\f" };

/** Parses pairs in order; the last value of a repeated key counts. Throws `SyntaxError` at a bad `\u` escape. */
export function parseProperties(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const line of logicalLines(text)) {
    let end = 0;
    while (end < line.length && !/[=: \t\f]/.test(line.charAt(end))) end += line[end] === "\\" ? 2 : 1;
    let start = end;
    while (BLANK.test(line.charAt(start))) start++;
    if (line[start] === "=" || line[start] === ":") {
      start++;
      while (BLANK.test(line.charAt(start))) start++;
    }
    pairs.set(unescaped(line.slice(0, end)), unescaped(line.slice(start)));
  }
  return pairs;
}

/** Yields logical lines: continued lines joined, without comments and blank lines. */
function* logicalLines(text: string): Generator<string> {
  let open = "";
  let at = 0;
  for (const [, natural = "", end = ""] of text.matchAll(/([^\r\n]*)(\r\n|[\r\n]|$)/g)) {
    const line = natural.replace(/^[ \t\f]+/, "");
    at += natural.length + end.length;
    if (open === "" && (line === "" || line.startsWith("#") || line.startsWith("!"))) continue;
    const isContinued = /(?:^|[^\\])(?:\\\\)*\\$/.test(line);
    open += isContinued ? line.slice(0, -1) : line;
    // A backslash at the end of the file is dropped, even if nothing remains: Java looks ahead one byte only.
    if (isContinued && (at < text.length || end === "\r\n")) continue;
    yield open;
    open = "";
  }
}

function unescaped(text: string): string {
  return text.replace(/\\(u[\s\S]{0,4}|[\s\S]|$)/g, (_, escape: string) => {
    if (!escape.startsWith("u")) return ESCAPES[escape] ?? escape;
    if (!/^u[0-9a-fA-F]{4}$/.test(escape)) throw new SyntaxError("Malformed \\uxxxx encoding.");
    return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
  });
}
