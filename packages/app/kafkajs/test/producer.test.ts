import { startCluster } from "@samsa/testkit";
import { describe, expect, test } from "vitest";
import {
  CompressionTypes,
  KafkaJSError,
  KafkaJSNonRetriableError,
  KafkaJSNumberOfRetriesExceeded,
  type Message,
  type PartitionerArgs,
  Partitioners,
} from "../src/index.ts";
import { fresh, read, texts, World, worldFixture } from "./world.ts";

const world = worldFixture();

describe("what a call refuses", () => {
  test("a message without a value", async () => {
    const producer = await world().producer();
    const messages = [{ foo: "bar" } as unknown as Message];
    await expect(producer.send({ topic: "a", messages })).rejects.toThrow(
      'Invalid message without value for topic "a": {"foo":"bar"}',
    );
  });

  test("messages that are no list", async () => {
    const producer = await world().producer();
    const send = producer.send({ topic: "a", messages: undefined as unknown as Message[] });
    await expect(send).rejects.toThrow('Invalid messages array [undefined] for topic "a"');
  });

  test("no topic", async () => {
    const producer = await world().producer();
    await expect(producer.send({ topic: "", messages: [] })).rejects.toThrow("Invalid topic");
    await expect(producer.sendBatch({ topicMessages: [{ topic: "", messages: [] }] })).rejects.toBeInstanceOf(
      KafkaJSNonRetriableError,
    );
  });

  test("other acks than all of an idempotent producer", async () => {
    const producer = await world().producer({ idempotent: true });
    await expect(producer.send({ topic: "a", acks: 1, messages: [] })).rejects.toThrow(
      "Not requiring ack for all messages invalidates the idempotent producer's EoS guarantees",
    );
  });

  test("acks, codecs, keys and times that there are not", async () => {
    const producer = await world().producer();
    const topic = await world().topic();
    const send = (more: object, message: object = {}) =>
      producer.send({ topic, messages: [{ value: "a", ...message }], ...more });
    await expect(send({ acks: 2 })).rejects.toThrow("acks is -1, 0 or 1, not 2");
    await expect(send({ compression: 9 })).rejects.toThrow("compression is one of CompressionTypes, not 9");
    await expect(send({}, { key: 5 })).rejects.toThrow(`The key of a message for topic "${topic}" is a text`);
    await expect(send({}, { timestamp: "soon" })).rejects.toThrow('is a time in ms as a text, not "soon"');
  });

  test("a call of a producer that is not connected", async () => {
    const producer = world().kafka.producer();
    const send = () => producer.send({ topic: "a", messages: [{ value: "a" }] });
    await expect(send()).rejects.toThrow("The producer is disconnected");
    await producer.connect();
    await producer.disconnect();
    await expect(send()).rejects.toBeInstanceOf(KafkaJSError);
  });

  test("an idempotent producer without retries", () => {
    expect(() => world().kafka.producer({ idempotent: true, retry: { retries: 0 } })).toThrow(
      "Idempotent producer must allow retries to protect against transient errors",
    );
  });

  test("a setting that there is not", () => {
    expect(() => world().kafka.producer({ lingerMs: 5 } as object)).toThrow("producer has no setting lingerMs");
  });
});

test("tells the first offset of each partition", async () => {
  const producer = await world().producer();
  const topic = await world().topic(2);
  const send = () =>
    producer.send({
      topic,
      messages: [
        { value: "a", partition: 0 },
        { value: "b", partition: 1 },
        { value: "c", partition: 0 },
      ],
    });
  expect(await send()).toEqual([
    { topicName: topic, partition: 0, errorCode: 0, baseOffset: "0" },
    { topicName: topic, partition: 1, errorCode: 0, baseOffset: "0" },
  ]);
  expect((await send()).map(({ baseOffset }) => baseOffset)).toEqual(["2", "1"]);
});

test("sends to several topics, and merges those that come twice", async () => {
  const producer = await world().producer();
  const [one, two] = [await world().topic(), await world().topic()];
  const places = await producer.sendBatch({
    acks: 1,
    topicMessages: [
      { topic: one, messages: [{ value: "1" }] },
      { topic: two, messages: [{ value: "2" }] },
      { topic: one, messages: [{ value: "3" }] },
    ],
  });
  expect(places.map(({ topicName }) => topicName).sort()).toEqual([one, two].sort());
  expect(texts(await read(world(), [one], 2))).toEqual(["1", "3"]);
});

test("no messages are no error", async () => {
  const producer = await world().producer();
  expect(await producer.sendBatch({ topicMessages: [] })).toEqual([]);
  expect(await producer.send({ topic: await world().topic(), messages: [] })).toEqual([]);
});

