import { fromUtf8, utf8 } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import { buildBatch } from "@samsa/records";
import { SimCluster } from "@samsa/sim";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  Admin,
  type ClusterClient,
  ConsumedBatch,
  type ConsumedRecord,
  Consumer,
  type ConsumerParts,
  type ConsumerOptions,
  type RecordStream,
} from "../src/index.ts";

let cluster: SimCluster;
let client: ClusterClient;
let consumer: Consumer;
/** Timestamp of the first record of each batch; retention deletes those of long ago. */
let began: number;

const run = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);
const refusal = (promise: Promise<unknown>): Promise<unknown> => cluster.refusal(promise);

function newClient(): ClusterClient {
  return cluster.client({ requestTimeoutMs: 3000 });
}

/** Begins to read partitions of `orders` from the beginning. */
function read(settings: ConsumerOptions = {}, parts: ConsumerParts = {}, partitions = [0, 1]): Consumer {
  consumer = new Consumer(client, { reset: "earliest", ...settings }, parts);
  consumer.assign(partitions.map(partition => ({ topic: "orders", partition })));
  return consumer;
}

async function produce(partition: number, values: readonly string[]): Promise<void> {
  const { crypto, codecs } = cluster.clientEnv;
  const news = values.map((value, i) => ({
    ...{ timestamp: began + i, key: utf8(`key of ${value}`), value: utf8(value) },
    headers: [{ key: "n", value: utf8(String(i)) }],
  }));
  const records = [buildBatch(news, {}, { crc32c: crypto.crc32c, codecs })];
  const topicData = [{ name: "orders", partitionData: [{ index: partition, records }] }];
  const body = { transactionalId: null, acks: -1, timeoutMs: 3000, topicData };
  await run(
    client.retrying(client.patience(), async () => {
      const topic = await client.topic("orders", client.patience());
      const answer = await client.call(topic.partitions[partition].leaderId, "Produce", body, { maxVersion: 12 });
      expect(answer.responses[0].partitionResponses[0].errorCode).toBe(0);
    }),
  );
}

async function take(stream: RecordStream, count: number): Promise<ConsumedRecord[]> {
  const records: ConsumedRecord[] = [];
  while (records.length < count) {
    const { value, done } = await run(stream.next());
    if (done === true) break;
    records.push(value);
  }
  return records;
}

const valuesOf = (records: Iterable<ConsumedRecord>): string[] =>
  [...records].map(({ value }) => fromUtf8(value ?? new Uint8Array(0)));

beforeEach(async () => {
  cluster = new SimCluster();
  await cluster.startAll();
  began = cluster.clientEnv.clock.now();
  client = newClient();
  const assignments = [
    [1, 2, 3],
    [2, 3, 1],
  ];
  const made = await run(new Admin(client).topics.create([{ name: "orders", assignments }]));
  made.orThrow();
});

afterEach(async () => {
  await run(consumer.close());
  client.close();
  await cluster.close();
});

const noGroup = (): never => expect.unreachable("there is no group");
const NO_GROUP = { heartbeat: noGroup, joined: noGroup };

describe("an observer", () => {
  test("hears of requests for records and of their ends, while it listens", async () => {
    const seen: (readonly [string, number, number?])[] = [];
    const observer = {
      isListening: true,
      ...NO_GROUP,
      fetchStarted: (brokerId: number) => seen.push(["started", brokerId]),
      fetchEnded: (brokerId: number, durationMs: number, partitions: number) => {
        expect(durationMs).toBeGreaterThan(0);
        seen.push(["ended", brokerId, partitions]);
      },
    };
    await produce(0, ["a", "b"]);
    const stream = read({}, { observer }, [0]).records();
    await take(stream, 2);
    expect(seen.slice(0, 2)).toEqual([
      ["started", 1],
      ["ended", 1, 1],
    ]);
    observer.isListening = false;
    const { length } = seen;
    await produce(0, ["c"]);
    await take(stream, 1);
    await cluster.world.runFor(5000);
    // The request that was on its way has ended.
    expect(seen.length - length).toBeLessThan(2);
  });

  test("does not disturb the consumer if it fails, and hears of the end of a request that fails", async () => {
    let [started, ended] = [0, 0];
    const observer = {
      ...{ isListening: true, ...NO_GROUP },
      fetchStarted: () => {
        started++;
        throw new Error("an observer");
      },
      fetchEnded: () => {
        ended++;
        throw new Error("an observer");
      },
    };
    await produce(0, ["a"]);
    const stream = read({}, { observer }, [0]).records();
    expect(valuesOf(await take(stream, 1))).toEqual(["a"]);
    cluster.end(1, "kill");
    await produce(0, ["b"]);
    expect(valuesOf(await take(stream, 1))).toEqual(["b"]);
    // No more than the last request is still on its way.
    expect(ended).toBeGreaterThan(1);
    expect(started - ended).toBeLessThan(2);
  });
});

