import type { Command } from "commander";
import { type CommandWords, commandTree } from "./command-tree.ts";
import { completionScript, SHELLS } from "./scripts.ts";
import { toolOptions } from "../kafka-tools/tools.ts";
import { Failure } from "../terminal/failure.ts";
import { print } from "../terminal/output.ts";

/** `samsa completion`: prints the script with which a shell completes the commands of a program. */
export async function completion(name: string, program: Command): Promise<void> {
  const shell = SHELLS.find(each => each === name);
  if (shell === undefined) throw new Failure(`there is completion for ${SHELLS.join(", ")}, not for "${name}"`);
  const tools = await toolOptions();
  const [root, ...others] = commandTree(program);
  if (root === undefined) return;
  const ofTools = tools.map(
    ({ name: tool, options, commands }): CommandWords => ({
      path: [...root.path, tool],
      commands: commands.map(each => ({ name: each, description: "" })),
      options: options.map(option => ({ names: [option], description: "", hasArgument: false, choices: [] })),
    }),
  );
  const words = tools.map(({ name: tool }) => ({ name: tool, description: "script of Kafka's" }));
  const all = [{ ...root, commands: [...root.commands, ...words] }, ...others, ...ofTools];
  print([completionScript(shell, all).trimEnd()]);
}
