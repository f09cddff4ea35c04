import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const MAIN = join(import.meta.dirname, "../src/main.ts");

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

function samsa(...args: string[]) {
  const asks = ["-b", server];
  return spawnSync(process.execPath, [MAIN, ...args, ...asks], { encoding: "utf8", cwd: directory, timeout: 60_000 });
}

/** What a command prints that must succeed. */
function said(...args: string[]): string {
  const { status, stdout, stderr } = samsa(...args);
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
}

const json = (...args: string[]) => JSON.parse(said(...args, "--json"));

/** The one sentence of a command that must fail. */
function refused(...args: string[]): string {
  const { status, stdout, stderr } = samsa(...args);
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^samsa: [^\n]+\n$/);
  return stderr;
}

describe("topic alter", () => {
  test("partitions are added, settings set and taken back", () => {
    said("topic", "create", "grown", "-p", "1", "-c", "retention.ms=5000");
    const altered = json(
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
    const [shown] = json("topic", "describe", "grown");
    expect(shown.partitions).toHaveLength(3);
    expect(shown.configs).toEqual({ "segment.ms": "60000" });
    expect(said("topic", "alter", "grown", "-p", "4")).toBe("Altered topic grown: 4 partitions.\n");
  });

  test("nothing happens when a part cannot be", () => {
    said("topic", "create", "kept", "-p", "2");
    expect(refused("topic", "alter", "kept", "-p", "5", "-c", "segment.ms=soon")).toContain("INVALID_CONFIG");
    expect(refused("topic", "alter", "kept", "-p", "1")).toContain("INVALID_PARTITIONS");
    expect(refused("topic", "alter", "absent", "-p", "5")).toContain("UNKNOWN_TOPIC_OR_PARTITION");
    expect(refused("topic", "alter", "kept")).toContain("nothing to alter");
    expect(json("topic", "describe", "kept")[0].partitions).toHaveLength(2);
  });
});

describe("config of resources", () => {
  test("a topic's settings: set, added to, taken from, deleted", () => {
    said("topic", "create", "t");
    expect(said("config", "describe", "--topic", "t")).toContain("--all shows it");
    expect(
      said("config", "alter", "--topic", "t", "--set", "retention.ms=7000", "--append", "cleanup.policy=compact"),
    ).toBe("Altered topic t: set retention.ms, append cleanup.policy.\n");
    const shown = said("config", "describe", "--topic", "t").split("\n");
    expect(shown[0]).toMatch(/^NAME +VALUE +SOURCE$/);
    expect(shown).toContainEqual(expect.stringMatching(/^retention\.ms +7000 +DYNAMIC_TOPIC_CONFIG$/));
    said("config", "alter", "--topic", "t", "--subtract", "cleanup.policy=delete", "--delete", "retention.ms");
    expect(json("config", "describe", "--topic", "t")).toEqual([
      expect.objectContaining({ name: "cleanup.policy", value: "compact", type: "LIST", isDefault: false }),
    ]);
  });

  test("--all shows defaults, with synonyms", () => {
    said("topic", "create", "whole", "-c", "max.message.bytes=9000");
    const all = json("config", "describe", "--topic", "whole", "--all");
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

  test("brokers, one and all; groups; subscriptions to metrics", () => {
    said("config", "alter", "--broker", "default", "--set", "log.segment.bytes=2000000");
    said("config", "alter", "--broker", "1", "--set", "log.retention.ms=80000");
    expect(json("config", "describe", "--broker", "default")).toEqual([
      expect.objectContaining({ name: "log.segment.bytes", source: "DYNAMIC_DEFAULT_BROKER_CONFIG" }),
    ]);
    const one = json("config", "describe", "--broker", "1");
    expect(one).toContainEqual(expect.objectContaining({ name: "log.retention.ms", source: "DYNAMIC_BROKER_CONFIG" }));
    expect(one).toContainEqual(expect.objectContaining({ name: "listeners", source: "STATIC_BROKER_CONFIG" }));
    said("config", "alter", "--group", "g", "--set", "consumer.session.timeout.ms=46000");
    expect(json("config", "describe", "--group", "g")).toEqual([
      expect.objectContaining({ name: "consumer.session.timeout.ms", source: "DYNAMIC_GROUP_CONFIG" }),
    ]);
    said("config", "alter", "--client-metrics", "m", "--set", "interval.ms=1000");
    expect(json("config", "describe", "--client-metrics", "m")).toEqual([
      expect.objectContaining({ name: "interval.ms", source: "DYNAMIC_CLIENT_METRICS_CONFIG" }),
    ]);
  });

  test("what cannot be is said in one sentence", () => {
    expect(refused("config", "describe", "--topic", "absent")).toContain("(UNKNOWN_TOPIC_OR_PARTITION)");
    expect(refused("config", "alter", "--topic", "absent", "--set", "retention.ms=1")).toContain(
      "(UNKNOWN_TOPIC_OR_PARTITION)",
    );
    expect(refused("config", "describe")).toContain("name one of");
    expect(refused("config", "describe", "--topic", "t", "--group", "g")).toContain("name one of");
    expect(refused("config", "alter", "--broker", "default")).toContain("nothing to alter");
    expect(refused("config", "alter", "--broker", "default", "--set", "x")).toContain("key=value");
    expect(refused("config", "alter", "--broker", "1", "--set", "log.segment.bytes=big")).toContain(
      "(INVALID_REQUEST)",
    );
  });
});

describe("quotas of clients", () => {
  test("are set, shown by whose they are, and deleted", () => {
    said("config", "alter", "--client-quotas", "user=ann,client-id", "--set", "producer_byte_rate=2048");
    said("config", "alter", "--client-quotas", "client-id=c", "--set", "consumer_byte_rate=99");
    expect(said("config", "describe", "--client-quotas").split("\n")).toEqual([
      expect.stringMatching(/^ENTITY +NAME +VALUE$/),
      expect.stringMatching(/^client-id=c +consumer_byte_rate +99$/),
      expect.stringMatching(/^(user=ann,client-id=<default>|client-id=<default>,user=ann) +producer_byte_rate +2048$/),
      "",
    ]);
    expect(json("config", "describe", "--client-quotas", "user=ann")).toEqual([
      { entity: { user: "ann", "client-id": null }, quotas: { producer_byte_rate: 2048 } },
    ]);
    said("config", "alter", "--client-quotas", "client-id=c", "--delete", "consumer_byte_rate");
    expect(said("config", "describe", "--client-quotas", "client-id=c")).toBe("No quotas of client-id=c.\n");
  });

  test("what cannot be is said in one sentence", () => {
    expect(refused("config", "alter", "--client-quotas", "user=u", "--set", "producer_byte_rate=fast")).toContain(
      "number",
    );
    expect(refused("config", "alter", "--client-quotas", "user=u", "--set", "speed=1")).toContain("(INVALID_REQUEST)");
    expect(refused("config", "alter", "--client-quotas", "colour=u", "--set", "a=1")).toContain("colour");
    expect(refused("config", "alter", "--client-quotas", "user=u", "--append", "a=1")).toContain("--append");
  });
});