describe("records", () => {
  test("of all partitions come in order, with all that producers have sent", async () => {
    await produce(0, ["a", "b", "c"]);
    await produce(1, ["x", "y"]);
    const records = await take(read().records(), 5);
    const ofPartition = (index: number) => records.filter(({ partition }) => partition === index);
    expect(valuesOf(ofPartition(0))).toEqual(["a", "b", "c"]);
    expect(valuesOf(ofPartition(1))).toEqual(["x", "y"]);
    const [, second] = ofPartition(0);
    expect(second).toMatchObject({ topic: "orders", offset: 1, timestamp: began + 1, timestampType: "CreateTime" });
    expect(fromUtf8(second.key ?? new Uint8Array(0))).toBe("key of b");
    expect(second.headers.map(({ key, value }) => [key, fromUtf8(value ?? new Uint8Array(0))])).toEqual([["n", "1"]]);
  });

  test("that come later end the wait for them", async () => {
    const stream = read().records();
    const next = stream.next();
    await cluster.world.runFor(3000);
    await produce(1, ["late"]);
    const { value } = await run(next);
    expect(value).toMatchObject({ partition: 1, offset: 0 });
  });

  test("that are written while a leader dies are read once and in order", async () => {
    const written: string[] = [];
    const write = async (value: string) => {
      await produce(0, [value]);
      written.push(value);
    };
    for (let i = 0; i < 5; i++) await write(`before ${i}`);
    const stream = read().records();
    const seen = valuesOf(await take(stream, 3));
    cluster.end(1, "kill");
    for (let i = 0; i < 5; i++) await write(`after ${i}`);
    seen.push(...valuesOf(await take(stream, 7)));
    expect(seen).toEqual(written);
    expect(consumer.status("orders", 0).position).toBe(10);
  });

  test("are read once and in order while every broker is killed and comes back", async () => {
    const stream = read({ maxPartitionBytes: 300 }).records();
    const seen: string[] = [];
    const listen = (async () => {
      for await (const record of stream) {
        seen.push(...valuesOf([record]));
        if (seen.length === 60) break;
      }
    })();
    const written: string[] = [];
    for (const id of [1, 2, 3]) {
      for (let i = 0; i < 20; i++) {
        if (i === 5) cluster.end(id, "kill");
        if (i === 15) await cluster.start(id);
        written.push(`${id} ${i}`);
        await produce(i % 2, [`${id} ${i}`]);
      }
    }
    await run(listen);
    const of = (values: string[], partition: number) =>
      values.filter(value => Number(value.slice(2)) % 2 === partition);
    expect(of(seen, 0)).toEqual(of(written, 0));
    expect(of(seen, 1)).toEqual(of(written, 1));
  });
});

