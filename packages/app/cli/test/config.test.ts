import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { KafkaError } from "@samsa/client-kernel";
import { Failure } from "../src/terminal/failure.ts";
import { program } from "../src/program.ts";
import { MAIN } from "./bundle.ts";

let directory: string;
let server: string;
let child: ChildProcess;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "samsa-config-"));
  child = spawn(
    process.execPath,
    [MAIN, "start", "--json", "-o", "listeners=PLAINTEXT://127.0.0.1:0", "--http-port", "off"],
    { cwd: directory },
  );
  server = await new Promise((resolve, reject) => {
    let said = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("\n")) resolve(`127.0.0.1:${JSON.parse(said).listeners[0].port}`);
    });
    child.once("exit", code => reject(new Error(`the broker ended with ${code}`)));
  });
});

afterAll(async () => {
  const ended = new Promise(resolve => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
  rmSync(directory, { recursive: true, force: true });
});

/** Runs a command in this process. Returns its output, or the message of its failure. */
async function samsa(args: readonly string[]): Promise<{ readonly out: string; readonly failure: string | undefined }> {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(`${line}\n`));
  try {
    await program().parseAsync([...args, "-b", server], { from: "user" });
    return { out: lines.join(""), failure: undefined };
  } catch (error) {
    if (!(error instanceof Failure) && !(error instanceof KafkaError)) throw error;
    return { out: lines.join(""), failure: error.message };
  } finally {
    log.mockRestore();
  }
}

/** Output of a command that must succeed. */
async function said(...args: string[]): Promise<string> {
  const { out, failure } = await samsa(args);
  expect(failure).toBeUndefined();
  return out;
}

const json = async (...args: string[]) => JSON.parse(await said(...args, "--json"));

/** Message of a command that must fail. */
async function refused(...args: string[]): Promise<string> {
  const { out, failure } = await samsa(args);
  expect(out).toBe("");
  expect(failure).toMatch(/^[^\n]+$/);
  return failure ?? "";
}

describe("topic alter", () => {
  test("partitions are added, settings set and taken back", async () => {
    await said("topic", "create", "grown", "-p", "1", "-c", "retention.ms=5000");
    const altered = await json(
      "topic",
      "alter",
      "grown",
      "-p",
      "3",
      "-c",
      "segment.ms=60000",
      "--delete-config",
      "retention.ms",
    );
    expect(altered).toEqual({ name: "grown", partitions: 3, configs: { "segment.ms": "60000", "retention.ms": null } });
    const [shown] = await json("topic", "describe", "grown");
    expect(shown.partitions).toHaveLength(3);
    expect(shown.configs).toEqual({ "segment.ms": "60000" });
    expect(await said("topic", "alter", "grown", "-p", "4")).toBe("Altered topic grown: 4 partitions.\n");
  });

  test.each(["1e3", "0x10", "1.5", " 1", "-1", "0", ""])("%j is no number of partitions", async text => {
    const sentence = `--partitions wants a whole number from 1, not "${text}"`;
    expect(await refused("topic", "create", "counted", `--partitions=${text}`)).toBe(sentence);
    expect(await refused("topic", "alter", "counted", `--partitions=${text}`)).toBe(sentence);
    expect(await refused("topic", "describe", "counted")).toContain("UNKNOWN_TOPIC_OR_PARTITION");
  });

  test("nothing happens when a part cannot be", async () => {
    await said("topic", "create", "kept", "-p", "2");
    expect(await refused("topic", "alter", "kept", "-p", "5", "-c", "segment.ms=soon")).toContain("INVALID_CONFIG");
    expect(await refused("topic", "alter", "kept", "-p", "1")).toContain("INVALID_PARTITIONS");
    expect(await refused("topic", "alter", "absent", "-p", "5")).toContain("UNKNOWN_TOPIC_OR_PARTITION");
    expect(await refused("topic", "alter", "kept")).toContain("nothing to alter");
    expect((await json("topic", "describe", "kept"))[0].partitions).toHaveLength(2);
  });
});

