import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Node } from "@samsa/broker";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ClientMetrics } from "../src/metrics/client-metrics.ts";
import { nodeContent, nodeMetrics, serveHttp } from "../src/metrics/http.ts";
import { processExposition } from "../src/metrics/prometheus.ts";
import { endAll } from "./children.ts";
import { MAIN } from "./bundle.ts";

const ROOT = join(import.meta.dirname, "../../../..");
const ANYWHERE = ["-o", "listeners=PLAINTEXT://127.0.0.1:0", "--http-port", "off"];

let directory: string;
const running: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "samsa-first-"));
});
afterEach(async () => {
  await endAll(running);
  rmSync(directory, { recursive: true, force: true });
});

const samsa = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", cwd: directory });

/** Prints by how many bytes 2,000 readings of the metrics make the heap grow. */
const READINGS = `
import { processExposition } from ${JSON.stringify(join(import.meta.dirname, "../src/metrics/prometheus.ts"))};
const exposition = processExposition();
const samples = Array.from({ length: 50 }, (_, i) => ({ labels: { topic: String(i) }, value: i }));
const turn = () => new Promise(resolve => setImmediate(resolve));
async function heapAfter(readings) {
  for (let i = 0; i < readings; i++) {
    await exposition.render([{ name: "a", help: "A.", type: "counter", samples }]);
    // Observers of the collector are told of its runs between two turns.
    await turn();
  }
  gc();
  await turn();
  gc();
  return process.memoryUsage().heapUsed;
}
const before = await heapAfter(500);
console.log((await heapAfter(2000)) - before);
`;

/** Lists all files below `folder` with digests of their contents. */
function tree(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map(name => {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) return `${name}/`;
      return `${name} ${createHash("sha256").update(readFileSync(path)).digest("hex")}`;
    });
}

function listening(server: Server, port: number): Promise<number> {
  return new Promise(resolve => {
    server.listen(port, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });
}

/** Waits until the standard output of a program contains `says`. */
async function started(child: ChildProcess, says: string): Promise<string> {
  running.push(child);
  let said = "";
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    said += chunk.toString();
    if (said.includes(says)) break;
  }
  child.stdout?.resume();
  return said;
}

const ended = (child: ChildProcess): Promise<number | null> => new Promise(resolve => void child.once("exit", resolve));

describe("npm start", () => {
  const npm = (): ChildProcess => {
    const data = join(directory, "data");
    return spawn("npm", ["start", "--", ...ANYWHERE, "-o", `log.dirs=${data}`], { cwd: ROOT });
  };

  test.each(["SIGTERM", "SIGINT"] as const)("%s to npm stops the broker, and both end with 0", async signal => {
    const child = npm();
    await started(child, "is ready");
    const gone = ended(child);
    child.kill(signal);
    expect(await gone).toBe(0);
    expect(existsSync(join(directory, "data", ".kafka_cleanshutdown"))).toBe(true);
  });

  test("the broker stops when npm is killed", async () => {
    const child = npm();
    await started(child, "is ready");
    child.kill("SIGKILL");
    await expect.poll(() => existsSync(join(directory, "data", ".kafka_cleanshutdown"))).toBe(true);
  });
});

describe("a broker", () => {
  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("stops cleanly on %s", async signal => {
    const child = spawn(process.execPath, [MAIN, "start", ...ANYWHERE], { cwd: directory });
    await started(child, "is ready");
    const gone = ended(child);
    child.kill(signal);
    expect(await gone).toBe(0);
    expect(existsSync(join(directory, "data", ".kafka_cleanshutdown"))).toBe(true);
  });

  test("goes on after SIGUSR1, SIGUSR2, and SIGHUP where nohup started it", async () => {
    const child = spawn("nohup", [join(ROOT, "packages/app/cli/bin/samsa"), "start", ...ANYWHERE], { cwd: directory });
    const said = await started(child, "is ready");
    const [, server] = /bootstrap servers\s+(\S+)/.exec(said) as RegExpExecArray;
    child.kill("SIGUSR1");
    child.kill("SIGUSR2");
    child.kill("SIGHUP");
    expect(samsa("topic", "list", "-b", server).status).toBe(0);
    expect(child.exitCode).toBeNull();
  });
});

describe("a setting that protects is refused, and the directory stays as it was", () => {
  const refused = [
    "controller.quorum.voters=1@a:1,2@b:1,3@c:1",
    "security.inter.broker.protocol=SASL_SSL",
    "create.topic.policy.class.name=Policy",
    "listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT",
  ];

  test("an empty one", () => {
    for (const setting of refused) {
      const { status, stderr } = samsa("start", ...ANYWHERE, "--log-level", "error", "-o", setting);
      expect([setting, status]).toEqual([setting, 1]);
      expect(stderr).toMatch(/^samsa: [^\n]+\n$/);
      expect(readdirSync(directory)).toEqual([]);
    }
  });

  test("one with a cluster in it", async () => {
    const child = spawn(process.execPath, [MAIN, "start", ...ANYWHERE], { cwd: directory });
    await started(child, "is ready");
    const gone = ended(child);
    child.kill("SIGTERM");
    await gone;
    const before = tree(directory);
    for (const setting of [...refused, "node.id=7"]) {
      expect(samsa("start", ...ANYWHERE, "-o", setting).status).toBe(1);
      expect(tree(directory)).toEqual(before);
    }
  });
});

