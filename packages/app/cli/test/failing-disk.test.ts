import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32c, utf8 } from "@samsa/base";
import { nodeEnv, pureCodecs } from "@samsa/node";
import { Errors } from "@samsa/protocol";
import { buildBatch, readRecords } from "@samsa/records";
import type { BrokerConnection } from "@samsa/wire";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connectToAny } from "../src/commands/admin.ts";
import { endAll } from "./children.ts";
import { MAIN } from "./bundle.ts";

const TOOLS = { crc32c, codecs: pureCodecs() };
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });

let directory: string;
const running: ChildProcess[] = [];
const mounted: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "samsa-full-"));
});

afterEach(async () => {
  await endAll(running);
  for (const path of mounted.splice(0)) spawnSync("umount", [path]);
  rmSync(directory, { recursive: true, force: true });
});

interface Running {
  readonly server: string;
  readonly child: ChildProcess;
  /** Exit code and standard error, after the exit. */
  readonly ended: Promise<{ code: number | null; said: string }>;
}

/** Starts a broker, with an optional limit on the size of files in blocks of 512 bytes. */
function start(dirs: string, blocks?: number): Promise<Running> {
  const args = [MAIN, "start", "--json", "--http-port", "off", "--log-level", "error"];
  args.push("-o", "listeners=PLAINTEXT://127.0.0.1:0", "-o", `log.dirs=${dirs}`);
  // The limit set in the shell stays in force for the program that replaces it.
  const limit = blocks === undefined ? "" : `ulimit -f ${blocks};`;
  const child = spawn("/bin/sh", ["-c", `${limit} exec "$0" "$@"`, process.execPath, ...args], { cwd: directory });
  running.push(child);
  let out = "";
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<{ code: number | null; said: string }>(resolve => {
    child.once("close", code => resolve({ code, said }));
  });
  return new Promise((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      if (!out.includes("\n")) return;
      const { listeners } = JSON.parse(out) as { listeners: readonly { host: string; port: number }[] };
      resolve({ server: `${listeners[0].host}:${listeners[0].port}`, child, ended });
    });
    void ended.then(({ code }) => reject(new Error(`the broker ended with ${code}: ${said}`)));
  });
}

async function createTopic(admin: BrokerConnection, name: string, numPartitions = 1): Promise<void> {
  const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs: [] };
  const body = { topics: [topic], timeoutMs: 10_000, validateOnly: false };
  const { topics } = await admin.call("CreateTopics", body, { version: 5 });
  expect(topics[0].errorCode).toBe(0);
}

interface Place {
  readonly topic: string;
  readonly partition: number;
}

/** Produces one record of `size` bytes and returns the error code. */
async function produce(admin: BrokerConnection, place: Place, value: string, size: number): Promise<number> {
  const text = utf8(value.padEnd(size, "."));
  const records = [buildBatch([{ timestamp: Date.now(), key: null, value: text }], {}, TOOLS)];
  const topicData = [{ name: place.topic, partitionData: [{ index: place.partition, records }] }];
  const body = { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData };
  const { responses } = await admin.call("Produce", body, { version: 9 });
  return responses[0].partitionResponses[0].errorCode;
}

/** Beginnings of all values in a partition. */
async function consume(admin: BrokerConnection, { topic, partition }: Place): Promise<string[]> {
  const found: string[] = [];
  for (let fetchOffset = 0; ; fetchOffset = found.length) {
    const partitions = [{ partition, fetchOffset, partitionMaxBytes: 10_000_000 }];
    const body = { maxWaitMs: 0, minBytes: 0, maxBytes: 50_000_000, isolationLevel: 0, sessionId: 0, sessionEpoch: -1 };
    const request = { ...body, topics: [{ topic, partitions }], forgottenTopicsData: [] };
    const { responses } = await admin.call("Fetch", request, { version: 11 });
    const [{ errorCode, records }] = responses[0].partitions;
    expect(errorCode).toBe(0);
    const read = (records ?? []).flatMap(chunk => readRecords(chunk, TOOLS));
    if (read.length === 0) return found;
    found.push(
      ...read.map(record =>
        Buffer.from(record.value ?? [])
          .toString()
          .replace(/\.+$/, ""),
      ),
    );
  }
}

/** Produces until the broker refuses. Returns the number of records appended, and the error code. */
async function fill(admin: BrokerConnection, place: Place, size: number): Promise<{ taken: number; error: number }> {
  for (let taken = 0; taken < 1000; taken++) {
    const error = await produce(admin, place, `value ${taken}`, size);
    if (error !== 0) return { taken, error };
  }
  throw new Error("the broker has taken a thousand records");
}

