import { startCluster } from "@samsa/testkit";
import { describe, expect, test } from "vitest";
import {
  type Batch,
  type ConsumerSubscribeTopic,
  KafkaJSNonRetriableError,
  KafkaJSNotImplemented,
  PartitionAssigners,
} from "../src/index.ts";
import { collect, fresh, until, World, worldFixture } from "./world.ts";

const world = worldFixture();

describe("settings", () => {
  test("a group id is needed", () => {
    for (const groupId of ["", undefined as unknown as string]) {
      expect(() => world().kafka.consumer({ groupId })).toThrow("Consumer groupId must be a non-empty string.");
    }
  });

  test("heartbeats are more frequent than sessions end", () => {
    const create = () => world().kafka.consumer({ groupId: "g", heartbeatInterval: 10_000, sessionTimeout: 10_000 });
    expect(create).toThrow(/heartbeatInterval \(10000\) must be lower than sessionTimeout \(10000\)/);
  });

  test("assigners of a program are refused", () => {
    const own = (() => ({ name: "mine", version: 1 })) as unknown as (typeof PartitionAssigners)["roundRobin"];
    expect(() => world().kafka.consumer({ groupId: "g", partitionAssigners: [own] })).toThrow(KafkaJSNotImplemented);
    expect(() => world().kafka.consumer({ groupId: "g", partitionAssigners: [] })).toThrow(KafkaJSNonRetriableError);
  });

  test("a setting that there is not is refused", () => {
    expect(() => world().kafka.consumer({ groupId: "g", fromBeginning: true } as never)).toThrow(
      "consumer has no setting fromBeginning",
    );
  });

  test("a run has valid numbers", async () => {
    const consumer = await world().consumer();
    await expect(consumer.run({ partitionsConsumedConcurrently: 0 })).rejects.toThrow("from 1 on, not 0");
    await expect(consumer.run({ autoCommitInterval: -1 })).rejects.toThrow("autoCommitInterval");
    await expect(consumer.run({ eachMessage: "x" as never })).rejects.toThrow("eachMessage is a function");
  });
});

describe("subscribe", () => {
  test("needs topics that are texts or patterns", async () => {
    const consumer = await world().consumer();
    const subscribe = (subscription: unknown) => consumer.subscribe(subscription as ConsumerSubscribeTopic);
    await expect(subscribe({})).rejects.toThrow('Missing required argument "topics"');
    await expect(subscribe({ topics: "a" })).rejects.toThrow('Argument "topics" must be an array');
    await expect(subscribe({ topics: [{}] })).rejects.toThrow("the topic name has to be a String or a RegExp");
    await expect(subscribe({ topic: 1 })).rejects.toThrow("Invalid topic 1 (number)");
  });

  test("is told of a topic that does not exist", async () => {
    const consumer = await world().consumer({ allowAutoTopicCreation: false });
    await expect(consumer.subscribe({ topic: fresh("nowhere") })).rejects.toMatchObject({
      cause: { type: "UNKNOWN_TOPIC_OR_PARTITION" },
    });
  });

  test("is for consumers that do not run", async () => {
    const topic = await world().topic();
    const consumer = await world().consumer();
    await expect(consumer.run()).rejects.toThrow("consumer#subscribe must be called first");
    await consumer.subscribe({ topic });
    await consumer.run();
    await expect(consumer.subscribe({ topic })).rejects.toThrow("Cannot subscribe to topic while consumer is running");
  });

  test("takes patterns of JavaScript, also without regard to case and with flags that keep a place", async () => {
    const prefix = fresh("Pattern");
    const admin = await world().admin();
    const names = ["a", "b", "other"].map(name => `${prefix}-${name}`);
    await admin.createTopics({ topics: names.map(topic => ({ topic })) });
    for (const name of names) await world().fill(name, [name]);
    const consumer = await world().consumer();
    await consumer.subscribe({ topic: new RegExp(`^${prefix.toLowerCase()}-(?!other)`, "gi"), fromBeginning: true });
    const values = await collect(consumer);
    await until(() => values.length === 2);
    expect(values.sort()).toEqual(names.slice(0, 2));
  });

  test("matches patterns again with the metadata", async () => {
    const prefix = fresh("later");
    const consumer = await world().consumer({ metadataMaxAge: 100 });
    await consumer.subscribe({ topics: [new RegExp(`^${prefix}-`)], fromBeginning: true });
    const values = await collect(consumer);
    await (await world().admin()).createTopics({ topics: [{ topic: `${prefix}-new` }] });
    await world().fill(`${prefix}-new`, ["found"]);
    await until(() => values.length === 1, "the new topic is found");
    expect(values).toEqual(["found"]);
  });

  test("each topic says where it begins", async () => {
    const [early, late] = [await world().topic(), await world().topic()];
    await world().fill(early, ["early old"]);
    await world().fill(late, ["late old"]);
    const consumer = await world().consumer();
    await consumer.subscribe({ topic: early, fromBeginning: true });
    await consumer.subscribe({ topic: late });
    const values = await collect(consumer);
    await until(() => values.length === 1);
    // The offset of the end is looked up before the message is there.
    await new Promise(resolve => setTimeout(resolve, 300));
    await world().fill(late, ["late new"]);
    await until(() => values.length === 2);
    expect(values).toEqual(["early old", "late new"]);
  });
});

