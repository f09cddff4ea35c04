import { createInterface } from "node:readline";
import { nodeEnv } from "@samsa/node";
import { Failure } from "../terminal/failure.ts";
import { createLogger } from "../terminal/logger.ts";
import { loadMetadata } from "../metadata/load.ts";
import { MetadataShell } from "../metadata/shell.ts";
import { rootOf } from "../metadata/tree.ts";
import { print } from "../terminal/output.ts";

/** Runs commands line by line until `exit` or the end of standard input. */
async function converse(shell: MetadataShell): Promise<void> {
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: process.stdin.isTTY && process.stdout.isTTY,
    prompt: process.stdin.isTTY ? ">> " : "",
    completer: (line: string) => [shell.complete(line), line.split(/\s+/).at(-1) ?? ""],
  });
  if (process.stdin.isTTY) console.log("help lists the commands, exit leaves.");
  lines.prompt();
  for await (const line of lines) {
    const words = line.split(/\s+/).filter(word => word !== "");
    try {
      if (words.length > 0) print(shell.run(words));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      console.error(error.message);
    }
    if (shell.left) break;
    lines.prompt();
  }
  lines.close();
}

/** `samsa metadata`. Without a command, starts an interactive shell. */
export async function metadata(
  place: string,
  words: readonly string[],
  options: { readonly json?: boolean },
): Promise<void> {
  if (words.length === 0 && options.json === true) throw new Failure("--json wants a command");
  const env = nodeEnv({ logger: createLogger("error") });
  const { image, notes } = loadMetadata(env, place.replace(/(.)\/+$/, "$1"));
  for (const note of notes) {
    console.error(`samsa: ${note}`);
    process.exitCode = 1;
  }
  const shell = new MetadataShell(rootOf(image));
  if (words.length === 0) await converse(shell);
  else print(shell.run(words, options.json === true));
}
