import { describe, expect, test } from "vitest";
import { collect, fresh, until, worldFixture } from "./world.ts";

const world = worldFixture();

describe("commits", () => {
  test("follow each batch", async () => {
    const topic = await world().filled(["a", "b"]);
    const groupId = fresh("group");
    const consumer = await world().reader(topic, { groupId });
    const commits: unknown[] = [];
    consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => commits.push(payload));
    await collect(consumer);
    await until(() => commits.length === 1);
    expect(commits[0]).toMatchObject({ groupId, topics: [{ topic, partitions: [{ partition: 0, offset: "2" }] }] });
    expect(await world().committed(groupId, topic)).toBe("2");
  });

  test("do not happen with autoCommit of false", async () => {
    const topic = await world().filled(["a", "b"]);
    const groupId = fresh("group");
    const consumer = await world().reader(topic, { groupId });
    const values = await collect(consumer, { autoCommit: false });
    await until(() => values.length === 2);
    await consumer.stop();
    expect(await world().committed(groupId, topic)).toBe("-1");
  });

  test("within a batch follow a number of messages", async () => {
    const topic = await world().filled(["a", "b", "c", "d", "e"]);
    const consumer = await world().reader(topic);
    const offsets: string[] = [];
    consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => offsets.push(payload.topics[0].partitions[0].offset));
    const values = await collect(consumer, { autoCommitThreshold: 2 });
    await until(() => values.length === 5 && offsets.length === 3);
    expect(offsets).toEqual(["2", "4", "5"]);
  });

  test("within a batch follow an interval", async () => {
    const topic = await world().filled(["a", "b", "c"]);
    const consumer = await world().reader(topic);
    const offsets: string[] = [];
    consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => offsets.push(payload.topics[0].partitions[0].offset));
    await consumer.run({
      autoCommitInterval: 1,
      eachMessage: () => new Promise(resolve => setTimeout(resolve, 20)),
    });
    await until(() => offsets.length === 3);
    expect(offsets).toEqual(["1", "2", "3"]);
  });

  test("by hand have metadata, and the group goes on there", async () => {
    const topic = await world().filled(["a", "b", "c"]);
    const groupId = fresh("group");
    const first = await world().consumer({ groupId });
    await first.subscribe({ topic, fromBeginning: true });
    const values = await collect(first, { autoCommit: false });
    await until(() => values.length === 3);
    await first.commitOffsets([{ topic, partition: 0, offset: "1", metadata: "mine" }]);
    await first.disconnect();
    const [found] = await (await world().admin()).fetchOffsets({ groupId, topics: [topic] });
    expect(found.partitions).toEqual([{ partition: 0, offset: "1", metadata: "mine" }]);
    const second = await world().consumer({ groupId });
    await second.subscribe({ topic, fromBeginning: true });
    const again = await collect(second);
    await until(() => again.length === 2);
    expect(again).toEqual(["b", "c"]);
  });

  test("by hand are checked", async () => {
    const consumer = await world().consumer();
    const commit = (entry: object) => consumer.commitOffsets([{ topic: "t", partition: 0, offset: "1", ...entry }]);
    await expect(commit({ topic: "" })).rejects.toThrow("Invalid topic");
    await expect(commit({ partition: "x" })).rejects.toThrow("Invalid partition, expected a number received x");
    await expect(commit({ offset: "x" })).rejects.toThrow("Invalid offset, expected a long received x");
    await expect(commit({ offset: "-1" })).rejects.toThrow("Offset must not be a negative number");
    await expect(commit({ metadata: 1 })).rejects.toThrow(
      "Invalid offset metadata, expected string or null, received 1",
    );
    await expect(commit({})).rejects.toThrow("Consumer group was not initialized, consumer#run must be called first");
  });

  test("of a batch are what its handler has resolved; the rest comes again", async () => {
    const topic = await world().filled(["a", "b", "c"]);
    const groupId = fresh("group");
    const consumer = await world().reader(topic, { groupId });
    const seen: string[][] = [];
    let uncommitted: unknown;
    await consumer.run({
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset, uncommittedOffsets }) => {
        seen.push(batch.messages.map(({ value }) => String(value)));
        resolveOffset(batch.messages[0].offset);
        uncommitted ??= uncommittedOffsets();
      },
    });
    await until(() => seen.length === 3);
    expect(seen).toEqual([["a", "b", "c"], ["b", "c"], ["c"]]);
    expect(uncommitted).toEqual({ topics: [{ topic, partitions: [{ partition: 0, offset: "1" }] }] });
    await consumer.stop();
    expect(await world().committed(groupId, topic)).toBe("3");
  });

  test("of a handler of batches may be given", async () => {
    const topic = await world().filled(["a", "b", "c"]);
    const groupId = fresh("group");
    const consumer = await world().reader(topic, { groupId });
    let isDone = false;
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ commitOffsetsIfNecessary, isRunning, isStale }) => {
        await commitOffsetsIfNecessary();
        expect([isRunning(), isStale(), await world().committed(groupId, topic)]).toEqual([true, false, "-1"]);
        await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition: 0, offset: "2" }] }] });
        isDone = true;
      },
    });
    await until(() => isDone);
    expect(await world().committed(groupId, topic)).toBe("2");
  });
});

