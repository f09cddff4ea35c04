/** `npm start`: makes the bundle and becomes the broker. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import "./bundle.ts";
import { NODE_FLAGS } from "./flags.ts";

const bundle = join(import.meta.dirname, "..", "dist", "samsa.mjs");
const broker = spawn(process.execPath, [...NODE_FLAGS, bundle, "start", ...process.argv.slice(2)], {
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => broker.kill(signal));
broker.on("error", error => {
  console.error(`The broker could not be started: ${error.message}`);
  process.exitCode = 1;
});
broker.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 128);
});
