import type { Command, Option } from "commander";

/** Option of a command, as a shell completes it. */
export interface OptionWords {
  /** Names with their dashes. */
  readonly names: readonly string[];
  readonly description: string;
  /** True if an argument follows. */
  readonly hasArgument: boolean;
  /** Values that the argument may have; none: any. */
  readonly choices: readonly string[];
}

/** Command, as a shell completes what follows it. */
export interface CommandWords {
  /** Names of the commands down to this one. */
  readonly path: readonly string[];
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly OptionWords[];
}

function optionWords({ short, long, description, required, optional, argChoices }: Option): OptionWords {
  return {
    names: [short, long].filter(name => name !== undefined),
    description,
    hasArgument: required || optional,
    choices: argChoices ?? [],
  };
}

const HELP: OptionWords = { names: ["-h", "--help"], description: "display help", hasArgument: false, choices: [] };

/** All commands of a tree, each before those below it. */
export function commandTree(command: Command, above: readonly string[] = []): CommandWords[] {
  const path = [...above, command.name()];
  return [
    {
      path,
      commands: command.commands.map(each => ({
        name: each.name(),
        description: each.summary() || each.description(),
      })),
      options: [...command.options.map(optionWords), HELP],
    },
    ...command.commands.flatMap(each => commandTree(each, path)),
  ];
}
