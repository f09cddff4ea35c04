import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createLogger } from "../src/terminal/logger.ts";
import { endAll } from "./children.ts";
import { MAIN } from "./bundle.ts";

let directory: string;
const running: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "samsa-logging-"));
});
afterEach(async () => {
  await endAll(running);
  rmSync(directory, { recursive: true, force: true });
});

/** A broker whose log can be read. */
class Logged {
  log = "";
  server = "";
  readonly child: ChildProcess;
  readonly ended: Promise<void>;

  constructor(...options: string[]) {
    const args = [MAIN, "start", "--json", "--http-port", "off", ...options];
    args.push("-o", "listeners=PLAINTEXT://127.0.0.1:0", "-o", `log.dirs=${join(directory, "data")}`);
    this.child = spawn(process.execPath, [...args, "-o", "offsets.topic.num.partitions=1"], { cwd: directory });
    running.push(this.child);
    this.child.stderr?.on("data", (chunk: Buffer) => (this.log += chunk.toString()));
    this.ended = new Promise(resolve => this.child.once("close", () => resolve()));
  }

  async serves(): Promise<this> {
    let out = "";
    await new Promise<void>((resolve, reject) => {
      this.child.stdout?.on("data", (chunk: Buffer) => {
        out += chunk.toString();
        if (out.includes("\n")) resolve();
      });
      void this.ended.then(() => reject(new Error(this.log)));
    });
    const { listeners } = JSON.parse(out) as { listeners: readonly { host: string; port: number }[] };
    this.server = `${listeners[0].host}:${listeners[0].port}`;
    return this;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal);
    await this.ended;
  }

  /** Levels and sentences of the log, with the facts that do not depend on the moment. */
  get told(): string[] {
    const lines = this.log.trim().split("\n");
    return lines.map(line =>
      line
        .replace(/^\S+Z /, "")
        .replaceAll(/(ms|clusterId|dir|offset)=\S+/g, "$1=…")
        .replaceAll(/127\.0\.0\.1:\d+/g, "HOST"),
    );
  }
}

function samsa(...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", cwd: directory });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout;
}

test("a golden log: first start, a topic, kill -9, recovery, a clean stop", async () => {
  const first = await new Logged("--log-format", "text").serves();
  samsa("topic", "create", "greetings", "-p", "4", "-b", first.server);
  await first.end("SIGKILL");
  expect(first.told).toEqual([
    "INFO  starts  nodeId=1  roles=broker,controller",
    "INFO  the quorum has a leader, the active controller  leader=1  epoch=1",
    "INFO  brokers are in the cluster  brokers=1  count=1",
    "INFO  serves  clusterId=…  listeners=PLAINTEXT://HOST  ms=…",
    "INFO  topics were created  topics=greetings  count=1",
    "INFO  this broker leads more partitions  partitions=greetings-0,greetings-1,greetings-2  count=4  offset=…",
  ]);
  const second = await new Logged("--log-format", "text").serves();
  samsa("topic", "delete", "greetings", "-b", second.server);
  await second.end("SIGTERM");
  expect(second.told).toEqual([
    "INFO  starts  nodeId=1  roles=broker,controller",
    "INFO  recovers the logs of a directory after an unclean stop  dir=…  logs=5",
    "INFO  has the logs of a directory  dir=…  logs=5  ms=…",
    "INFO  the quorum has a leader, the active controller  leader=1  epoch=2",
    "INFO  brokers are in the cluster  brokers=1  count=1",
    expect.stringContaining("INFO  this broker leads more partitions"),
    "INFO  serves  clusterId=…  listeners=PLAINTEXT://HOST  ms=…",
    "INFO  topics were deleted  topics=greetings  count=1",
    "INFO  stops",
    "INFO  has stopped  ms=…",
  ]);
});