describe("batches", () => {
  test("have so many records at most; those that are not read come again", async () => {
    await produce(0, ["a", "b", "c", "d", "e"]);
    const batches = read({ maxPollRecords: 4 }, {}, [0]).batches();
    const nextBatch = async (): Promise<ConsumedBatch> => {
      const { value } = await run(batches.next());
      if (!(value instanceof ConsumedBatch)) throw new Error("the stream is over");
      return value;
    };
    const first = await nextBatch();
    expect([first.topic, first.partition]).toEqual(["orders", 0]);
    expect(valuesOf([first.next(), first.next()].filter(record => record !== undefined))).toEqual(["a", "b"]);
    expect(consumer.processed()).toMatchObject([{ offset: 0 }]);
    const second = await nextBatch();
    expect(first.next()).toBeUndefined();
    expect(consumer.processed()).toMatchObject([{ offset: 2, leaderEpoch: 0 }]);
    expect(valuesOf(second.toArray())).toEqual(["c", "d", "e"]);
  });

  test("can be visited without objects for each record", async () => {
    await produce(0, ["a", "b", "c"]);
    const { value } = await run(read({}, {}, [0]).batches({ max: 2 }).next());
    const offsets: number[] = [];
    expect(value?.forEach(({ offset }) => offsets.push(offset))).toBe(2);
    expect(offsets).toEqual([0, 1]);
  });

  test("come no more after an abort, although there are some", async () => {
    await produce(0, ["a", "b", "c"]);
    read();
    const abort = new AbortController();
    const stream = consumer.batches({ max: 1, signal: abort.signal });
    await expect(run(stream.next())).resolves.toMatchObject({ done: false });
    abort.abort();
    await expect(refusal(stream.next())).resolves.toMatchObject({ name: "ABORTED" });
    await expect(run(stream.next())).resolves.toEqual({ value: undefined, done: true });
  });

  test("count as processed when the next one is asked for, also after an abort", async () => {
    await produce(0, ["a", "b"]);
    read({}, {}, [0]);
    const abort = new AbortController();
    const stream = consumer.batches({ max: 1, signal: abort.signal });
    const { value } = await run(stream.next());
    expect(valuesOf(value?.toArray() ?? [])).toEqual(["a"]);
    abort.abort();
    await expect(refusal(stream.next())).resolves.toMatchObject({ name: "ABORTED" });
    expect(consumer.processed()).toMatchObject([{ offset: 1 }]);
  });

  test("come in one stream at a time, which ends with an abort or a close", async () => {
    read();
    const abort = new AbortController();
    const stream = consumer.batches({ signal: abort.signal });
    expect(() => consumer.records()).toThrow("another stream of this consumer is open");
    const next = refusal(stream.next());
    await expect(refusal(stream.next())).resolves.toMatchObject({ name: "ILLEGAL_STATE" });
    abort.abort();
    await expect(next).resolves.toMatchObject({ name: "ABORTED" });
    await expect(run(stream.next())).resolves.toEqual({ value: undefined, done: true });
    const other = consumer.records();
    const last = other.next();
    await run(consumer.close());
    await expect(run(last)).resolves.toEqual({ value: undefined, done: true });
    expect(() => consumer.batches()).toThrow("the consumer is closed");
    expect(() => consumer.assign([])).toThrow("the consumer is closed");
  });

  test("end when the loop is left, which does not count the last record as processed", async () => {
    await produce(0, ["a", "b"]);
    read({}, {}, [0]);
    const loop = async (): Promise<void> => {
      for await (const { offset } of consumer.records()) if (offset === 1) break;
    };
    await run(loop());
    expect(consumer.processed()).toMatchObject([{ offset: 1 }]);
    expect(consumer.batches()).toBeDefined();
  });
});

