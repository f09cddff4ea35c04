import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { clusterFixture, startCluster } from "@samsa/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { int64, json, KafkaClient, KafkaError, string, type TypedConsumer, type TypedRecord } from "../src/index.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { orders: 2, copies: 2, texts: 1, squeezed: 1 } });
let client: KafkaClient;

beforeEach(() => {
  client = new KafkaClient(cluster().bootstrapServers);
});

afterEach(() => client.close());

async function take<K, V>(consumer: TypedConsumer<K, V>, count: number): Promise<TypedRecord<K, V>[]> {
  const records: TypedRecord<K, V>[] = [];
  for await (const record of consumer.records()) {
    records.push(record);
    if (records.length === count) break;
  }
  return records;
}

interface Order {
  readonly item: string;
  readonly total: number;
}

test("what a producer sends, a consumer reads: keys, values, headers and times", async () => {
  const producer = client.producer({ key: string, value: json<Order>() });
  const sent = await producer.send({
    ...{ topic: "orders", key: "alice", value: { item: "tea", total: 5 }, timestamp: 1_700_000_000_000 },
    headers: { trace: "t1", raw: Uint8Array.of(1) },
  });
  expect(sent).toMatchObject({ topic: "orders", offset: 0, timestamp: 1_700_000_000_000 });
  await producer.send({ topic: "orders", key: "alice", value: null });
  const consumer = client.consumer({ group: "g1", key: string, value: json<Order>(), reset: "earliest" });
  await consumer.subscribe(["orders"]);
  const [first, second] = await take(consumer, 2);
  expect([first.key, first.value, first.offset, first.timestamp]).toEqual([
    ...["alice", { item: "tea", total: 5 }, 0, 1_700_000_000_000],
  ]);
  expect([first.header("trace"), first.headers.length, second.value, second.partition]).toEqual([
    ...["t1", 2, null, first.partition],
  ]);
});

test("codecs have names", async () => {
  const value = "again ".repeat(1000);
  for (const compression of ["none", "gzip", "snappy", "lz4", "zstd", { codec: 1, level: 9 }] as const) {
    await using producer = client.producer({ value: string, compression });
    await producer.send({ topic: "squeezed", value });
  }
  const consumer = client.consumer({ value: string });
  consumer.assign([{ topic: "squeezed", partition: 0, offset: "beginning" }]);
  expect((await take(consumer, 6)).map(record => record.value)).toEqual(Array.from({ length: 6 }, () => value));
  const [directory] = (await client.admin().replicas.describeLogDirs()).orThrow().values().next().value ?? [];
  const size = Number(directory?.replicas.find(({ topic }) => topic === "squeezed")?.sizeBytes);
  expect(size > value.length && size < 2 * value.length).toBe(true);
  expect(() => client.producer({ compression: "brotli" as never })).toThrow(
    'compression is one of none, gzip, snappy, lz4, zstd, not "brotli"',
  );
});

test("batches cost one promise, and tell which records failed", async () => {
  const producer = client.producer({ value: string });
  const records = Array.from({ length: 1000 }, (_, i) => ({ topic: "texts", value: `text ${i}` }));
  const { failures, offsets } = await producer.sendBatch(records);
  expect([failures.size, new Set(offsets).size]).toEqual([0, 1000]);
  let acknowledged = 0;
  for (const record of records) {
    while (!producer.offer(record, error => error ?? acknowledged++)) await producer.drained();
  }
  await producer.flush();
  expect(acknowledged).toBe(1000);
  const consumer = client.consumer({ value: string });
  consumer.assign([{ topic: "texts", partition: 0, offset: "beginning" }]);
  let count = 0;
  for await (const batch of consumer.batches({ max: 300 })) {
    expect(batch.records.length).toBeLessThanOrEqual(300);
    count += batch.records.length;
    if (count >= 2000) break;
  }
  expect([count, consumer.lag("texts", 0)]).toEqual([2000, 0]);
});

