import { fromUtf8, utf8 } from "@samsa/base";
import { buildBatch } from "@samsa/records";
import { SimCluster } from "@samsa/sim";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Admin, type ClusterClient, type ConsumedRecord, Consumer, type RunOptions } from "../src/index.ts";

let cluster: SimCluster;
let client: ClusterClient;
let consumer: Consumer;

const run = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);
const textOf = ({ value }: ConsumedRecord): string => fromUtf8(value ?? new Uint8Array(0));
const sleep = (ms: number): Promise<void> => new Promise(resolve => cluster.clientEnv.timers.after(ms, resolve));

function newClient(): ClusterClient {
  return cluster.client();
}

async function produce(partition: number, values: readonly string[]): Promise<void> {
  const { crypto, codecs, clock } = cluster.clientEnv;
  // Retention deletes older records.
  const news = values.map(value => ({ timestamp: clock.now(), key: utf8(value.slice(0, 1)), value: utf8(value) }));
  const records = [buildBatch(news, {}, { crc32c: crypto.crc32c, codecs })];
  const topicData = [{ name: "orders", partitionData: [{ index: partition, records }] }];
  const body = { transactionalId: null, acks: -1, timeoutMs: 3000, topicData };
  const { partitions } = await run(client.topic("orders", client.patience()));
  await run(client.call(partitions[partition].leaderId, "Produce", body, { maxVersion: 12 }));
}

