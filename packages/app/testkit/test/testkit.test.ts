import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Admin, CLUSTER_DEFAULTS, ClusterClient } from "@samsa/client-runtime";
import { nodeEnv } from "@samsa/node";
import { buildBatch } from "@samsa/records";
import { parseEndpoints } from "@samsa/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  clusterFixture,
  type Interception,
  type InterceptionRule,
  startCluster,
  type TestCluster,
  type TestLogLine,
} from "../src/index.ts";

const env = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });

/** A client that is closed after `use`. */
async function withClient<T>(
  cluster: Pick<TestCluster, "bootstrapServers">,
  use: (client: ClusterClient, admin: Admin) => Promise<T>,
): Promise<T> {
  const client = new ClusterClient(env, {
    ...CLUSTER_DEFAULTS,
    bootstrapServers: parseEndpoints(cluster.bootstrapServers) ?? [],
    clientId: "tester",
    software: { name: "test", version: "1" },
  });
  try {
    return await use(client, new Admin(client));
  } finally {
    client.close();
  }
}

/** Produces a record to partition 0; returns the error code. */
async function produce(client: ClusterClient, topic: string): Promise<number> {
  const [partition] = (await client.topic(topic, client.patience())).partitions;
  const tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };
  const records = [buildBatch([{ timestamp: Date.now(), key: null, value: new Uint8Array(10) }], {}, tools)];
  const topicData = [{ name: topic, partitionData: [{ index: 0, records }] }];
  const request = { transactionalId: null, acks: -1, timeoutMs: 3000, topicData };
  const { responses } = await client.call(partition.leaderId, "Produce", request, { maxVersion: 12 });
  return responses[0].partitionResponses[0].errorCode;
}

const end = async (admin: Admin, topic: string): Promise<unknown> =>
  (await admin.offsets([{ topic, partition: 0, at: "latest" }])).of(topic, 0);

describe("one broker", () => {
  const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { orders: 2 } });

  test("serves topics that it was started with, and new ones", async () => {
    await withClient(cluster(), async (client, admin) => {
      await cluster().createTopics({ more: 1 });
      expect((await admin.topics.list()).map(({ name }) => name).toSorted()).toEqual(["more", "orders"]);
      expect(await produce(client, "orders")).toBe(0);
      expect(await end(admin, "orders")).toMatchObject({ offset: 1 });
    });
  });

  test("refuses requests that are intercepted, as often as wanted", async () => {
    await cluster().createTopics({ refused: 1 });
    await withClient(cluster(), async client => {
      const rule = cluster().intercept({ api: "Produce", skip: 1, times: 2 }, { error: "NOT_ENOUGH_REPLICAS" });
      const codes: number[] = [];
      for (let i = 0; i < 5; i++) codes.push(await produce(client, "refused"));
      expect([codes, rule.count]).toEqual([[0, 19, 19, 0, 0], 2]);
      const other = cluster().intercept({ api: "Produce", clientId: "other" }, { error: "INVALID_TIMESTAMP" });
      const all = cluster().intercept({ api: "Produce", times: Infinity }, { error: "INVALID_TIMESTAMP" });
      expect([await produce(client, "refused"), await produce(client, "refused")]).toEqual([32, 32]);
      expect([other.count, all.count]).toEqual([0, 2]);
      all.remove();
      other.remove();
      expect(await produce(client, "refused")).toBe(0);
    });
  });

  test("loses a request before it is handled, or its response after it", async () => {
    await cluster().createTopics({ lost: 1 });
    await withClient(cluster(), async (client, admin) => {
      cluster().intercept({ api: "Produce" }, { lost: "request" });
      await expect(produce(client, "lost")).rejects.toMatchObject({ name: "DISCONNECTED" });
      expect(await end(admin, "lost")).toMatchObject({ offset: 0 });
      cluster().intercept({ api: "Produce", when: ({ body }) => "acks" in body }, { lost: "response" });
      await expect(produce(client, "lost")).rejects.toMatchObject({ name: "DISCONNECTED" });
      expect(await end(admin, "lost")).toMatchObject({ offset: 1 });
    });
  });

  test("handles a request late, and with its own bytes", async () => {
    await cluster().createTopics({ late: 1 });
    await withClient(cluster(), async (client, admin) => {
      cluster().intercept({ api: "Produce" }, { delayMs: 50 });
      const first = produce(client, "late");
      expect(await Promise.all([first, produce(client, "late"), produce(client, "late")])).toEqual([0, 0, 0]);
      expect(await end(admin, "late")).toMatchObject({ offset: 3 });
    });
  });

  test("keeps its records when it is stopped or killed", async () => {
    await cluster().createTopics({ kept: 1 });
    await withClient(cluster(), client => produce(client, "kept"));
    await cluster().stop(1);
    await cluster().restart(1);
    cluster().kill(1);
    await cluster().restart(1);
    await withClient(cluster(), async (_client, admin) => {
      expect(await end(admin, "kept")).toMatchObject({ offset: 1 });
    });
    await expect(cluster().restart(1)).rejects.toThrow("broker 1 runs");
    expect(() => cluster().kill(2)).toThrow("no broker 2");
  });

  test("lives through a day in a moment", async () => {
    await withClient(cluster(), async (client, admin) => {
      const configs = { "retention.ms": "3600000", "segment.ms": "1000" };
      await admin.topics.create([{ name: "old", configs }]);
      await produce(client, "old");
      cluster().advanceClock(2000);
      await produce(client, "old");
      // The retention of a segment counts from its last record; a check of retention comes every five minutes.
      for (let i = 0; i < 20; i++) {
        cluster().advanceClock(4 * 3_600_000);
        const found = (await admin.offsets([{ topic: "old", partition: 0, at: "earliest" }])).of("old", 0);
        if (found !== undefined && "offset" in found && found.offset > 0) return;
        await new Promise(resolve => setTimeout(resolve, 20));
      }
      expect.unreachable("nothing was deleted");
    });
  });
});

