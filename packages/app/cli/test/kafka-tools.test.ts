import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MAIN } from "./bundle.ts";
import { feed, run, tool } from "./client-bench.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { orders: 2, lines: 1 } });
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "samsa-kafka-tools-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const asked = (name: string, ...args: string[]) => tool(cluster(), name, ...args);

/** Runs a tool with a text on standard input. */
const fed = (input: string, name: string, ...args: string[]) =>
  feed(input, name, "--bootstrap-server", cluster().bootstrapServers, ...args);

describe("the command", () => {
  test("is a tool of Kafka's by its first word, and by the name of a link", () => {
    const link = join(directory, "kafka-topics.sh");
    symlinkSync(MAIN, link);
    for (const args of [[MAIN, "kafka-topics"], [link]]) {
      const { status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
      expect([status, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^Creates, lists.*\nOption +Description\n/);
      expect(stderr).toMatch(/^--replica-assignment/m);
    }
    const script = join(directory, "kafka-get-offsets");
    symlinkSync(join(import.meta.dirname, "../bin/samsa"), script);
    expect(spawnSync(script, ["--version"], { encoding: "utf8" }).stdout).toBe("4.4.0\n");
  });

  test("refuses a word that is no tool", async () => {
    const { code, err } = await run("kafka-nope");
    expect([code, err]).toEqual([1, expect.stringContaining("unknown command")]);
  });
});

describe("kafka-topics", () => {
  test("creates, describes, alters, lists and deletes", async () => {
    const create = ["--create", "--topic", "made", "--partitions", "2"];
    expect(await asked("kafka-topics", ...create, "--config", "retention.ms=1000")).toEqual({
      code: 0,
      out: "Created topic made.\n",
      err: "",
    });
    expect(await asked("kafka-topics", ...create)).toEqual({
      code: 1,
      out: "Error while executing topic command : Topic 'made' already exists.\n",
      err: "",
    });
    expect((await asked("kafka-topics", ...create, "--if-not-exists")).code).toBe(0);
    const described = await asked("kafka-topics", "--describe", "--topic", "made");
    expect(described.out).toMatch(
      /^Topic: made\tTopicId: \S{22}\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: .*retention\.ms=1000.*\n\tTopic: made\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \S*\tLastKnownElr: \S*\n\tTopic: made\tPartition: 1\t/,
    );
    expect((await asked("kafka-topics", "--alter", "--topic", "made", "--partitions", "3")).code).toBe(0);
    expect((await asked("kafka-topics", "--list", "--exclude-internal")).out).toBe("lines\nmade\norders\n");
    expect((await asked("kafka-topics", "--delete", "--topic", "ma.e")).code).toBe(0);
    expect((await asked("kafka-topics", "--describe", "--topic", "made")).out).toBe(
      "Error while executing topic command : Topic 'made' does not exist as expected\n",
    );
  });

  test("says what is wrong with its options as Kafka's does", async () => {
    const first = async (...args: string[]): Promise<[number, string | undefined]> => {
      const { code, err } = await run("kafka-topics", ...args);
      return [code, err.split("\n")[0]];
    };
    expect(await first("--list")).toEqual([1, "--bootstrap-server must be specified"]);
    const one = "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
    expect(await first("--list", "--create")).toEqual([1, one]);
    expect(await first("--nope")).toEqual([1, "nope is not a recognized option"]);
    expect(await first("--bootstrap-server", "x:1", "--create")).toEqual([1, 'Missing required argument "[topic]"']);
    expect(await first("--bootstrap-server", "nonsense", "--list")).toEqual([
      1,
      "Failed to create new KafkaAdminClient",
    ]);
  });
});

describe("records", () => {
  test("are written by the console producer and read by the console consumer", async () => {
    const reader = ["--reader-property", "parse.key=true", "--reader-property", "null.marker=NIL"];
    expect(await fed("a\tone\nb\tNIL\n", "kafka-console-producer", "--topic", "lines", ...reader)).toEqual({
      ...{ code: 0, out: "", err: "" },
    });
    const headers = ["--reader-property", "parse.headers=true", "--reader-property", "headers.delimiter=|"];
    expect((await fed("h:1,i:2|three\n", "kafka-console-producer", "--topic", "lines", ...headers)).code).toBe(0);
    const print = ["key", "headers", "partition", "offset"].flatMap(part => [
      "--formatter-property",
      `print.${part}=true`,
    ]);
    const place = ["--topic", "lines", "--partition", "0", "--offset", "earliest"];
    expect(await asked("kafka-console-consumer", ...place, "--max-messages", "3", ...print)).toEqual({
      code: 0,
      out: [
        "Partition:0\tOffset:0\tNO_HEADERS\ta\tone",
        "Partition:0\tOffset:1\tNO_HEADERS\tb\tnull",
        "Partition:0\tOffset:2\th:1,i:2\tnull\tthree",
        "",
      ].join("\n"),
      err: "Processed a total of 3 messages\n",
    });
  });

  test("a group goes on where it has stopped, and the tool ends when nothing comes", async () => {
    const args = ["--topic", "lines", "--group", "g", "--from-beginning"];
    const first = await asked("kafka-console-consumer", ...args, "--max-messages", "2");
    expect(first.out).toBe("one\nnull\n");
    const second = await asked("kafka-console-consumer", ...args, "--timeout-ms", "4000");
    expect([second.code, second.out]).toEqual([0, "three\n"]);
    expect(second.err).toContain("Processed a total of 1 messages");
    const groups = await asked("kafka-consumer-groups", "--describe", "--group", "g");
    expect(groups.out).toMatch(
      /^\nGROUP +TOPIC +PARTITION +CURRENT-OFFSET +LOG-END-OFFSET +LAG +CONSUMER-ID +HOST +CLIENT-ID\ng +lines +0 +3 +3 +0 +- +- +-\n$/,
    );
    expect(groups.err).toBe("\nConsumer group 'g' has no active members.\n");
  });

  test("a line that is no record ends the producer with an error", async () => {
    const { code, err } = await fed(
      "nothing\n",
      "kafka-console-producer",
      "--topic",
      "lines",
      "--property",
      "parse.key=true",
    );
    expect([code, err]).toEqual([
      1,
      "org.apache.kafka.common.KafkaException: No key separator found on line number 1: 'nothing'\n",
    ]);
  });

  test("offsets are shown and records deleted", async () => {
    expect((await asked("kafka-get-offsets", "--topic", "lines")).out).toBe("lines:0:3\n");
    const file = join(directory, "delete.json");
    writeFileSync(file, '{"partitions":[{"topic":"lines","partition":0,"offset":1}],"version":1}');
    expect((await asked("kafka-delete-records", "--offset-json-file", file)).out).toBe(
      "Executing records delete operation\nRecords delete operation completed:\npartition: lines-0\tlow_watermark: 1\n",
    );
    expect((await asked("kafka-get-offsets", "--topic-partitions", "li.*:0", "--time", "earliest")).out).toBe(
      "lines:0:1\n",
    );
  });
});

describe("kafka-consumer-groups", () => {
  test("resets, exports and deletes", async () => {
    const reset = ["--reset-offsets", "--group", "r", "--topic", "orders"];
    const { out } = await asked("kafka-consumer-groups", ...reset, "--to-earliest", "--execute");
    expect(out.split("\n").slice(0, 2)).toEqual([
      "",
      `${"GROUP".padEnd(15)} ${"TOPIC".padEnd(15)} PARTITION  NEW-OFFSET`,
    ]);
    const exported = await asked("kafka-consumer-groups", ...reset, "--to-latest", "--export", "--dry-run");
    expect(exported.out.split("\n").toSorted()).toEqual(["", "", "orders,0,0", "orders,1,0"]);
    expect((await asked("kafka-consumer-groups", "--delete", "--group", "r")).out).toBe(
      "Deletion of requested consumer groups ('r') was successful.\n",
    );
    const gone = await asked("kafka-consumer-groups", "--describe", "--group", "r");
    expect([gone.code, gone.out]).toEqual([
      0,
      "\nError: Executing consumer group command failed due to org.apache.kafka.common.errors.GroupIdNotFoundException: Group r not found.\n",
    ]);
  });

  test("an option of the parser that is wrong ends as an exception that nobody catches", async () => {
    const { code, err } = await run("kafka-consumer-groups", "--list", "--members");
    expect([code, err]).toEqual([
      1,
      'Exception in thread "main" joptsimple.UnavailableOptionException: Option(s) [members] are unavailable given other options on the command line\n',
    ]);
  });
});

describe("kafka-configs", () => {
  test("changes and shows settings and quotas", async () => {
    const topic = ["--entity-type", "topics", "--entity-name", "orders"];
    const changes = "retention.ms=5000,cleanup.policy=[compact,delete]";
    expect(await asked("kafka-configs", ...topic, "--alter", "--add-config", changes)).toEqual({
      ...{ code: 0, out: "Completed updating config for topic orders.\n", err: "" },
    });
    expect((await asked("kafka-configs", "--topic", "orders", "--describe")).out).toBe(
      [
        "Dynamic configs for topic orders are:",
        "  cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete}",
        "  retention.ms=5000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=5000}",
        "",
      ].join("\n"),
    );
    const client = ["--client", "c"];
    expect((await asked("kafka-configs", ...client, "--alter", "--add-config", "producer_byte_rate=1000")).code).toBe(
      0,
    );
    expect((await asked("kafka-configs", ...client, "--describe")).out).toBe(
      "Quota configs for client-id 'c' are producer_byte_rate=1000.0\n",
    );
  });

  test("refuses what cannot be", async () => {
    const refused = async (...args: string[]): Promise<string> => (await asked("kafka-configs", ...args)).err;
    expect(await refused("--topic", "orders", "--alter", "--add-config", "retention.ms")).toBe(
      'Invalid entity config: all configs to be added must be in the format "key=val" or  "key=[val1,val2]" to group values which contain commas.\n',
    );
    expect(await refused("--broker", "x", "--describe")).toBe(
      "The entity name for brokers must be a valid integer broker id, but it is: x\n",
    );
    expect(await refused("--client", "c", "--alter", "--delete-config", "request_percentage")).toBe(
      "Invalid config(s): request_percentage\n",
    );
    expect(await refused("--user", "ann", "--alter", "--add-config", "SCRAM-SHA-256=[iterations=10,password=x]")).toBe(
      "Iterations 10 is less than the minimum 4096 required for SCRAM-SHA-256\n",
    );
  });
});

describe("replicas", () => {
  test("leaders are elected and directories described", async () => {
    const elect = ["--election-type", "preferred"];
    expect((await asked("kafka-leader-election", ...elect, "--topic", "orders", "--partition", "0")).out).toBe(
      "Valid replica already elected for partitions orders-0\n",
    );
    const missing = await asked("kafka-leader-election", ...elect, "--topic", "nowhere", "--partition", "0");
    expect([missing.code, missing.err]).toEqual([1, "1 replica(s) could not be elected\n"]);
    const { out } = await asked("kafka-log-dirs", "--describe", "--topic-list", "orders");
    const [, , json = ""] = out.split("\n");
    const { brokers } = JSON.parse(json) as { brokers: { logDirs: { partitions: { partition: string }[] }[] }[] };
    const names = brokers.flatMap(({ logDirs }) => logDirs.flatMap(dir => dir.partitions.map(one => one.partition)));
    expect(names.toSorted()).toEqual(["orders-0", "orders-1"]);
  });
});
