import { ALL, type Mask, rangeMask } from "./alphabet.ts";
import { CLASS_ESCAPES, POSIX, RegexError, unicodeClass } from "./classes.ts";

/** What a pattern says. */
export type Node =
  | { readonly type: "empty" }
  | { readonly type: "class"; readonly mask: Mask }
  | { readonly type: "assert"; readonly what: "start" | "end" | "word" | "notWord" }
  | { readonly type: "concat" | "either"; readonly parts: readonly Node[] }
  /** `most` is Infinity where there is no upper bound. */
  | { readonly type: "repeat"; readonly of: Node; readonly least: number; readonly most: number };

const MOST_REPEATS = 1000;
/** How deep groups may be nested. */
const MOST_DEPTH = 250;
const EMPTY: Node = { type: "empty" };
const NAME = /^[A-Za-z0-9_]+$/;
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** Reads a pattern in the syntax of RE2/J, flags of Perl included; throws `RegexError`. */
class Parser {
  readonly #text: string;
  readonly #names = new Set<string>();
  #at = 0;
  #fold = false;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #looking(token: string): boolean {
    return this.#text.startsWith(token, this.#at);
  }

  #take(token: string): boolean {
    if (!this.#looking(token)) return false;
    this.#at += token.length;
    return true;
  }

  #code(): number {
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) throw new RegexError("trailing backslash at end of expression");
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }

  whole(): Node {
    const node = this.#either();
    if (this.#at < this.#text.length) throw new RegexError("missing closing )");
    return node;
  }

  #either(): Node {
    const parts = [this.#concat()];
    while (this.#take("|")) parts.push(this.#concat());
    return parts.length === 1 ? parts[0] : { type: "either", parts };
  }

  #concat(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#text.length && !this.#looking("|") && !this.#looking(")")) {
      if (this.#take("\\Q")) this.#quoted(parts);
      else {
        const atom = this.#atom();
        // Flags on their own, as in (?i), are no atom: nothing is there to repeat.
        if (atom !== undefined) parts.push(this.#repeated(atom));
      }
    }
    return parts.length === 1 ? parts[0] : parts.length === 0 ? EMPTY : { type: "concat", parts };
  }

  #quoted(parts: Node[]): void {
    const end = this.#text.indexOf("\\E", this.#at);
    const text = this.#text.slice(this.#at, end < 0 ? undefined : end);
    this.#at = end < 0 ? this.#text.length : end + 2;
    for (const character of text) parts.push(this.#literal(character.codePointAt(0) as number));
    const last = parts.pop();
    if (last !== undefined) parts.push(text === "" ? last : this.#repeated(last));
  }

  #literal(code: number): Node {
    return { type: "class", mask: rangeMask(code, code, this.#fold) };
  }

  #repeated(node: Node): Node {
    const bounds = this.#bounds();
    if (bounds === undefined) return node;
    this.#take("?");
    if (this.#bounds() !== undefined) throw new RegexError("invalid nested repetition operator");
    return { type: "repeat", of: node, least: bounds[0], most: bounds[1] };
  }

  /** A repetition operator, if one is next. */
  #bounds(): readonly [least: number, most: number] | undefined {
    if (this.#take("*")) return [0, Infinity];
    if (this.#take("+")) return [1, Infinity];
    if (this.#take("?")) return [0, 1];
    const counts = /^\{(\d+)(,(\d*))?\}/.exec(this.#text.slice(this.#at, this.#at + 32));
    if (counts === null) return undefined;
    this.#at += counts[0].length;
    const least = Number(counts[1]);
    const most = counts[2] === undefined ? least : counts[3] === "" ? Infinity : Number(counts[3]);
    if (least > MOST_REPEATS || (most !== Infinity && (most > MOST_REPEATS || most < least))) {
      throw new RegexError("invalid repeat count");
    }
    return [least, most];
  }

  #atom(): Node | undefined {
    if (this.#bounds() !== undefined) throw new RegexError("missing argument to repetition operator");
    if (this.#take("(")) return this.#group();
    if (this.#take("[")) return { type: "class", mask: this.#class() };
    if (this.#take(".")) return { type: "class", mask: ALL };
    if (this.#take("^") || this.#take("\\A")) return { type: "assert", what: "start" };
    if (this.#take("$") || this.#take("\\z")) return { type: "assert", what: "end" };
    if (this.#take("\\b")) return { type: "assert", what: "word" };
    if (this.#take("\\B")) return { type: "assert", what: "notWord" };
    if (!this.#take("\\")) return this.#literal(this.#code());
    const mask = this.#classEscape();
    return mask === undefined ? this.#literal(this.#escape()) : { type: "class", mask };
  }

  #group(): Node | undefined {
    const fold = this.#fold;
    if (this.#take("?")) {
      if (this.#take("P<") || (this.#looking("<") && !this.#looking("<=") && !this.#looking("<!") && this.#take("<"))) {
        this.#name();
      } else if (this.#flags()) return undefined;
    }
    if (++this.#depth > MOST_DEPTH) throw new RegexError("expression nests too deeply");
    const node = this.#either();
    this.#depth--;
    if (!this.#take(")")) throw new RegexError("missing closing )");
    this.#fold = fold;
    return node;
  }

  #name(): void {
    const end = this.#text.indexOf(">", this.#at);
    const name = this.#text.slice(this.#at, end < 0 ? this.#at : end);
    if (!NAME.test(name)) throw new RegexError("invalid named capture");
    if (this.#names.has(name)) throw new RegexError("duplicate capture group name");
    this.#names.add(name);
    this.#at = end + 1;
  }

  /** Reads flags; whether they stand alone, and hold to the end of the group around them. */
  #flags(): boolean {
    const flags = /^([imsU]*)(?:(-)([imsU]+))?([:)])/.exec(this.#text.slice(this.#at, this.#at + 64));
    if (flags === null) throw new RegexError("invalid or unsupported Perl syntax");
    const [whole, on, , off, end] = flags;
    if (on === "" && off === undefined && end === ")") throw new RegexError("missing argument to repetition operator");
    this.#at += whole.length;
    if (on.includes("i")) this.#fold = true;
    if (off?.includes("i") === true) this.#fold = false;
    return end === ")";
  }

  #classEscape(): Mask | undefined {
    const letter = this.#text[this.#at];
    const mask = CLASS_ESCAPES[letter];
    if (mask !== undefined) {
      this.#at++;
      return mask;
    }
    const unicode = /^([pP])(?:\{(\^?)([A-Za-z_]+)\}|([A-Z]))/.exec(this.#text.slice(this.#at, this.#at + 64));
    if (unicode === null) {
      if (letter === "p" || letter === "P") throw new RegexError("invalid character class range");
      return undefined;
    }
    this.#at += unicode[0].length;
    const found = unicodeClass(unicode[3] ?? unicode[4], this.#fold);
    return (unicode[1] === "P") !== (unicode[2] === "^") ? ALL & ~found : found;
  }

  /** The code point that an escape stands for. */
  #escape(): number {
    const hex = /^x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,8})\})/.exec(this.#text.slice(this.#at, this.#at + 16));
    if (hex !== null) {
      this.#at += hex[0].length;
      const code = Number.parseInt(hex[1] ?? hex[2], 16);
      if (code > 0x10ffff) throw new RegexError("invalid escape sequence");
      return code;
    }
    // A single digit would refer back to a group, which cannot be matched in linear time.
    const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(this.#text.slice(this.#at, this.#at + 3));
    if (octal !== null) {
      this.#at += octal[0].length;
      return Number.parseInt(octal[0], 8);
    }
    const code = this.#code();
    const text = String.fromCodePoint(code);
    const control = CONTROLS[text];
    if (control !== undefined) return control;
    if (code < 128 && !/[A-Za-z0-9]/.test(text)) return code;
    throw new RegexError("invalid escape sequence");
  }

  /** What is between brackets. */
  #class(): Mask {
    const negated = this.#take("^");
    let mask = 0n;
    for (let first = true; first || !this.#looking("]"); first = false) {
      if (this.#at >= this.#text.length) throw new RegexError("missing closing ]");
      mask |= this.#posix() ?? this.#member();
    }
    this.#at++;
    return negated ? ALL & ~mask : mask;
  }

  #posix(): Mask | undefined {
    if (!this.#looking("[:")) return undefined;
    const end = this.#text.indexOf(":]", this.#at + 2);
    if (end < 0) return undefined;
    const [, not, name] = /^(\^?)(.*)$/s.exec(this.#text.slice(this.#at + 2, end)) as RegExpExecArray;
    const mask = Object.hasOwn(POSIX, name) ? POSIX[name] : undefined;
    if (mask === undefined) throw new RegexError("invalid character class range");
    this.#at = end + 2;
    return not === "^" ? ALL & ~mask : mask;
  }

  #member(): Mask {
    if (this.#looking("\\")) {
      this.#at++;
      const mask = this.#classEscape();
      if (mask !== undefined) return mask;
      this.#at--;
    }
    const from = this.#classCode();
    if (!this.#looking("-") || this.#looking("-]") || this.#at + 1 >= this.#text.length) {
      return rangeMask(from, from, this.#fold);
    }
    this.#at++;
    const to = this.#classCode();
    if (to < from) throw new RegexError("invalid character class range");
    return rangeMask(from, to, this.#fold);
  }

  #classCode(): number {
    return this.#take("\\") ? this.#escape() : this.#code();
  }
}

export function parseRegex(text: string): Node {
  return new Parser(text).whole();
}
