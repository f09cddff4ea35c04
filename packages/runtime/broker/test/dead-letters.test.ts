import { Errors } from "@samsa/protocol";
import { buildBatch, defaultCompression, type NewRecord, readRecords } from "@samsa/records";
import { describe, expect, test, vi } from "vitest";
import {
  ACCEPT,
  alter,
  at,
  back,
  clock,
  GROUP,
  LOCK_MS,
  Member,
  newGroup,
  newTopic,
  REJECT,
  RELEASE,
  settings,
  type Topic,
  use,
  useShareBroker,
} from "./share-bench.ts";
import { TestBroker } from "./wire.ts";

useShareBroker();

const [TOPIC, BROKER] = [2, 4];
const SOON = { timeout: 10_000, interval: 20 };
const TOPIC_NAME = "errors.deadletterqueue.topic.name";
const COPY = "errors.deadletterqueue.copy.record.enable";
const ENABLE = "errors.deadletterqueue.group.enable";
const CREATE = "errors.deadletterqueue.auto.create.topics.enable";
const PREFIX = "errors.deadletterqueue.topic.name.prefix";

const text = (bytes: Uint8Array | null | undefined): string | null =>
  bytes === null || bytes === undefined ? null : new TextDecoder().decode(bytes);

let queues = 0;

/** Creates a topic for dead letters; returns its name. */
async function newQueue(numPartitions = 1, configs: Record<string, string> = { [ENABLE]: "true" }): Promise<string> {
  const name = `dlq.t${queues++}`;
  const topic = {
    ...{ name, numPartitions, replicationFactor: 1, assignments: [] },
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
  };
  const { topics } = await at.admin.ask("CreateTopics", 7, { topics: [topic], timeoutMs: 1000 });
  expect(topics[0].errorMessage).toBeNull();
  return name;
}

async function write({ name }: Topic, records: readonly NewRecord[], codec: 0 | 1 = 0, index = 0): Promise<void> {
  const { tools } = at.broker.broker;
  const bytes = buildBatch(records, codec === 0 ? {} : { compression: defaultCompression(codec) }, tools);
  const topicData = [{ name, partitionData: [{ index, records: [bytes] }] }];
  const body = { transactionalId: null, acks: -1, timeoutMs: 1000, topicData };
  const { responses } = await at.admin.ask("Produce", 9, body);
  expect(responses[0].partitionResponses[0].errorCode).toBe(0);
}

const row = (key: string, value: string | number): NewRecord => ({
  // Retention does not take a recent record.
  timestamp: Date.now(),
  key: new TextEncoder().encode(key),
  value: typeof value === "number" ? new Uint8Array(value) : new TextEncoder().encode(value),
  headers: [{ key: "own", value: null }],
});

/** A dead letter as an object: key, value, and the headers without their prefix. */
function letters(name: string, index = 0) {
  const partition = at.broker.broker.topics.partition(name, index);
  if (partition === undefined) return [];
  const read = partition.read({ offset: 0, maxBytes: 1 << 26, minOneMessage: true, isolation: "HIGH_WATERMARK" });
  return read.chunks.flatMap(chunk =>
    readRecords(chunk, at.broker.broker.tools).map(({ key, value, headers = [] }) => ({
      key: text(key),
      value: text(value),
      ...Object.fromEntries(headers.map(one => [one.key.replace("__dlq.errors.", ""), text(one.value)])),
    })),
  );
}

const offsets = (name: string, index = 0) => letters(name, index).map(letter => Number(letter["offset" as never]));

const complaints = () =>
  at.broker.lines.flatMap(({ message }) => (message.startsWith("dead letters could not be written") ? [message] : []));

/** Metrics of a group's dead letters, without their prefix. */
function counted(groupId: string): Record<string, number> {
  const prefix = "kafka_server_sharegroupmetrics_deadletterqueue";
  const families = at.broker.broker.metrics.families(() => 0).filter(({ name }) => name.startsWith(prefix));
  return Object.fromEntries(
    families.flatMap(({ name, samples }) => {
      const own = samples.find(({ labels }) => labels["group"] === groupId);
      return own === undefined ? [] : [[name.slice(prefix.length, -"_total".length), own.value] as const];
    }),
  );
}

