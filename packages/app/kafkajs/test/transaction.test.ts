import { expect, test } from "vitest";
import { CompressionTypes, KafkaJSNonRetriableError, type Producer } from "../src/index.ts";
import { fresh, read, texts, until, worldFixture } from "./world.ts";

const world = worldFixture();

const transactional = (id = fresh("transactions")): Promise<Producer> =>
  world().producer({ transactionalId: id, idempotent: true, maxInFlightRequests: 1 });

test("what is committed is read, what is aborted is not", async () => {
  const topic = await world().topic();
  const producer = await transactional();
  for (const [value, end] of [
    ["committed", "commit"],
    ["aborted", "abort"],
    ["committed too", "commit"],
  ] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value }] });
    await transaction[end]();
  }
  expect(texts(await read(world(), [topic], 2))).toEqual(["committed", "committed too"]);
});

test("`readUncommitted` sees both", async () => {
  const topic = await world().topic();
  const producer = await transactional();
  const transaction = await producer.transaction();
  await transaction.sendBatch({ topicMessages: [{ topic, messages: [{ value: "aborted" }] }] });
  await transaction.abort();
  const consumer = await world().consumer({ readUncommitted: true });
  await consumer.subscribe({ topic, fromBeginning: true });
  const found: string[] = [];
  await consumer.run({
    eachMessage: async ({ message }) => {
      found.push(String(message.value));
    },
  });
  await until(() => found.length === 1);
  expect(found).toEqual(["aborted"]);
});

test("one transaction has several codecs", async () => {
  const topic = await world().topic();
  const producer = await transactional();
  const transaction = await producer.transaction();
  for (const compression of Object.values(CompressionTypes)) {
    await transaction.send({ topic, compression, messages: [{ value: `${compression}`.repeat(200) }] });
  }
  await transaction.commit();
  expect((await read(world(), [topic], 5)).map(({ value }) => value?.toString()[0])).toEqual(["0", "1", "2", "3", "4"]);
});

test("a producer without an id has no transactions", async () => {
  const producer = await world().producer({ idempotent: true });
  await expect(producer.transaction()).rejects.toThrow("Must provide transactional id for transactional producer");
});

test("one transaction at a time", async () => {
  const producer = await transactional();
  const first = await producer.transaction();
  await expect(producer.transaction()).rejects.toThrow("There is already an ongoing transaction for this producer");
  await first.abort();
  const second = await producer.transaction();
  expect([first.isActive(), second.isActive()]).toEqual([false, true]);
  await second.abort();
});

test("two calls at a time begin one transaction", async () => {
  const producer = await transactional();
  const [one, two] = await Promise.allSettled([producer.transaction(), producer.transaction()]);
  expect([one.status, two.status]).toEqual(["fulfilled", "rejected"]);
});

test("nothing can be done after the end", async () => {
  const topic = await world().topic();
  const producer = await transactional();
  for (const end of ["commit", "abort"] as const) {
    const transaction = await producer.transaction();
    expect(transaction.isActive()).toBe(true);
    await transaction.send({ topic, messages: [{ value: "a" }] });
    await transaction[end]();
    expect(transaction.isActive()).toBe(false);
    const calls = [
      transaction.send({ topic, messages: [{ value: "a" }] }),
      transaction.sendBatch({ topicMessages: [] }),
      transaction.sendOffsets({ consumerGroupId: "g", topics: [] }),
      transaction.commit(),
      transaction.abort(),
    ];
    for (const call of calls) {
      await expect(call).rejects.toThrow("Cannot continue to use transaction once ended");
      await expect(call).rejects.toBeInstanceOf(KafkaJSNonRetriableError);
    }
  }
});

test("an empty transaction ends both ways", async () => {
  const producer = await transactional();
  await (await producer.transaction()).commit();
  await (await producer.transaction()).abort();
});

test("acks other than all are refused", async () => {
  const transaction = await (await transactional()).transaction();
  await expect(transaction.send({ topic: "a", acks: 1, messages: [] })).rejects.toThrow("Not requiring ack");
  await transaction.abort();
});

test("offsets are committed with the transaction, and only then", async () => {
  const topic = await world().topic(2);
  const producer = await transactional();
  const admin = await world().admin();
  const groupId = fresh("group");
  const committed = async (): Promise<string[]> => {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return found.partitions.map(({ offset }) => offset);
  };
  const topics = [
    {
      topic,
      partitions: [
        { partition: 0, offset: "5" },
        { partition: 1, offset: "10" },
      ],
    },
  ];
  const aborted = await producer.transaction();
  await aborted.sendOffsets({ consumerGroupId: groupId, topics });
  await aborted.abort();
  await until(async () => (await committed()).join() === "-1,-1");
  const transaction = await producer.transaction();
  await transaction.sendOffsets({ consumerGroupId: groupId, topics });
  await transaction.commit();
  await until(async () => (await committed()).join() === "5,10", "the offsets are committed");
});

test("offsets of no group, or that are none, are refused", async () => {
  const transaction = await (await transactional()).transaction();
  const send = (consumerGroupId: string, offset: string) =>
    transaction.sendOffsets({ consumerGroupId, topics: [{ topic: "t", partitions: [{ partition: 0, offset }] }] });
  await expect(send("", "1")).rejects.toThrow("Missing consumerGroupId");
  await expect(send("g", "x")).rejects.toThrow("Invalid offset, expected a long received x");
  await transaction.abort();
});

test("reads, processes and writes exactly once", async () => {
  const [from, to] = [await world().topic(), await world().topic()];
  const plain = await world().producer();
  await plain.send({ topic: from, messages: Array.from({ length: 5 }, (_, i) => ({ value: `${i}` })) });
  const producer = await transactional();
  const groupId = fresh("group");
  const consumer = await world().consumer({ groupId });
  await consumer.subscribe({ topic: from, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, uncommittedOffsets, resolveOffset }) => {
      const transaction = await producer.transaction();
      for (const { value, offset } of batch.messages) {
        await transaction.send({ topic: to, messages: [{ value: `copy of ${value?.toString()}` }] });
        resolveOffset(offset);
      }
      await transaction.sendOffsets({ consumerGroupId: groupId, ...uncommittedOffsets() });
      await transaction.commit();
      // The consumer of the same client knows what the transaction has committed.
      expect(uncommittedOffsets()).toEqual({ topics: [] });
    },
  });
  expect(texts(await read(world(), [to], 5))).toEqual([0, 1, 2, 3, 4].map(i => `copy of ${i}`));
  const [{ partitions }] = await (await world().admin()).fetchOffsets({ groupId, topics: [from] });
  expect(partitions).toEqual([{ partition: 0, offset: "5", metadata: null }]);
});

test("a producer that another one has fenced is told so", async () => {
  const topic = await world().topic();
  const id = fresh("fenced");
  const first = await transactional(id);
  const transaction = await first.transaction();
  await transaction.send({ topic, messages: [{ value: "lost" }] });
  const second = await transactional(id);
  const other = await second.transaction();
  await expect(transaction.commit()).rejects.toMatchObject({ name: "KafkaJSProtocolError", retriable: false });
  expect(transaction.isActive()).toBe(false);
  await other.send({ topic, messages: [{ value: "kept" }] });
  await other.commit();
  expect(texts(await read(world(), [topic], 1))).toEqual(["kept"]);
});