describe("config of resources", () => {
  test("a topic's settings: set, added to, taken from, deleted", async () => {
    await said("topic", "create", "t");
    // A new cluster has this setting for all brokers, which eligible leader replicas need.
    expect(await said("config", "describe", "--topic", "t")).toMatch(
      /^NAME.*\nmin\.insync\.replicas +1 +DYNAMIC_DEFAULT_/,
    );
    expect(await said("config", "describe", "--group", "plain")).toContain("--all shows them");
    expect(
      await said("config", "alter", "--topic", "t", "--set", "retention.ms=7000", "--append", "cleanup.policy=compact"),
    ).toBe("Altered topic t: set retention.ms, append cleanup.policy.\n");
    const shown = (await said("config", "describe", "--topic", "t")).split("\n");
    expect(shown[0]).toMatch(/^NAME +VALUE +SOURCE$/);
    expect(shown).toContainEqual(expect.stringMatching(/^retention\.ms +7000 +DYNAMIC_TOPIC_CONFIG$/));
    await said("config", "alter", "--topic", "t", "--subtract", "cleanup.policy=delete", "--delete", "retention.ms");
    expect(await json("config", "describe", "--topic", "t")).toEqual([
      expect.objectContaining({ name: "cleanup.policy", value: "compact", type: "LIST", isDefault: false }),
      expect.objectContaining({ name: "min.insync.replicas", source: "DYNAMIC_DEFAULT_BROKER_CONFIG" }),
    ]);
  });

  test("--all shows defaults, with synonyms", async () => {
    await said("topic", "create", "whole", "-c", "max.message.bytes=9000");
    const all = await json("config", "describe", "--topic", "whole", "--all");
    const named = (name: string) => all.find((config: { name: string }) => config.name === name);
    expect(named("max.message.bytes")).toMatchObject({
      value: "9000",
      isDefault: false,
      synonyms: [
        { source: "DYNAMIC_TOPIC_CONFIG", name: "max.message.bytes", value: "9000" },
        { source: "DEFAULT_CONFIG", name: "message.max.bytes", value: "1048588" },
      ],
    });
    expect(named("cleanup.policy")).toMatchObject({ value: "delete", isDefault: true });
  });

  test("brokers, one and all; groups; subscriptions to metrics", async () => {
    await said("config", "alter", "--broker", "default", "--set", "log.segment.bytes=2000000");
    await said("config", "alter", "--broker", "1", "--set", "log.retention.ms=80000");
    expect(await json("config", "describe", "--broker", "default")).toEqual([
      expect.objectContaining({ name: "log.segment.bytes", source: "DYNAMIC_DEFAULT_BROKER_CONFIG" }),
      expect.objectContaining({ name: "min.insync.replicas", value: "1" }),
    ]);
    const one = await json("config", "describe", "--broker", "1");
    expect(one).toContainEqual(expect.objectContaining({ name: "log.retention.ms", source: "DYNAMIC_BROKER_CONFIG" }));
    expect(one).toContainEqual(expect.objectContaining({ name: "listeners", source: "STATIC_BROKER_CONFIG" }));
    await said("config", "alter", "--group", "g", "--set", "consumer.session.timeout.ms=46000");
    expect(await json("config", "describe", "--group", "g")).toEqual([
      expect.objectContaining({ name: "consumer.session.timeout.ms", source: "DYNAMIC_GROUP_CONFIG" }),
    ]);
    await said("config", "alter", "--client-metrics", "m", "--set", "interval.ms=1000");
    expect(await json("config", "describe", "--client-metrics", "m")).toEqual([
      expect.objectContaining({ name: "interval.ms", source: "DYNAMIC_CLIENT_METRICS_CONFIG" }),
    ]);
  });

  test("what cannot be is said in one sentence", async () => {
    expect(await refused("config", "describe", "--topic", "absent")).toContain("(UNKNOWN_TOPIC_OR_PARTITION)");
    expect(await refused("config", "alter", "--topic", "absent", "--set", "retention.ms=1")).toContain(
      "(UNKNOWN_TOPIC_OR_PARTITION)",
    );
    expect(await refused("config", "describe")).toContain("name one of");
    expect(await refused("config", "describe", "--topic", "t", "--group", "g")).toContain("name one of");
    expect(await refused("config", "alter", "--broker", "default")).toContain("nothing to alter");
    expect(await refused("config", "alter", "--broker", "default", "--set", "x")).toContain("key=value");
    expect(await refused("config", "alter", "--broker", "1", "--set", "log.segment.bytes=big")).toContain(
      "(INVALID_REQUEST)",
    );
  });
});

describe("quotas of clients", () => {
  test("are set, shown by whose they are, and deleted", async () => {
    await said("config", "alter", "--client-quotas", "user=ann,client-id", "--set", "producer_byte_rate=2048");
    await said("config", "alter", "--client-quotas", "client-id=c", "--set", "consumer_byte_rate=99");
    expect((await said("config", "describe", "--client-quotas")).split("\n")).toEqual([
      expect.stringMatching(/^ENTITY +NAME +VALUE$/),
      expect.stringMatching(/^client-id=c +consumer_byte_rate +99$/),
      expect.stringMatching(/^(user=ann,client-id=<default>|client-id=<default>,user=ann) +producer_byte_rate +2048$/),
      "",
    ]);
    expect(await json("config", "describe", "--client-quotas", "user=ann")).toEqual([
      { entity: { user: "ann", "client-id": null }, quotas: { producer_byte_rate: 2048 } },
    ]);
    await said("config", "alter", "--client-quotas", "client-id=c", "--delete", "consumer_byte_rate");
    expect(await said("config", "describe", "--client-quotas", "client-id=c")).toBe("No quotas of client-id=c.\n");
  });

  test("what cannot be is said in one sentence", async () => {
    expect(await refused("config", "alter", "--client-quotas", "user=u", "--set", "producer_byte_rate=fast")).toContain(
      "number",
    );
    expect(await refused("config", "alter", "--client-quotas", "user=u", "--set", "speed=1")).toContain(
      "(INVALID_REQUEST)",
    );
    expect(await refused("config", "describe", "--client-quotas", "--all")).toContain("--all");
    expect(await refused("config", "alter", "--client-quotas", "colour=u", "--set", "a=1")).toContain("colour");
    expect(await refused("config", "alter", "--client-quotas", "user=u", "--append", "a=1")).toContain("--append");
  });
});
