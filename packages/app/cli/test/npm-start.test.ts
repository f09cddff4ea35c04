import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { MAIN } from "./bundle.ts";
import { freePorts } from "./cluster-client.ts";

/** Ends of a broker that npm starts, as npx and the scripts of a project do, when npm is told to end. */

const folder = mkdtempSync(join(tmpdir(), "samsa-npm-"));
let broker: number | undefined;

afterEach(() => {
  if (broker !== undefined && lives(broker)) process.kill(broker, "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

function lives(pid: number): boolean {
  try {
    // A process that has ended, and whose parent has not noticed, is a zombie.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    try {
      return process.platform !== "linux" && process.kill(pid, 0);
    } catch {
      return false;
    }
  }
}

async function ended(pid: number, what: string): Promise<void> {
  for (let left = 200; lives(pid); left--) {
    if (left === 0) throw new Error(`process ${pid} is left after ${what}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

/**
 * Receivers, signals, and how the script begins. Without `exec` it has a shell of its own, which drops SIGINT while it waits; a
 * terminal's Ctrl-C reaches all of them by itself.
 */
const CASES = [
  ...(["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"] as const).map(signal => ["npm", signal, "exec "] as const),
  ...(["SIGTERM", "SIGHUP", "SIGKILL"] as const).map(signal => ["npm", signal, ""] as const),
  ...(["SIGINT", "SIGKILL"] as const).map(signal => ["broker", signal, "exec "] as const),
];

test("no process is left of a broker whose npm gets a signal, or that gets one itself", {
  timeout: 120_000,
}, async () => {
  for (const [receiver, signal, exec] of CASES) {
    const directory = mkdtempSync(join(tmpdir(), "samsa-npm-"));
    const start = `${exec}"${process.execPath}" "${MAIN}" start --json --http-port off -o log.dirs=./data -o listeners=PLAINTEXT://127.0.0.1:${await freePorts(1)}`;
    writeFileSync(join(directory, "package.json"), JSON.stringify({ private: true, scripts: { start } }));
    const npm = spawn("npm", ["start", "--silent"], { cwd: directory, stdio: ["ignore", "pipe", "inherit"] });
    const npmEnded = new Promise(resolve => npm.once("exit", resolve));
    const banner = await new Promise<Buffer>((resolve, reject) => {
      npm.stdout.once("data", resolve);
      npm.once("exit", code => reject(new Error(`npm start ended with ${code}`)));
    });
    broker = (JSON.parse(banner.toString()) as { pid: number }).pid;
    expect(lives(broker)).toBe(true);
    process.kill(receiver === "npm" ? (npm.pid ?? 0) : broker, signal);
    await ended(broker, `${signal} to ${receiver}, ${exec}`);
    await npmEnded;
    rmSync(directory, { recursive: true, force: true });
  }
});
