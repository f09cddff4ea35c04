/**
 * Walk through KafkaJS; its argument is the broker's `host:port`. With `--samsa`, `@samsa/kafkajs` takes the place of
 * KafkaJS: it has the same interface.
 */
import { entryAt, VERSION } from "@samsa/base";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ConfigResourceTypes as ResourceTypes,
  Kafka as SamsaKafka,
  logLevel as levels,
  ResourcePatternTypes,
} from "@samsa/kafkajs";
import original, {
  type Admin as KafkaJSAdmin,
  type Consumer as KafkaJSConsumer,
  type KafkaMessage,
  type logLevel as LogLevel,
  type Producer,
  type ProducerConfig,
  type ResourceConfigQuery,
} from "kafkajs";
import { CODECS, registerCodecs } from "../judges/codecs.ts";
import { until } from "../processes/until.ts";
import { check, equal, refused, tellVersion } from "./walk.ts";

const TOPIC = "kafkajs-walk";
/** Time in ms in which a broker hears of new partitions. */
const METADATA_MS = 5000;
const isSamsa = process.argv.includes("--samsa");

// Types of KafkaJS, but where it is wrong: ids of events are no texts, values of settings may be null.
interface Admin extends Omit<KafkaJSAdmin, "on" | "describeGroups" | "describeConfigs" | "deleteGroups"> {
  deleteGroups(groupIds: string[]): Promise<unknown>;
  describeGroups(groupIds: string[]): Promise<{ readonly groups: readonly { readonly state: string }[] }>;
  describeConfigs(query: { readonly resources: ResourceConfigQuery[]; readonly includeSynonyms: boolean }): Promise<{
    readonly resources: readonly {
      readonly configEntries: readonly { readonly configName: string; readonly configValue: string | null }[];
    }[];
  }>;
}

interface Consumer extends Omit<KafkaJSConsumer, "on" | "describeGroup"> {
  on(name: "consumer.crash", listener: (event: { readonly payload: { readonly error: Error } }) => void): () => void;
}

interface Kafka {
  producer(config?: ProducerConfig): Omit<Producer, "on">;
  consumer(config: { readonly groupId: string; readonly maxWaitTimeInMs: number }): Consumer;
  admin(): Admin;
}

/** Part of either package that the walk uses. */
interface Package {
  readonly Kafka: new (config: {
    readonly brokers: string[];
    readonly clientId: string;
    readonly logLevel: LogLevel;
    readonly retry: { readonly initialRetryTime: number; readonly retries: number };
  }) => Kafka;
  readonly logLevel: Pick<typeof original.logLevel, "NOTHING">;
  readonly ConfigResourceTypes: Pick<typeof original.ConfigResourceTypes, "TOPIC">;
  readonly AclResourceTypes: Pick<typeof original.AclResourceTypes, "ANY">;
  readonly AclOperationTypes: Pick<typeof original.AclOperationTypes, "ANY">;
  readonly AclPermissionTypes: Pick<typeof original.AclPermissionTypes, "ANY">;
  readonly ResourcePatternTypes: Pick<typeof original.ResourcePatternTypes, "ANY">;
}

const samsa = {
  ...{ Kafka: SamsaKafka, logLevel: levels, ConfigResourceTypes: ResourceTypes, ResourcePatternTypes },
  ...{ AclResourceTypes, AclOperationTypes, AclPermissionTypes },
};
const kafkajs: Package = isSamsa ? samsa : original;
const { ConfigResourceTypes, logLevel } = kafkajs;

interface Taken {
  readonly partition: number;
  readonly message: KafkaMessage;
}

/** Runs the consumer until `count` records have arrived. */
async function take(consumer: Consumer, count: number, commit = true): Promise<Taken[]> {
  const found: Taken[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    const eachMessage = async ({ partition, message }: Taken): Promise<void> => {
      if (found.length < count) found.push({ partition, message });
      if (found.length >= count) resolve();
    };
    consumer.run({ autoCommit: commit, eachMessage }).catch(reject);
  });
  return found;
}