test("acks of 0 have no answer", async () => {
  const producer = await world().producer();
  const topic = await world().topic();
  expect(await producer.send({ topic, acks: 0, messages: [{ value: "a" }] })).toEqual([]);
  expect(texts(await read(world(), [topic], 1))).toEqual(["a"]);
});

test.each(Object.entries(CompressionTypes))("compresses with %s", async (_, compression) => {
  const producer = await world().producer();
  const topic = await world().topic();
  const messages = Array.from({ length: 30 }, (__, i) => ({ value: `message ${i} `.repeat(20) }));
  await producer.send({ topic, compression, messages });
  expect(texts(await read(world(), [topic], 30))).toEqual(messages.map(({ value }) => value));
});

test("one producer mixes codecs and keeps the order", async () => {
  const producer = await world().producer({ idempotent: true });
  const topic = await world().topic();
  const codecs = Object.values(CompressionTypes);
  await Promise.all(
    codecs.map((compression, i) => producer.send({ topic, compression, messages: [{ value: `${i}` }] })),
  );
  expect(texts(await read(world(), [topic], 5))).toEqual(["0", "1", "2", "3", "4"]);
});

test("headers, keys, tombstones and times arrive", async () => {
  const producer = await world().producer();
  const topic = await world().topic();
  const headers = { one: "1", bytes: Buffer.from([1, 2]), several: ["a", Buffer.from("b")], none: undefined };
  await producer.send({
    topic,
    messages: [
      { key: "k", value: "v", headers, timestamp: "1509928155660" },
      { key: Buffer.from("gone"), value: null },
    ],
  });
  const [first, second] = await read(world(), [topic], 2);
  expect(first).toMatchObject({ offset: "0", timestamp: "1509928155660", attributes: 0 });
  expect([first.key?.toString(), first.value?.toString()]).toEqual(["k", "v"]);
  expect([first.headers.one, first.headers.bytes].map(String)).toEqual(["1", "\u0001\u0002"]);
  expect(first.headers.several).toEqual([Buffer.from("a"), Buffer.from("b")]);
  expect(first.headers.none).toEqual(Buffer.alloc(0));
  expect([second.key?.toString(), second.value]).toEqual(["gone", null]);
});

test("headers may have any names, also those of what every object has", async () => {
  const producer = await world().producer();
  const topic = await world().topic();
  const headers = Object.fromEntries([
    ...["constructor", "toString"].map(name => [name, name]),
    ["__proto__", ["a", "b"]],
  ]) as Record<string, string | string[]>;
  await producer.send({ topic, messages: [{ value: "v", headers }] });
  const [{ headers: found }] = await read(world(), [topic], 1);
  const all = Object.entries(found).map(([name, value]) => [name, [value].flat().map(String)]);
  expect(all).toEqual([
    ["constructor", ["constructor"]],
    ["toString", ["toString"]],
    ["__proto__", ["a", "b"]],
  ]);
});

test("messages larger than a request of Java's producer arrive", async () => {
  const producer = await world().producer();
  const topic = fresh("large");
  const admin = await world().admin();
  await admin.createTopics({ topics: [{ topic, configEntries: [{ name: "max.message.bytes", value: "5000000" }] }] });
  await producer.send({ topic, messages: [{ value: Buffer.alloc(3_000_000, 7) }] });
  const [message] = await read(world(), [topic], 1);
  expect(message.value?.length).toBe(3_000_000);
});

describe("topics", () => {
  test("come into being with the first message", async () => {
    const producer = await world().producer();
    const topic = fresh("new");
    await producer.send({ topic, messages: [{ value: "a" }] });
    expect(await (await world().admin()).listTopics()).toContain(topic);
  });

  test("do not, if the producer says so", async () => {
    const producer = await world().producer({ allowAutoTopicCreation: false, retry: { retries: 1 } });
    const send = producer.send({ topic: fresh("nowhere"), messages: [{ value: "a" }] });
    const error: unknown = await send.catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(KafkaJSNumberOfRetriesExceeded);
    expect(error).toMatchObject({ cause: { type: "UNKNOWN_TOPIC_OR_PARTITION", code: 3, retriable: true } });
  });

  test("have valid names", async () => {
    const producer = await world().producer();
    const send = producer.send({ topic: "not/valid", messages: [{ value: "a" }] });
    await expect(send).rejects.toMatchObject({
      ...{ name: "KafkaJSProtocolError", type: "INVALID_TOPIC_EXCEPTION", code: 17, retriable: false },
    });
  });
});

