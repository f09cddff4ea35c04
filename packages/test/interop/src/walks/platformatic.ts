/** Walk through @platformatic/kafka; its argument is the broker's `host:port`. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  Admin,
  Consumer,
  type ConsumeOptions,
  ListOffsetTimestamps,
  type Message,
  Producer,
  stringDeserializers,
  stringSerializers,
} from "@platformatic/kafka";
import { CODECS } from "../judges/codecs.ts";
import { check, equal, refused, tellVersion } from "./walk.ts";

type Text = Message<string, string, string, string>;
type TextConsumer = Consumer<string, string, string, string>;

const TOPIC = "platformatic-walk";
const base = { clientId: "walk", bootstrapBrokers: process.argv.slice(2), retries: 3, retryDelay: 100 };

async function topics(admin: Admin): Promise<void> {
  await check("create a topic", async () => {
    const configs = [{ name: "retention.ms", value: "3600000" }];
    const [created] = await admin.createTopics({ topics: [TOPIC], partitions: 2, replicas: 1, configs });
    equal("partitions", created?.partitions, 2);
    await refused(/already exists|TOPIC_ALREADY_EXISTS/i, () => admin.createTopics({ topics: [TOPIC] }));
  });
  await check("what is wrong with a topic is told", async () => {
    await refused(/replication/i, () => admin.createTopics({ topics: ["wrong"], partitions: 1, replicas: 3 }));
  });
  await check("list topics", async () => equal("listed", (await admin.listTopics()).includes(TOPIC), true));
  await check("describe a topic", async () => {
    const metadata = await admin.metadata({ topics: [TOPIC], forceUpdate: true });
    equal("partitions", metadata.topics.get(TOPIC)?.partitionsCount, 2);
    equal("brokers", metadata.brokers.size, 1);
  });
  await check("add partitions", async () => {
    await admin.createTopics({ topics: ["grows"], partitions: 1, replicas: 1 });
    await admin.createPartitions({ topics: [{ name: "grows", count: 3, assignments: null }] });
    const metadata = await admin.metadata({ topics: ["grows"], forceUpdate: true });
    equal("partitions", metadata.topics.get("grows")?.partitionsCount, 3);
  });
  const resource = { resourceType: 2, resourceName: TOPIC } as const;
  const retention = async (): Promise<string | null | undefined> => {
    const [found] = await admin.describeConfigs({ resources: [resource] });
    return found?.configs.find(config => config.name === "retention.ms")?.value;
  };
  await check("describe a topic's settings", async () => equal("retention", await retention(), "3600000"));
  await check("alter a topic's settings", async () => {
    const configs = [{ name: "retention.ms", value: "7200000", configOperation: 0 }] as const;
    await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [...configs] }] });
    equal("retention", await retention(), "7200000");
  });
}

function newProducer(more: object = {}): Producer<string, string, string, string> {
  return new Producer({ ...base, serializers: stringSerializers, autocreateTopics: false, ...more });
}

async function produce(): Promise<void> {
  const producer = newProducer();
  for (const codec of CODECS) {
    await check(`produce with ${codec}`, async () => {
      const value = `${codec} again `.repeat(50);
      const messages = Array.from({ length: 20 }, () => ({ topic: TOPIC, partition: 0, value }));
      const { offsets } = await producer.send({ messages, acks: -1, compression: codec });
      equal("partitions told", offsets?.length, 1);
    });
  }
  await check("produce keys, headers and nulls", async () => {
    const messages = [
      { topic: TOPIC, partition: 1, key: "key", value: "žluťoučký", headers: { trace: "1" }, timestamp: 1000n },
      { topic: TOPIC, partition: 1, key: "gone", timestamp: 2000n },
      { topic: TOPIC, partition: 1, value: "", timestamp: 3000n },
    ];
    await producer.send({ messages, acks: -1 });
  });
  await producer.close();
  await check("produce idempotently", async () => {
    const idempotent = newProducer({ idempotent: true });
    await idempotent.send({ messages: [{ topic: TOPIC, partition: 0, value: "once" }], acks: -1 });
    await idempotent.close();
  });
  await check("produce in a transaction", async () => {
    const transactional = newProducer({ idempotent: true, transactionalId: "platformatic" });
    const transaction = await transactional.beginTransaction();
    await transaction.send({ messages: [{ topic: "grows", partition: 0, value: "committed" }], acks: -1 });
    await transaction.commit();
    await transactional.close();
  });
}

function newConsumer(groupId: string): TextConsumer {
  return new Consumer({ ...base, groupId, deserializers: stringDeserializers });
}

async function take(
  consumer: TextConsumer,
  count: number,
  options: Partial<ConsumeOptions<string, string, string, string>> = {},
): Promise<Text[]> {
  const found: Text[] = [];
  const where = { mode: "committed", fallbackMode: "earliest", autocommit: false, maxWaitTime: 200 } as const;
  const stream = await consumer.consume({ topics: [TOPIC], ...where, ...options } as ConsumeOptions<
    string,
    string,
    string,
    string
  >);
  for await (const message of stream as AsyncIterable<Text>) {
    found.push(message);
    if (found.length >= count) break;
  }
  return found;
}

async function consume(): Promise<void> {
  const total = CODECS.length * 20 + 3 + 1;
  await check("consume everything in a group", async () => {
    const consumer = newConsumer("all");
    const found = await take(consumer, total);
    const [full, gone, empty] = found.filter(({ partition }) => partition === 1);
    equal("value", full?.value, "žluťoučký");
    equal("headers", Object.fromEntries(full?.headers ?? []), { trace: "1" });
    equal("key of the tombstone", gone?.key, "gone");
    equal("empty value", empty?.value, "");
    await consumer.close(true);
  });
  await check("commit, then go on from there", async () => {
    const first = newConsumer("commit");
    await take(first, total);
    await first.commit({ offsets: [{ topic: TOPIC, partition: 1, offset: 2n, leaderEpoch: 0 }] });
    await first.close(true);
    const second = newConsumer("commit");
    const found = await take(second, total - 2);
    equal("first offset", found.find(({ partition }) => partition === 1)?.offset, 2n);
    await second.close(true);
  });
  await check("consume from given offsets", async () => {
    const consumer = newConsumer("seek");
    const offsets = [0, 1].map(partition => ({ topic: TOPIC, partition, offset: 2n }));
    const [found] = await take(consumer, 1, { mode: "manual", offsets });
    equal("offset", found?.offset, 2n);
    await consumer.close(true);
  });
  await check("list offsets, earliest, latest and by time", async () => {
    const consumer = newConsumer("offsets");
    const list = async (timestamp: bigint): Promise<bigint | undefined> =>
      (await consumer.listOffsets({ topics: [TOPIC], timestamp })).get(TOPIC)?.[1];
    equal("earliest", await list(ListOffsetTimestamps.EARLIEST), 0n);
    equal("latest", await list(ListOffsetTimestamps.LATEST), 3n);
    equal("by time", await list(1500n), 1n);
    await consumer.close(true);
  });
}

async function groups(admin: Admin): Promise<void> {
  await check("list and describe groups", async () => {
    equal("listed", (await admin.listGroups()).has("commit"), true);
    equal("state", (await admin.describeGroups({ groups: ["commit"] })).get("commit")?.state, "Empty");
  });
  await check("offsets of a group", async () => {
    const groups = [{ groupId: "commit", topics: [{ name: TOPIC, partitionIndexes: [1] }] }];
    const [found] = await admin.listConsumerGroupOffsets({ groups });
    equal("committed", found?.topics[0]?.partitions[0]?.committedOffset, 2n);
  });
  await check("alter offsets of a group", async () => {
    const partitionOffsets = [{ partition: 1, offset: 1n }];
    await admin.alterConsumerGroupOffsets({ groupId: "commit", topics: [{ name: TOPIC, partitionOffsets }] });
  });
  await check("delete offsets of a group", async () => {
    const topics = [{ name: TOPIC, partitionIndexes: [1] }];
    await admin.deleteConsumerGroupOffsets({ groupId: "commit", topics });
  });
  await check("delete a group", async () => {
    await admin.deleteGroups({ groups: ["commit"] });
    equal("listed", (await admin.listGroups()).has("commit"), false);
  });
  await check("delete records", async () => {
    const topics = [{ name: TOPIC, partitions: [{ partition: 1, offset: 2n }] }];
    await admin.deleteRecords({ topics });
  });
  await check("describe log directories", async () => {
    const [found] = await admin.describeLogDirs({ topics: [{ name: TOPIC, partitions: [0, 1] }] });
    equal("directories", found?.results.length, 1);
  });
  await check("alter quotas", async () => {
    const entities = [{ entityType: "client-id", entityName: "walk" }] as const;
    const ops = [{ key: "producer_byte_rate" as const, value: 1000, remove: false as const }];
    await admin.alterClientQuotas({ entries: [{ entities: [...entities], ops }] });
  });
  await check("delete a topic", async () => {
    await admin.deleteTopics({ topics: [TOPIC] });
    equal("listed", (await admin.listTopics()).includes(TOPIC), false);
  });
}

const entry = dirname(fileURLToPath(import.meta.resolve("@platformatic/kafka")));
tellVersion((JSON.parse(readFileSync(join(entry, "../package.json"), "utf8")) as { version: string }).version);
const admin = new Admin(base);
await topics(admin);
await produce();
await consume();
await groups(admin);
await admin.close();
// Exit even if a failed check left connections open.
process.exit(0);