/** A member that has acquired what a topic has. */
async function holder(topic: Topic, configs: Record<string, string>): Promise<Member> {
  const member = await Member.join(await newGroup(topic, { configs }), topic);
  expect(await member.acquired()).not.toEqual([]);
  return member;
}

/** Waits until all letters have ended, and the share partition begins at `offset`. */
async function starts({ groupId, topic }: Member, offset: number): Promise<void> {
  await expect.poll(() => at.broker.broker.shares.deadLetters.size, SOON).toBe(0);
  const found = () => at.broker.broker.shares.find(groupId, { topicId: topic.id, index: 0 })?.state?.startOffset;
  await expect.poll(found, SOON).toBe(offset);
}

describe("dead letters", () => {
  test("of rejected records have headers; the group goes on meanwhile", async () => {
    const topic = await newTopic();
    await write(topic, [row("a", "1"), row("b", "2"), row("c", "3")]);
    const name = await newQueue();
    const member = await holder(topic, { [TOPIC_NAME]: name });
    expect(await member.says([REJECT, ACCEPT, REJECT], 0, 2)).toBe(0);
    await expect.poll(() => letters(name), SOON).toHaveLength(2);
    const common = { key: null, value: null, topic: topic.name, partition: "0", group: member.groupId };
    const told = { "delivery.count": "1", message: "Offset rejected by client." };
    expect(letters(name)).toEqual([
      { ...common, ...told, offset: "0" },
      { ...common, ...told, offset: "2" },
    ]);
    await starts(member, 3);
    expect(counted(member.groupId)).toEqual({ recordcount: 2, totalproducerequests: 2, failedproducerequests: 0 });
    member.close();
  });

  test("of records that were delivered too often carry them, if the group wants that", async () => {
    const topic = await newTopic(3);
    await write(topic, [row("a", "1"), row("b", "2")], 1);
    const name = await newQueue(2);
    const configs = { [TOPIC_NAME]: name, [COPY]: "true", "share.delivery.count.limit": "2" };
    const member = await holder(topic, configs);
    expect(await member.says(RELEASE, 0, 1)).toBe(0);
    expect(await member.acquired()).toEqual(["0-1×2"]);
    expect(await member.says(RELEASE, 0, 0)).toBe(0);
    await expect.poll(() => letters(name), SOON).toHaveLength(1);
    clock.pass(LOCK_MS);
    await expect.poll(() => letters(name), SOON).toHaveLength(2);
    const told = { "delivery.count": "2", message: "Offset delivery count exceeded the threshold." };
    expect(letters(name)).toMatchObject([
      { ...told, key: "a", value: "1", offset: "0" },
      { ...told, key: "b", value: "2", offset: "1" },
    ]);
    expect(letters(name)[0]).not.toHaveProperty("own");
    await starts(member, 2);
    member.close();
  });

  test("go to the partition of the same index, modulo the number of partitions", async () => {
    const topic = await newTopic(3);
    for (const index of [0, 1, 2]) await write(topic, [row("k", String(index))], 0, index);
    const name = await newQueue(2);
    const groupId = await newGroup(topic, { partitions: 3, configs: { [TOPIC_NAME]: name } });
    for (const index of [0, 1, 2]) {
      const member = await Member.join(groupId, topic);
      await member.fetch({ partitions: [index], maxWaitMs: 5000 });
      await member.fetch({ partitions: [index], said: [[REJECT, 0, 0]] });
      member.close();
    }
    const sources = (index: number) => letters(name, index).map(letter => letter["partition" as never]);
    await expect.poll(() => sources(0).length + sources(1).length, SOON).toBe(3);
    expect([new Set(sources(0)), sources(1)]).toEqual([new Set(["0", "2"]), ["1"]]);
  });

  test("are as large as their topic allows, whatever their records are", async () => {
    const topic = await newTopic();
    await alter(TOPIC, topic.name, { "max.message.bytes": "3000000" });
    await write(topic, [row("a", 60_000), row("b", 60_000), row("c", 60_000)]);
    await write(topic, [row("large", 120_000)]);
    // A batch that compresses well is as large as its records are.
    await write(topic, [row("d", 70_000), row("e", 70_000)], 1);
    const name = await newQueue(1, { [ENABLE]: "true", "max.message.bytes": "100000" });
    const member = await holder(topic, { [TOPIC_NAME]: name, [COPY]: "true" });
    expect(await member.says(REJECT, 0, 5)).toBe(0);
    await expect.poll(() => letters(name), SOON).toHaveLength(6);
    expect(letters(name).map(({ key, value }) => [key, value?.length])).toEqual([
      ["a", 60_000],
      ["b", 60_000],
      ["c", 60_000],
      [null, undefined],
      [null, undefined],
      [null, undefined],
    ]);
    const { requests } = at.broker.broker.shares.deadLetters.counts.get(member.groupId)!;
    expect(requests, "no two of the large ones fit together").toBe(3);
    await starts(member, 6);
    member.close();
  });

  test("have a topic created for them if the brokers may do that", async () => {
    const topic = await newTopic();
    await write(topic, [row("a", "1")]);
    await alter(BROKER, "", { [CREATE]: "true" });
    const member = await holder(topic, { [TOPIC_NAME]: "dlq.created" });
    expect(await member.says(REJECT, 0, 0)).toBe(0);
    await expect.poll(() => letters("dlq.created"), SOON).toHaveLength(1);
    const asked = [{ resourceType: TOPIC, resourceName: "dlq.created", configurationKeys: null }];
    const { results } = await at.admin.ask("DescribeConfigs", 4, { resources: asked });
    const own = results[0].configs.filter(({ configSource }) => configSource === 1);
    expect(Object.fromEntries(own.map(config => [config.name, config.value]))).toEqual({
      [ENABLE]: "true",
      "message.timestamp.type": "CreateTime",
    });
    await starts(member, 1);
    await alter(BROKER, "", { [CREATE]: null });
    member.close();
  });

  test.each<[what: string, name: () => Promise<string>, complaint: RegExp]>([
    ["that does not exist", () => Promise.resolve("dlq.absent"), /does not exist/],
    ["that is not enabled for them", () => newQueue(1, {}), /is not enabled/],
    ["with another prefix", () => Promise.resolve("elsewhere"), /does not exist/],
    ["with an illegal name", () => Promise.resolve("dlq.no/t"), /does not exist/],
  ])("for a topic %s are lost, and the group goes on", async (_what, named, complaint) => {
    const topic = await newTopic();
    await write(topic, [row("a", "1"), row("b", "2")]);
    const member = await holder(topic, { [TOPIC_NAME]: await named() });
    const before = complaints().length;
    expect(await member.says(REJECT, 0, 1)).toBe(0);
    await starts(member, 2);
    expect(complaints().slice(before)).toEqual([expect.stringMatching(complaint)]);
    expect(at.broker.broker.shares.deadLetters.counts.get(member.groupId)).toMatchObject({ records: 0, failed: 1 });
    member.close();
  });

  test("keep to the prefix that the brokers ask for", async () => {
    const topic = await newTopic();
    await write(topic, [row("a", "1"), row("b", "2")]);
    const name = await newQueue();
    const member = await holder(topic, { [TOPIC_NAME]: name });
    await alter(BROKER, "", { [PREFIX]: "morgue." });
    expect(await member.says(REJECT, 0, 0)).toBe(0);
    await starts(member, 1);
    expect(complaints().at(-1)).toMatch(/must begin with morgue\./);
    await alter(BROKER, "", { [PREFIX]: "" });
    expect(await member.says(REJECT, 1, 1)).toBe(0);
    await starts(member, 2);
    expect(offsets(name)).toEqual([1]);
    await alter(BROKER, "", { [PREFIX]: null });
    member.close();
  });

  test("of a group without a topic are not written, nor those of an older cluster", async () => {
    const own = await TestBroker.start(settings);
    await use(own);
    const topic = await newTopic();
    await write(topic, [row("a", "1"), row("b", "2"), row("c", "3")]);
    const name = await newQueue();
    const member = await holder(topic, { [TOPIC_NAME]: name });
    const level = async (maxVersionLevel: number) => {
      const featureUpdates = [
        { feature: "share.version", maxVersionLevel, upgradeType: maxVersionLevel === 1 ? 2 : 1 },
      ];
      const update = { timeoutMs: 1000, featureUpdates, validateOnly: false };
      expect(await at.admin.ask("UpdateFeatures", 1, update)).toMatchObject({ errorCode: 0 });
      await expect.poll(() => own.broker.topics.image.features.get("share.version")).toBe(maxVersionLevel);
    };
    await level(1);
    expect(await member.says(REJECT, 0, 0)).toBe(0);
    await level(2);
    expect(await member.says(REJECT, 1, 1)).toBe(0);
    await alter(GROUP, member.groupId, { [TOPIC_NAME]: null });
    expect(await member.says(REJECT, 2, 2)).toBe(0);
    await starts(member, 3);
    expect(offsets(name)).toEqual([1]);
    for (const wire of [member, at.admin]) wire.close();
    await own.stop();
    back();
  });
});

