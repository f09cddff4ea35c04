import { parseInteger, parseLong } from "../java/text.ts";
import { OptionError, UsageError } from "../java/exits.ts";
import type { Flag, Flags } from "./flag.ts";

/** Texts of the tool's messages for an option, as in `[topic]`. */
export function shown(name: string): string {
  return `[${name}]`;
}

/** Options of a command line, and the checks of them that Kafka's tools share (`CommandLineUtils`). */
export class Chosen<N extends string> {
  readonly #flags: Flags;
  readonly #values = new Map<string, string[]>();
  /** Names of the options in the order of the command line, as often as they were given. */
  readonly order: string[] = [];
  /** Arguments that belong to no option. */
  readonly rest: string[] = [];

  constructor(flags: Flags) {
    this.#flags = flags;
  }

  /** Adds an option of the command line, with its argument. */
  add(name: string, value?: string): void {
    const values = this.#values.get(name) ?? [];
    this.#values.set(name, values);
    this.order.push(name);
    if (value === undefined) return;
    const separator = this.#flags[name]?.separator;
    const parts = separator === undefined ? [value] : value.split(separator).filter(part => part !== "");
    values.push(...(parts.length === 0 ? [value] : parts));
  }

  has(...names: readonly N[]): boolean {
    return names.some(name => this.#values.has(name));
  }

  /** All arguments of an option; its preset if it was not given. */
  texts(name: N): readonly string[] {
    const preset = this.#flags[name]?.preset;
    const values = this.#values.get(name) ?? [];
    return values.length > 0 || preset === undefined ? values : [preset];
  }

  /** The argument of an option; undefined: not given. Throws `OptionError` if there are several. */
  text(name: N): string | undefined {
    const values = this.texts(name);
    if (values.length > 1) {
      const message = `Found multiple arguments for option ${name}, but you asked for only one`;
      throw new OptionError("MultipleArgumentsForOptionException", message);
    }
    return values[0];
  }

  /** The argument of an option that is a number; undefined: not given. Throws `OptionError`. */
  number(name: N): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : numberOf(name, value, this.#flags[name]);
  }

  /** All arguments of an option that are numbers. Throws `OptionError`. */
  numbers(name: N): number[] {
    return this.texts(name).map(value => numberOf(name, value, this.#flags[name]));
  }

  /** Throws `UsageError` if an option is missing. */
  require(...names: readonly N[]): void {
    const missing = names.find(name => !this.has(name));
    if (missing !== undefined) throw new UsageError(`Missing required argument "${shown(missing)}"`);
  }

  /** Throws `UsageError` if an option is given together with one of others. */
  exclude(name: N, others: readonly N[]): void {
    if (!this.has(name)) return;
    const other = others.find(each => each !== name && this.has(each));
    if (other !== undefined) {
      throw new UsageError(`Option "${shown(name)}" can't be used with option "${shown(other)}"`);
    }
  }

  /** Throws `UsageError` unless exactly one of the options is given. */
  exactlyOne(...names: readonly N[]): void {
    if (names.filter(name => this.has(name)).length === 1) return;
    const list = names.map(shown).join(", ");
    throw new UsageError(`Exactly one of the following arguments is required: ${list}`);
  }
}

function numberOf(name: string, value: string, flag: Flag | undefined): number {
  const parsed = parsedNumber(value, flag?.type);
  if (parsed !== undefined) return parsed;
  throw new OptionError("OptionArgumentConversionException", `Cannot parse argument '${value}' of option ${name}`);
}

function parsedNumber(value: string, type: Flag["type"]): number | undefined {
  return type === "double" ? doubleOf(value) : type === "long" ? parseLong(value) : parseInteger(value);
}

function doubleOf(value: string): number | undefined {
  const parsed = value.trim() === "" ? NaN : Number(value);
  return Number.isNaN(parsed) ? undefined : parsed;
}

/** Arguments that are still to be read. */
class Arguments {
  readonly #all: readonly string[];
  #at = 0;

  constructor(all: readonly string[]) {
    this.#all = all;
  }

  next(): string | undefined {
    return this.#all[this.#at++];
  }

  peek(): string | undefined {
    return this.#all[this.#at];
  }
}

const isShort = (text: string): boolean => text.startsWith("-") && text !== "-" && !text.startsWith("--");
const isLong = (text: string): boolean => text.startsWith("--") && text !== "--";

/** Parses a command line as joptsimple 5 does, without abbreviations. Throws `OptionError`. */
export function parseFlags<N extends string>(flags: Readonly<Record<N, Flag>>, args: readonly string[]): Chosen<N> {
  const chosen = new Chosen<N>(flags);
  const left = new Arguments(args);
  for (let arg = left.next(), isOver = false; arg !== undefined; arg = left.next()) {
    if (isOver || (!isLong(arg) && !isShort(arg) && arg !== "--")) chosen.rest.push(arg);
    else if (arg === "--") isOver = true;
    else if (isLong(arg)) take(chosen, flags, parts(arg.slice(2)), left);
    else takeShort(chosen, flags, arg.slice(1), left);
  }
  checkRequired(chosen, flags);
  checkAvailable(chosen, flags);
  return chosen;
}

interface Given {
  readonly name: string;
  readonly value: string | undefined;
}

function parts(text: string): Given {
  const at = text.indexOf("=");
  return at < 0 ? { name: text, value: undefined } : { name: text.slice(0, at), value: text.slice(at + 1) };
}

function flagOf(flags: Flags, name: string): Flag {
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (flag === undefined) throw new OptionError("UnrecognizedOptionException", `${name} is not a recognized option`);
  return flag;
}

/** True if a text is the optional argument before it: a number may begin with a dash (`OptionalArgumentOptionSpec`). */
function isArgumentOf({ type = "text" }: Flag, text: string): boolean {
  return type === "text" ? !isLong(text) && !isShort(text) : parsedNumber(text, type) !== undefined;
}

function take(chosen: Chosen<string>, flags: Flags, { name, value }: Given, left: Arguments): void {
  const flag = flagOf(flags, name);
  const { argument, isOptional } = flag;
  if (argument === undefined) return chosen.add(name);
  if (value !== undefined && value !== "") return chosen.add(name, value);
  const next = left.peek();
  if (isOptional === true) {
    return chosen.add(name, next !== undefined && isArgumentOf(flag, next) ? left.next() : undefined);
  }
  if (next === undefined) {
    throw new OptionError("OptionMissingRequiredArgumentException", `Option ${name} requires an argument`);
  }
  chosen.add(name, left.next());
}

/** Takes a dash before a long name, or before several names of one letter. */
function takeShort(chosen: Chosen<string>, flags: Flags, text: string, left: Arguments): void {
  const given = parts(text);
  if (Object.hasOwn(flags, given.name)) return take(chosen, flags, given, left);
  for (const letter of text) {
    const flag = flagOf(flags, letter);
    if (flag.argument !== undefined) break;
  }
  for (let i = 0; i < text.length; i++) {
    const name = text.charAt(i);
    const { argument } = flagOf(flags, name);
    const value = argument === undefined || i === text.length - 1 ? undefined : text.slice(i + 1);
    take(chosen, flags, { name, value }, left);
    if (value !== undefined) return;
  }
}

function checkRequired(chosen: Chosen<string>, flags: Flags): void {
  if (chosen.has("help", "version")) return;
  const missing = Object.keys(flags).filter(name => flags[name]?.isRequired === true && !chosen.has(name));
  if (missing.length === 0) return;
  throw new OptionError("MissingRequiredOptionsException", `Missing required option(s) [${missing.join(", ")}]`);
}

function checkAvailable(chosen: Chosen<string>, flags: Flags): void {
  const refused = Object.keys(flags).filter(name => {
    const others = flags[name]?.onlyWith;
    return others !== undefined && chosen.has(name) && !chosen.has(...others);
  });
  if (refused.length === 0) return;
  const list = `[${refused.join(", ")}]`;
  throw new OptionError(
    "UnavailableOptionException",
    `Option(s) ${list} are unavailable given other options on the command line`,
  );
}