describe("messages", () => {
  test("come one by one, in order", async () => {
    const topic = await world().topic();
    const sent = Array.from({ length: 100 }, (_, i) => `${i}`);
    await world().fill(topic, sent);
    const consumer = await world().reader(topic);
    const values = await collect(consumer);
    await until(() => values.length === 100);
    expect(values).toEqual(sent);
  });

  test("come in batches", async () => {
    const topic = await world().filled(["a", "b", "c"]);
    const consumer = await world().reader(topic);
    const batches: Batch[] = [];
    await consumer.run({
      eachBatch: async ({ batch }) => {
        batches.push(batch);
      },
    });
    await until(() => batches.length === 1);
    const [batch] = batches;
    expect([batch.topic, batch.partition, batch.highWatermark, batch.isEmpty()]).toEqual([topic, 0, "3", false]);
    expect([batch.firstOffset(), batch.lastOffset(), batch.offsetLag(), batch.offsetLagLow()]).toEqual([
      ...["0", "2", "0", "2"],
    ]);
    expect(batch.messages.map(({ value }) => String(value))).toEqual(["a", "b", "c"]);
  });

  test.each([1, 2, 3])("of %i partitions are handled at a time, those of one never", async concurrency => {
    const topic = await world().topic(3);
    for (const partition of [0, 1, 2]) await world().fill(topic, ["x", "y"], partition);
    const consumer = await world().reader(topic);
    const open: number[] = [];
    let most = 0;
    let count = 0;
    let isTwice = false;
    await consumer.run({
      partitionsConsumedConcurrently: concurrency,
      eachMessage: async ({ partition }) => {
        isTwice ||= open.includes(partition);
        open.push(partition);
        most = Math.max(most, open.length);
        await new Promise(resolve => setTimeout(resolve, 50));
        open.splice(open.indexOf(partition), 1);
        count++;
      },
    });
    await until(() => count === 6);
    expect([most, isTwice]).toEqual([concurrency, false]);
  });
});

