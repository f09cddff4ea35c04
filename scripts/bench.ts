/** `npm run bench`: makes the bundle and measures it; see packages/test/bench. */
import { join } from "node:path";
import { Option } from "commander";
import { NODE_FLAGS } from "./flags.ts";
import { command, whole } from "./options.ts";
import { bench, type BenchOptions, NAMES } from "../packages/test/bench/src/main.ts";

const options = command("bench", "measures Samsa, beside Apache Kafka where Java and Maven are there")
  .option("--quick", "shorter loads, whose figures are rough")
  .option("--wide", "every row: codecs, many readers, thousands of partitions")
  .option("--profile", "Samsa alone, with a profile and a flame graph of each load")
  .addOption(new Option("--only <row...>", "these rows; docs/benchmarks.md is left alone").choices(NAMES))
  .option("--beside <bundle>", "another samsa.mjs instead of Kafka, in turns; docs/benchmarks.md is left alone")
  .option("--rounds <count>", "runs of each, whose median is shown", whole(1))
  .option("--json", "print JSON")
  .parse()
  .opts<BenchOptions>();
await import("./bundle.ts");
process.exitCode = await bench(join(import.meta.dirname, ".."), options, NODE_FLAGS);
