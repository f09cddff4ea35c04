/** `npm run interop`: outside judges try the broker; see packages/test/interop. */
import { interop, type InteropOptions } from "../packages/test/interop/src/main.ts";
import { command } from "./options.ts";

const options = command(
  "interop",
  "lets outside programs judge the broker; INTEROP_AGAINST=kafka lets them judge Apache Kafka, which shows whose fault a failure is",
)
  .option("--only <name...>", "only judges whose name contains one of these; docs/interop.md is left alone")
  .option("--json", "print the verdicts as JSON")
  .option("--list", "print the names of the judges")
  .option("--record-apis", "ask Apache Kafka for the APIs it announces, and keep its list")
  .parse()
  .opts<InteropOptions>();
process.exitCode = await interop(options);
