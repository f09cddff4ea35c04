/** `npm run interop`: outside judges try the broker; see packages/test/interop. */
import { interop } from "../packages/test/interop/src/main.ts";

process.exitCode = await interop(process.argv.slice(2));