describe("three brokers", () => {
  const lines: TestLogLine[] = [];
  const cluster = clusterFixture(
    { beforeAll, afterAll },
    { nodes: 3, topics: { orders: 3 }, log: line => lines.push(line) },
  );

  test("replicate, and go on when one is killed", async () => {
    await withClient(cluster(), async (client, admin) => {
      const { partitions } = await admin.topics.describeOne("orders");
      expect(partitions.map(({ replicas }) => replicas.length)).toEqual([3, 3, 3]);
      expect(await produce(client, "orders")).toBe(0);
      const [{ leader }] = partitions;
      cluster().kill(leader);
      await client.retrying(client.patience(), async () => {
        client.refresh();
        expect(await produce(client, "orders")).toBe(0);
      });
      await cluster().restart(leader);
      expect(new Set(lines.map(({ node }) => node)).size).toBeGreaterThan(0);
    });
  });

  test("elect another leader when one is cut off from the others", async () => {
    await withClient(cluster(), async (_client, admin) => {
      const [{ leader }] = (await admin.topics.describeOne("orders")).partitions;
      cluster().isolate(leader);
      const others = cluster()
        .bootstrapServers.split(",")
        .filter((_, i) => i !== leader - 1);
      await withClient({ bootstrapServers: others.join(",") }, async (_other, remote) => {
        for (;;) {
          const [{ leader: next }] = (await remote.topics.describeOne("orders")).partitions;
          if (next !== leader && next > 0) break;
          await new Promise(resolve => setTimeout(resolve, 50));
        }
      });
      cluster().isolate(leader, false);
    });
  });
});

test("logs in a folder outlive the cluster", async () => {
  const disk = mkdtempSync(join(tmpdir(), "samsa-testkit-"));
  try {
    const first = await startCluster({ disk, topics: { a: 1 } });
    await withClient(first, client => produce(client, "a"));
    await first.close();
    expect(readdirSync(disk)).toEqual(["node-1"]);
    await using second = await startCluster({ disk });
    await withClient(second, async (_client, admin) => {
      expect(await end(admin, "a")).toMatchObject({ offset: 1 });
    });
  } finally {
    rmSync(disk, { recursive: true, force: true });
  }
});