const values = (count: number): string[] => Array.from({ length: count }, (_, i) => `value ${i}`);

describe("a disk that takes no more", () => {
  const outlives = async (dirs: string, blocks: number | undefined, relieve: () => void) => {
    const broker = await start(dirs, blocks);
    const admin = await connectToAny(env, { bootstrapServer: broker.server });
    await createTopic(admin, "t");
    const { taken, error } = await fill(admin, { topic: "t", partition: 0 }, 50_000);
    expect(error).toBe(Errors.KAFKA_STORAGE_ERROR.code);
    expect(taken).toBeGreaterThan(5);
    const { code, said } = await broker.ended;
    admin.close();
    expect(code).toBe(1);
    relieve();
    const again = await start(dirs);
    const reader = await connectToAny(env, { bootstrapServer: again.server });
    const found = await consume(reader, { topic: "t", partition: 0 });
    reader.close();
    // The refused record may be there too, but no acknowledged record is missing.
    expect(found.slice(0, taken)).toEqual(values(taken));
    expect(found.length).toBeLessThanOrEqual(taken + 1);
    return said.trimEnd().split("\n");
  };

  test("the only directory: error 56, one line that says what to do, exit code 1, nothing lost", async () => {
    const said = await outlives(join(directory, "data"), 2048, () => {});
    expect(said).toHaveLength(2);
    expect(JSON.parse(said[0])).toMatchObject({ level: "error", msg: expect.stringContaining("ulimit -f") });
    expect(said[1]).toMatch(/^samsa: the broker has ended: every log directory has failed, .*EFBIG.*start the broker/);
  });

  test("one of two directories: what is in the other is served on, and all of it after a restart", async () => {
    const dirs = `${join(directory, "a")},${join(directory, "b")}`;
    const broker = await start(dirs, 2048);
    const admin = await connectToAny(env, { bootstrapServer: broker.server });
    await createTopic(admin, "t", 2);
    const [here, there] = [0, 1].map(partition => ({ topic: "t", partition }));
    for (const value of values(5)) expect(await produce(admin, here, value, 10)).toBe(0);
    const { taken, error } = await fill(admin, there, 50_000);
    expect(error).toBe(Errors.KAFKA_STORAGE_ERROR.code);
    expect(await produce(admin, here, "value 5", 10)).toBe(0);
    expect(await produce(admin, there, "no", 10)).toBe(Errors.KAFKA_STORAGE_ERROR.code);
    expect(await consume(admin, here)).toEqual(values(6));
    admin.close();
    broker.child.kill("SIGTERM");
    expect((await broker.ended).code).toBe(0);
    const again = await start(dirs);
    const reader = await connectToAny(env, { bootstrapServer: again.server });
    expect(await consume(reader, here)).toEqual(values(6));
    expect((await consume(reader, there)).slice(0, taken)).toEqual(values(taken));
    reader.close();
  });

  test("a full file system", async context => {
    const path = join(directory, "small");
    mkdirSync(path);
    const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", path]);
    if (mount.status !== 0) {
      context.skip("a small file system can only be mounted by root; the limit on file sizes stands in for it");
      return;
    }
    mounted.push(path);
    const enlarge = () => expect(spawnSync("mount", ["-o", "remount,size=20m", path]).status).toBe(0);
    const said = await outlives(join(path, "data"), undefined, enlarge);
    expect(said[0]).toContain("make room on its disk");
    expect(said.at(-1)).toMatch(/^samsa: the broker has ended: .*ENOSPC/);
  });
});

test("a file system that is read-only is named, with what to do", context => {
  const path = join(directory, "read-only");
  mkdirSync(path);
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", path]);
  if (mount.status !== 0) {
    context.skip("a file system can only be mounted by root");
    return;
  }
  mounted.push(path);
  for (const dir of [path, join(path, "new"), join(path, "new", "below")]) {
    const args = [MAIN, "start", "-o", `log.dirs=${dir}`, "-o", "listeners=PLAINTEXT://127.0.0.1:0"];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: directory, encoding: "utf8" });
    expect(status).toBe(1);
    const last = stderr.trimEnd().split("\n").at(-1) ?? "";
    expect(last).toMatch(/^samsa: read-only file system[^\n]* \(EROFS: [^)]*\): make its disk writable, then start/);
  }
});
