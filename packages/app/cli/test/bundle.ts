import { realpathSync } from "node:fs";
import { join } from "node:path";

/** Program of the bundle that `scripts/test-setup.ts` made of the sources: it starts much faster than they do. */
export const MAIN = realpathSync(join(import.meta.dirname, "../../../../dist/current/samsa.mjs"));
