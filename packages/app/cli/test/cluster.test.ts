import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ClusterClient, freePorts } from "./cluster-client.ts";
import { MAIN } from "./bundle.ts";

let directory: string;
let supervisor: ChildProcess | undefined;
let client: ClusterClient | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "samsa-cluster-"));
});

afterEach(async () => {
  client?.close();
  if (supervisor !== undefined && supervisor.exitCode === null && supervisor.signalCode === null) {
    const pids = [1, 2, 3].flatMap(id => pidOf(id) ?? []);
    const ended = new Promise(resolve => supervisor?.once("exit", resolve));
    supervisor.kill("SIGKILL");
    await ended;
    // Nodes end with their supervisor.
    await vi.waitUntil(() => !pids.some(isAlive), { timeout: 30_000 });
  }
  rmSync(directory, { recursive: true, force: true });
});

interface Ready {
  readonly clusterId: string;
  readonly listeners: readonly { readonly host: string; readonly port: number }[];
  readonly http: string;
  readonly nodes: readonly { readonly nodeId: number; readonly pid: number }[];
}

function pidOf(id: number): number | undefined {
  const path = join(directory, `data/${id}.pid`);
  return existsSync(path) ? Number(readFileSync(path, "utf8")) : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const said: string[] = [];

function start(...args: string[]): Promise<Ready> {
  const child = spawn(process.execPath, [MAIN, "start", "--json", ...args], { cwd: directory });
  supervisor = child;
  said.length = 0;
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      if (out.includes("\n")) resolve(JSON.parse(out.slice(0, out.indexOf("\n"))) as Ready);
    });
    child.once("exit", code => reject(new Error(`the cluster ended with ${code}: ${said.join("")}`)));
  });
}

async function stop(): Promise<number | null> {
  const ended = new Promise<number | null>(resolve => supervisor?.once("exit", resolve));
  supervisor?.kill("SIGTERM");
  return ended;
}

/** Sentence of a start that must be refused. */
function refusal(...args: string[]): string {
  const { status, stderr } = spawnSync(
    process.execPath,
    [MAIN, "start", "--http-port", "off", "--log-level", "error", ...args],
    {
      encoding: "utf8",
      cwd: directory,
    },
  );
  expect(status).toBe(1);
  expect(stderr).toMatch(/^samsa: [^\n]+\n$/);
  return stderr;
}

async function listenersFrom(): Promise<string[]> {
  const port = await freePorts(6);
  return ["-o", `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${port + 3}`];
}

const isServing = async (http: string): Promise<boolean> => (await fetch(`${http}/health`)).status === 200;

test("a cluster of three loses no record when a node is killed, which comes back", { timeout: 120_000 }, async () => {
  const listeners = await listenersFrom();
  const ready = await start("--brokers", "3", "--http-port", "0", ...listeners);
  expect(ready.nodes.map(({ nodeId }) => nodeId)).toEqual([1, 2, 3]);
  expect(ready.nodes.map(({ pid }) => pid)).toEqual([1, 2, 3].map(pidOf));
  const servers = ready.listeners.map(({ host, port }) => `${host}:${port}`).join(",");
  const made = spawnSync(process.execPath, [MAIN, "topic", "create", "t", "-p", "3", "-b", servers], {
    encoding: "utf8",
  });
  expect([made.status, made.stderr]).toEqual([0, ""]);
  client = new ClusterClient(ready.listeners);
  const acknowledged: string[][] = [[], [], []];
  const produce = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const partition = i % 3;
      const value = `${partition}-${acknowledged[partition].length}`;
      await client?.produce("t", partition, value);
      acknowledged[partition].push(value);
    }
  };
  await produce(60);
  const victim = ready.nodes[1].pid;
  process.kill(victim, "SIGKILL");
  await produce(60);
  await vi.waitUntil(async () => (await isServing(ready.http)) && pidOf(2) !== victim, { timeout: 60_000 });
  expect(said.join("")).toMatch(/^\{"level":"warn",[^\n]*"node":2,[^\n]*started again"\}$/m);
  // The node catches up.
  const inSync = async () => (await client?.metadata("t"))?.topics[0].partitions.map(({ isrNodes }) => isrNodes.length);
  await vi.waitUntil(async () => String(await inSync()) === "3,3,3", { timeout: 60_000, interval: 200 });
  await produce(30);
  const all = async () => {
    for (const partition of [0, 1, 2]) {
      // A record may be there twice: its acknowledgement was lost with the node.
      expect([...new Set(await client?.consume("t", partition))]).toEqual(acknowledged[partition]);
    }
  };
  await all();
  const metrics = await (await fetch(`${ready.http}/metrics`)).text();
  expect(metrics).toContain('samsa_node_restarts_total{node="2"} 1\n');
  for (const id of [1, 2, 3]) expect(metrics).toMatch(new RegExp(`^kafka_server_\\w+\\{node="${id}"\\} \\d`, "m"));
  expect(metrics.match(/^# TYPE kafka_server_replicamanager_partitioncount /gm)).toHaveLength(1);

  // A clean stop, and a start with what is there.
  const pids = [1, 2, 3].map(id => pidOf(id) ?? 0);
  expect(await stop()).toBe(0);
  // The last broker has found a majority of controllers, too.
  expect(said.join("")).not.toContain("no controller lets this broker stop");
  expect(pids.filter(isAlive)).toEqual([]);
  for (const id of [1, 2, 3]) {
    expect(pidOf(id)).toBeUndefined();
    const mark = join(directory, `data/${id}/.kafka_cleanshutdown`);
    expect(existsSync(mark), said.join("")).toBe(true);
  }
  expect(refusal("--brokers", "4")).toContain(
    "holds a cluster of 3 brokers, of which 3 are controllers: start it with --brokers 3 --controllers 3, or choose " +
      "another folder with --override log.dirs=FOLDER",
  );
  expect(refusal("--brokers", "3", "--controllers", "1")).toContain("--controllers 3");
  expect(refusal()).toContain("start it with --brokers 3");
  const again = await start("--brokers", "3", "--http-port", "0", ...listeners);
  expect(again.clusterId).toBe(ready.clusterId);
  await all();
});

test("nodes end with their supervisor, and a node that cannot start ends the others", { timeout: 60_000 }, async () => {
  const listeners = await listenersFrom();
  const { nodes } = await start("--brokers", "3", "--http-port", "off", ...listeners);
  supervisor?.kill("SIGKILL");
  await vi.waitUntil(() => !nodes.some(({ pid }) => isAlive(pid)), { timeout: 30_000 });
  const [, taken] = /127\.0\.0\.1:(\d+),/.exec(listeners.join()) ?? [];
  const other = createServer();
  await new Promise<void>(resolve => other.listen(Number(taken) + 1, "127.0.0.1", resolve));
  try {
    expect(refusal("--brokers", "3", ...listeners)).toMatch(/^samsa: node 2: .*in use|EADDRINUSE/);
  } finally {
    other.close();
  }
  expect([1, 2, 3].map(pidOf)).toEqual([undefined, undefined, undefined]);
});

test("what a cluster cannot be is said in one sentence", () => {
  expect(refusal("--brokers", "0")).toContain("--brokers wants a number from 1 to 100");
  expect(refusal("--brokers", "2", "--controllers", "3")).toContain("wants as many brokers");
  expect(refusal("--brokers", "3", "--controllers", "2")).toContain("1 or 3");
  expect(refusal("--controllers", "3")).toContain("--controllers is for --brokers");
  expect(refusal("--brokers", "3", "-o", "num.partitions=many")).toContain("num.partitions");
  expect(existsSync(join(directory, "data"))).toBe(false);
});
