import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ended, lastLine, run, tool } from "./client-bench.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { orders: 1 } });
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "samsa-kafka-tools-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const asked = (name: string, ...args: string[]) => tool(cluster(), name, ...args);

/** Runs a tool whose option for servers belongs to its commands. */
const command = (name: string, verb: string, ...args: string[]): Promise<Ended> =>
  run(name, verb, "--bootstrap-server", cluster().bootstrapServers, ...args);

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

describe("kafka-features", () => {
  test("describes and plans", async () => {
    const { code, out } = await asked("kafka-features", "describe");
    expect(code).toBe(0);
    expect(out).toMatch(
      /^Feature: group\.version {27} +SupportedMinVersion: 0 +SupportedMaxVersion: 1 +FinalizedVersionLevel: 1 +Epoch: \d+$/m,
    );
    const upgrade = await asked("kafka-features", "upgrade", "--feature", "group.version=1", "--dry-run");
    expect(upgrade.out).toBe("group.version can be upgraded to 1.\n");
    const twice = await asked("kafka-features", "disable", "--feature", "a", "--feature", "a");
    expect([twice.code, twice.err]).toEqual([1, "Feature a was specified more than once.\n"]);
  });

  test("knows releases and what levels need", async () => {
    const mapping = await run("kafka-features", "version-mapping", "--release-version", "4.0");
    expect(mapping.out).toContain("metadata.version=25 (4.0)\n");
    const needed = await run("kafka-features", "feature-dependencies", "--feature", "transaction.version=2");
    expect(needed.code).toBe(0);
    expect(needed.out).toContain("transaction.version=2");
  });
});

describe("kafka-metadata-quorum", () => {
  test("describes the quorum", async () => {
    const { out } = await asked("kafka-metadata-quorum", "describe", "--status");
    expect(out).toMatch(/^ClusterId: +\S{22}\nLeaderId: +1\nLeaderEpoch: +\d+\nHighWatermark: +\d+\n/);
    const replicas = await asked("kafka-metadata-quorum", "describe", "--replication", "--human-readable");
    expect(replicas.out).toMatch(/^NodeId\tDirectoryId +\tLogEndOffset\tLag\tLast.*\n1 .*\tLeader\t\n$/);
    const both = await asked("kafka-metadata-quorum", "describe");
    expect([both.code, both.err]).toEqual([
      1,
      "One of --status or --replication must be specified with describe sub-command\n",
    ]);
  });

  test("checks its arguments", async () => {
    expect(lastLine(await run("kafka-metadata-quorum", "describe", "--status"))).toBe(
      "kafka-metadata-quorum: error: one of the arguments --bootstrap-server --bootstrap-controller is required",
    );
    expect(lastLine(await asked("kafka-metadata-quorum", "remove-controller", "--controller-id", "x"))).toBe(
      `kafka-metadata-quorum: error: argument --controller-id/-i: could not convert 'x' to Integer (For input string: "x")`,
    );
    expect(lastLine(await asked("kafka-metadata-quorum"))).toBe("kafka-metadata-quorum: error: too few arguments");
  });
});

describe("kafka-cluster", () => {
  test("shows the id and the endpoints", async () => {
    expect((await command("kafka-cluster", "cluster-id")).out).toMatch(/^Cluster ID: \S{22}\n$/);
    const { port } = new URL(`kafka://${cluster().bootstrapServers.split(",")[0] ?? ""}`);
    expect((await command("kafka-cluster", "list-endpoints")).out).toMatch(
      new RegExp(`^ID +HOST +PORT +RACK +STATE +ENDPOINT_TYPE *\n1 +\\S+ +${port} +null +unfenced +broker *\n$`),
    );
  });

  test("refuses a broker that is not there and two kinds of servers", async () => {
    const { code, err, out } = await command("kafka-cluster", "unregister", "--id", "77");
    expect([code, err + out]).toEqual([1, expect.stringContaining("77")]);
    expect(lastLine(await command("kafka-cluster", "cluster-id", "--bootstrap-controller", "x:1"))).toBe(
      "kafka-cluster: error: argument --bootstrap-controller/-C: not allowed with argument --bootstrap-server/-b",
    );
  });
});

describe("kafka-transactions", () => {
  test("lists, describes and searches", async () => {
    expect((await asked("kafka-transactions", "list")).out).toMatch(
      /^TransactionalId *\tCoordinator *\tProducerId *\tTransactionState *\t\n$/,
    );
    const missing = await asked("kafka-transactions", "describe", "--transactional-id", "none");
    expect([missing.code, missing.err]).toEqual([
      1,
      "Failed to describe transaction state of transactional-id `none`: DescribeTransactions request for transactionalId `none` failed because the ID could not be found. Enable debug logging for additional detail.\n",
    ]);
    const producers = await asked("kafka-transactions", "describe-producers", "--topic", "orders", "--partition", "0");
    expect(producers.out).toMatch(/^ProducerId\tProducerEpoch\tLatestCoordinatorEpoch\tLastSequence\tLastTimestamp/);
    const hanging = await asked("kafka-transactions", "find-hanging", "--topic", "orders");
    expect([hanging.code, hanging.out.split("\n").length]).toEqual([0, 2]);
  });
});

