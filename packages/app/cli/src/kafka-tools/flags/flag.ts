/** Type of the argument of an option. */
export type ArgumentType = "text" | "int" | "long" | "double";

/** Option of a tool that takes its arguments as joptsimple does. */
export interface Flag {
  /** Help. */
  readonly help: string;
  /** Name of the argument; undefined: the option has none. */
  readonly argument?: string;
  /** Type of the argument; a text by default. */
  readonly type?: ArgumentType;
  /** True if the argument may be left out. */
  readonly isOptional?: true;
  /** Value without the option. */
  readonly preset?: string;
  /** True if the parser refuses a command line without it. */
  readonly isRequired?: true;
  /** Options of which one must be given, too. */
  readonly onlyWith?: readonly string[];
  /** Character between several values in one argument. */
  readonly separator?: string;
}

/** All options of a tool, by their names without dashes. */
export type Flags = Readonly<Record<string, Flag>>;

/** Options that every tool has. */
export const COMMON_FLAGS = {
  help: { help: "Print this list of options." },
  version: { help: "Print the version." },
} as const satisfies Flags;

/** Option without an argument. */
export function toggle(help: string, more: Partial<Flag> = {}): Flag {
  return { help, ...more };
}

/** Option with an argument. */
export function option(argument: string, help: string, more: Partial<Flag> = {}): Flag {
  return { argument, help, ...more };
}