describe("metrics", () => {
  const clients = new ClientMetrics(() => 0);
  const node = {
    broker: { metrics: { families: () => [] } },
    healthy: true,
    env: { logger: { warn() {} } },
  } as unknown as Node;

  test("a port that nobody asked for is a wish: the next free one is as good", async () => {
    const other = createServer();
    const port = await listening(other, 0);
    try {
      const place = { host: "127.0.0.1", port };
      const server = await serveHttp(
        nodeContent(node, nodeMetrics(node, clients)),
        { ...place, wish: true },
        node.env.logger,
      );
      expect((server.address() as { port: number }).port).toBeGreaterThan(port);
      server.close();
      const sentence = `cannot serve metrics: port ${port} of 127.0.0.1 is taken. Choose another with --http-port, or "off".`;
      await expect(
        serveHttp(nodeContent(node, nodeMetrics(node, clients)), { ...place, wish: false }, node.env.logger),
      ).rejects.toThrow(sentence);
    } finally {
      other.close();
    }
  });

  test("of the process are watched once, however often they are read", async () => {
    const exposition = processExposition();
    const family = { name: "a", help: "A.", type: "counter", samples: [{ labels: {}, value: 3 }] } as const;
    for (let i = 0; i < 20; i++) {
      const page = await exposition.render([family, { ...family, samples: [{ labels: {}, value: 9 }] }]);
      expect(page.match(/^a 3$/gm)).toHaveLength(1);
      expect(page.match(/^process_start_time_seconds /gm)).toHaveLength(1);
    }
  });

  test("take no more memory when they are read thousands of times", () => {
    const { status, stdout } = spawnSync(process.execPath, ["--expose-gc", "--input-type=module", "-e", READINGS], {
      encoding: "utf8",
      cwd: directory,
    });
    expect(status).toBe(0);
    expect(Number(stdout)).toBeLessThan(1_000_000);
  });
});

describe("a command", () => {
  test.each([
    [["storage", "random-uuid"]],
    [["--help"]],
    [["topic", "create", "--help"]],
    [["help", "start"]],
    [["--version"]],
  ])("whose output cannot be written says so and fails: %j", command => {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [MAIN, ...command], {
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    closeSync(full);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^samsa: the output cannot be written: [^\n]*ENOSPC[^\n]*\n$/);
  });

  test("shows its help, also to a reader that stops reading", () => {
    const whole = samsa("--help");
    expect([whole.status, whole.stderr]).toEqual([0, ""]);
    expect(whole.stdout).toMatch(/^Usage: samsa [^]*\n {2}topic [^]*[^\n]\n$/);
    expect(samsa("--version").stdout).toMatch(/^[^\n]+\n$/);
    const script = 'set -o pipefail; "$0" "$1" --help | head -n 1';
    const part = spawnSync("bash", ["-c", script, process.execPath, MAIN], { encoding: "utf8" });
    expect([part.status, part.stderr]).toEqual([0, ""]);
    expect(part.stdout).toBe(whole.stdout.slice(0, whole.stdout.indexOf("\n") + 1));
  });

  test("that prints much says so, too, and fails", async () => {
    const child = spawn(process.execPath, [MAIN, "start", ...ANYWHERE], { cwd: directory });
    await started(child, "is ready");
    child.kill("SIGTERM");
    expect(await ended(child)).toBe(0);
    const full = openSync("/dev/full", "w");
    for (const command of [
      ["metadata", join(directory, "data"), "tree"],
      ["log", "dump", join(directory, "data")],
    ]) {
      const stdio = ["ignore", full, "pipe"] as const;
      const { status, stderr } = spawnSync(process.execPath, [MAIN, ...command], {
        stdio: [...stdio],
        encoding: "utf8",
      });
      expect(status).toBe(1);
      expect(stderr).toMatch(/^samsa: the output cannot be written: [^\n]*ENOSPC[^\n]*\n$/);
    }
    closeSync(full);
  });

  test("that starts a broker on a port in use says so in one sentence", async () => {
    const server = createServer();
    const port = await listening(server, 0);
    const { status, stderr } = samsa(
      "start",
      "-o",
      `listeners=PLAINTEXT://127.0.0.1:${port}`,
      ...["--http-port", "off", "--log-level", "error"],
    );
    server.close();
    expect(status).toBe(1);
    expect(stderr).toMatch(/^samsa: [^\n]*address already in use[^\n]*choose another port in listeners\n$/);
    expect(stderr.match(/EADDRINUSE/g)).toHaveLength(1);
    expect(stderr).toContain(`127.0.0.1:${port}`);
  });

  test("takes a list of servers, and names those that it cannot reach", async () => {
    const child = spawn(process.execPath, [MAIN, "start", ...ANYWHERE], { cwd: directory });
    const said = await started(child, "is ready");
    const [, server] = /bootstrap servers\s+(\S+)/.exec(said) as RegExpExecArray;
    expect(samsa("topic", "list", "-b", `127.0.0.1:1,${server}`).status).toBe(0);
    const absent = samsa("config", "describe", "--topic", "nope", "-b", server);
    expect(absent.stderr).toMatch(/^samsa: topic nope: [^\n]* \(UNKNOWN_TOPIC_OR_PARTITION\)\n$/);
    const { stderr } = samsa("topic", "list", "-b", "127.0.0.1:1,127.0.0.1:2");
    expect(stderr).toMatch(/^samsa: no broker at 127\.0\.0\.1:1: [^\n]*; no broker at 127\.0\.0\.1:2: [^\n]*\n$/);
  });

  test.each([
    ["sim", "--seed", "abc"],
    ["sim", "--seeds", "0"],
    ["fuzz", "--seconds", "1.5"],
    ["bench", "--only", "nothing"],
    ["interop", "--nonsense"],
    ["sim-mutants", "more"],
    ["pack", "--nonsense"],
    ["pack", "one", "two"],
  ])("of npm run refuses %s %s %s", (name, ...args) => {
    const { status, stderr } = spawnSync(process.execPath, [join(ROOT, "scripts/launch.mjs"), name, ...args], {
      encoding: "utf8",
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
  });
});