async function topics(admin: Admin): Promise<void> {
  const create = (topic: string, more: object = {}): Promise<boolean> =>
    admin.createTopics({ topics: [{ topic, numPartitions: 2, replicationFactor: 1, ...more }] });
  await check("create a topic", async () => {
    const configEntries = [{ name: "retention.ms", value: "3600000" }];
    equal("created", await create(TOPIC, { configEntries }), true);
    equal("created twice", await create(TOPIC), false);
  });
  await check("what is wrong with a topic is told", async () => {
    await refused(/INVALID_REPLICATION_FACTOR|replication/i, () => create("wrong", { replicationFactor: 3 }));
    await refused(/INVALID_TOPIC|invalid topic/i, () => create("wr/ong"));
  });
  await check("list topics", async () => equal("listed", (await admin.listTopics()).includes(TOPIC), true));
  await check("describe a topic", async () => {
    const { topics: found } = await admin.fetchTopicMetadata({ topics: [TOPIC] });
    equal("partitions", found[0]?.partitions.length, 2);
    await refused(/does not host|UNKNOWN_TOPIC/i, () => admin.fetchTopicMetadata({ topics: ["nowhere"] }));
  });
  await check("add partitions", async () => {
    await create("grows");
    await admin.createPartitions({ topicPartitions: [{ topic: "grows", count: 3 }] });
    const count = async (): Promise<number | undefined> =>
      (await admin.fetchTopicMetadata({ topics: ["grows"] })).topics[0]?.partitions.length;
    // A broker hears of the partitions after the controller has answered.
    await until("the topic has 3 partitions", async () => (await count()) === 3, METADATA_MS);
  });
  const resource = { type: ConfigResourceTypes.TOPIC, name: TOPIC };
  const retention = async (): Promise<string | null | undefined> => {
    const { resources } = await admin.describeConfigs({ resources: [resource], includeSynonyms: false });
    return resources[0]?.configEntries.find(entry => entry.configName === "retention.ms")?.configValue;
  };
  await check("describe a topic's settings", async () => equal("retention", await retention(), "3600000"));
  await check("alter a topic's settings", async () => {
    const configEntries = [{ name: "retention.ms", value: "7200000" }];
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] });
    equal("retention", await retention(), "7200000");
  });
  await check("describe the cluster", async () => equal("nodes", (await admin.describeCluster()).brokers.length, 1));
}

async function produce(kafka: Kafka, admin: Admin): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  for (const codec of CODECS) {
    await check(`produce with ${codec}`, async () => {
      const messages = Array.from({ length: 20 }, (_, index) => ({
        partition: 0,
        value: `${codec} ${index}`.repeat(50),
      }));
      await producer.send({ topic: TOPIC, compression: CODECS.indexOf(codec), messages });
    });
  }
  await check("produce keys, headers and nulls", async () => {
    const messages = [
      { partition: 1, key: "key", value: "žluťoučký", headers: { trace: "1", twice: ["a", "b"] }, timestamp: "1000" },
      { partition: 1, key: "gone", value: null, timestamp: "2000" },
      { partition: 1, value: "", timestamp: "3000" },
    ];
    await producer.send({ topic: TOPIC, messages });
  });
  await check("produce with acks 0 and 1", async () => {
    await producer.send({ topic: TOPIC, acks: 0, messages: [{ partition: 0, value: "0" }] });
    await producer.send({ topic: TOPIC, acks: 1, messages: [{ partition: 0, value: "1" }] });
  });
  await producer.disconnect();
  await check("produce idempotently", async () => {
    const idempotent = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await idempotent.connect();
    await idempotent.send({ topic: TOPIC, messages: [{ partition: 0, value: "once" }] });
    await idempotent.disconnect();
  });
  await check("produce in a transaction", async () => {
    const transactional = kafka.producer({ transactionalId: "kafkajs", idempotent: true, maxInFlightRequests: 1 });
    await transactional.connect();
    const transaction = await transactional.transaction();
    await transaction.send({ topic: "grows", messages: [{ partition: 0, value: "committed" }] });
    await transaction.commit();
    await transactional.disconnect();
  });
  await check("offsets of a topic", async () => {
    const offsets = await admin.fetchTopicOffsets(TOPIC);
    equal("low", Number(offsets.find(one => one.partition === 1)?.low), 0);
    equal("high", Number(offsets.find(one => one.partition === 1)?.high), 3);
  });
  await check("offsets by time", async () => {
    const offsets = await admin.fetchTopicOffsetsByTimestamp(TOPIC, 1500);
    equal("offset", offsets.find(one => one.partition === 1)?.offset, "1");
  });
}