describe("positions", () => {
  test("are known, sought and held", async () => {
    await produce(0, ["a", "b", "c"]);
    await produce(1, ["x"]);
    const stream = read().records();
    await expect(run(consumer.position("orders", 0))).resolves.toBe(0);
    await take(stream, 4);
    await expect(run(consumer.position("orders", 0))).resolves.toBe(3);
    expect(consumer.lag("orders", 0)).toBe(0);
    consumer.seek("orders", 0, 1);
    consumer.pause([{ topic: "orders", partition: 0 }]);
    consumer.seek("orders", 1, "beginning");
    expect(valuesOf(await take(stream, 1))).toEqual(["x"]);
    consumer.resume([{ topic: "orders", partition: 0 }]);
    expect(valuesOf(await take(stream, 2))).toEqual(["b", "c"]);
    consumer.seek("orders", 0, "end");
    await expect(run(consumer.position("orders", 0))).resolves.toBe(3);
    await run(consumer.seekToTime("orders", 0, began + 2));
    await expect(run(consumer.position("orders", 0))).resolves.toBe(2);
    await run(consumer.seekToTime("orders", 0, began + 4000));
    await expect(run(consumer.position("orders", 0))).resolves.toBe(3);
  });

  test("can be looked up for any partition", async () => {
    await produce(0, ["a", "b", "c"]);
    read({}, {}, []);
    const both = [0, 1].map(partition => ({ topic: "orders", partition }));
    const offsets = async (found: Promise<Iterable<[string, { offset: number } | Error]>>) =>
      [...(await run(found))].map(([, outcome]) => (outcome instanceof Error ? outcome.name : outcome.offset));
    expect(await offsets(consumer.beginningOffsets(both))).toEqual([0, 0]);
    expect(await offsets(consumer.endOffsets(both))).toEqual([3, 0]);
    expect(await offsets(consumer.offsetsForTimes(both.map(one => ({ ...one, timestamp: began + 1 }))))).toEqual([
      1, -1,
    ]);
    await expect(refusal(consumer.offsetsForTimes([{ ...both[0], timestamp: -1 }]))).resolves.toMatchObject({
      name: "INVALID_ARGUMENT",
    });
  });

  test("that nobody knows are an error without a policy, until one is sought", async () => {
    await produce(0, ["a", "b"]);
    read({ reset: "none" }, {}, [0]);
    await expect(refusal(consumer.position("orders", 0))).resolves.toMatchObject({ name: "NO_OFFSET" });
    const stream = consumer.records();
    await expect(refusal(stream.next())).resolves.toMatchObject({ name: "NO_OFFSET" });
    await expect(run(stream.next())).resolves.toEqual({ value: undefined, done: true });
    // The error comes again after a back-off, which only the timer ends.
    await expect(refusal(consumer.records().next())).resolves.toMatchObject({ name: "NO_OFFSET" });
    consumer.seek("orders", 0, 1);
    expect(valuesOf(await take(consumer.records(), 1))).toEqual(["b"]);
  });

  test("out of range are told, and reset", async () => {
    await produce(0, ["a", "b"]);
    const moves: unknown[] = [];
    read({}, { moved: moved => moves.push(moved) }, []);
    consumer.assign([{ topic: "orders", partition: 0, offset: 99 }]);
    expect(valuesOf(await take(consumer.records(), 1))).toEqual(["a"]);
    expect(moves).toMatchObject([{ from: 99, to: undefined, loss: "OUT_OF_RANGE" }]);
  });

  test("are not those of partitions that are not assigned", async () => {
    read({}, {}, [0]);
    expect(() => consumer.seek("orders", 1, 0)).toThrow("orders-1 is not assigned to this consumer");
    expect(() => consumer.assign([{ topic: "", partition: 0 }])).toThrow("-0 is not the name of a partition");
    const twice = { topic: "orders", partition: 0 };
    expect(() => consumer.assign([twice, twice])).toThrow("orders-0 is assigned twice");
    await expect(refusal(consumer.position("orders", 1))).resolves.toMatchObject({ name: "ILLEGAL_STATE" });
    expect(consumer.assignment()).toEqual([twice]);
  });
});

test("a topic whose name cannot be, and a client that is closed, are told", async () => {
  read({}, {}, []);
  consumer.assign([{ topic: "no/slash", partition: 0 }]);
  await expect(refusal(consumer.records().next())).resolves.toMatchObject({
    name: "INVALID_TOPIC_EXCEPTION",
    message: expect.stringMatching(/^topic no\/slash: /),
  });
  consumer.assign([{ topic: "orders", partition: 0 }]);
  const next = refusal(consumer.records().next());
  await cluster.world.runFor(1000);
  client.close();
  await expect(next).resolves.toMatchObject({ name: "CLOSED", message: "the client is closed" });
});

