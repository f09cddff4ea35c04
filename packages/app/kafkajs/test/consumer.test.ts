import { clusterFixture, startCluster } from "@samsa/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  AssignerProtocol,
  type Batch,
  type Consumer,
  type ConsumerSubscribeTopic,
  KafkaJSNonRetriableError,
  KafkaJSNotImplemented,
  KafkaJSNumberOfRetriesExceeded,
  PartitionAssigners,
  type Producer,
} from "../src/index.ts";
import { fresh, until, World } from "./world.ts";

const cluster = clusterFixture({ beforeAll, afterAll });
let world: World;

beforeEach(() => {
  world = new World(cluster().bootstrapServers);
});
afterEach(() => world.close());

async function fill(topic: string, values: readonly string[], partition = 0): Promise<Producer> {
  const producer = await world.producer();
  await producer.send({ topic, messages: values.map(value => ({ value, partition })) });
  return producer;
}

async function committed(groupId: string, topic: string, partition = 0): Promise<string | undefined> {
  const [found] = await (await world.admin()).fetchOffsets({ groupId, topics: [topic] });
  return found.partitions.find(one => one.partition === partition)?.offset;
}

/** Runs a consumer that keeps the values that it gets. */
async function collect(consumer: Consumer, config: object = {}): Promise<string[]> {
  const values: string[] = [];
  await consumer.run({
    ...config,
    eachMessage: async ({ message }) => {
      values.push(String(message.value));
    },
  });
  return values;
}

describe("settings", () => {
  test("a group id is needed", () => {
    for (const groupId of ["", undefined as unknown as string]) {
      expect(() => world.kafka.consumer({ groupId })).toThrow("Consumer groupId must be a non-empty string.");
    }
  });

  test("heartbeats are more frequent than sessions end", () => {
    const create = () => world.kafka.consumer({ groupId: "g", heartbeatInterval: 10_000, sessionTimeout: 10_000 });
    expect(create).toThrow(/heartbeatInterval \(10000\) must be lower than sessionTimeout \(10000\)/);
  });

  test("assigners of a program are refused", () => {
    const own = (() => ({ name: "mine", version: 1 })) as unknown as (typeof PartitionAssigners)["roundRobin"];
    expect(() => world.kafka.consumer({ groupId: "g", partitionAssigners: [own] })).toThrow(KafkaJSNotImplemented);
    expect(() => world.kafka.consumer({ groupId: "g", partitionAssigners: [] })).toThrow(KafkaJSNonRetriableError);
  });

  test("a setting that there is not is refused", () => {
    expect(() => world.kafka.consumer({ groupId: "g", fromBeginning: true } as never)).toThrow(
      "consumer has no setting fromBeginning",
    );
  });

  test("a run has valid numbers", async () => {
    const consumer = await world.consumer();
    await expect(consumer.run({ partitionsConsumedConcurrently: 0 })).rejects.toThrow("from 1 on, not 0");
    await expect(consumer.run({ autoCommitInterval: -1 })).rejects.toThrow("autoCommitInterval");
    await expect(consumer.run({ eachMessage: "x" as never })).rejects.toThrow("eachMessage is a function");
  });
});

