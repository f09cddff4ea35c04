import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ended, lastLine, run, tool } from "./client-bench.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { load: 2, numbers: 1 } });

const asked = (name: string, ...args: string[]) => tool(cluster(), name, ...args);

type Event = Readonly<Record<string, unknown>>;
const events = ({ out }: Ended): Event[] =>
  out
    .trimEnd()
    .split("\n")
    .map(line => JSON.parse(line) as Event);

describe("the perf tests", () => {
  const size = ["--topic", "load", "--num-records", "100", "--throughput", "-1"];

  test("write and read, and print rates as Kafka's do", async () => {
    const written = await asked("kafka-producer-perf-test", ...size, "--record-size", "10");
    expect([written.code, written.out]).toEqual([
      0,
      expect.stringMatching(
        /^100 records sent, [\d.]+ records\/sec \([\d.]+ MB\/sec\), [\d.]+ ms avg latency, [\d.]+ ms max latency, \d+ ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99\.9th\.\n$/,
      ),
    ]);
    const read = await asked("kafka-consumer-perf-test", "--topic", "load", "--num-records", "100");
    const [head, row = ""] = read.out.split("\n");
    expect(head).toBe(
      "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec",
    );
    expect(row.split(", ")[4]).toBe("100");
  });

  test("write in transactions", async () => {
    const args = ["--record-size", "10", "--transactional-id", "perf", "--transaction-duration-ms", "10"];
    const { code, out } = await asked("kafka-producer-perf-test", ...size, ...args);
    expect([code, out]).toEqual([0, expect.stringMatching(/^100 records sent, /)]);
  });

  test("refuse what does not go together", async () => {
    const ended = await asked("kafka-producer-perf-test", ...size, "--record-size", "1", "--payload-monotonic");
    expect([ended.code, lastLine(ended)]).toEqual([
      1,
      "kafka-producer-perf-test: error: argument --payload-monotonic: not allowed with argument --record-size",
    ]);
    const consumer = await asked(
      "kafka-consumer-perf-test",
      "--topic",
      "load",
      "--num-records",
      "1",
      "--messages",
      "1",
    );
    expect(consumer.code).toBe(1);
  });
});

describe("the verifiable tools", () => {
  test("write numbers and read them", async () => {
    const written = events(
      await asked("kafka-verifiable-producer", "--topic", "numbers", "--max-messages", "3", "--repeating-keys", "2"),
    );
    expect(written.map(({ name }) => name)).toEqual([
      "startup_complete",
      ...Array.from({ length: 3 }, () => "producer_send_success"),
      ...["shutdown_complete", "tool_data"],
    ]);
    expect(written[3]).toMatchObject({ key: "0", value: "2", topic: "numbers", partition: 0, offset: 2 });
    expect(written.at(-1)).toMatchObject({ sent: 3, acked: 3 });
    const group = ["--group-id", "v", "--reset-policy", "earliest", "--max-messages", "3", "--verbose"];
    const read = events(await asked("kafka-verifiable-consumer", "--topic", "numbers", ...group));
    const data = read.filter(({ name }) => name === "record_data");
    expect(data.map(({ value }) => value)).toEqual(["0", "1", "2"]);
    expect(read.find(({ name }) => name === "partitions_assigned")).toMatchObject({
      partitions: [{ topic: "numbers", partition: 0 }],
    });
    expect(read.find(({ name }) => name === "offsets_committed")).toMatchObject({ success: true });
  });

  test("print their help without arguments, and name a policy that is none", async () => {
    const help = await run("kafka-verifiable-producer");
    expect([help.code, help.out]).toEqual([0, expect.stringMatching(/^usage: verifiable-producer /)]);
    const { code, err } = await asked(
      "kafka-verifiable-consumer",
      "--topic",
      "t",
      "--group-id",
      "g",
      "--reset-policy",
      "x",
    );
    expect([code, err]).toEqual([1, expect.stringContaining("auto.offset.reset")]);
  });
});

describe("kafka-share-groups", () => {
  test("resets the offsets of a group without members, describes and deletes it", async () => {
    const reset = ["--reset-offsets", "--group", "s", "--topic", "load", "--to-earliest"];
    const { code, out } = await asked("kafka-share-groups", ...reset, "--execute");
    expect([code, out]).toEqual([0, expect.stringMatching(/^\nGROUP +TOPIC +PARTITION +NEW-OFFSET/)]);
    expect((await asked("kafka-share-groups", "--list")).out).toBe("s\n");
    expect((await asked("kafka-share-groups", "--describe", "--group", "s")).out).toMatch(/\ns +load +0 +0 /);
    expect((await asked("kafka-share-groups", "--delete", "--group", "s")).out).toBe(
      "Deletion of requested share groups ('s') was successful.\n",
    );
  });

  test("checks its options", async () => {
    const first = async (...args: string[]): Promise<string | undefined> =>
      (await asked("kafka-share-groups", ...args)).err.split("\n")[0];
    expect(await first("--list", "--delete", "--all-groups")).toBe(
      "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets.",
    );
    expect(await first("--reset-offsets", "--group", "s")).toBe(
      "Option [reset-offsets] takes the option: [execute] or [dry-run]",
    );
    expect(await first("--delete", "--group", "s", "--topic", "t")).toBe(
      "Option [delete] does not take the options [topic] or [all-topics].",
    );
  });
});
