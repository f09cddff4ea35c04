import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ignored } from "@samsa/base";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { endAll } from "./children.ts";
import { MAIN } from "./bundle.ts";
import { started } from "./started.ts";

let directory: string;
const running: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "samsa-cli-"));
});

afterEach(async () => {
  await endAll(running);
  rmSync(directory, { recursive: true, force: true });
});

function samsa(...args: string[]) {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", cwd: directory, timeout: 300_000 });
}

const start = (...args: string[]) => started(directory, running, args);

const ANYWHERE = ["-o", "listeners=PLAINTEXT://127.0.0.1:0"];

test("a node that is a controller only tells its address, and serves its metrics", async () => {
  const file = join(directory, "controller.properties");
  const voters = "controller.quorum.voters=1@127.0.0.1:0";
  writeFileSync(file, `process.roles=controller\nnode.id=1\n${voters}\nlisteners=CONTROLLER://127.0.0.1:0\n`);
  expect(samsa("start", file, "--log-level", "error").stderr).toMatch(/^samsa: .* is not formatted, and .*\n$/);
  expect(samsa("storage", "format", "--config", file, "--cluster-id", "4L6g3nShT-eMCtK--X86sw").status).toBe(0);
  const { ready, child } = await start(file, "--http-port", "0");
  expect(ready.listeners).toEqual([{ name: "CONTROLLER", host: "127.0.0.1", port: expect.any(Number) }]);
  const metrics = await fetch(`${ready.http}/metrics`).then(response => response.text());
  expect(metrics).toContain(
    'kafka_server_socket_server_metrics_connection_count{listener="CONTROLLER",networkProcessor="0"} 0',
  );
  child.kill();
  expect(await new Promise(resolve => child.once("exit", resolve))).toBe(0);
});

describe("a broker from an empty folder", () => {
  test("topics are created, listed, described and deleted; metrics and health are served; it stops", async () => {
    const { ready, child } = await start(...ANYWHERE, "--http-port", "0");
    const server = `127.0.0.1:${ready.listeners[0].port}`;
    expect(samsa("topic", "create", "t", "-p", "2", "-c", "retention.ms=5000", "-b", server).stdout).toContain(
      "Created",
    );
    expect(samsa("topic", "create", "t", "-b", server).stderr).toMatch(/^samsa: .*TOPIC_ALREADY_EXISTS\)\n$/);
    expect(samsa("topic", "create", "t", "--if-not-exists", "-b", server).status).toBe(0);
    expect(samsa("topic", "list", "-b", server).stdout).toBe("t\n");
    const [shown] = JSON.parse(samsa("topic", "describe", "t", "--json", "-b", server).stdout);
    expect(shown).toMatchObject({ name: "t", configs: { "retention.ms": "5000" } });
    expect(shown.partitions).toHaveLength(2);
    expect((await fetch(`${ready.http}/health`)).status).toBe(200);
    const metrics = await (await fetch(`${ready.http}/metrics`)).text();
    expect(metrics).toMatch(/^samsa_event_loop_longest_turn_seconds \d/m);
    expect(metrics).toMatch(/kafka_server_replicamanager_partitioncount 2\n/);
    expect(samsa("topic", "delete", "t", "-b", server).status).toBe(0);
    expect(samsa("topic", "delete", "t", "-b", server).stderr).toContain("UNKNOWN_TOPIC_OR_PARTITION");
    const ended = new Promise(resolve => child.once("exit", resolve));
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  });
});

describe("what cannot be started says so in one sentence", () => {
  const refused = (...args: string[]): string => {
    const result = samsa("start", "--http-port", "off", "--log-level", "error", ...args);
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/^samsa: [^\n]+\n$/);
    return result.stderr;
  };

  test("a file that is not there, a setting that cannot be", () => {
    expect(refused("nowhere.properties")).toContain("nowhere.properties");
    expect(refused("-o", "num.partitions=many")).toContain("num.partitions");
    expect(refused("-o", "listeners=localhost")).toContain("listeners");
    expect(refused("-o", "listeners=SSL://localhost:9093")).toContain("SSL");
    expect(refused("-o", "nonsense")).toContain("key=value");
    for (const paths of ["", " ", ","]) expect(refused("-o", `log.dirs=${paths}`)).toContain("log.dirs");
    expect(refused("-o", "process.roles=broker")).toContain("process.roles");
  });

  test("a port in use", async () => {
    const server = createServer();
    const port = await new Promise<number>(resolve => {
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
    });
    expect(refused("-o", `listeners=PLAINTEXT://127.0.0.1:${port}`)).toContain(String(port));
    server.close();
  });

  test("a directory in use, a directory of another node", async () => {
    const { child } = await start(...ANYWHERE, "--http-port", "off");
    expect(refused(...ANYWHERE)).toContain("in use");
    const ended = new Promise(resolve => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    expect(refused(...ANYWHERE, "-o", "node.id=7")).toContain("node 7");
  });

  test("an address that is none, and a server of another protocol", async () => {
    const failure = async (address: string): Promise<string> => {
      const child = spawn(process.execPath, [MAIN, "topic", "list", "-b", address], { cwd: directory });
      let said = "";
      child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      expect(await new Promise(resolve => child.once("close", resolve))).toBe(1);
      return said;
    };
    expect(await failure("localhost:abc")).toBe(
      'samsa: --bootstrap-server wants host:port, or several with commas between them, not "localhost:abc"\n',
    );
    const server = createServer(socket =>
      socket.on("error", ignored("the client may be gone")).end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    );
    const port = await new Promise<number>(resolve => {
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
    });
    expect(await failure(`127.0.0.1:${port}`)).toMatch(
      /^samsa: the server at 127\.0\.0\.1:\d+ does not speak Kafka's protocol: a frame of \d+ bytes; [^\n]+\n$/,
    );
    // The next address of a list is tried, and each failure is told.
    expect(await failure(`127.0.0.1:${port},127.0.0.1:1`)).toMatch(
      /^samsa: the server at \S+ does not speak Kafka's protocol: [^\n]+; no broker at 127\.0\.0\.1:1: [^\n]+\n$/,
    );
    server.close();
  });

  test("no broker to talk to", () => {
    const result = samsa("topic", "list", "-b", "127.0.0.1:1");
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/^samsa: no broker at 127\.0\.0\.1:1[^\n]*\n$/);
  });
});

test("a setting that is not available is named", async () => {
  writeFileSync(join(directory, "s.properties"), "num.network.threads=3\nlisteners=PLAINTEXT\\://127.0.0.1:0\n");
  const child = spawn(process.execPath, [MAIN, "start", "s.properties", "--http-port", "off", "--log-level", "warn"], {
    cwd: directory,
  });
  running.push(child);
  const said = await new Promise<string>(resolve => {
    child.stderr.once("data", (chunk: Buffer) => resolve(chunk.toString()));
  });
  expect(JSON.parse(said.split("\n")[0])).toMatchObject({ setting: "num.network.threads" });
});
