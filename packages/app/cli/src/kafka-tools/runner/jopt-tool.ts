import { KafkaError } from "@samsa/client-kernel";
import { Exit, OptionError, ToolError, UsageError } from "../java/exits.ts";
import type { Flag } from "../flags/flag.ts";
import { optionList } from "../flags/help.ts";
import { type Chosen, parseFlags } from "../flags/jopt.ts";
import { javaMessage, javaText } from "../java/errors.ts";

/** Release of Kafka whose tools these are; `--version` prints it. */
export const KAFKA_RELEASE = "4.4.0";

/** A tool of Kafka. */
export interface Tool {
  /** Runs with arguments, prints, and resolves to the exit code. */
  readonly run: (args: readonly string[]) => Promise<number>;
  /** Names of its options, with their dashes. */
  readonly options: readonly string[];
  /** Names of its commands. */
  readonly commands: readonly string[];
}

/** Tool that takes its arguments as joptsimple does. */
export interface JoptTool<N extends string> {
  /** Sentence above the list of options. */
  readonly about: string;
  readonly flags: Readonly<Record<N, Flag>>;
  /** Answer to a mistake that the parser finds: the list of options, or that of `failed`. */
  readonly mistakes: "usage" | "failed";
  /** Checks the arguments, does the work and resolves to the exit code. */
  readonly run: (chosen: Chosen<N>) => Promise<number>;
  /** Prints a failure and returns the exit code. */
  readonly failed: (error: unknown, args: readonly string[]) => number;
}

/** Prints the message of a failure, as tools do that catch everything. */
export function printJavaMessage(error: unknown): number {
  console.error(error instanceof KafkaError ? javaText(error) : javaMessage(error));
  return 1;
}

/** Prints what Java prints about an exception that nobody catches. */
export function printUncaught(error: unknown): number {
  console.error(`Exception in thread "main" ${thrownText(error)}`);
  return 1;
}

/** `toString` of the exception that the tool of Kafka throws. */
export function thrownText(error: unknown): string {
  if (error instanceof ToolError) return `${error.javaClass}: ${error.message}`;
  if (error instanceof OptionError) return `joptsimple.${error.javaClass}: ${error.message}`;
  return javaText(error);
}

/** Makes a tool. */
export function joptTool<N extends string>(tool: JoptTool<N | "help" | "version">): Tool {
  const usage = (message: string): number => {
    console.error(message);
    console.error(optionList(tool.flags));
    return 1;
  };
  const run = async (args: readonly string[]): Promise<number> => {
    let chosen: Chosen<N | "help" | "version">;
    try {
      chosen = parseFlags(tool.flags, args);
    } catch (error) {
      return error instanceof OptionError && tool.mistakes === "usage"
        ? usage(error.message)
        : tool.failed(error, args);
    }
    if (args.length === 0 || chosen.has("help")) return usage(tool.about);
    if (chosen.has("version")) {
      console.log(KAFKA_RELEASE);
      return 0;
    }
    try {
      return await tool.run(chosen);
    } catch (error) {
      if (error instanceof UsageError) return usage(error.message);
      return error instanceof Exit ? error.code : tool.failed(error, args);
    }
  };
  const options = Object.keys(tool.flags).map(name => `${name.length === 1 ? "-" : "--"}${name}`);
  return { run, options, commands: [] };
}
