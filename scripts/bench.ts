/** `npm run bench`: makes the bundle and measures it; see packages/test/bench. */
import { join } from "node:path";
import "./bundle.ts";
import { NODE_FLAGS } from "./flags.ts";
import { bench } from "../packages/test/bench/src/main.ts";

process.exitCode = await bench(join(import.meta.dirname, ".."), process.argv.slice(2), NODE_FLAGS);
