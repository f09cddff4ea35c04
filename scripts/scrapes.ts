/** `npm run bench:scrapes`: makes the bundle and measures scrapes of a broker with many partitions and groups. */
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { command, whole } from "./options.ts";
import { scrapeCost } from "../packages/test/bench/src/scrapes.ts";

const program = command("bench:scrapes", "measure scrapes of the metrics of a broker with many partitions and groups");
program.argument("[scrapes]", "number of scrapes", whole(10), 200).parse();
await import("./bundle.ts");
const bundle = realpathSync(join(import.meta.dirname, "../dist/current/samsa.mjs"));
console.log(await scrapeCost(bundle, program.processedArgs[0] as number));
