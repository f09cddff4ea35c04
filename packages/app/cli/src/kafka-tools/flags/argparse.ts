import { parseInteger, parseLong } from "../java/text.ts";
import { ArgumentError } from "../java/exits.ts";

/** Option of a tool that takes its arguments as argparse4j does. */
export interface Argument {
  /** Names with their dashes; the first long one is the key of its value. */
  readonly names: readonly string[];
  /** Kind: one value, a value for each time it is given, all values up to the next option, or none. */
  readonly action: "store" | "append" | "many" | "true";
  readonly type?: "int" | "long" | "short" | "double";
  readonly isRequired?: true;
  readonly preset?: string;
  readonly choices?: readonly string[];
  /** Names of arguments exclude one another if they have the same group. */
  readonly group?: string;
  readonly help: string;
}

/** Command of a tool with its options. */
export interface ArgumentTable {
  readonly description: string;
  readonly arguments: readonly Argument[];
  /** Groups of which one argument must be given. */
  readonly requiredGroups?: readonly string[];
  readonly commands?: Readonly<Record<string, ArgumentTable>>;
}

/** Value of an option: one value, or the values of an `append`. */
type Value = string | readonly string[] | true;

/** Options of a command line. */
export class Arguments {
  readonly #values = new Map<string, Value>();
  readonly #known = new Map<string, Argument>();
  /** Command; undefined for a tool without commands. */
  command: string | undefined;

  /** Adds the options of a table, with their presets. */
  know(table: ArgumentTable): void {
    for (const argument of table.arguments) {
      const key = keyOf(argument);
      this.#known.set(key, argument);
      if (argument.preset !== undefined) this.#values.set(key, argument.preset);
    }
  }

  set(key: string, value: Value): void {
    this.#values.set(key, value);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  text(key: string): string | undefined {
    const value = this.#values.get(key);
    return typeof value === "string" ? value : undefined;
  }

  texts(key: string): readonly string[] {
    const value = this.#values.get(key);
    return typeof value === "object" ? value : typeof value === "string" ? [value] : [];
  }

  isTrue(key: string): boolean {
    return this.#values.get(key) === true;
  }

  /** Value of an option that is a number; its type has been checked. */
  number(key: string): number | undefined {
    const value = this.text(key);
    return value === undefined ? undefined : Number(value);
  }
}

/** Key of an option's value: its first long name without dashes. */
export function keyOf({ names }: Argument): string {
  const name = names.find(each => each.startsWith("--")) ?? names[0] ?? "";
  return name.replace(/^-+/, "");
}

const nameOf = ({ names }: Argument): string => names.join("/");

const SHORT = 32_767;

function isOfType(value: string, type: Argument["type"]): boolean {
  if (type === undefined) return true;
  if (type === "long") return parseLong(value) !== undefined;
  if (type === "double") return value.trim() !== "" && !Number.isNaN(Number(value));
  const number = parseInteger(value);
  return number !== undefined && (type === "int" || (number <= SHORT && number >= -SHORT - 1));
}

const CLASSES = { int: "Integer", long: "Long", short: "Short", double: "Double" } as const;

/** Parses command lines of a tool. */
export class ArgumentParser {
  readonly #prog: string;
  readonly #table: ArgumentTable;

  constructor(prog: string, table: ArgumentTable) {
    this.#prog = prog;
    this.#table = table;
  }

  /** Error of arguments that a tool finds itself. */
  error(message: string): ArgumentError {
    return this.#error(message);
  }