test.each([
  [{ api: "produce" }, { error: "INVALID_TIMESTAMP" }, "there is no API produce"],
  [{ node: 2 }, { error: "INVALID_TIMESTAMP" }, "no broker 2: there are 1"],
  [{ times: -1 }, { error: "INVALID_TIMESTAMP" }, "times is a number that is not negative, not -1"],
  [{ skip: NaN }, { error: "INVALID_TIMESTAMP" }, "skip is a number that is not negative, not NaN"],
  [{}, { error: "LATE" }, "there is no error LATE"],
  [{}, { delayMs: Infinity }, "a delay of Infinity ms cannot be"],
  [{}, { lost: "both" }, "the fate of a request is an error, a delayMs, or lost"],
])("refuses an interception that cannot be: %j, %j", async (rule, fate, message) => {
  await using cluster = await startCluster();
  expect(() => cluster.intercept(rule as InterceptionRule, fate as Interception)).toThrow(message);
});

test("says what is wrong with its options", async () => {
  await expect(startCluster({ nodes: 0 })).rejects.toThrow("nodes is a whole number from 1 to 20, not 0");
  await expect(startCluster({ settings: { "log.retention.hours": "soon" } })).rejects.toThrow("log.retention.hours");
  await expect(startCluster({ topics: { "not/valid": 1 } })).rejects.toThrow("not/valid");
  await using cluster = await startCluster();
  expect(() => cluster.advanceClock(Infinity)).toThrow("a clock moves forward: Infinity ms");
});

test("brokers go on if `log` throws, which is uncaught", async () => {
  const index = JSON.stringify(join(import.meta.dirname, "../src/index.ts"));
  const script = `
    import { startCluster } from ${index};
    const errors = new Set();
    process.on("uncaughtException", error => errors.add(error.message));
    await using cluster = await startCluster({ nodes: 3, topics: { a: 1 }, log: () => { throw new Error("a log"); } });
    cluster.kill(1);
    while (errors.size === 0) await new Promise(resolve => setTimeout(resolve, 20));
    await cluster.restart(1);
    console.log(...errors);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  expect([await once(child, "close"), output]).toEqual([[0, null], "a log\n"]);
});

describe("samsa-testkit", () => {
  const main = join(import.meta.dirname, "../src/main.ts");
  const run = (...args: string[]) => spawn(process.execPath, [main, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  const textOf = async (stream: AsyncIterable<Buffer>): Promise<string> => {
    let text = "";
    for await (const chunk of stream) text += chunk.toString();
    return text;
  };

  test("runs a command with the address, and ends with its exit code", async () => {
    const script = "console.log(process.env.KAFKA_BOOTSTRAP_SERVERS); process.exit(3)";
    const child = run("--topic", "a:2", "--", process.execPath, "-e", script);
    const [output, [code]] = await Promise.all([textOf(child.stdout), once(child, "exit")]);
    expect([/^127\.0\.0\.1:\d+\n$/.test(output), code]).toEqual([true, 3]);
  });

  test("prints the address, and ends with its input", async () => {
    const child = run("--nodes", "1", "--set", "num.partitions=4");
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const { bootstrapServers } = JSON.parse(line.toString()) as { bootstrapServers: string };
    await withClient({ bootstrapServers }, async (client, admin) => {
      await admin.topics.create([{ name: "t" }]);
      expect((await client.topic("t", client.patience())).partitions.length).toBe(4);
    });
    child.stdin.end();
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  test("says what is wrong", async () => {
    const child = run("--set", "no-such-setting");
    const [output, [code]] = await Promise.all([textOf(child.stderr), once(child, "exit")]);
    expect([output.includes("name=value is wanted"), code]).toEqual([true, 1]);
  });
});
