import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseUuid } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connectToAny } from "../src/commands/admin.ts";
import { endAll } from "./children.ts";
import { MAIN } from "./bundle.ts";

const CLUSTER = "4L6g3nShT-eMCtK--X86sw";
const DIRECTORY = "JEXY6aqzQY-32P5TStzaFg";
const silent = { debug() {}, info() {}, warn() {}, error() {} };

let root: string;
const running: ChildProcess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "samsa-format-"));
});

afterEach(async () => {
  await endAll(running);
  rmSync(root, { recursive: true, force: true });
});

/** Writes server.properties with the log directories `dirs` and returns its path. */
function properties(dirs: readonly string[], extra: readonly string[] = []): string {
  const file = join(root, "server.properties");
  const lines = [
    "process.roles=broker,controller",
    "node.id=1",
    "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:9093",
    "controller.listener.names=CONTROLLER",
    `log.dirs=${dirs.map(dir => join(root, dir)).join(",")}`,
    ...extra,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

function storage(...args: string[]) {
  return spawnSync(process.execPath, [MAIN, "storage", ...args], { encoding: "utf8", cwd: root, timeout: 300_000 });
}

const format = (file: string, ...args: string[]) => storage("format", "-t", CLUSTER, "-c", file, ...args);

/** Message of a format that must be refused. */
function refusal(file: string, ...args: string[]): string {
  const { status, stderr, stdout } = format(file, ...args);
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^samsa: [^\n]+\n$/);
  return stderr.slice("samsa: ".length).trimEnd();
}

async function start(file: string): Promise<{ clusterId: string; server: string }> {
  const child = spawn(process.execPath, [MAIN, "start", file, "--json", "--http-port", "off"], { cwd: root });
  running.push(child);
  const line = await new Promise<string>((resolve, reject) => {
    let out = "";
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      if (out.includes("\n")) resolve(out);
    });
    child.once("exit", code => reject(new Error(`the broker ended with ${code}: ${said}`)));
  });
  const { clusterId, listeners } = JSON.parse(line) as {
    clusterId: string;
    listeners: readonly { host: string; port: number }[];
  };
  return { clusterId, server: `${listeners[0].host}:${listeners[0].port}` };
}

async function finalized(server: string): Promise<Record<string, number>> {
  const admin = await connectToAny(nodeEnv({ logger: silent }), { bootstrapServer: server });
  const { finalizedFeatures } = admin.versions.response;
  admin.close();
  return Object.fromEntries(finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]));
}