describe("seek", () => {
  test("is checked", async () => {
    const consumer = await world().consumer();
    const seek = (place: object) => () => consumer.seek({ topic: "t", partition: 0, offset: "1", ...place });
    expect(seek({ topic: "" })).toThrow("Invalid topic");
    expect(seek({ partition: "x" })).toThrow("Invalid partition, expected a number received x");
    expect(seek({ offset: "x" })).toThrow("Invalid offset, expected a long received x");
    expect(seek({ offset: "-3" })).toThrow("Offset must not be a negative number");
    expect(seek({})).toThrow("Consumer group was not initialized, consumer#run must be called first");
  });

  test.each([
    ["1", ["b", "c"]],
    ["-2", ["a", "b", "c"]],
  ])("right after `run` begins at %s", async (offset, expected) => {
    const topic = await world().filled(["a", "b", "c"]);
    const consumer = await world().consumer();
    await consumer.subscribe({ topic });
    const values: string[] = [];
    const running = consumer.run({
      eachMessage: async ({ message }) => {
        values.push(String(message.value));
      },
    });
    consumer.seek({ topic, partition: 0, offset });
    await running;
    await until(() => values.length === expected.length);
    expect(values).toEqual(expected);
  });

  test("while a batch is handled leaves the rest of it, which is stale", async () => {
    const topic = await world().filled(["a", "b", "c", "d"]);
    const consumer = await world().reader(topic);
    const values: string[] = [];
    let staleness: boolean | undefined;
    await consumer.run({
      eachBatchAutoResolve: true,
      eachBatch: async ({ batch, isStale }) => {
        for (const { value } of batch.messages) {
          values.push(String(value));
          if (String(value) === "b" && staleness === undefined) {
            consumer.seek({ topic, partition: 0, offset: "3" });
            staleness = isStale();
            return;
          }
        }
      },
    });
    await until(() => values.length === 3);
    expect([staleness, values]).toEqual([true, ["a", "b", "d"]]);
  });

  test("of an unassigned partition does nothing", async () => {
    const topic = await world().topic();
    const consumer = await world().reader(topic);
    const values = await collect(consumer);
    consumer.seek({ topic, partition: 7, offset: "1" });
    await world().fill(topic, ["a"]);
    await until(() => values.length === 1);
  });
});

describe("pause and resume", () => {
  test("are checked", async () => {
    const consumer = await world().consumer();
    expect(() => consumer.pause([{ topic: "" }])).toThrow("Invalid topic");
    expect(() => consumer.resume([undefined as never])).toThrow("Invalid topic undefined");
    expect(() => consumer.pause([{ topic: "t", partitions: "x" as never }])).toThrow(
      'Array of valid partitions required to pause specific partitions instead of "x"',
    );
    expect(() => consumer.pause([{ topic: "t" }])).toThrow("consumer#run must be called first");
    expect(consumer.paused()).toEqual([]);
  });

  test("hold back a partition, and let it go", async () => {
    const topic = await world().topic(2);
    const consumer = await world().reader(topic);
    const values = await collect(consumer);
    consumer.pause([{ topic, partitions: [0] }]);
    expect(consumer.paused()).toEqual([{ topic, partitions: [0] }]);
    await world().fill(topic, ["zero"], 0);
    await world().fill(topic, ["one"], 1);
    await until(() => values.length === 1);
    expect(values).toEqual(["one"]);
    consumer.resume([{ topic, partitions: [0] }]);
    await until(() => values.length === 2);
    expect([values, consumer.paused()]).toEqual([["one", "zero"], []]);
  });

  test("work for whole topics, of which some partitions may be resumed", async () => {
    const topic = await world().topic(3);
    const consumer = await world().consumer();
    await consumer.subscribe({ topic });
    await consumer.run();
    consumer.pause([{ topic }]);
    expect(consumer.paused()).toEqual([{ topic, partitions: [0, 1, 2] }]);
    consumer.resume([{ topic, partitions: [1] }]);
    expect(consumer.paused()).toEqual([{ topic, partitions: [0, 2] }]);
    consumer.resume([{ topic }]);
    expect(consumer.paused()).toEqual([]);
  });

  test("from a handler stop after its message, and go on with the next", async () => {
    const topic = await world().filled(["a", "b"]);
    const consumer = await world().reader(topic);
    const values: string[] = [];
    let resume: (() => void) | undefined;
    await consumer.run({
      eachMessage: async ({ message, pause }) => {
        values.push(String(message.value));
        if (resume === undefined) resume = pause();
      },
    });
    await until(() => consumer.paused().length === 1);
    await new Promise(resolve => setTimeout(resolve, 200));
    expect(values).toEqual(["a"]);
    resume?.();
    await until(() => values.length === 2);
    expect(values).toEqual(["a", "b"]);
  });
});