describe("subscribe", () => {
  test("needs topics that are texts or patterns", async () => {
    const consumer = await world.consumer();
    const subscribe = (subscription: unknown) => consumer.subscribe(subscription as ConsumerSubscribeTopic);
    await expect(subscribe({})).rejects.toThrow('Missing required argument "topics"');
    await expect(subscribe({ topics: "a" })).rejects.toThrow('Argument "topics" must be an array');
    await expect(subscribe({ topics: [{}] })).rejects.toThrow("the topic name has to be a String or a RegExp");
    await expect(subscribe({ topic: 1 })).rejects.toThrow("Invalid topic 1 (number)");
  });

  test("is told of a topic that does not exist", async () => {
    const consumer = await world.consumer({ allowAutoTopicCreation: false });
    await expect(consumer.subscribe({ topic: fresh("nowhere") })).rejects.toMatchObject({
      cause: { type: "UNKNOWN_TOPIC_OR_PARTITION" },
    });
  });

  test("is for consumers that do not run", async () => {
    const topic = await world.topic();
    const consumer = await world.consumer();
    await expect(consumer.run()).rejects.toThrow("consumer#subscribe must be called first");
    await consumer.subscribe({ topic });
    await consumer.run();
    await expect(consumer.subscribe({ topic })).rejects.toThrow("Cannot subscribe to topic while consumer is running");
  });

  test("takes patterns of JavaScript, also without regard to case and with flags that keep a place", async () => {
    const prefix = fresh("Pattern");
    const admin = await world.admin();
    const names = ["a", "b", "other"].map(name => `${prefix}-${name}`);
    await admin.createTopics({ topics: names.map(topic => ({ topic })) });
    for (const name of names) await fill(name, [name]);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic: new RegExp(`^${prefix.toLowerCase()}-(?!other)`, "gi"), fromBeginning: true });
    const values = await collect(consumer);
    await until(() => values.length === 2);
    expect(values.sort()).toEqual(names.slice(0, 2));
  });

  test("matches patterns again with the metadata", async () => {
    const prefix = fresh("later");
    const consumer = await world.consumer({ metadataMaxAge: 100 });
    await consumer.subscribe({ topics: [new RegExp(`^${prefix}-`)], fromBeginning: true });
    const values = await collect(consumer);
    await (await world.admin()).createTopics({ topics: [{ topic: `${prefix}-new` }] });
    await fill(`${prefix}-new`, ["found"]);
    await until(() => values.length === 1, "the new topic is found");
    expect(values).toEqual(["found"]);
  });

  test("each topic says where it begins", async () => {
    const [early, late] = [await world.topic(), await world.topic()];
    await fill(early, ["early old"]);
    await fill(late, ["late old"]);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic: early, fromBeginning: true });
    await consumer.subscribe({ topic: late });
    const values = await collect(consumer);
    await until(() => values.length === 1);
    // The offset of the end is looked up before the message is there.
    await new Promise(resolve => setTimeout(resolve, 300));
    await fill(late, ["late new"]);
    await until(() => values.length === 2);
    expect(values).toEqual(["early old", "late new"]);
  });
});

describe("messages", () => {
  test("come one by one, in order", async () => {
    const topic = await world.topic();
    const sent = Array.from({ length: 100 }, (_, i) => `${i}`);
    await fill(topic, sent);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
    const values = await collect(consumer);
    await until(() => values.length === 100);
    expect(values).toEqual(sent);
  });

  test("come in batches", async () => {
    const topic = await world.topic();
    await fill(topic, ["a", "b", "c"]);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
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
    const topic = await world.topic(3);
    for (const partition of [0, 1, 2]) await fill(topic, ["x", "y"], partition);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
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

describe("commits", () => {
  test("follow each batch", async () => {
    const topic = await world.topic();
    await fill(topic, ["a", "b"]);
    const groupId = fresh("group");
    const consumer = await world.consumer({ groupId });
    await consumer.subscribe({ topic, fromBeginning: true });
    const commits: unknown[] = [];
    consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => commits.push(payload));
    await collect(consumer);
    await until(() => commits.length === 1);
    expect(commits[0]).toMatchObject({ groupId, topics: [{ topic, partitions: [{ partition: 0, offset: "2" }] }] });
    expect(await committed(groupId, topic)).toBe("2");
  });

  test("do not happen with autoCommit of false", async () => {
    const topic = await world.topic();
    await fill(topic, ["a", "b"]);
    const groupId = fresh("group");
    const consumer = await world.consumer({ groupId });
    await consumer.subscribe({ topic, fromBeginning: true });
    const values = await collect(consumer, { autoCommit: false });
    await until(() => values.length === 2);
    await consumer.stop();
    expect(await committed(groupId, topic)).toBe("-1");
  });

  test("within a batch follow a number of messages", async () => {
    const topic = await world.topic();
    await fill(topic, ["a", "b", "c", "d", "e"]);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
    const offsets: string[] = [];
    consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => offsets.push(payload.topics[0].partitions[0].offset));
    const values = await collect(consumer, { autoCommitThreshold: 2 });
    await until(() => values.length === 5 && offsets.length === 3);
    expect(offsets).toEqual(["2", "4", "5"]);
  });

  test("within a batch follow an interval", async () => {
    const topic = await world.topic();
    await fill(topic, ["a", "b", "c"]);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
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
    const topic = await world.topic();
    await fill(topic, ["a", "b", "c"]);
    const groupId = fresh("group");
    const first = await world.consumer({ groupId });
    await first.subscribe({ topic, fromBeginning: true });
    const values = await collect(first, { autoCommit: false });
    await until(() => values.length === 3);
    await first.commitOffsets([{ topic, partition: 0, offset: "1", metadata: "mine" }]);
    await first.disconnect();
    const [found] = await (await world.admin()).fetchOffsets({ groupId, topics: [topic] });
    expect(found.partitions).toEqual([{ partition: 0, offset: "1", metadata: "mine" }]);
    const second = await world.consumer({ groupId });
    await second.subscribe({ topic, fromBeginning: true });
    const again = await collect(second);
    await until(() => again.length === 2);
    expect(again).toEqual(["b", "c"]);
  });

  test("by hand are checked", async () => {
    const consumer = await world.consumer();
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
    const topic = await world.topic();
    await fill(topic, ["a", "b", "c"]);
    const groupId = fresh("group");
    const consumer = await world.consumer({ groupId });
    await consumer.subscribe({ topic, fromBeginning: true });
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
    expect(await committed(groupId, topic)).toBe("3");
  });

  test("of a handler of batches may be given", async () => {
    const topic = await world.topic();
    await fill(topic, ["a", "b", "c"]);
    const groupId = fresh("group");
    const consumer = await world.consumer({ groupId });
    await consumer.subscribe({ topic, fromBeginning: true });
    let isDone = false;
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ commitOffsetsIfNecessary, isRunning, isStale }) => {
        await commitOffsetsIfNecessary();
        expect([isRunning(), isStale(), await committed(groupId, topic)]).toEqual([true, false, "-1"]);
        await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition: 0, offset: "2" }] }] });
        isDone = true;
      },
    });
    await until(() => isDone);
    expect(await committed(groupId, topic)).toBe("2");
  });
});