describe("life", () => {
  test("is told by events", async () => {
    const topic = await world().topic();
    const consumer = world().kafka.consumer({ groupId: fresh("group"), maxWaitTimeInMs: 100 });
    const seen: string[] = [];
    const { CONNECT, DISCONNECT, STOP, START_BATCH_PROCESS, END_BATCH_PROCESS } = consumer.events;
    for (const name of [CONNECT, DISCONNECT, STOP]) consumer.on(name, ({ type }) => seen.push(type));
    const payloads: unknown[] = [];
    consumer.on(START_BATCH_PROCESS, ({ payload }) => payloads.push(payload));
    consumer.on(END_BATCH_PROCESS, ({ payload }) => payloads.push(payload));
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await world().fill(topic, ["a", "b"]);
    await collect(consumer);
    await until(() => payloads.length === 2);
    const facts = { topic, partition: 0, batchSize: 2, firstOffset: "0", lastOffset: "1", highWatermark: "2" };
    expect(payloads).toEqual([
      { ...facts, offsetLag: "0", offsetLagLow: "1" },
      { ...facts, offsetLag: "0", offsetLagLow: "1", duration: expect.any(Number) },
    ]);
    await consumer.disconnect();
    expect(seen).toEqual(["consumer.connect", "consumer.stop", "consumer.disconnect"]);
    expect(() => consumer.on("NON_EXISTENT_EVENT" as "consumer.stop", () => undefined)).toThrow(
      /Event name should be one of consumer.events.HEARTBEAT/,
    );
  });

  test("goes on after a listener that throws", async () => {
    const topic = await world().filled(["a"]);
    const consumer = await world().consumer();
    consumer.on(consumer.events.START_BATCH_PROCESS, () => {
      throw new Error("a listener");
    });
    await consumer.subscribe({ topic, fromBeginning: true });
    const values = await collect(consumer);
    await until(() => values.length === 1);
  });

  test("may begin again after `stop`, with more topics", async () => {
    const [one, two] = [await world().topic(), await world().topic()];
    const consumer = await world().consumer();
    await consumer.subscribe({ topic: one, fromBeginning: true });
    await world().fill(one, ["1"]);
    const first = await collect(consumer);
    await until(() => first.length === 1);
    await Promise.all([consumer.stop(), consumer.stop()]);
    await consumer.subscribe({ topic: two, fromBeginning: true });
    await world().fill(one, ["2"]);
    await world().fill(two, ["3"]);
    const second = await collect(consumer);
    await until(() => second.length === 2);
    expect(second.sort()).toEqual(["2", "3"]);
  });

  test("waits for the handler that runs, and hands out no further message", async () => {
    const topic = await world().filled(["a", "b"]);
    const groupId = fresh("group");
    const consumer = await world().reader(topic, { groupId });
    const ended: string[] = [];
    let hasBegun = false;
    await consumer.run({
      eachMessage: async ({ message }) => {
        hasBegun = true;
        await new Promise(resolve => setTimeout(resolve, 100));
        ended.push(String(message.value));
      },
    });
    await until(() => hasBegun);
    await consumer.stop();
    expect(ended).toEqual(["a"]);
    expect(await world().committed(groupId, topic)).toBe("1");
  });

  test("ends at a stop, also while no broker can be reached", async () => {
    const own = await startCluster({ topics: { t: 1 } });
    const retry = { retries: 1_000_000, initialRetryTime: 3_600_000, maxRetryTime: 3_600_000 };
    const consumer = new World(own.bootstrapServers, { retry }).kafka.consumer({ groupId: "g" });
    await consumer.connect();
    await consumer.subscribe({ topic: "t" });
    await consumer.disconnect();
    await own.close();
    const crashes: Error[] = [];
    consumer.on(consumer.events.CRASH, ({ payload }) => crashes.push(payload.error));
    const running = consumer.run();
    await consumer.disconnect();
    await running;
    expect(crashes).toEqual([]);
  });

  test("ends if no broker can be reached, and is told", async () => {
    const own = await startCluster({ topics: { t: 1 } });
    const mine = new World(own.bootstrapServers, { retry: { retries: 1, initialRetryTime: 10 } });
    const consumer = mine.kafka.consumer({ groupId: "g", retry: { retries: 1, restartOnFailure: async () => false } });
    await consumer.connect();
    await consumer.subscribe({ topic: "t" });
    await own.close();
    await consumer.disconnect();
    const crashes: Error[] = [];
    consumer.on(consumer.events.CRASH, ({ payload }) => crashes.push(payload.error));
    await consumer.run();
    expect(crashes.map(({ name }) => name)).toEqual(["KafkaJSNumberOfRetriesExceeded"]);
    expect(crashes[0].cause).toMatchObject({ name: "KafkaJSConnectionError" });
  });
});
