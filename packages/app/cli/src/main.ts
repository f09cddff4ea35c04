import * as modules from "node:module";
import { join } from "node:path";

// A bundle keeps what V8 compiles of it beside itself, where only who may change the program can change it. Node has this from
// 22.8 on: an import by name would not load on an older one.
const { enableCompileCache } = modules as Partial<typeof modules>;
if (!import.meta.filename.endsWith(".ts")) enableCompileCache?.(join(import.meta.dirname, "compiled"));
await import("./run.ts");