beforeEach(async () => {
  cluster = new SimCluster({
    settings: { "group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "1" },
  });
  await cluster.startAll();
  client = newClient();
  (await run(new Admin(client).topics.create([{ name: "orders", partitions: 2, replicationFactor: 3 }]))).orThrow();
  consumer = new Consumer(newClient(), { reset: "earliest" }, { group: { groupId: "g" } });
  await produce(0, ["a1", "a2", "b1", "a3", "b2", "c1"]);
  await produce(1, ["x1", "x2"]);
  await run(consumer.subscribe(["orders"]));
});

afterEach(async () => {
  await run(consumer.close());
  client.close();
  await cluster.close();
});

/** Runs a handler over all eight records, and records what was at work at a time. */
async function traced(options: RunOptions, work = 100) {
  const stop = new AbortController();
  const done: string[] = [];
  const together: string[][] = [];
  const busy = new Set<string>();
  const ended = consumer.run(
    async record => {
      const text = textOf(record);
      busy.add(text);
      together.push([...busy]);
      await sleep(work);
      busy.delete(text);
      done.push(text);
      if (done.length === 8) stop.abort();
    },
    { ...options, signal: stop.signal },
  );
  await run(ended);
  return { done, together, most: Math.max(...together.map(list => list.length)) };
}

const orderOf = (done: readonly string[], tag: string): string[] => done.filter(text => text.startsWith(tag));

describe("handlers", () => {
  test("work one at a time by default, in the order of each partition", async () => {
    const { done, most } = await traced({});
    expect([most, done.filter(text => !text.startsWith("x"))]).toEqual([1, ["a1", "a2", "b1", "a3", "b2", "c1"]]);
  });

  test("work on several partitions at a time, in the order of each", async () => {
    const { done, most } = await traced({ concurrency: 10 });
    expect([most, done.filter(text => !text.startsWith("x"))]).toEqual([2, ["a1", "a2", "b1", "a3", "b2", "c1"]]);
  });

  test("work on several keys at a time, in the order of each", async () => {
    const { done, most } = await traced({ concurrency: 10, order: "key" });
    expect(most).toBeGreaterThan(2);
    expect(["a", "b", "x"].map(tag => orderOf(done, tag))).toEqual([
      ["a1", "a2", "a3"],
      ["b1", "b2"],
      ["x1", "x2"],
    ]);
  });

  test("work on all partitions at a time, though one has many records before those of others", async () => {
    await produce(
      0,
      Array.from({ length: 200 }, (_, i) => `m${i}`),
    );
    await produce(1, ["x3", "x4", "x5", "x6"]);
    const stop = new AbortController();
    const seen: string[] = [];
    const ended = consumer.run(
      async record => {
        await sleep(100);
        seen.push(textOf(record));
        if (seen.includes("x6")) stop.abort();
      },
      { concurrency: 2, signal: stop.signal },
    );
    await run(ended);
    expect(seen.length).toBeLessThan(20);
    expect(orderOf(seen, "x")).toEqual(["x1", "x2", "x3", "x4", "x5", "x6"]);
  });

  test("work on as many records at a time as they may", async () => {
    expect((await traced({ concurrency: 4, order: "none" })).most).toBe(4);
  });
});

const committed = async (): Promise<number[]> => {
  const offsets = await run(consumer.committed([0, 1].map(partition => ({ topic: "orders", partition }))));
  return offsets.map(({ offset }) => offset);
};

test("a commit stops before the first record that is not processed, though later ones are", async () => {
  const stop = new AbortController();
  const done: string[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>(resolve => (release = resolve));
  const ended = consumer.run(
    async record => {
      const text = textOf(record);
      if (text === "b1") await held;
      done.push(text);
    },
    { concurrency: 10, order: "none", signal: stop.signal },
  );
  await cluster.world.runFor(3000);
  expect(done.length).toBe(7);
  await run(consumer.commit());
  expect(await committed()).toEqual([2, 2]);
  release();
  await cluster.world.runFor(100);
  await run(consumer.commit());
  expect(await committed()).toEqual([6, 2]);
  stop.abort();
  await run(ended);
});

test("offsets are those that handlers are done with, though many more records are read", async () => {
  const values = Array.from({ length: 40 }, (_, i) => `m${i}`);
  await produce(0, values);
  await produce(1, values);
  const handled = [0, 0];
  const running = consumer.run(async ({ partition }) => {
    await sleep(10);
    handled[partition] = (handled[partition] ?? 0) + 1;
  });
  const isRight = (): boolean => consumer.processed().every(({ partition, offset }) => offset === handled[partition]);
  for (let i = 0; i < 30; i++) {
    await cluster.world.runFor(23);
    expect(isRight()).toBe(true);
    await run(consumer.commit());
    expect(isRight()).toBe(true);
  }
  await run(consumer.close());
  await run(running);
  const [first = 0, second = 0] = handled;
  expect([first + second > 10, first + second < 88]).toEqual([true, true]);
  const offsets = (await run(new Admin(client).groups.offsets(["g"]))).value("g");
  expect(Object.fromEntries(offsets.map(({ partition, offset }) => [partition, offset]))).toEqual(
    Object.fromEntries(handled.entries()),
  );
});

test("a handler that fails is tried again, and its record comes again if it fails for good", async () => {
  const attempts: number[] = [];
  const failing = consumer.run(
    (record, { attempt }) => {
      if (textOf(record) !== "a2") return;
      attempts.push(attempt);
      throw new Error("no");
    },
    { attempts: 3, backoffMs: 10 },
  );
  await expect(run(failing.catch((error: unknown) => error))).resolves.toMatchObject({ message: "no" });
  expect(attempts).toEqual([1, 2, 3]);
  const again: string[] = [];
  const stop = new AbortController();
  const second = consumer.run(
    record => {
      again.push(textOf(record));
      if (again.includes("c1")) stop.abort();
    },
    { signal: stop.signal },
  );
  await run(second);
  expect(again.filter(text => !text.startsWith("x"))).toEqual(["a2", "b1", "a3", "b2", "c1"]);
});

test("a handler that is stuck holds up the others at last, and not for good", async () => {
  for (let i = 0; i < 7; i++) await produce(0, Array<string>(15_000).fill("later"));
  const stop = new AbortController();
  let release = (): void => undefined;
  const stuck = new Promise<void>(resolve => (release = resolve));
  let ended = 0;
  const running = consumer.run(
    async record => {
      if (textOf(record) === "a1") await stuck;
      if (++ended === 105_008) stop.abort();
    },
    { concurrency: 2, order: "none", signal: stop.signal },
  );
  await cluster.world.runFor(60_000);
  // All but the stuck one, and perhaps the two of the other partition.
  expect(ended).toBeGreaterThanOrEqual(99_999);
  expect(ended).toBeLessThanOrEqual(100_001);
  release();
  await run(running);
  expect(ended).toBe(105_008);
});

test("a handler that fails ends the run, though no more records come", async () => {
  const seen: string[] = [];
  const failing = consumer.run(
    record => {
      seen.push(textOf(record));
      if (seen.length === 8) throw new Error("the last one");
    },
    { concurrency: 1 },
  );
  await expect(run(failing.catch((error: unknown) => error))).resolves.toMatchObject({ message: "the last one" });
});

test("what has failed for good may be put aside, and counts as processed then", async () => {
  const aside: string[] = [];
  const stop = new AbortController();
  const ended = consumer.run(
    record => {
      if (textOf(record).startsWith("a")) throw new Error("no");
      if (textOf(record) === "c1") stop.abort();
    },
    { failed: record => void aside.push(textOf(record)), signal: stop.signal },
  );
  await run(ended);
  expect(aside).toEqual(["a1", "a2", "a3"]);
});

test("options that cannot be are refused", async () => {
  await expect(run(consumer.run(() => {}, { concurrency: 0 }).catch((error: unknown) => error))).resolves.toMatchObject(
    {
      name: "INVALID_ARGUMENT",
    },
  );
});