describe("a leader that does not answer", () => {
  test("is asked again, and gets the letters once", async () => {
    const topic = await newTopic();
    await write(topic, [row("a", "1"), row("b", "2")]);
    const name = await newQueue();
    const member = await holder(topic, { [TOPIC_NAME]: name });
    const { peers } = at.broker.broker;
    const call = vi.spyOn(peers, "call").mockImplementationOnce(() => {
      const code = Errors.NOT_LEADER_OR_FOLLOWER.code;
      const partitionResponses = [{ index: 0, errorCode: code }];
      return Promise.resolve({ responses: [{ name, partitionResponses }] }) as never;
    });
    expect(await member.says(REJECT, 0, 1)).toBe(0);
    await expect.poll(() => offsets(name), SOON).toEqual([0, 1]);
    expect(call).toHaveBeenCalledTimes(2);
    await starts(member, 2);
    call.mockRestore();
    member.close();
  });

  test("holds up nobody; the letters are written by the next broker that leads the share partition", async () => {
    const own = await TestBroker.start(settings);
    await use(own);
    const topic = await newTopic();
    await write(topic, [row("a", "1"), row("b", "2"), row("c", "3")]);
    const name = await newQueue();
    const member = await holder(topic, { [TOPIC_NAME]: name, [COPY]: "true" });
    vi.spyOn(own.broker.peers, "call").mockImplementation(() => new Promise(() => {}));
    expect(await member.says(REJECT, 0, 1)).toBe(0);
    expect(await member.says(ACCEPT, 2, 2)).toBe(0);
    member.close();
    // The group has no members any more, but its letters are still on their way.
    await expect.poll(() => own.broker.shares.size).toBe(0);
    expect(own.broker.shares.deadLetters.size).toBe(1);
    const { groupId } = member;
    const later = await Member.join(groupId, topic);
    expect(await later.acquired()).toEqual([]);
    expect(own.broker.shares.deadLetters.size, "they are not written twice").toBe(1);
    for (const wire of [later, at.admin]) wire.close();
    await own.node.close();
    const next = await TestBroker.start(settings, own.directory);
    await use(next);
    const last = await Member.join(groupId, topic);
    expect(await last.acquired()).toEqual([]);
    await expect
      .poll(() => letters(name), SOON)
      .toMatchObject([
        { key: "a", offset: "0" },
        { key: "b", offset: "1" },
      ]);
    await starts(last, 3);
    for (const wire of [last, at.admin]) wire.close();
    await next.stop();
    back();
  });
});
