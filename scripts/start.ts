/** `npm start`: makes the bundle and becomes the broker. */
import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import "./bundle.ts";
import { NODE_FLAGS } from "./flags.ts";

const WATCH_MS = 500;

const bundle = realpathSync(join(import.meta.dirname, "..", "dist", "current", "samsa.mjs"));
const broker = spawn(process.execPath, [...NODE_FLAGS, bundle, "start", ...process.argv.slice(2)], {
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => broker.kill(signal));
process.on("SIGHUP", () => broker.kill("SIGTERM"));
if (process.env.npm_lifecycle_event !== undefined) stopWithout(process.ppid);
broker.on("error", error => {
  console.error(`The broker could not be started: ${error.message}`);
  process.exitCode = 1;
});
broker.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 128);
});

/** Stops the broker when npm has ended: it passes SIGINT and SIGTERM on, and after any other end nobody would. */
function stopWithout(npm: number): void {
  const timer = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(timer);
    broker.kill("SIGTERM");
  }, WATCH_MS);
  timer.unref();
}
