import { startCluster } from "@samsa/testkit";
import { describe, expect, test } from "vitest";
import { type LogEntry, logLevel, type RequestPayload, type RequestTimeoutPayload } from "../src/index.ts";
import { collect, fresh, until, World, worldFixture } from "./world.ts";

const world = worldFixture();

describe("events of requests", () => {
  test("tell what was asked, when, and how large the answer is", async () => {
    const topic = await world().topic();
    const producer = world().kafka.producer();
    const seen: RequestPayload[] = [];
    const remove = producer.on(producer.events.REQUEST, ({ type, payload }) => {
      expect(type).toBe("producer.network.request");
      seen.push(payload);
    });
    const before = Date.now();
    await producer.connect();
    await producer.send({ topic, messages: [{ value: "a" }] });
    await producer.send({ topic, acks: 0, messages: [{ value: "b" }] });
    const { length } = seen;
    remove();
    await producer.send({ topic, messages: [{ value: "c" }] });
    await producer.disconnect();
    expect(seen).toHaveLength(length);
    expect(new Set(seen.map(({ apiName }) => apiName))).toEqual(new Set(["ApiVersions", "Metadata", "Produce"]));
    const [whole, none] = seen.filter(({ apiName }) => apiName === "Produce");
    const facts = { apiKey: 0, apiName: "Produce", broker: world().servers, clientId: "kafkajs" };
    expect(whole).toEqual({
      ...facts,
      ...{ apiVersion: expect.any(Number), correlationId: expect.any(Number), size: expect.any(Number) },
      ...{ createdAt: whole.sentAt - whole.pendingDuration, sentAt: expect.any(Number) },
      ...{ pendingDuration: expect.any(Number), duration: expect.any(Number) },
    });
    expect([whole.size > 8, whole.duration >= 0, whole.pendingDuration >= 0]).toEqual([true, true, true]);
    expect([whole.sentAt >= before, whole.sentAt <= Date.now()]).toEqual([true, true]);
    expect(none).toMatchObject({ ...facts, size: 0 });
  });

  test("tell how many wait for room in flight", async () => {
    const admin = await world().admin();
    await admin.listTopics();
    const sizes: number[] = [];
    admin.on(admin.events.REQUEST_QUEUE_SIZE, ({ payload: { broker, clientId, queueSize } }) => {
      expect([broker, clientId]).toEqual([world().servers, "kafkajs"]);
      sizes.push(queueSize);
    });
    await Promise.all(Array.from({ length: 20 }, () => admin.listTopics()));
    expect(Math.max(...sizes)).toBe(15);
    expect(sizes[sizes.length - 1]).toBe(0);
  });

  test("tell of a request that is not answered in time", async () => {
    await using own = await startCluster();
    own.intercept({ api: "DescribeCluster", times: Infinity }, { delayMs: 1000 });
    own.intercept({ api: "Metadata", times: Infinity }, { delayMs: 1000 });
    const other = new World(own.bootstrapServers, { requestTimeout: 100, retry: { retries: 1, initialRetryTime: 10 } });
    const admin = other.kafka.admin();
    const late: RequestTimeoutPayload[] = [];
    admin.on(admin.events.REQUEST_TIMEOUT, ({ payload }) => late.push(payload));
    await admin.connect();
    await expect(admin.describeCluster()).rejects.toThrow();
    await admin.disconnect();
    expect(late.length).toBeGreaterThan(0);
    expect(late[0]).toMatchObject({
      apiName: expect.stringMatching(/^(DescribeCluster|Metadata)$/),
      clientId: "kafkajs",
    });
    expect(late[0]).not.toHaveProperty("duration");
  });
});

describe("events of a consumer", () => {
  test("tell of heartbeats that the coordinator has answered", async () => {
    const topic = await world().topic();
    const groupId = fresh("group");
    const consumer = await world().reader(topic, { groupId, heartbeatInterval: 20 });
    const beats: unknown[] = [];
    let memberId = "";
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => ({ memberId } = payload));
    consumer.on(consumer.events.HEARTBEAT, ({ payload }) => beats.push(payload));
    await consumer.run();
    await until(() => beats.length > 2);
    expect(beats[2]).toEqual({ groupId, memberId, groupGenerationId: 1 });
  });

  test("tell of the beginnings and the ends of fetches", async () => {
    const topic = await world().filled(["a", "b"]);
    const consumer = await world().reader(topic);
    const starts: number[] = [];
    const ends: { numberOfBatches: number; duration: number; nodeId: number }[] = [];
    consumer.on(consumer.events.FETCH_START, ({ payload }) => starts.push(payload.nodeId));
    consumer.on(consumer.events.FETCH, ({ payload }) => ends.push(payload));
    const values = await collect(consumer);
    await until(() => values.length === 2 && ends.length > 2);
    expect([...new Set(starts)]).toEqual([1]);
    expect(ends[0]).toEqual({ numberOfBatches: 1, duration: expect.any(Number), nodeId: 1 });
    // A fetch without messages waits for some, and ends without them.
    expect(ends[2].numberOfBatches).toBe(0);
    expect(starts.length - ends.length).toBeLessThan(2);
  });

  test("are all told but one, whose listeners are warned", async () => {
    const entries: LogEntry[] = [];
    const logCreator = () => (entry: LogEntry) => void entries.push(entry);
    const { kafka } = new World(world().servers, { logLevel: logLevel.WARN, logCreator });
    const consumer = kafka.consumer({ groupId: fresh("group") });
    for (const name of Object.values(consumer.events)) consumer.on(name, () => undefined);
    expect(entries.map(({ log }) => log.message)).toEqual([
      "The event consumer.received_unsubscribed_topics is never told by this client",
    ]);
  });
});
