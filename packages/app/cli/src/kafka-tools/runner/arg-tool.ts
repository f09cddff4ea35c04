import { KafkaError } from "@samsa/client-kernel";
import { ArgumentParser, type Argument, type Arguments, type ArgumentTable, HelpWanted } from "../flags/argparse.ts";
import { ArgumentError, Exit, ToolError } from "../java/exits.ts";
import { chosenServers, type ToolServers } from "./client.ts";
import { javaMessage, javaText } from "../java/errors.ts";
import { KAFKA_RELEASE, type Tool } from "./jopt-tool.ts";

/** Tool that takes its arguments as argparse4j does. */
export interface ArgTool {
  /** Name in the messages of the parser. */
  readonly prog: string;
  readonly table: ArgumentTable;
  /** Does the work and resolves to the exit code. `refuse` makes the error of a mistake in the arguments. */
  readonly run: (args: Arguments, refuse: (message: string) => ArgumentError) => Promise<number>;
  /** True if the help is printed where there are no arguments. */
  readonly helps?: true;
  /** Prints a mistake in the arguments; what argparse4j prints by default. */
  readonly mistaken?: (error: ArgumentError) => void;
  /** Prints a failure and returns the exit code; the message by default. */
  readonly failed?: (error: unknown) => number;
}

function printFailure(error: unknown): number {
  console.error(error instanceof KafkaError ? javaText(error) : javaMessage(error));
  return 1;
}

/** Makes a tool. */
export function argTool({ prog, table, run, helps, mistaken, failed = printFailure }: ArgTool): Tool {
  const all = [table, ...Object.values(table.commands ?? {})];
  const options = [...new Set(all.flatMap(each => each.arguments.flatMap(({ names }) => names)))];
  const start = async (args: readonly string[]): Promise<number> => {
    const parser = new ArgumentParser(prog, table);
    if (helps === true && args.length === 0) {
      console.log(parser.help());
      return 0;
    }
    try {
      return await run(parser.parse(args), message => parser.error(message));
    } catch (error) {
      if (error instanceof HelpWanted) {
        console.log(error.message);
        return 0;
      }
      if (error instanceof Exit) return error.code;
      if (!(error instanceof ArgumentError)) return failed(error);
      if (mistaken === undefined) console.error(error.report);
      else mistaken(error);
      return 1;
    }
  };
  return { run: start, options, commands: Object.keys(table.commands ?? {}) };
}

/** Options that say where the brokers are, which exclude one another. */
export const BOOTSTRAP: readonly Argument[] = [
  { names: ["--bootstrap-server"], action: "store", group: "bootstrap", help: "Brokers, as host:port." },
  {
    names: ["--bootstrap-controller"],
    action: "store",
    group: "bootstrap",
    help: "Controllers instead, as host:port.",
  },
];

/** Option with a file of settings. */
export const COMMAND_CONFIG: Argument = {
  names: ["--command-config"],
  action: "store",
  help: "File with settings of the client.",
};

/** Servers that the options name. Throws `ToolError`. */
export function serversOf(args: Arguments): ToolServers {
  const servers = chosenServers(args);
  if (servers !== undefined) return servers;
  throw new ToolError("You must specify either --bootstrap-controller or --bootstrap-server.");
}

/** Prints a message and ends the tool with 1. */
export function stopWith(message: string): never {
  console.error(message);
  throw new Exit(1);
}

/** Prints a table as `ToolsUtils.prettyPrintTable` does: every cell is padded and ends with a tab. */
export function printPretty(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map(row => row[i]?.length ?? 0)));
  for (const row of [head, ...rows]) console.log(row.map((cell, i) => `${cell.padEnd(widths[i] ?? 0)}\t`).join(""));
}

/** Prints the version. */
export function printVersion(): number {
  console.log(KAFKA_RELEASE);
  return 0;
}