describe("samsa storage format", () => {
  test("makes directories that a broker starts on, with the features that were asked for", async () => {
    const file = properties(["a", "b"]);
    const made = format(file, "--standalone", "--release-version", "3.9");
    expect([made.status, made.stderr]).toEqual([0, ""]);
    expect(made.stdout.split("\n")).toEqual([
      "Bootstrap metadata: metadata.version=21 (3.9-IV0), kraft.version=1",
      `Formatting dynamic metadata voter directory ${join(root, "a")} with metadata.version 3.9-IV0.`,
      `Formatting data directory ${join(root, "b")} with metadata.version 3.9-IV0.`,
      "",
    ]);
    const { clusterId, server } = await start(file);
    expect(clusterId).toBe(CLUSTER);
    expect(await finalized(server)).toEqual({ "kraft.version": 1, "metadata.version": 21 });
  });

  test("passes over what is formatted when told to, and only then", () => {
    const file = properties(["a"]);
    expect(format(file, "-s").status).toBe(0);
    expect(refusal(file, "-s")).toBe(
      `Log directory ${join(root, "a")} is already formatted. Use --ignore-formatted to ignore this directory and format the others.`,
    );
    expect(format(file, "-s", "-g").stdout).toBe("All of the log directories are already formatted.\n");
    const more = properties(["a", "b"]);
    expect(format(more, "-s", "--ignore-formatted").stdout).toContain(`Formatting data directory ${join(root, "b")}`);
    const other = storage("format", "-t", "another", "-c", more, "-s", "-g");
    expect([other.status, other.stderr]).toEqual([
      1,
      `samsa: Invalid cluster.id in: ${join(root, "a")}/meta.properties. Expected another, but read ${CLUSTER}\n`,
    ]);
    const node = properties(["a"], ["node.id=2"]);
    expect(refusal(node, "-s", "-g")).toContain("Invalid node.id in: ");
  });

  test("takes the first voter and its directory from the command line", async () => {
    const file = properties(["a"]);
    expect(format(file, "-I", `1@localhost:9093:${DIRECTORY}`).status).toBe(0);
    expect(readFileSync(join(root, "a/meta.properties"), "utf8")).toBe(
      `version=1\ncluster.id=${CLUSTER}\nnode.id=1\ndirectory.id=${DIRECTORY}\n`,
    );
    expect((await start(file)).clusterId).toBe(CLUSTER);
  });

  test("of a cluster whose voters are in the settings keeps them there", async () => {
    const file = properties(["a"], ["controller.quorum.voters=1@localhost:9093"]);
    expect(refusal(file, "-s")).toContain("You cannot specify controller.quorum.voters");
    expect(format(file).stdout).toContain(`Formatting metadata directory ${join(root, "a")}`);
    expect(await finalized((await start(file)).server)).toMatchObject({ "metadata.version": 33 });
  });

  test("puts the metadata where metadata.log.dir says", () => {
    const file = properties(["a"], [`metadata.log.dir=${join(root, "m")}`]);
    const { stdout } = format(file, "-s");
    expect(stdout).toContain(`Formatting dynamic metadata voter directory ${join(root, "m")}`);
    expect(existsSync(join(root, "m/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint"))).toBe(true);
    expect(existsSync(join(root, "a/__cluster_metadata-0"))).toBe(false);
  });

  test("begins a cluster whose nodes log in with SCRAM", async () => {
    const login = `org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="secret";`;
    const file = properties(
      ["a"],
      [
        "controller.quorum.bootstrap.servers=127.0.0.1:9093",
        "listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "inter.broker.listener.name=PLAINTEXT",
        "sasl.enabled.mechanisms=SCRAM-SHA-256",
        "sasl.mechanism.inter.broker.protocol=SCRAM-SHA-256",
        "sasl.mechanism.controller.protocol=SCRAM-SHA-256",
        ...["plaintext", "controller"].map(name => `listener.name.${name}.scram-sha-256.sasl.jaas.config=${login}`),
      ],
    );
    expect(format(file, "-s", "--add-scram", "SCRAM-SHA-256=[name=admin,password=secret]").status).toBe(0);
    const { server } = await start(file);
    const client = join(root, "client.properties");
    const ask = (password: string) => {
      const lines = ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=SCRAM-SHA-256"];
      writeFileSync(client, [...lines, `sasl.jaas.config=${login.replace("secret", password)}`].join("\n"));
      const all = ["topic", "list", "--bootstrap-server", server, "--command-config", client];
      return spawnSync(process.execPath, [MAIN, ...all], { encoding: "utf8", cwd: root, timeout: 300_000 });
    };
    expect(ask("secret")).toMatchObject({ status: 0, stderr: "" });
    expect(ask("wrong")).toMatchObject({ status: 1, stderr: expect.stringContaining("invalid credentials") });
  });

  test("refuses in one sentence what cannot be, and makes nothing", () => {
    const file = properties(["a"]);
    expect(refusal(file)).toContain("you must specify one of the following: --standalone");
    expect(refusal(file, "-s", "-N")).toContain("exclude one another");
    expect(refusal(file, "-I", "1@localhost")).toContain("id@host:port:directory");
    expect(refusal(file, "-s", "-S", "SCRAM-SHA-256=[name=a]")).toContain("You must supply one of 'password'");
    expect(refusal(join(root, "nowhere.properties"), "-s")).toContain("nowhere.properties");
    expect(storage("format", "-c", file, "-s").status).toBe(1);
    expect(storage("format", "-t", "a b", "-c", file, "-s").stderr).toContain('"a b" is not a cluster id');
    expect(existsSync(join(root, "a"))).toBe(false);
  });
});

describe("samsa storage info", () => {
  test("tells of what there is, and ends with 1 when something is wrong", () => {
    const file = properties(["a", "b"]);
    const [a, b] = [join(root, "a"), join(root, "b")];
    expect(storage("info", "-c", file)).toMatchObject({
      status: 1,
      stdout: `Found problems:\n  ${a} does not exist\n  ${b} does not exist\n\n`,
    });
    format(file, "-I", `1@localhost:9093:${DIRECTORY}`);
    const metadata = `Found metadata: {cluster.id=${CLUSTER}, directory.id=${DIRECTORY}, node.id=1, version=1}\n\n`;
    const directories = `Found log directories:\n  ${a}\n  ${b}\n\n`;
    expect(storage("info", "-c", file)).toMatchObject({ status: 0, stdout: directories + metadata });
    writeFileSync(join(b, "meta.properties"), "version=1\ncluster.id=other\nnode.id=1\n");
    expect(storage("info", "-c", file)).toMatchObject({
      status: 1,
      stdout: `${directories}${metadata}Found problem:\n  Mismatched cluster IDs between storage directories.\n\n`,
    });
    rmSync(join(b, "meta.properties"));
    expect(storage("info", "-c", file).stdout).toContain(`Found problem:\n  ${b} is not formatted.\n`);
  });
});

test("samsa storage random-uuid prints an id", () => {
  const [first, second] = [storage("random-uuid").stdout, storage("random-uuid").stdout];
  for (const text of [first, second]) expect(parseUuid(text.trimEnd())).toBeDefined();
  expect(first).not.toBe(second);
});
