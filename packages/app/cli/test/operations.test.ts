import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { freePorts } from "./cluster-client.ts";
import { MAIN } from "./bundle.ts";

/** Tests of the commands that operate a cluster, on one cluster of three processes. */

let directory: string;
let supervisor: ChildProcess | undefined;
let port: number;

const pidOf = (id: number): number => Number(readFileSync(join(directory, `data/${id}.pid`), "utf8"));

function samsa(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...args, "-b", `127.0.0.1:${port},127.0.0.1:${port + 1}`], {
    cwd: directory,
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise(resolve => child.once("close", status => resolve({ status, stdout, stderr })));
}

/** Output of a command that succeeds. */
async function said(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await samsa(...args);
  expect(status, stderr).toBe(0);
  return stdout;
}

const facts = async (...args: string[]) => JSON.parse(await said(...args, "--json"));

async function refusal(...args: string[]): Promise<string> {
  const { status, stderr } = await samsa(...args);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^samsa: [^\n]+\n$/);
  return stderr;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "samsa-operations-"));
  port = await freePorts(6);
  const settings = [
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${port + 3}`,
    "broker.session.timeout.ms=3000",
    "broker.heartbeat.interval.ms=500",
  ];
  const args = ["start", "--brokers", "3", "--json", "--http-port", "off"];
  const child = spawn(process.execPath, [MAIN, ...args, ...settings.flatMap(setting => ["-o", setting])], {
    cwd: directory,
  });
  supervisor = child;
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", code => reject(new Error(`the cluster ended with ${code}`)));
  });
  await said("topic", "create", "three");
  await said("topic", "create", "two", "-p", "4", "-r", "2");
}, 60_000);

afterAll(async () => {
  if (supervisor !== undefined) {
    const ended = new Promise(resolve => supervisor?.once("exit", resolve));
    // The second signal kills what the first cannot stop: a test has paused a node.
    supervisor.kill("SIGTERM");
    await new Promise(resolve => setTimeout(resolve, 500));
    supervisor.kill("SIGTERM");
    await ended;
  }
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

test("samsa cluster describe shows brokers, controllers and partitions", async () => {
  const found = await facts("cluster", "describe", "--wait", "30");
  expect(found).toMatchObject({ controllers: [1, 2, 3], partitions: 5, underReplicated: [], offline: [] });
  expect(found.brokers.map(({ id, isFenced }: { id: number; isFenced: boolean }) => [id, isFenced])).toEqual([
    [1, false],
    [2, false],
    [3, false],
  ]);
  const text = await said("cluster", "describe");
  expect(text).toMatch(/metadata\.version=\d+ \(\d+\.\d+-IV\d+\)/);
  expect(text).toContain(`Controllers:      1, 2, 3; leader ${found.leader}, epoch ${found.epoch}\n`);
  expect(text).toContain("Under-replicated: none\nOffline:          none\n");
  expect(await refusal("cluster", "describe", "--wait", "soon")).toContain("number of seconds");
});

test("samsa feature lowers and raises levels, all or none", async () => {
  const level = async () => {
    const { features } = await facts("feature", "describe");
    return features.find(({ name }: { name: string }) => name === "transaction.version").level;
  };
  expect(await level()).toBe(2);
  expect(await said("feature", "downgrade", "transaction.version=1", "--dry-run")).toBe(
    "transaction.version can be changed to level 1.\n",
  );
  expect(await level()).toBe(2);
  expect(await said("feature", "downgrade", "transaction.version=1")).toBe("transaction.version has level 1.\n");
  await vi.waitUntil(async () => (await level()) === 1, { timeout: 20_000 });
  expect(await refusal("feature", "upgrade", "transaction.version=9")).toContain("transaction.version");
  await said("feature", "upgrade", "transaction.version=2");
  expect(await refusal("feature", "upgrade", "transaction.version")).toContain("name=level");
  expect(await refusal("feature", "upgrade", "a=1", "a=2")).toContain("named twice");
  expect(await said("feature", "upgrade", "--release-version", "4.4", "--dry-run")).toContain(
    "metadata.version can be changed to level 33.\nshare.version can be changed to level 2.\n",
  );
  expect(await refusal("feature", "downgrade", "--release-version", "4.3")).toContain("might delete metadata");
  expect(await refusal("feature", "upgrade", "--release-version", "9.9")).toContain("there is no release 9.9");
  expect(await refusal("feature", "upgrade")).toContain("name=level, or --release-version");
  expect(await refusal("feature", "upgrade", "a=1", "--release-version", "4.4")).toContain("or --release-version");
  expect(await said("feature", "describe")).toMatch(
    /^FEATURE +LEVEL +SUPPORTED\neligible\.leader\.replicas\.version +1 +0 to 1\ngroup\.version/,
  );
});

describe("samsa reassign", () => {
  test("plans, runs and reports; a run ends when the replicas are moved", async () => {
    const planned = await samsa("reassign", "plan", "-t", "two", "--brokers", "1,2", "--out", "plan.json");
    expect(planned.stderr).toMatch(
      /^\d of 4 partitions change, \d replicas are copied\. Run it with: samsa reassign run plan\.json\n$/,
    );
    expect(await said("reassign", "run", "plan.json")).toMatch(/partitions done\nReassigned \d partitions\.\n$/);
    const of = async (topic: string) => (await facts("topic", "describe", topic))[0].partitions;
    // Broker 1 or 2 may hear of the end a little later than the controller.
    await vi.waitUntil(
      async () => (await of("two")).every(({ replicas }: { replicas: number[] }) => !replicas.includes(3)),
      { timeout: 20_000 },
    );
    expect(await said("reassign", "status")).toBe("No partition is being reassigned.\n");
    expect(await said("reassign", "cancel", "plan.json")).toBe("No partition is being reassigned.\n");
    const again = await samsa("reassign", "plan", "-t", "two", "--brokers", "1,2");
    expect([again.stdout, again.stderr]).toEqual(["", "Nothing to move: the replicas are spread already.\n"]);
  });

  test("limits the copies of a plan, and removes the limits", async () => {
    const throttles = async (): Promise<string[]> => {
      const shown = [
        ...(await facts("config", "describe", "--topic", "two")),
        // Each broker answers for itself, whichever is asked first.
        ...(await facts("config", "describe", "--broker", "3")),
      ];
      const own = shown.filter(({ name }: { name: string }) => name.includes("throttled"));
      return own.map(({ name, value }: { name: string; value: string }) => `${name}=${value}`).sort();
    };
    await said("reassign", "plan", "-t", "two", "--brokers", "1,3", "--out", "back.json");
    const run = ["reassign", "run", "back.json", "--throttle", "50000000"];
    expect(await said(...run, "--no-wait")).toContain("Remove the limit once they are done: samsa reassign unthrottle");
    const set = await throttles();
    expect(set.filter(text => text.includes("rate"))).toEqual([
      "follower.replication.throttled.rate=50000000",
      "leader.replication.throttled.rate=50000000",
    ]);
    expect(set.find(text => text.startsWith("follower.replication.throttled.replicas"))).toMatch(/=(\d:3,?)+$/);
    expect(await said(...run)).toMatch(/partitions done\nReassigned \d partitions\.\n$/);
    expect(await throttles()).toEqual([]);
    expect(await said("reassign", "unthrottle", "back.json")).toBe("Removed the limits on copies.\n");
    expect(await refusal("reassign", "run", "back.json", "--throttle", "fast")).toContain("bytes per second");
    await said("reassign", "plan", "-t", "two", "--brokers", "1,2", "--out", "plan.json");
    await said("reassign", "run", "plan.json");
  });

  test("says what is missing", async () => {
    expect(await refusal("reassign", "plan", "-t", "three", "--brokers", "1,2")).toContain("three-0 has 3 replicas");
    expect(await refusal("reassign", "plan", "--brokers", "1,9")).toContain("there is no broker 9");
    expect(await refusal("reassign", "plan", "--replication-factor", "4")).toContain("there are 3");
    expect(await refusal("reassign", "run", "nowhere.json")).toContain("nowhere.json");
    expect(await refusal("reassign", "plan", "-t", "none")).toContain("UNKNOWN_TOPIC_OR_PARTITION");
  });
});

test("samsa quorum takes the vote of a controller and gives it back", { timeout: 60_000 }, async () => {
  const voters = async (): Promise<number[]> => {
    const { replicas } = await facts("quorum", "describe");
    const voting = replicas.filter(({ role }: { role: string }) => role !== "observer");
    return voting.map(({ id }: { id: number }) => id).toSorted((a: number, b: number) => a - b);
  };
  expect(await voters()).toEqual([1, 2, 3]);
  const { leaderId } = await facts("quorum", "describe");
  const other = [1, 2, 3].find(id => id !== leaderId) ?? 0;
  expect(await said("quorum", "remove", String(other))).toMatch(
    /^Node \d with directory \S{22} is no voter any more\.\n$/,
  );
  await vi.waitUntil(async () => (await voters()).length === 2, { timeout: 20_000 });
  expect(await refusal("quorum", "remove", String(other))).toContain(`node ${other} is no voter of the quorum`);
  const endpoint = `127.0.0.1:${port + 2 + other}`;
  // The new voter must have caught up, which takes a moment.
  await vi.waitUntil(async () => (await samsa("quorum", "add", String(other), "--endpoint", endpoint)).status === 0, {
    timeout: 40_000,
  });
  expect(await voters()).toEqual([1, 2, 3]);
  expect(await refusal("quorum", "add", "7", "--endpoint", endpoint)).toContain("start it first");
  expect(await refusal("quorum", "add", "x", "--endpoint", endpoint)).toContain("a number for an id");
  expect(await refusal("quorum", "add", "1", "--endpoint", "nowhere")).toContain("--endpoint wants host:port");
});

test("samsa broker decommission empties a broker, and removes it once it is stopped", { timeout: 90_000 }, async () => {
  expect(await refusal("broker", "decommission", "3")).toContain("three-0 has 3 replicas, and 2 other brokers run");
  expect(await refusal("broker", "decommission", "9")).toContain("samsa broker list");
  await said("topic", "delete", "three");
  const replicas = async (): Promise<number> =>
    (await facts("broker", "list")).find(({ id }: { id: number }) => id === 3)?.replicas;
  await vi.waitUntil(async () => (await replicas()) === 0, { timeout: 20_000 });
  await said("topic", "create", "more", "-p", "3", "-r", "2");
  await vi.waitUntil(async () => (await replicas()) > 0, { timeout: 20_000 });
  expect(await said("broker", "decommission", "3")).toContain("Broker 3 holds no replicas. Stop it, then");
  await vi.waitUntil(async () => (await replicas()) === 0, { timeout: 20_000 });
  // The supervisor would start it again after its end, so it is paused.
  process.kill(pidOf(3), "SIGSTOP");
  const isFenced = async () =>
    (await facts("broker", "list")).find(({ id }: { id: number }) => id === 3)?.isFenced === true;
  await vi.waitUntil(isFenced, { timeout: 30_000 });
  expect(await said("broker", "list")).toMatch(/^3 +fenced /m);
  expect(await said("broker", "decommission", "3")).toBe("Broker 3 has left the cluster.\n");
  await vi.waitUntil(async () => (await facts("broker", "list")).length === 2, { timeout: 20_000 });
});