describe("kafka-broker-api-versions", () => {
  test("shows what the broker can do", async () => {
    const { out } = await asked("kafka-broker-api-versions");
    expect(out).toMatch(
      /^\S+ \(id: 1 rack: null isFenced: false\) -> \(\n\tProduce\(0\): \d+ to \d+ \[usable: \d+\],\n/,
    );
    expect(out.trimEnd().endsWith("\n)")).toBe(true);
  });
});

describe("kafka-reassign-partitions", () => {
  const plan = (replicas: number[]): string =>
    JSON.stringify({ version: 1, partitions: [{ topic: "orders", partition: 0, replicas }] });

  test("plans, moves and checks", async () => {
    const topics = file("topics.json", '{"topics":[{"topic":"orders"}],"version":1}');
    const move = ["--topics-to-move-json-file", topics];
    const generated = await asked("kafka-reassign-partitions", "--generate", ...move, "--broker-list", "1");
    const shown = (place: string): string =>
      `{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1],"log_dirs":["${place}"]}]}`;
    expect(generated.out).toBe(
      `Current partition replica assignment\n${shown("/data")}\n\nProposed partition reassignment configuration\n${shown("any")}\n`,
    );
    const json = ["--reassignment-json-file", file("plan.json", plan([1]))];
    const executed = await asked("kafka-reassign-partitions", "--execute", ...json);
    expect(executed.out).toMatch(/\nSuccessfully started partition reassignment for orders-0\n$/);
    const verified = await asked("kafka-reassign-partitions", "--verify", ...json);
    expect(verified.out).toContain("Reassignment of partition orders-0 is completed.\n");
    expect((await asked("kafka-reassign-partitions", "--list")).out).toBe("No partition reassignments found.\n");
  });

  test("refuses plans that cannot be", async () => {
    const refused = async (text: string): Promise<string> => {
      const json = file("refused.json", text);
      const { code, out } = await asked("kafka-reassign-partitions", "--execute", "--reassignment-json-file", json);
      expect(code).toBe(1);
      return out;
    };
    expect(await refused(plan([77]))).toBe("Error: Unknown broker id 77\n");
    expect(await refused(plan([]))).toBe("Error: Partition replica list cannot be empty\n");
    expect(await refused('{"version":2}')).toBe("Error: Not supported version field value 2\n");
  });
});

describe("kafka-storage", () => {
  test("formats and describes", async () => {
    const config = file(
      "server.properties",
      [
        ...["process.roles=broker,controller", "node.id=1", "controller.quorum.voters=1@localhost:9093"],
        ...["listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093", "controller.listener.names=CONTROLLER"],
        `log.dirs=${join(directory, "logs")}`,
      ].join("\n"),
    );
    const { out: id } = await run("kafka-storage", "random-uuid");
    expect(id).toMatch(/^\S{22}\n$/);
    const info = (): Promise<Ended> => run("kafka-storage", "info", "--config", config);
    expect((await info()).code).toBe(1);
    const formatted = await run("kafka-storage", "format", "--config", config, "--cluster-id", id.trim());
    expect([formatted.code, formatted.out]).toEqual([0, expect.stringContaining("Formatting metadata directory ")]);
    const { code, out } = await info();
    expect([code, out]).toEqual([0, expect.stringContaining(`cluster.id=${id.trim()}`)]);
    const again = (...more: readonly string[]): Promise<Ended> =>
      run("kafka-storage", "format", "--config", config, "--cluster-id", id.trim(), ...more);
    const refused = await again("--add-scram", "SCRAM-SHA-256=[name=a]");
    expect([refused.code, refused.err]).toEqual([
      1,
      "You must supply one of 'password' or 'saltedpassword' to add-scram\n",
    ]);
    const passed = await again("--ignore-formatted", "--add-scram", "SCRAM-SHA-256=[name=a,password=b]");
    expect([passed.code, passed.out]).toEqual([0, "All of the log directories are already formatted.\n"]);
  });

  test("says what is wrong with a feature", async () => {
    const needs = async (text: string): Promise<string> =>
      (await run("kafka-storage", "feature-dependencies", "--feature", text)).err;
    expect(await needs("group.version")).toBe(
      "Invalid feature format: group.version. Expected format: 'feature=version' (e.g. 'group.version=1')\n",
    );
    expect(await needs("group.version=x")).toBe("Invalid version format: x for feature group.version\n");
  });
});