  /** Throws `ArgumentError`, or `HelpWanted`. */
  parse(args: readonly string[], found = new Arguments()): Arguments {
    const table = this.#table;
    found.know(table);
    const seen = new Set<Argument>();
    const left = [...args];
    for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
      if (this.#isOption(arg)) {
        if (arg === "-h" || arg === "--help") throw new HelpWanted(this.help());
        this.#option(arg, { left, found, seen });
      } else if (table.commands !== undefined) {
        const name = this.#command(arg, Object.keys(table.commands));
        const command = table.commands[name];
        if (command === undefined) continue;
        found.command = name;
        new ArgumentParser(`${this.#prog} ${name}`, command).parse(left.splice(0), found);
      } else throw this.#error(`unrecognized arguments: '${arg}'`);
    }
    if (table.commands !== undefined && found.command === undefined) throw this.#error("too few arguments");
    this.#checkRequired(seen);
    return found;
  }

  #isOption(arg: string): boolean {
    return arg.startsWith("-") && arg !== "-" && !/^-\d/.test(arg);
  }

  #command(arg: string, names: readonly string[]): string {
    if (names.includes(arg)) return arg;
    const [only, ...more] = names.filter(name => name.startsWith(arg));
    if (more.length > 0) {
      throw this.#error(`ambiguous command: ${arg} could match ${[only, ...more].join(", ")}`);
    }
    if (only !== undefined) return only;
    throw this.#error(`invalid choice: '${arg}' (choose from ${names.map(name => `'${name}'`).join(", ")})`);
  }

  #option(
    arg: string,
    { left, found, seen }: { readonly left: string[]; readonly found: Arguments; readonly seen: Set<Argument> },
  ): void {
    const at = arg.indexOf("=");
    const isLong = arg.startsWith("--");
    const name = at < 0 ? arg : arg.slice(0, at);
    let argument = this.#named(name);
    let value = at < 0 ? undefined : arg.slice(at + 1);
    if (argument === undefined && !isLong && arg.length > 2) {
      // A value may follow a letter at once.
      argument = this.#named(arg.slice(0, 2));
      value = arg.slice(2).replace(/^=/, "");
    }
    if (argument === undefined) throw this.#error(`unrecognized arguments: '${arg}'`);
    this.#checkGroup(argument, seen);
    seen.add(argument);
    const key = keyOf(argument);
    if (argument.action === "true") {
      if (value !== undefined) throw this.#error(`argument ${nameOf(argument)}: ignore implicit argument '${value}'`);
      return found.set(key, true);
    }
    const [next] = left;
    const given = value ?? (next === undefined || this.#isOption(next) ? undefined : left.shift());
    if (given === undefined) throw this.#error(`argument ${nameOf(argument)}: expected one argument`);
    this.#checkValue(argument, given);
    if (argument.action === "store") return found.set(key, given);
    const values = argument.action === "append" ? [...found.texts(key), given] : [given];
    for (
      let more = left[0];
      argument.action === "many" && more !== undefined && !this.#isOption(more);
      more = left[0]
    ) {
      this.#checkValue(argument, more);
      values.push(more);
      left.shift();
    }
    found.set(key, values);
  }

  #named(name: string): Argument | undefined {
    const all = this.#table.arguments;
    const exact = all.find(({ names }) => names.includes(name));
    if (exact !== undefined || !name.startsWith("--")) return exact;
    const names = all.flatMap(argument => argument.names.filter(each => each.startsWith(name)));
    if (names.length > 1) throw this.#error(`ambiguous option: ${name} could match ${names.join(", ")}`);
    return all.find(argument => argument.names.includes(names[0] ?? ""));
  }

  #checkGroup(argument: Argument, seen: ReadonlySet<Argument>): void {
    const other = [...seen].find(
      each => each !== argument && each.group !== undefined && each.group === argument.group,
    );
    if (other !== undefined) {
      throw this.#error(`argument ${nameOf(argument)}: not allowed with argument ${nameOf(other)}`);
    }
  }

  #checkValue(argument: Argument, value: string): void {
    const { type, choices } = argument;
    if (!isOfType(value, type)) {
      const name = type === undefined ? "" : CLASSES[type];
      throw this.#error(
        `argument ${nameOf(argument)}: could not convert '${value}' to ${name} (For input string: "${value}")`,
      );
    }
    if (choices !== undefined && !choices.includes(value)) {
      throw this.#error(
        `argument ${nameOf(argument)}: invalid choice: '${value}' (choose from {${choices.join(",")}})`,
      );
    }
  }

  #checkRequired(seen: ReadonlySet<Argument>): void {
    const missing = this.#table.arguments.find(argument => argument.isRequired === true && !seen.has(argument));
    if (missing !== undefined) throw this.#error(`argument ${nameOf(missing)} is required`);
    for (const group of this.#table.requiredGroups ?? []) {
      const members = this.#table.arguments.filter(argument => argument.group === group);
      if (members.some(member => seen.has(member))) continue;
      throw this.#error(`one of the arguments ${members.map(nameOf).join(" ")} is required`);
    }
  }

  #error(message: string): ArgumentError {
    return new ArgumentError(message, `${this.usage()}\n${this.#prog.split(" ")[0]}: error: ${message}`);
  }

  /** Line about how the tool is called. */
  usage(): string {
    const { commands, arguments: all } = this.#table;
    const options = all.map(argument => {
      const value = argument.action === "true" ? "" : ` ${keyOf(argument).toUpperCase().replaceAll("-", "_")}`;
      const text = `${argument.names[0]}${value}`;
      return argument.isRequired === true ? text : `[${text}]`;
    });
    const choice = commands === undefined ? [] : [`{${Object.keys(commands).join(",")}} ...`];
    return ["usage:", this.#prog, "[-h]", ...options, ...choice].join(" ");
  }

  /** Whole help. */
  help(): string {
    const { description, arguments: all, commands = {} } = this.#table;
    const row = (left: string, right: string): string => `  ${left.padEnd(30)} ${right}`;
    const options = all.map(argument => row(argument.names.join(", "), argument.help));
    const rows = Object.entries(commands).map(([name, command]) => row(name, command.description));
    const section = (head: string, lines: readonly string[]): string[] =>
      lines.length > 0 ? ["", head, ...lines] : [];
    return [
      this.usage(),
      ...["", description],
      ...section("commands:", rows),
      ...section("options:", [row("-h, --help", "Show this help."), ...options]),
    ].join("\n");
  }
}

/** Help that the command line asks for. */
export class HelpWanted extends Error {
  override readonly name = "HelpWanted";
}
