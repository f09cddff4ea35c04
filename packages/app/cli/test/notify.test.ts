import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { MAIN } from "./bundle.ts";
import { endAll } from "./children.ts";
import { freePorts } from "./cluster-client.ts";

const folder = mkdtempSync(join(tmpdir(), "samsa-notify-"));
const running: ChildProcess[] = [];

afterEach(async () => {
  await endAll(running);
  rmSync(folder, { recursive: true, force: true });
});

test("a node tells systemd that it serves and that it stops, and its pid file is there while it runs", async () => {
  const told = join(folder, "told");
  const pidFile = join(folder, "node.pid");
  const words = `"$@"`;
  writeFileSync(join(folder, "systemd-notify"), `#!/bin/sh\necho ${words} >> "${told}"\n`, { mode: 0o755 });
  const listeners = `listeners=PLAINTEXT://127.0.0.1:${await freePorts(1)}`;
  const options = ["-o", listeners, "-o", `log.dirs=${join(folder, "data")}`, "--http-port", "off"];
  const child = spawn(process.execPath, [MAIN, "start", ...options, "--pid-file", pidFile], {
    env: { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}`, NOTIFY_SOCKET: join(folder, "socket") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.push(child);
  await new Promise(resolve => child.stdout?.once("data", resolve));
  expect(readFileSync(pidFile, "utf8")).toBe(`${child.pid}\n`);
  for (let left = 100; !existsSync(told) && left > 0; left--) await new Promise(resolve => setTimeout(resolve, 50));
  expect(readFileSync(told, "utf8")).toBe(`--pid=${child.pid} READY=1\n`);
  const ended = new Promise(resolve => child.once("exit", resolve));
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
  expect(readFileSync(told, "utf8")).toBe(`--pid=${child.pid} READY=1\n--pid=${child.pid} STOPPING=1\n`);
  expect(existsSync(pidFile)).toBe(false);
});