test("outside a terminal the lines are JSON, with levels by name", async () => {
  const broker = await new Logged().serves();
  await broker.end("SIGTERM");
  const lines = broker.log
    .trim()
    .split("\n")
    .map(line => JSON.parse(line) as Record<string, unknown>);
  expect(lines[0]).toMatchObject({ level: "info", logger: "kafka.server", msg: "starts", nodeId: 1 });
  expect(lines.at(-1)).toMatchObject({ level: "info", logger: "kafka.server", msg: "has stopped" });
  for (const { time } of lines) expect(new Date(String(time)).getTime()).toBeGreaterThan(0);
});

test("levels change while the broker runs, and requests are logged on demand", async () => {
  const broker = await new Logged("--log-level", "warn").serves();
  const about = ["-b", broker.server];
  const loggers = (...args: string[]): string =>
    samsa(
      "kafka-configs",
      "--bootstrap-server",
      broker.server,
      "--entity-type",
      "broker-loggers",
      "--entity-name",
      "1",
      ...args,
    );
  samsa("topic", "create", "quiet", ...about);
  expect(broker.log).toBe("");
  expect(loggers("--describe")).toContain("kafka.request.logger=WARN");
  loggers("--alter", "--add-config", "kafka.request.logger=DEBUG");
  samsa("topic", "list", ...about);
  loggers("--alter", "--delete-config", "kafka.request.logger");
  expect(loggers("--describe")).toContain("kafka.request.logger=WARN");
  samsa("topic", "list", ...about);
  await broker.end("SIGTERM");
  const lines = broker.log
    .trim()
    .split("\n")
    .map(line => JSON.parse(line) as Record<string, unknown>);
  expect(lines.every(({ logger }) => logger === "kafka.request.logger")).toBe(true);
  // The list between the two changes is there, the one after them is not.
  const listed = lines.filter(({ clientId, api }) => clientId === "samsa" && api === "Metadata");
  expect(listed).toMatchObject([{ level: "debug", principal: "User:ANONYMOUS", listener: "PLAINTEXT" }]);
});

describe("a supervisor", () => {
  const relayed = (format: string, line: string): string => {
    const program = `
import { createLogger, relay } from ${JSON.stringify(join(import.meta.dirname, "../src/terminal/logger.ts"))};
relay(2, createLogger("info", ${JSON.stringify(format)}), ${JSON.stringify(format)})(${JSON.stringify(line)});
`;
    return spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" }).stderr;
  };

  test.each(["text", "json"])("passes on lines of a node with its id, as %s", format => {
    const said = relayed(format, '{"level":"warn","time":"t","logger":"kafka.server","msg":"stops","ms":5}');
    if (format === "text") expect(said).toMatch(/Z WARN {2}stops {2}node=2 {2}ms=5\n$/);
    else expect(JSON.parse(said)).toMatchObject({ node: 2, level: "warn", msg: "stops", ms: 5 });
  });

  test.each(["{", "{}", '{"level":"loud","msg":"x"}', "null"])("survives the line %j of a node that crashes", line => {
    for (const format of ["text", "json"]) expect(relayed(format, line)).toContain("node");
    expect(JSON.parse(relayed("json", line))).toMatchObject({ level: "error", node: 2, msg: line });
  });
});

describe("text", () => {
  test("keeps what clients send on the line", () => {
    const written: string[] = [];
    const program = `
import { createLogger } from ${JSON.stringify(join(import.meta.dirname, "../src/terminal/logger.ts"))};
createLogger("info", "text").info("a client", { clientId: "a\\nERROR forged\\u001b[31m", gone: undefined, big: 2n, error: new Error("x y") });
`;
    const { stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
    written.push(...stderr.trim().split("\n"));
    expect(written).toHaveLength(1);
    expect(written[0]).toMatch(
      /Z INFO {2}a client {2}clientId="a\\nERROR forged\\u001b\[31m" {2}big=2 {2}error="x y"$/,
    );
  });

  test("leaves out lines below the level", () => {
    expect(createLogger("silent", "text").levels?.isOn("root", "ERROR")).toBe(false);
  });
});