describe("seek", () => {
  test("is checked", async () => {
    const consumer = await world.consumer();
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
    const topic = await world.topic();
    await fill(topic, ["a", "b", "c"]);
    const consumer = await world.consumer();
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
    const topic = await world.topic();
    await fill(topic, ["a", "b", "c", "d"]);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
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
    const topic = await world.topic();
    const consumer = await world.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
    const values = await collect(consumer);
    consumer.seek({ topic, partition: 7, offset: "1" });
    await fill(topic, ["a"]);
    await until(() => values.length === 1);
  });
});

describe("pause and resume", () => {
  test("are checked", async () => {
    const consumer = await world.consumer();
    expect(() => consumer.pause([{ topic: "" }])).toThrow("Invalid topic");
    expect(() => consumer.resume([undefined as never])).toThrow("Invalid topic undefined");
    expect(() => consumer.pause([{ topic: "t", partitions: "x" as never }])).toThrow(
      'Array of valid partitions required to pause specific partitions instead of "x"',
    );
    expect(() => consumer.pause([{ topic: "t" }])).toThrow("consumer#run must be called first");
    expect(consumer.paused()).toEqual([]);
  });

  test("hold back a partition, and let it go", async () => {
    const topic = await world.topic(2);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
    const values = await collect(consumer);
    consumer.pause([{ topic, partitions: [0] }]);
    expect(consumer.paused()).toEqual([{ topic, partitions: [0] }]);
    await fill(topic, ["zero"], 0);
    await fill(topic, ["one"], 1);
    await until(() => values.length === 1);
    expect(values).toEqual(["one"]);
    consumer.resume([{ topic, partitions: [0] }]);
    await until(() => values.length === 2);
    expect([values, consumer.paused()]).toEqual([["one", "zero"], []]);
  });

  test("work for whole topics, of which some partitions may be resumed", async () => {
    const topic = await world.topic(3);
    const consumer = await world.consumer();
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
    const topic = await world.topic();
    await fill(topic, ["a", "b"]);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
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

describe("a handler that fails", () => {
  test("gets the same message again", async () => {
    const topic = await world.topic();
    await fill(topic, ["a", "b"]);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
    const values: string[] = [];
    await consumer.run({
      eachMessage: async ({ message }) => {
        values.push(String(message.value));
        if (values.length === 2) throw new Error("once");
      },
    });
    await until(() => values.length === 3);
    expect(values).toEqual(["a", "b", "b"]);
  });

  test("gets the same batch again, without what it has resolved", async () => {
    const topic = await world.topic();
    await fill(topic, ["a", "b", "c"]);
    const groupId = fresh("group");
    const consumer = await world.consumer({ groupId });
    await consumer.subscribe({ topic, fromBeginning: true });
    const seen: string[][] = [];
    await consumer.run({
      eachBatch: async ({ batch, resolveOffset }) => {
        seen.push(batch.messages.map(({ value }) => String(value)));
        if (seen.length > 1) return;
        resolveOffset(batch.messages[0].offset);
        throw new Error("once");
      },
    });
    await until(() => seen.length === 2);
    expect(seen).toEqual([
      ["a", "b", "c"],
      ["b", "c"],
    ]);
  });

  test("crashes the consumer after all attempts, which then starts again", async () => {
    const topic = await world.topic();
    await fill(topic, ["a"]);
    const consumer = await world.consumer({ retry: { retries: 1, initialRetryTime: 10 } });
    await consumer.subscribe({ topic, fromBeginning: true });
    const crashes: { error: Error; restart: boolean }[] = [];
    consumer.on(consumer.events.CRASH, ({ payload }) => crashes.push(payload));
    let calls = 0;
    await consumer.run({
      eachMessage: async () => {
        if (++calls <= 2) throw new Error("not yet");
      },
    });
    await until(() => calls === 3, "the consumer has started again");
    expect(crashes).toHaveLength(1);
    expect(crashes[0].restart).toBe(true);
    expect(crashes[0].error).toBeInstanceOf(KafkaJSNumberOfRetriesExceeded);
    expect(crashes[0].error).toMatchObject({ message: "not yet", retryCount: 1 });
  });

  test("by a mistake in the program ends the consumer", async () => {
    const topic = await world.topic();
    await fill(topic, ["a"]);
    const consumer = await world.consumer();
    await consumer.subscribe({ topic, fromBeginning: true });
    const crashes: { error: Error; restart: boolean }[] = [];
    consumer.on(consumer.events.CRASH, ({ payload }) => crashes.push(payload));
    let calls = 0;
    await consumer.run({
      eachMessage: async () => {
        calls++;
        throw new TypeError("a mistake");
      },
    });
    await until(() => crashes.length === 1);
    expect([calls, crashes[0].restart, crashes[0].error.name]).toEqual([1, false, "KafkaJSNonRetriableError"]);
  });

  test("is started again only if `restartOnFailure` says so", async () => {
    const topic = await world.topic();
    await fill(topic, ["a"]);
    const asked: Error[] = [];
    const restartOnFailure = async (error: Error): Promise<boolean> => {
      asked.push(error);
      return false;
    };
    const consumer = await world.consumer({ retry: { retries: 0, initialRetryTime: 10, restartOnFailure } });
    await consumer.subscribe({ topic, fromBeginning: true });
    const restarts: boolean[] = [];
    consumer.on(consumer.events.CRASH, ({ payload }) => restarts.push(payload.restart));
    await consumer.run({ eachMessage: () => Promise.reject(new Error("always")) });
    await until(() => restarts.length === 1);
    expect([restarts, asked.map(({ message }) => message)]).toEqual([[false], ["always"]]);
  });

  test("leaves what was processed before committed, unless autoCommit is false", async () => {
    for (const autoCommit of [true, false]) {
      const topic = await world.topic();
      await fill(topic, ["a", "b", "c"]);
      const groupId = fresh("group");
      const consumer = await world.consumer({ groupId, retry: { retries: 0, restartOnFailure: async () => false } });
      await consumer.subscribe({ topic, fromBeginning: true });
      let hasCrashed = false;
      consumer.on(consumer.events.CRASH, () => {
        hasCrashed = true;
      });
      await consumer.run({
        autoCommit,
        eachMessage: async ({ message }) => {
          if (String(message.value) === "c") throw new Error("the third");
        },
      });
      await until(() => hasCrashed);
      expect(await committed(groupId, topic)).toBe(autoCommit ? "2" : "-1");
    }
  });
});

describe("groups", () => {
  test("share partitions, and hand them over without messages that come twice", async () => {
    const topic = await world.topic(4);
    const groupId = fresh("group");
    const producer = await world.producer();
    const counts = new Map<string, number>();
    const member = async (): Promise<Consumer> => {
      const consumer = await world.consumer({ groupId });
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ message }) => {
          counts.set(String(message.value), (counts.get(String(message.value)) ?? 0) + 1);
        },
      });
      return consumer;
    };
    const assignments: number[] = [];
    const first = await member();
    first.on(first.events.GROUP_JOIN, ({ payload }) =>
      assignments.push((payload.memberAssignment[topic] ?? []).length),
    );
    const messages = (from: number) => Array.from({ length: 40 }, (_, i) => ({ value: `${from + i}` }));
    await producer.send({ topic, messages: messages(0) });
    const second = await member();
    await producer.send({ topic, messages: messages(40) });
    await until(() => assignments.includes(2), "the partitions are shared");
    await second.disconnect();
    await producer.send({ topic, messages: messages(80) });
    await until(() => counts.size === 120);
    await until(() => assignments[assignments.length - 1] === 4, "the first member has all partitions again");
    expect([...counts.values()].every(count => count === 1)).toBe(true);
  });

  test("tell of rebalances, and of what a member has", async () => {
    const topic = await world.topic(2);
    const groupId = fresh("group");
    const first = await world.consumer({ groupId });
    const joined: { groupId: string; memberId: string; memberAssignment: object }[] = [];
    let rebalances = 0;
    first.on(first.events.GROUP_JOIN, ({ payload }) => joined.push(payload));
    first.on(first.events.REBALANCING, () => rebalances++);
    await first.subscribe({ topic });
    await first.run();
    expect(joined).toEqual([
      { duration: expect.any(Number), groupId, memberId: expect.any(String), memberAssignment: { [topic]: [0, 1] } },
    ]);
    const second = await world.consumer({ groupId });
    await second.subscribe({ topic });
    await second.run();
    await until(() => rebalances === 1 && joined.length === 2);
  });

  test("describe themselves, with bytes that AssignerProtocol reads", async () => {
    const topic = await world.topic(2);
    const groupId = fresh("group");
    const consumer = await world.consumer({ groupId });
    await consumer.subscribe({ topic });
    await consumer.run();
    const described = await consumer.describeGroup();
    expect(described).toMatchObject({
      errorCode: 0,
      groupId,
      protocol: "roundrobin",
      protocolType: "consumer",
      state: "Stable",
    });
    const [member] = described.members;
    expect(AssignerProtocol.MemberMetadata.decode(member.memberMetadata)?.topics).toEqual([topic]);
    expect(AssignerProtocol.MemberAssignment.decode(member.memberAssignment)?.assignment).toEqual({ [topic]: [0, 1] });
  });

  test("have other assigners", async () => {
    const topic = await world.topic();
    const consumer = await world.consumer({ partitionAssigners: [PartitionAssigners.cooperativeSticky] });
    await consumer.subscribe({ topic });
    await consumer.run();
    expect((await consumer.describeGroup()).protocol).toBe("cooperative-sticky");
  });
});

