import { Failure, reportFailure } from "./terminal/failure.ts";
import { program } from "./program.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader such as head has closed the pipe.
  if (error.code === "EPIPE") process.exit();
  reportFailure(new Failure(`the output cannot be written: ${error.message}`));
  process.exit();
});

try {
  await program().parseAsync();
} catch (error) {
  reportFailure(error);
}