async function consume(kafka: Kafka, admin: Admin): Promise<void> {
  const total = (await admin.fetchTopicOffsets(TOPIC)).reduce((sum, { high }) => sum + Number(high), 0);
  const consumer = (groupId: string): Consumer => kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
  await check("consume everything in a group", async () => {
    const one = consumer("all");
    await one.connect();
    await one.subscribe({ topics: [TOPIC], fromBeginning: true });
    const found = await take(one, total);
    const [full, gone, empty] = found.filter(({ partition }) => partition === 1).map(({ message }) => message);
    equal("value", full?.value?.toString(), "žluťoučký");
    equal("header", full?.headers?.trace?.toString(), "1");
    equal("headers of one name", [full?.headers?.twice].flat().map(String), ["a", "b"]);
    equal("tombstone", gone?.value, null);
    equal("no key", empty?.key, null);
    equal("empty value", empty?.value?.length, 0);
    await one.disconnect();
  });
  await check("commit, then go on from there", async () => {
    for (const [offset, first] of [
      ["", "0"],
      ["2", "2"],
    ]) {
      const one = consumer("commit");
      await one.connect();
      await one.subscribe({ topics: [TOPIC], fromBeginning: true });
      const found = await take(one, offset === "" ? total : total - 2, false);
      equal("first offset", found.find(({ partition }) => partition === 1)?.message.offset, first);
      await one.commitOffsets([{ topic: TOPIC, partition: 1, offset: "2", metadata: "mine" }]);
      await one.disconnect();
    }
  });
  await check("seek", async () => {
    const one = consumer("seek");
    await one.connect();
    await one.subscribe({ topics: [TOPIC], fromBeginning: true });
    const found = take(one, 1);
    for (const partition of [0, 1]) one.seek({ topic: TOPIC, partition, offset: "2" });
    equal("offset", (await found)[0]?.message.offset, "2");
    await one.disconnect();
  });
}

async function groups(admin: Admin): Promise<void> {
  await check("offsets of a group", async () => {
    const [found] = await admin.fetchOffsets({ groupId: "commit", topics: [TOPIC] });
    const committed = found?.partitions.find(one => one.partition === 1);
    equal("committed", committed?.offset, "2");
    equal("metadata", committed?.metadata, "mine");
  });
  await check("list and describe groups", async () => {
    const { groups: found } = await admin.listGroups();
    equal(
      "listed",
      found.some(group => group.groupId === "commit"),
      true,
    );
    equal("state", (await admin.describeGroups(["commit"])).groups[0]?.state, "Empty");
  });
  await check("set and reset offsets of a group", async () => {
    await admin.setOffsets({ groupId: "commit", topic: TOPIC, partitions: [{ partition: 1, offset: "1" }] });
    await admin.resetOffsets({ groupId: "commit", topic: TOPIC, earliest: true });
  });
  await check("delete a group", async () => {
    await admin.deleteGroups(["commit"]);
    await refused(/GROUP_ID_NOT_FOUND|Error in DeleteGroups/i, () => admin.deleteGroups(["commit"]));
  });
  await check("delete records", async () => {
    await admin.deleteTopicRecords({ topic: TOPIC, partitions: [{ partition: 1, offset: "2" }] });
    equal("low", (await admin.fetchTopicOffsets(TOPIC)).find(one => one.partition === 1)?.low, "2");
  });
  await check("reassign partitions", async () => {
    const node = entryAt((await admin.describeCluster()).brokers, 0).nodeId;
    const partitionAssignment = [{ partition: 0, replicas: [node] }];
    await admin.alterPartitionReassignments({ topics: [{ topic: TOPIC, partitionAssignment }] });
    equal("under way", (await admin.listPartitionReassignments({})).topics, []);
  });
  await check("describe access rules, which no authorizer keeps", () =>
    refused(/SECURITY_DISABLED|Security features are disabled/i, () =>
      admin.describeAcls({
        resourceType: kafkajs.AclResourceTypes.ANY,
        resourcePatternType: kafkajs.ResourcePatternTypes.ANY,
        operation: kafkajs.AclOperationTypes.ANY,
        permissionType: kafkajs.AclPermissionTypes.ANY,
      }),
    ),
  );
  await check("delete a topic", async () => {
    await admin.deleteTopics({ topics: [TOPIC] });
    equal("listed", (await admin.listTopics()).includes(TOPIC), false);
  });
}

if (isSamsa) tellVersion(VERSION);
else {
  registerCodecs();
  const manifest = createRequire(import.meta.url).resolve("kafkajs/package.json");
  tellVersion((JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version);
}
const kafka = new kafkajs.Kafka({
  brokers: process.argv.slice(2).filter(argument => !argument.startsWith("--")),
  clientId: "kafkajs-walk",
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 50, retries: 3 },
});
const admin = kafka.admin();
await admin.connect();
await topics(admin);
await produce(kafka, admin);
await consume(kafka, admin);
await groups(admin);
await admin.disconnect();
// Exit even if a failed check left connections open.
process.exit(0);