describe("life", () => {
  test("is told by events", async () => {
    const topic = await world.topic();
    const consumer = world.kafka.consumer({ groupId: fresh("group"), maxWaitTimeInMs: 100 });
    const seen: string[] = [];
    const { CONNECT, DISCONNECT, STOP, START_BATCH_PROCESS, END_BATCH_PROCESS } = consumer.events;
    for (const name of [CONNECT, DISCONNECT, STOP]) consumer.on(name, ({ type }) => seen.push(type));
    const payloads: unknown[] = [];
    consumer.on(START_BATCH_PROCESS, ({ payload }) => payloads.push(payload));
    consumer.on(END_BATCH_PROCESS, ({ payload }) => payloads.push(payload));
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await fill(topic, ["a", "b"]);
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
    const topic = await world.topic();
    await fill(topic, ["a"]);
    const consumer = await world.consumer();
    consumer.on(consumer.events.START_BATCH_PROCESS, () => {
      throw new Error("a listener");
    });
    await consumer.subscribe({ topic, fromBeginning: true });
    const values = await collect(consumer);
    await until(() => values.length === 1);
  });

  test("may begin again after `stop`, with more topics", async () => {
    const [one, two] = [await world.topic(), await world.topic()];
    const consumer = await world.consumer();
    await consumer.subscribe({ topic: one, fromBeginning: true });
    await fill(one, ["1"]);
    const first = await collect(consumer);
    await until(() => first.length === 1);
    await Promise.all([consumer.stop(), consumer.stop()]);
    await consumer.subscribe({ topic: two, fromBeginning: true });
    await fill(one, ["2"]);
    await fill(two, ["3"]);
    const second = await collect(consumer);
    await until(() => second.length === 2);
    expect(second.sort()).toEqual(["2", "3"]);
  });

  test("waits for the handler that runs, and hands out no further message", async () => {
    const topic = await world.topic();
    await fill(topic, ["a", "b"]);
    const groupId = fresh("group");
    const consumer = await world.consumer({ groupId });
    await consumer.subscribe({ topic, fromBeginning: true });
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
    expect(await committed(groupId, topic)).toBe("1");
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