test("records are copied exactly once, with their offsets in the transaction", async () => {
  const source = client.producer({ value: int64 });
  await source.sendBatch(
    Array.from({ length: 50 }, (_, i) => ({ topic: "orders", value: BigInt(i), partition: i % 2 })),
  );
  const consumer = client.consumer({
    ...{ value: int64, reset: "earliest", isolation: "read_committed" },
    group: { groupId: "copier", autoCommit: false },
  });
  await consumer.subscribe(["orders"]);
  const producer = client.producer({ value: int64, transactionalId: "copier" });
  await expect(
    producer.transaction(async () => {
      await producer.send({ topic: "copies", value: -1n });
      throw new Error("the work has failed");
    }),
  ).rejects.toThrow("the work has failed");
  let copied = 0;
  for await (const { records } of consumer.batches({ max: 10 })) {
    await producer.transaction(async () => {
      for (const record of records) {
        // The first two records of the topic are JSON, of another test.
        const bytes = record.offset < 2 && record.headers.length > 0;
        if (!bytes) copied++;
        await producer.send({ topic: "copies", value: BigInt(copied) });
      }
      const offsets = records.slice(-1).map(({ topic, partition, offset }) => ({
        ...{ topic, partition, offset: offset + 1, leaderEpoch: -1 },
      }));
      await producer.sendOffsets(offsets, consumer.groupMembership);
    });
    if (copied >= 50) break;
  }
  const reader = client.consumer({ value: int64, isolation: "read_committed" });
  reader.assign([0, 1].map(partition => ({ topic: "copies", partition, offset: "beginning" as const })));
  const copies = await take(reader, 50);
  expect(copies.every(({ value }) => value !== null && value > 0n)).toBe(true);
  const committed = await consumer.committed([0, 1].map(partition => ({ topic: "orders", partition })));
  expect(committed.reduce((sum, { offset }) => sum + offset, 0)).toBeGreaterThanOrEqual(50);
});

describe("errors", () => {
  test("of serdes name the record's place", async () => {
    const producer = client.producer({ value: json() });
    await expect(producer.send({ topic: "texts", value: () => {} })).rejects.toMatchObject({
      name: "SERIALIZATION_FAILED",
      message: "the value of a record for topic texts cannot be written: a function has no JSON",
    });
    await client.producer().send({ topic: "bad", value: "{" });
    const consumer = client.consumer({ value: json() });
    consumer.assign([{ topic: "bad", partition: 0, offset: "beginning" }]);
    const [record] = await take(consumer, 1);
    expect(() => record.value).toThrow("the value of a record of topic bad at 0/0 cannot be read: ");
    await expect(client.producer().send({ topic: "t", value: 5 as never })).rejects.toThrow("a number needs a serde");
  });

  test("say which server cannot be reached", async () => {
    await using lost = new KafkaClient({ bootstrapServers: "127.0.0.1:1", apiTimeoutMs: 300 });
    const error = await lost
      .admin()
      .topics.list()
      .catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(KafkaError);
    expect(String(error)).toContain("127.0.0.1:1");
    expect(() => new KafkaClient("not a server:x")).toThrow("bootstrapServers wants host:port");
  });

  test("of a broker have its name and code", async () => {
    cluster().intercept({ api: "Produce", times: 1 }, { error: "TOPIC_AUTHORIZATION_FAILED" });
    await expect(client.producer().send({ topic: "texts", value: "x" })).rejects.toMatchObject({
      ...{ name: "TOPIC_AUTHORIZATION_FAILED", code: 29, retriable: false },
    });
    cluster().intercept({ api: "Produce", times: 2 }, { error: "NOT_LEADER_OR_FOLLOWER" });
    await expect(client.producer().send({ topic: "texts", value: "x" })).resolves.toMatchObject({ topic: "texts" });
  });

  test("of a closed client say so", async () => {
    const producer = client.producer();
    await client.close();
    expect(() => client.producer()).toThrow("the client is closed");
    await expect(producer.send({ topic: "texts", value: "x" })).rejects.toMatchObject({ name: "CLOSED" });
  });
});

test.each([
  ["of the package", "../README.md", "0 alice 5\n"],
  ["of the repository", "../../../../README.md", "0 hello\n"],
])("the example of the README %s runs", async (_of, path, output) => {
  const page = readFileSync(join(import.meta.dirname, path), "utf8");
  const [, code = ""] = /```ts\n(.*?)```/s.exec(page) ?? [];
  const folder = mkdtempSync(join(tmpdir(), "samsa-client-"));
  try {
    await using own = await startCluster();
    symlinkSync(join(import.meta.dirname, "../../../../node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "example.ts"), code.replace("localhost:9092", own.bootstrapServers));
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(folder, "example.ts")]);
    expect([stdout, stderr]).toEqual([output, ""]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a client has one admin, whose connections end with it", async () => {
  const other = new KafkaClient(cluster().bootstrapServers);
  const admin = other.admin();
  expect(other.admin()).toBe(admin);
  expect((await admin.topics.list()).length).toBeGreaterThan(0);
  await other.close();
  await expect(other.admin().topics.list()).rejects.toThrow(KafkaError);
});