describe("transactions", () => {
  const key = "t1";
  let producer: { producerId: bigint; producerEpoch: number };

  async function begin(): Promise<void> {
    const asked = { transactionalId: key, transactionTimeoutMs: 60_000 };
    producer = await run(
      client.retrying(client.patience(), async () => {
        const found = await client.callCoordinator({ kind: "transaction", key }, "InitProducerId", asked, {
          maxVersion: 4,
        });
        if (found.errorCode !== 0) throw KafkaError.of(found.errorCode, "begin");
        return found;
      }),
    );
  }

  async function send(values: readonly string[], baseSequence: number): Promise<void> {
    const { crypto, codecs, clock } = cluster.clientEnv;
    const news = values.map(value => ({ timestamp: clock.now(), key: null, value: utf8(value) }));
    const options = { ...producer, baseSequence, transactional: true };
    const records = [buildBatch(news, options, { crc32c: crypto.crc32c, codecs })];
    const added = {
      v3AndBelowTransactionalId: key,
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: [{ name: "orders", partitions: [0] }],
    };
    const to = { kind: "transaction", key } as const;
    await run(
      client.retrying(client.patience(), async () => {
        const { resultsByTopicV3AndBelow: results } = await client.callCoordinator(to, "AddPartitionsToTxn", added, {
          maxVersion: 3,
        });
        const code = results[0].resultsByPartition[0].partitionErrorCode;
        if (code !== 0) throw KafkaError.of(code, "add");
      }),
    );
    const topicData = [{ name: "orders", partitionData: [{ index: 0, records }] }];
    const body = { transactionalId: key, acks: -1, timeoutMs: 3000, topicData };
    const answer = await run(client.call(1, "Produce", body, { maxVersion: 11 }));
    expect(answer.responses[0].partitionResponses[0].errorCode).toBe(0);
  }

  async function end(committed: boolean): Promise<void> {
    const ended = { transactionalId: key, ...producer, committed };
    const to = { kind: "transaction", key } as const;
    const answer = await run(client.callCoordinator(to, "EndTxn", ended, { maxVersion: 4 }));
    expect(answer.errorCode).toBe(0);
  }

  test("that are aborted or open are hidden from readers of what is committed", async () => {
    await begin();
    await produce(0, ["plain"]);
    await send(["aborted"], 0);
    await end(false);
    await send(["committed", "too"], 1);
    await end(true);
    const stream = read({ isolation: "read_committed" }, {}, [0]).records();
    expect(valuesOf(await take(stream, 3))).toEqual(["plain", "committed", "too"]);
    await send(["open"], 3);
    const next = stream.next();
    await cluster.world.runFor(2000);
    expect(consumer.lag("orders", 0)).toBe(0);
    await end(true);
    expect(valuesOf([(await run(next)).value as ConsumedRecord])).toEqual(["open"]);
    await run(consumer.close());
    // Each fetch gives one batch of the log; those without visible records are no batches for the application.
    const batches = read({ isolation: "read_committed", maxPartitionBytes: 1 }, {}, [0]).batches();
    const sizes: number[] = [];
    for (let i = 0; i < 3; i++) sizes.push((await run(batches.next())).value?.toArray().length ?? -1);
    expect(sizes).toEqual([1, 2, 1]);
    await run(consumer.close());
    const all = await take(read({}, {}, [0]).records(), 5);
    expect(valuesOf(all)).toEqual(["plain", "aborted", "committed", "too", "open"]);
  });
});

test("settings that cannot be are refused", () => {
  read();
  expect(() => new Consumer(client, { maxPollRecords: 0 })).toThrow("maxPollRecords is 0, but it is a whole number");
  expect(() => new Consumer(client, { maxWaitMs: -1 })).toThrow("maxWaitMs is -1");
  expect(() => new Consumer(client, { reset: { byDurationMs: -5 } })).toThrow("reset.byDurationMs is -5");
  expect(() => new Consumer(client, { reset: "by_duration:1h" })).toThrow("which is not ISO-8601");
  expect(() => consumer.batches({ max: 0.5 })).toThrow("max is 0.5");
});
