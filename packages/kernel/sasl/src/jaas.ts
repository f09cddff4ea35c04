import { MalformedError } from "@samsa/base";

/** A login module with its options, as `sasl.jaas.config` has them (`JaasConfig`). */
export interface JaasEntry {
  /** Name of the class. */
  readonly module: string;
  readonly options: ReadonlyMap<string, string>;
}

/** Comments, quoted texts, words and other characters. */
const TOKEN = /\/\/[^\r\n]*|\/\*[^]*?\*\/|"((?:[^"\\\r\n]|\\.)*)"|'((?:[^'\\\r\n]|\\.)*)'|[\w.$\u00a0-\uffff-]+|[^\s]/g;
const ESCAPES: Readonly<Record<string, string>> = { a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
const FLAGS = ["REQUIRED", "REQUISITE", "SUFFICIENT", "OPTIONAL"];

interface Token {
  readonly text: string;
  /** A word, or a quoted text. */
  readonly isValue: boolean;
}

function unescaped(text: string): string {
  return text.replace(/\\([0-3]?[0-7]{1,2}|.)/g, (_, escape: string) =>
    /^[0-7]/.test(escape) ? String.fromCharCode(Number.parseInt(escape, 8)) : (ESCAPES[escape] ?? escape),
  );
}

function tokensOf(text: string): Token[] {
  return [...text.matchAll(TOKEN)].flatMap(([whole, double, single]) => {
    if (whole.startsWith("//") || (whole.startsWith("/*") && whole.length > 1)) return [];
    const quoted = double ?? single;
    if (quoted !== undefined) return [{ text: unescaped(quoted), isValue: true }];
    return [{ text: whole, isValue: /^[\w.$\u00a0-\uffff-]/.test(whole) }];
  });
}

/** True for the character itself: in quotes it is a text. */
const isMark = (token: Token | undefined, mark: string): boolean => token?.isValue === false && token.text === mark;

function refuse(reason: string): never {
  throw new MalformedError(`sasl.jaas.config cannot be read: ${reason}`);
}

/** Parses one entry: `class flag (name=value)*;`. Throws `MalformedError`. */
export function parseJaas(text: string): JaasEntry {
  const tokens = tokensOf(text);
  const [module, flag, ...rest] = tokens;
  if (module?.isValue !== true) refuse("it begins with the name of a login module");
  if (flag === undefined || !FLAGS.includes(flag.text.toUpperCase())) {
    refuse(`the login module is followed by ${FLAGS.map(name => name.toLowerCase()).join(", ")}`);
  }
  const options = new Map<string, string>();
  let at = 0;
  for (; rest[at] !== undefined && !isMark(rest[at], ";"); at += 3) {
    const [name, equals, value] = rest.slice(at, at + 3);
    if (name?.isValue !== true || !isMark(equals, "=") || value?.isValue !== true) {
      refuse(`"${name?.text ?? ""}" has no value`);
    }
    options.set(name.text, value.text);
  }
  if (rest[at] === undefined) refuse("it ends with a semicolon");
  if (rest.length > at + 1) refuse("it has more than one login module");
  return { module: module.text, options };
}
