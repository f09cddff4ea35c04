import type { ClusterClient } from "@samsa/client-runtime";
import { buildBatch } from "@samsa/records";
import { nodeEnv } from "@samsa/node";
import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KafkaClient } from "../../client/src/index.ts";
import { clientOf, samsa as samsaOf } from "./client-bench.ts";

const env = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
// A broker that does not ask the coordinator lets a transaction begin that the coordinator does not know.
const settings = { "transaction.partition.verification.enable": "false" };
const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { orders: 2, stuck: 1 }, settings });
const samsa = (...args: string[]) => samsaOf(cluster(), ...args);
let client: ClusterClient;

beforeAll(() => {
  client = clientOf(cluster());
});
afterAll(() => client.close());

/** Writes a batch of a transaction that no coordinator knows. */
async function hang(topic: string, producerId: bigint): Promise<void> {
  const tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };
  const options = { producerId, producerEpoch: 3, baseSequence: 0, transactional: true };
  const batch = buildBatch([{ timestamp: Date.now() - 60_000, key: null, value: null }], options, tools);
  const topicData = [{ name: topic, partitionData: [{ index: 0, records: [batch] }] }];
  const { partitions } = await client.topic(topic, client.patience());
  const request = { transactionalId: "lost", acks: -1, timeoutMs: 3000, topicData };
  const { responses } = await client.call(partitions[0].leaderId, "Produce", request, { maxVersion: 11 });
  expect(responses[0].partitionResponses[0].errorCode).toBe(0);
}

test("open transactions are listed, described and terminated", async () => {
  await using kafka = new KafkaClient(cluster().bootstrapServers);
  const producer = kafka.producer({ transactionalId: "pay" });
  await producer.transaction(() => producer.send({ topic: "orders", partition: 0, value: "one" }));
  const failed = producer.transaction(async () => {
    await producer.send({ topic: "orders", partition: 1, value: "two" });
    const [listed] = JSON.parse((await samsa("txn", "list", "--state", "Ongoing", "--json")).out);
    expect(listed).toMatchObject({ transactionalId: "pay", state: "Ongoing" });
    expect((await samsa("txn", "list", "--pattern", "x.*")).out).toBe("TRANSACTION  PRODUCER  STATE\n");
    expect((await samsa("txn", "list", "--open-for", "1h")).out).toBe("TRANSACTION  PRODUCER  STATE\n");
    const [head, row] = (await samsa("txn", "describe", "pay")).out.split("\n");
    expect(head).toMatch(/^TRANSACTION  PRODUCER +EPOCH  STATE +TIMEOUT MS  STARTED +PARTITIONS$/);
    expect(row).toMatch(/^pay +\d+ +\d+ +Ongoing +60000 +\d{4}-\S+Z  orders:1$/);
    // A transaction that its coordinator knows does not hang, however long it is open.
    expect((await samsa("txn", "find-hanging", "--longer-than", "0ms")).out).toBe("No hanging transactions.\n");
    const [open] = JSON.parse((await samsa("txn", "producers", "orders:1", "--json")).out);
    expect(open).toMatchObject({ topic: "orders", partition: 1, producerId: listed.producerId, transactionStart: 0 });
    expect((await samsa("txn", "terminate", "pay")).out).toBe("Terminated transaction pay.\n");
  });
  await expect(failed).rejects.toMatchObject({ name: "PRODUCER_FENCED" });
  expect((await samsa("txn", "list")).out.split("\n")[1]).toMatch(/^pay +\d+ +(CompleteAbort|Empty)$/);
  const missing = await samsa("txn", "terminate", "none");
  expect([missing.code, missing.err]).toEqual([1, expect.stringContaining("transaction none: ")]);
  expect((await samsa("txn", "list")).out).not.toContain("none");
});

test("a transaction without a coordinator is found, and aborted by its offset or its producer", async () => {
  await hang("stuck", 7001n);
  expect((await samsa("txn", "find-hanging")).out).toBe("No hanging transactions.\n");
  const found = (await samsa("txn", "find-hanging", "--longer-than", "30s")).out.split("\n");
  expect(found).toEqual([
    "TOPIC  PARTITION  PRODUCER  EPOCH  COORDINATOR EPOCH  SEQUENCE  LAST RECORD               OPEN SINCE",
    expect.stringMatching(/^stuck  0          7001      3      -                  0         \S{24}  0$/),
    "",
  ]);
  expect((await samsa("txn", "find-hanging", "--longer-than", "30s", "-t", "orders")).out).toContain("No hanging");
  expect((await samsa("txn", "abort", "stuck:0", "--start-offset", "5")).err).toBe(
    "samsa: no transaction of stuck:0 is open since offset 5\n",
  );
  expect((await samsa("txn", "abort", "stuck:0", "--start-offset", "0")).out).toBe(
    "Aborted the transaction of producer 7001 in stuck:0.\n",
  );
  expect((await samsa("txn", "find-hanging", "--longer-than", "0ms")).out).toBe("No hanging transactions.\n");
  await hang("stuck", 7002n);
  const marker = ["--producer-id", "7002", "--producer-epoch", "3", "--coordinator-epoch", "-1"];
  const { out } = await samsa("txn", "abort", "stuck:0", ...marker, "--json");
  const aborted = { topic: "stuck", partition: 0, producerId: 7002, producerEpoch: 3, coordinatorEpoch: 0 };
  expect(JSON.parse(out)).toEqual(aborted);
  const producers = JSON.parse((await samsa("txn", "producers", "stuck", "--json")).out);
  expect(producers).toMatchObject([
    { producerId: 7001, transactionStart: -1 },
    { producerId: 7002, transactionStart: -1 },
  ]);
});

test.each([
  [["abort", "stuck:0"], "give --start-offset, or all of --producer-id, --producer-epoch and --coordinator-epoch"],
  [["abort", "stuck:0", "--start-offset", "0", "--producer-id", "1"], "give --start-offset, or all of"],
  [["abort", "stuck:0", "--start-offset", "-1"], "--start-offset wants a whole number up to 9007199254740991"],
  [["abort", "stuck", "--start-offset", "0"], 'txn abort wants topic:partition, not "stuck"'],
  [["producers", "absent"], "topic absent: "],
  [["producers", "orders:9"], "topic orders has no partition 9\n"],
  [["describe", "absent"], "transaction absent: "],
  [["find-hanging", "--longer-than", "soon"], '--longer-than wants a duration such as 90m or 30s, not "soon"'],
])("txn %j is refused in one sentence", async (args, why) => {
  const { code, err } = await samsa("txn", ...args);
  expect([code, err]).toEqual([1, expect.stringMatching(/^samsa: [^\n]+\n$/)]);
  expect(err).toContain(why);
});
