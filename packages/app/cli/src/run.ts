import { runTool, toolNamed } from "./kafka-tools/tools.ts";
import { Failure, reportFailure } from "./terminal/failure.ts";
import { program } from "./program.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader such as head has closed the pipe.
  if (error.code === "EPIPE") process.exit();
  reportFailure(new Failure(`the output cannot be written: ${error.message}`));
  process.exit();
});

const [, path, word] = process.argv;
const byLink = toolNamed(path);
const tool = byLink ?? toolNamed(word);

try {
  if (tool === undefined) await program().parseAsync();
  else process.exitCode = await runTool(tool, process.argv.slice(byLink === undefined ? 3 : 2));
} catch (error) {
  reportFailure(error);
}