describe("partitioners", () => {
  test("a program's own gets topic, partitions and message", async () => {
    const topic = await world().topic(3);
    const seen: PartitionerArgs[] = [];
    const producer = await world().producer({
      createPartitioner: () => args => {
        seen.push(args);
        return 2;
      },
    });
    const [place] = await producer.send({ topic, messages: [{ key: "k", value: "v" }] });
    expect(place.partition).toBe(2);
    expect(seen[0]).toMatchObject({ topic, message: { key: "k", value: "v" } });
    expect(seen[0].partitionMetadata.map(({ partitionId }) => partitionId)).toEqual([0, 1, 2]);
    expect(seen[0].partitionMetadata[0]).toMatchObject({ partitionErrorCode: 0, leader: 1, replicas: [1], isr: [1] });
  });

  test("one that answers nonsense is told", async () => {
    const topic = await world().topic();
    const producer = await world().producer({ createPartitioner: () => () => Number.NaN });
    await expect(producer.send({ topic, messages: [{ value: "v" }] })).rejects.toThrow("which is no partition");
  });

  test("messages without keys go to the partitions by turns", async () => {
    const topic = await world().topic(3);
    const producer = await world().producer();
    const places = await producer.send({ topic, messages: [{ value: "a" }, { value: "b" }, { value: "c" }] });
    expect(places.map(({ partition }) => partition).sort((a, b) => a - b)).toEqual([0, 1, 2]);
  });

  test("keys of both generations have the partitions that KafkaJS gives them", () => {
    const partitionMetadata = Array.from({ length: 100 }, (_, partitionId) => ({
      ...{ partitionErrorCode: 0, partitionId, leader: 1, replicas: [1], isr: [1] },
    }));
    const of = (create: () => (args: PartitionerArgs) => number) =>
      KEYS.map(key => create()({ topic: "t", partitionMetadata, message: { key, value: null } }));
    expect(of(Partitioners.DefaultPartitioner)).toEqual(DEFAULT_PARTITIONS);
    expect(of(Partitioners.LegacyPartitioner)).toEqual(LEGACY_PARTITIONS);
    expect(Partitioners.JavaCompatiblePartitioner).toBe(Partitioners.DefaultPartitioner);
  });
});

/** Keys, and their partitions among 100 by KafkaJS 2.2.4. */
const KEYS = [
  "",
  "0",
  "1",
  "128",
  "2187",
  "16384",
  "78125",
  "279936",
  "823543",
  "2097152",
  "4782969",
  "žluť",
  "a-b-c-d",
];
const DEFAULT_PARTITIONS = [81, 96, 59, 73, 45, 6, 34, 28, 18, 3, 73, 38, 93];
const LEGACY_PARTITIONS = [84, 70, 60, 54, 60, 61, 55, 39, 51, 77, 78, 58, 4];

test("tells of its connection by events", async () => {
  const producer = world().kafka.producer();
  const seen: string[] = [];
  const remove = producer.on(producer.events.CONNECT, ({ type }) => seen.push(type));
  producer.on(producer.events.DISCONNECT, ({ type, payload }) => seen.push(`${type} ${String(payload)}`));
  await producer.connect();
  remove();
  await producer.disconnect();
  await producer.connect();
  await producer.disconnect();
  expect(seen).toEqual(["producer.connect", "producer.disconnect null", "producer.disconnect null"]);
  expect(() => producer.on("NON_EXISTENT_EVENT" as "producer.connect", () => undefined)).toThrow(
    /Event name should be one of producer.events.CONNECT/,
  );
});

test("says if it is idempotent, and has a logger", async () => {
  expect(world().kafka.producer().isIdempotent()).toBe(false);
  expect(world().kafka.producer({ idempotent: true }).isIdempotent()).toBe(true);
  expect(Object.keys(world().kafka.producer().logger())).toEqual(
    expect.arrayContaining(["info", "error", "warn", "debug", "namespace", "setLogLevel"]),
  );
});

test("a broker that comes back is used again", async () => {
  await using own = await startCluster({ topics: { t: 1 } });
  const mine = new World(own.bootstrapServers, { retry: { initialRetryTime: 50, retries: 10 } });
  const producer = await mine.producer({ idempotent: true });
  await producer.send({ topic: "t", messages: [{ value: "before" }] });
  own.kill(1);
  const late = producer.send({ topic: "t", messages: [{ value: "after" }] });
  await own.restart(1);
  await late;
  expect(texts(await read(mine, ["t"], 2))).toEqual(["before", "after"]);
  await mine.close();
});
