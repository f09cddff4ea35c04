import { enableCompileCache } from "node:module";
import { join } from "node:path";

// A bundle keeps what V8 compiles of it beside itself, where only who may change the program can change it.
if (!import.meta.filename.endsWith(".ts")) enableCompileCache(join(import.meta.dirname, "compiled"));
await import("./run.ts");
