import { reportFailure } from "./failure.ts";
import { program } from "./program.ts";

try {
  await program().parseAsync();
} catch (error) {
  reportFailure(error);
}
