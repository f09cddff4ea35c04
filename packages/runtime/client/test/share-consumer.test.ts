import { fromUtf8, utf8 } from "@samsa/base";
import { KafkaError } from "@samsa/client-kernel";
import { buildBatch } from "@samsa/records";
import { SimCluster } from "@samsa/sim";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Acknowledged,
  Admin,
  type ClusterClient,
  ShareConsumer,
  type ShareConsumerOptions,
  type ShareConsumerParts,
  type ShareRecord,
} from "../src/index.ts";
import { Demand } from "../src/share/demand.ts";

let cluster: SimCluster;
let client: ClusterClient;
let admin: Admin;
const opened: { readonly consumer: ShareConsumer; readonly client: ClusterClient }[] = [];

const run = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);
const textOf = ({ value }: ShareRecord): string => fromUtf8(value ?? new Uint8Array(0));
const LOCK_MS = 5000;
/** Longest time for a condition, in ms. */
const LIMIT_MS = 180_000;

function newClient(node = "client"): ClusterClient {
  return cluster.client({ requestTimeoutMs: 3000 }, node);
}

/** A share consumer on a node of its own, which has joined. */
async function join(
  node: string,
  options: Partial<ShareConsumerOptions> = {},
  parts: ShareConsumerParts = {},
  topic = "orders",
): Promise<ShareConsumer> {
  const own = newClient(node);
  const consumer = new ShareConsumer(own, { groupId: "g", ...options }, parts);
  opened.push({ consumer, client: own });
  await run(consumer.subscribe([topic]));
  return consumer;
}

/** Next `count` records of a stream; fails after `withinMs`. */
async function take(
  stream: AsyncIterator<ShareRecord, undefined>,
  count: number,
  withinMs = 30_000,
): Promise<ShareRecord[]> {
  const found: ShareRecord[] = [];
  let failure: unknown;
  const reading = (async () => {
    while (found.length < count) {
      const { value } = await stream.next();
      if (value === undefined) return;
      found.push(value);
    }
  })().catch((error: unknown) => (failure = error));
  const limit = cluster.world.now() + withinMs;
  while (found.length < count && failure === undefined) {
    if (cluster.world.now() > limit) throw new Error(`${found.map(textOf).join()} came`);
    await cluster.world.runFor(10);
  }
  await reading;
  if (failure !== undefined) throw failure;
  return found;
}

const until = (holds: () => boolean, what?: () => string) => cluster.until(holds, what, LIMIT_MS);

async function produce(partition: number, values: readonly string[], topic = "orders"): Promise<void> {
  const { crypto, codecs, clock } = cluster.clientEnv;
  // Retention deletes older records.
  const news = values.map(value => ({ timestamp: clock.now(), key: null, value: utf8(value) }));
  const records = [buildBatch(news, {}, { crc32c: crypto.crc32c, codecs })];
  const topicData = [{ name: topic, partitionData: [{ index: partition, records }] }];
  const body = { transactionalId: null, acks: -1, timeoutMs: 3000, topicData };
  await run(
    client.retrying(client.patience(), async () => {
      const { partitions } = await client.topic(topic, client.patience());
      const answer = await client.call(partitions[partition].leaderId, "Produce", body, { maxVersion: 12 });
      const { errorCode } = answer.responses[0].partitionResponses[0];
      if (errorCode !== 0) client.refresh();
      if (errorCode !== 0) throw KafkaError.of(errorCode, `records for ${topic}`);
    }),
  );
}

async function produceEach(partition: number, values: readonly string[]): Promise<void> {
  for (const value of values) await produce(partition, [value]);
}

async function set(name: string, value: string): Promise<void> {
  (await run(admin.configs.alter({ "group:g": { [name]: { op: "set", value } } }))).orThrow();
  await cluster.world.runFor(500);
}

/** Number of records of the group that are not finished yet. */
async function lag(): Promise<number> {
  const offsets = (await run(admin.shareGroups.offsets(["g"]))).value("g");
  return offsets.reduce((sum, one) => sum + Number(one.lag), 0);
}

beforeEach(async () => {
  opened.length = 0;
  cluster = new SimCluster({
    settings: {
      "offsets.topic.num.partitions": "1",
      "share.coordinator.state.topic.num.partitions": "1",
      "share.coordinator.state.topic.replication.factor": "3",
      "group.share.min.heartbeat.interval.ms": "500",
      "group.share.heartbeat.interval.ms": "500",
      "group.share.min.record.lock.duration.ms": "1000",
      "group.share.record.lock.duration.ms": String(LOCK_MS),
    },
  });
  await cluster.startAll();
  client = newClient();
  admin = new Admin(client);
  const topics = [
    { name: "orders", partitions: 1, replicationFactor: 3 },
    { name: "wide", partitions: 2, replicationFactor: 3 },
  ];
  (await run(admin.topics.create(topics))).orThrow();
  await set("share.auto.offset.reset", "earliest");
});

afterEach(async () => {
  for (const { consumer, client: own } of opened) {
    await run(consumer.close());
    own.close();
  }
  client.close();
  await cluster.close();
});

describe("records", () => {
  test("are accepted when the next one is asked for, and do not come again", async () => {
    const consumer = await join("c1");
    await produce(0, ["a", "b", "c"]);
    const stream = consumer.records();
    const first = await take(stream, 3);
    expect(first.map(one => [textOf(one), one.offset, one.deliveryCount, one.partition])).toEqual([
      ["a", 0, 1, 0],
      ["b", 1, 1, 0],
      ["c", 2, 1, 0],
    ]);
    const outcome = await run(consumer.commit());
    expect([...outcome]).toEqual([["orders/0", true]]);
    expect([...(await run(consumer.commit()))]).toEqual([]);
    await run(consumer.close());
    const other = await join("c2");
    await produce(0, ["d"]);
    expect((await take(other.records(), 1)).map(textOf)).toEqual(["d"]);
  });

  test("are accepted as well when the loop is aborted", async () => {
    await produce(0, ["a", "b"]);
    const one = await join("one", { maxPollRecords: 1 });
    const abort = new AbortController();
    const stream = one.records({ signal: abort.signal });
    expect((await take(stream, 1)).map(textOf)).toEqual(["a"]);
    abort.abort();
    await expect(run(stream.next().catch((error: unknown) => error))).resolves.toMatchObject({ name: "ABORTED" });
    expect([...(await run(one.commit())).errors]).toEqual([]);
    expect((await take(one.records(), 1)).map(textOf)).toEqual(["b"]);
  });

  test("of one partition go to two members of the group", async () => {
    const seen: string[][] = [[], []];
    const consumers = [await join("c1", { maxPollRecords: 1 }), await join("c2", { maxPollRecords: 1 })];
    const stop = new AbortController();
    const runs = consumers.map((consumer, i) =>
      consumer.run(
        async record => {
          seen[i].push(textOf(record));
          await new Promise<void>(resolve => cluster.clientEnv.timers.after(30, resolve));
        },
        { signal: stop.signal },
      ),
    );
    const values = Array.from({ length: 30 }, (_, i) => `v${i}`);
    await produceEach(0, values);
    await until(() => seen.flat().length >= 30);
    stop.abort();
    await run(Promise.all(runs));
    expect(seen.flat().toSorted()).toEqual(values.toSorted());
    expect(seen.every(list => list.length >= 5)).toBe(true);
    await until(() => consumers.every(({ lockMs }) => lockMs === LOCK_MS));
    for (const consumer of consumers) await run(consumer.commit());
    expect(await lag()).toBe(0);
  });

  test("of a member that is cut off go to another when their locks are over", async () => {
    const first = await join("c1");
    await produce(0, ["a", "b"]);
    const stream = first.records();
    await take(stream, 1);
    for (const id of [1, 2, 3]) cluster.world.network.cut("c1", `n${id}`);
    const begin = cluster.world.now();
    const second = await join("c2");
    const found = await take(second.records(), 2);
    expect(found.map(one => [textOf(one), one.deliveryCount])).toEqual([
      ["a", 2],
      ["b", 2],
    ]);
    expect(cluster.world.now() - begin).toBeGreaterThan(LOCK_MS / 2);
    for (const id of [1, 2, 3]) cluster.world.network.heal("c1", `n${id}`);
  });

  test("of a member that dies go to another at once", async () => {
    const first = await join("c1");
    await produce(0, ["a"]);
    await take(first.records(), 1);
    cluster.world.crash("c1");
    opened.length = 0;
    const second = await join("c2");
    const begin = cluster.world.now();
    expect((await take(second.records(), 1)).map(textOf)).toEqual(["a"]);
    expect(cluster.world.now() - begin).toBeLessThan(LOCK_MS / 2);
  });

  test("that are released come again until they have come too often", async () => {
    await set("share.delivery.count.limit", "3");
    const consumer = await join("c1", { acknowledgement: "explicit" });
    await produce(0, ["poison"]);
    const stream = consumer.records();
    for (const count of [1, 2, 3]) {
      const [record] = await take(stream, 1);
      expect([textOf(record), record.deliveryCount]).toEqual(["poison", count]);
      consumer.acknowledge(record, "release");
    }
    await produce(0, ["next"]);
    const [record] = await take(stream, 1);
    expect(textOf(record)).toBe("next");
    consumer.acknowledge(record);
    expect((await run(consumer.commit())).of("orders", 0)).toBe(true);
    expect(await lag()).toBe(0);
  });

  test("that are rejected do not come again", async () => {
    const consumer = await join("c1");
    await produceEach(0, ["a", "b", "c"]);
    const stream = consumer.records();
    for (const type of ["reject", "accept", "reject"] as const) {
      const [record] = await take(stream, 1);
      consumer.acknowledge(record, type);
      expect(() => consumer.acknowledge(record)).toThrow("the record is acknowledged already");
    }
    (await run(consumer.commit())).orThrow();
    expect(await lag()).toBe(0);
  });

  test("that a loop leaves without an answer are released", async () => {
    const consumer = await join("c1");
    await produce(0, ["a"]);
    const stream = consumer.records();
    await take(stream, 1);
    await stream.return();
    const [again] = await take(consumer.records(), 1, LOCK_MS / 2);
    expect([textOf(again), again.deliveryCount]).toEqual(["a", 2]);
  });

  test("that are acknowledged too late are told by the next commit", async () => {
    const told: Acknowledged[] = [];
    const consumer = await join("c1", { acknowledgement: "explicit" }, { acknowledged: one => void told.push(one) });
    await produce(0, ["a"]);
    const stream = consumer.records();
    const [record] = await take(stream, 1);
    expect(record.isLost(cluster.clientEnv.clock.monotonic())).toBe(false);
    await cluster.world.runFor(LOCK_MS + 100);
    consumer.acknowledge(record);
    const outcome = await run(consumer.commit());
    expect(outcome.errors.get("orders/0")).toMatchObject({ name: "INVALID_RECORD_STATE", code: 121 });
    expect(told.map(({ error }) => error?.name)).toEqual(["INVALID_RECORD_STATE"]);
    expect((await take(stream, 1))[0].deliveryCount).toBe(2);
  });

  test("keep their locks as long as they are renewed", async () => {
    const consumer = await join("c1", { acknowledgement: "explicit" });
    await produce(0, ["a"]);
    const [record] = await take(consumer.records(), 1);
    for (let i = 0; i < 4; i++) {
      await cluster.world.runFor(LOCK_MS - 1000);
      consumer.acknowledge(record, "renew");
    }
    consumer.acknowledge(record);
    expect((await run(consumer.commit())).of("orders", 0)).toBe(true);
  });

  test("go on after the leader has moved", async () => {
    const consumer = await join("c1");
    const stream = consumer.records();
    await produce(0, ["a"]);
    expect((await take(stream, 1)).map(textOf)).toEqual(["a"]);
    (await run(consumer.commit())).orThrow();
    for (let round = 0; round < 3; round++) {
      const { leader } = await cluster.partition("orders");
      await produce(0, [`held${round}`]);
      const [held] = await take(stream, 1);
      expect(textOf(held)).toBe(`held${round}`);
      cluster.end(leader, "kill");
      await produce(0, [`b${round}`]);
      const seen: string[] = [];
      // The new leader knows nothing of the lock, so the record comes again; its acknowledgement was lost.
      while (!seen.includes(`b${round}`)) seen.push(textOf((await take(stream, 1))[0]));
      await cluster.start(leader);
      await cluster.world.runFor(3000);
    }
    await run(consumer.commit());
    await cluster.world.runFor(LOCK_MS);
    expect(await lag()).toBe(0);
  });

  test.each(["batch_optimized", "record_limit"] as const)("come from all brokers in mode %s", async acquireMode => {
    const consumer = await join("c1", { acquireMode, maxPollRecords: 2 }, {}, "wide");
    await produce(0, ["a", "b", "c", "d", "e"], "wide");
    await produce(1, ["v", "w", "x", "y", "z"], "wide");
    const found = await take(consumer.records(), 10);
    expect(found.map(textOf).toSorted()).toEqual(["a", "b", "c", "d", "e", "v", "w", "x", "y", "z"]);
  });
});

describe("handlers", () => {
  test("work several at a time, and accept what they are done with", async () => {
    const consumer = await join("c1", {}, {}, "wide");
    const values = Array.from({ length: 40 }, (_, i) => `v${i}`);
    await produce(0, values.slice(0, 20), "wide");
    await produce(1, values.slice(20), "wide");
    const stop = new AbortController();
    const done: string[] = [];
    let [busy, most] = [0, 0];
    const running = consumer.run(
      async record => {
        most = Math.max(most, ++busy);
        await new Promise<void>(resolve => cluster.clientEnv.timers.after(100, resolve));
        busy--;
        done.push(textOf(record));
      },
      { concurrency: 4, signal: stop.signal },
    );
    await until(() => done.length >= 40);
    stop.abort();
    await run(running);
    expect([most, done.toSorted()]).toEqual([4, values.toSorted()]);
    (await run(consumer.commit())).orThrow();
    expect(await lag()).toBe(0);
  });

  test("that fail release their record, or do what the rule says", async () => {
    const consumer = await join("c1");
    await produceEach(0, ["bad", "worse", "good"]);
    const stop = new AbortController();
    const seen: string[] = [];
    const running = consumer.run(
      record => {
        const text = textOf(record);
        seen.push(`${text}${record.deliveryCount}`);
        if (text === "worse" || (text === "bad" && record.deliveryCount < 3)) throw new Error(text);
      },
      { failed: record => (textOf(record) === "worse" ? "reject" : "release"), signal: stop.signal },
    );
    await until(
      () => seen.includes("good1") && seen.includes("bad3"),
      () => seen.join(),
    );
    stop.abort();
    await run(running);
    expect(seen.toSorted()).toEqual(["bad1", "bad2", "bad3", "good1", "worse1"]);
    (await run(consumer.commit())).orThrow();
    expect(await lag()).toBe(0);
  });

  test("that take far longer than a lock keep their record and those that wait", async () => {
    const slow = await join("c1");
    const other = await join("c2");
    await produce(0, ["a", "b", "c"]);
    const stop = new AbortController();
    const seen: string[] = [];
    const lost: boolean[] = [];
    const running = slow.run(
      async (record, context) => {
        await new Promise<void>(resolve => cluster.clientEnv.timers.after(3 * LOCK_MS, resolve));
        seen.push(`${textOf(record)}${record.deliveryCount}`);
        lost.push(context.isLost);
      },
      { signal: stop.signal },
    );
    await until(() => slow.lockMs !== undefined);
    await cluster.world.runFor(LOCK_MS / 2);
    const stolen: string[] = [];
    const thief = other.run(record => void stolen.push(textOf(record)), { signal: stop.signal });
    await until(
      () => seen.length === 3,
      () => `${seen.join()} / ${stolen.join()}`,
    );
    stop.abort();
    await run(Promise.all([running, thief]));
    expect([seen, lost, stolen]).toEqual([["a1", "b1", "c1"], [false, false, false], []]);
  });

  test("that are stuck lose their record in the end", async () => {
    const stuck = await join("c1");
    const other = await join("c2");
    await produce(0, ["a"]);
    const contexts: { readonly isLost: boolean }[] = [];
    let free: (() => void) | undefined;
    const running = stuck.run(
      (_record, context) => {
        contexts.push(context);
        return new Promise<void>(resolve => (free = resolve));
      },
      { renewForMs: 2 * LOCK_MS },
    );
    await until(() => contexts.length === 1);
    const begin = cluster.world.now();
    const [record] = await take(other.records(), 1);
    expect([textOf(record), record.deliveryCount, contexts[0].isLost]).toEqual(["a", 2, true]);
    expect(cluster.world.now() - begin).toBeGreaterThan(2 * LOCK_MS);
    const closed = stuck.close({ timeoutMs: 1000 });
    await run(closed);
    free?.();
    await run(running);
  });

  test("whose rule fails end the run, and release the record", async () => {
    const consumer = await join("c1");
    await produce(0, ["a"]);
    const running = consumer.run(
      () => {
        throw new Error("no");
      },
      {
        failed: () => {
          throw new Error("no rule");
        },
      },
    );
    const failed = running.then(
      () => "done",
      (error: unknown) => String(error),
    );
    expect(await run(failed)).toBe("Error: no rule");
    expect((await take(consumer.records(), 1, LOCK_MS / 2))[0].deliveryCount).toBe(2);
  });

  test("whose rule decides nothing that there is end the run, and release the record", async () => {
    const consumer = await join("c1");
    await produce(0, ["a"]);
    const failing = (): never => {
      throw new Error("no");
    };
    const running = consumer.run(failing, { failed: () => "retry" as "release" });
    const failed = running.then(
      () => "done",
      (error: unknown) => error,
    );
    expect(await run(failed)).toMatchObject({ name: "INVALID_ARGUMENT", message: expect.stringContaining('"retry"') });
    const [record] = await take(consumer.records(), 1, LOCK_MS / 2);
    expect(record.deliveryCount).toBe(2);
    expect(() => consumer.acknowledge(record, "gap" as "accept")).toThrow("accept, release, reject or renew");
    expect(record.isHeld).toBe(true);
  });
});

test("the number of records to fetch follows the pace of the handlers", () => {
  const demand = new Demand(2, 50);
  const counts: number[] = [];
  let now = 0;
  const batch = (lastsMs: number): void => {
    // Asked several times before the records come, as after each wake.
    for (let i = 0; i < 3; i++) counts.push(demand.next(now));
    demand.came(now);
    demand.came(now + 1);
    now += lastsMs;
  };
  for (const lasts of [100, 100, 100, 100, 1000, 5000, 5000, 5000, 5000, 5000, 5000]) batch(lasts);
  expect(counts.filter((_, i) => i % 3 === 0)).toEqual([8, 16, 32, 50, 50, 50, 25, 13, 7, 4, 2]);
  expect(counts.every((count, i) => count === counts[3 * Math.floor(i / 3)])).toBe(true);
});

describe("mistakes", () => {
  test("of settings and calls are told in a sentence", async () => {
    const own = newClient();
    expect(() => new ShareConsumer(own, { groupId: "" })).toThrow("the group id is empty");
    expect(() => new ShareConsumer(own, { groupId: "g", maxPollRecords: 0 })).toThrow("maxPollRecords is 0");
    expect(() => new ShareConsumer(own, { groupId: "g", acquireMode: "all" as never })).toThrow(
      'acquireMode is "all", but it is one of batch_optimized, record_limit',
    );
    const consumer = await join("c1");
    await expect(consumer.subscribe([])).rejects.toThrow("a subscription names topics");
    const stream = consumer.records();
    expect(() => consumer.records()).toThrow("another stream of this consumer is open");
    await expect(consumer.run(() => undefined)).rejects.toThrow("another stream of this consumer is open");
    stream.end();
    await expect(consumer.run(() => undefined, { concurrency: 0 })).rejects.toThrow("concurrency is 0");
    const stop = new AbortController();
    const next = consumer
      .records({ signal: stop.signal })
      .next()
      .catch((error: unknown) => error);
    stop.abort(new Error("enough"));
    expect(await run(next)).toMatchObject({ name: "ABORTED" });
    await run(consumer.close());
    expect(() => consumer.records()).toThrow("the consumer is closed");
    own.close();
  });

  test("of a network are told to commits, and do not hold up a close", async () => {
    const consumer = await join("c1", { acknowledgement: "explicit" });
    await produce(0, ["a"]);
    const stream = consumer.records();
    const [record] = await take(stream, 1);
    for (const id of [1, 2, 3]) cluster.world.network.cut("c1", `n${id}`);
    consumer.acknowledge(record);
    const late = consumer.commit({ timeoutMs: 500 }).catch((error: unknown) => error);
    const stop = new AbortController();
    const aborted = consumer.commit({ signal: stop.signal }).catch((error: unknown) => error);
    stop.abort();
    expect(await aborted).toMatchObject({ name: "ABORTED" });
    expect(await run(late)).toMatchObject({ name: "TIMED_OUT", retriable: true });
    const begin = cluster.world.now();
    await run(consumer.close({ timeoutMs: 1000 }));
    expect(cluster.world.now() - begin).toBeLessThan(1500);
    expect(await run(stream.next())).toEqual({ value: undefined, done: true });
    await expect(consumer.commit()).rejects.toMatchObject({ name: "CLOSED" });
    for (const id of [1, 2, 3]) cluster.world.network.heal("c1", `n${id}`);
  });

  test("of a client that is closed are told to the stream", async () => {
    const own = newClient("c9");
    const consumer = new ShareConsumer(own, { groupId: "g" });
    opened.push({ consumer, client: own });
    await run(consumer.subscribe(["orders"]));
    await until(() => consumer.assignment().length === 1);
    own.close();
    await expect(run(consumer.records().next())).rejects.toMatchObject({ name: "CLOSED" });
  });

  test("of a cluster without share groups are told", async () => {
    client.close();
    await cluster.close();
    cluster = new SimCluster({ features: ["share.version=0"] });
    await cluster.startAll();
    client = newClient();
    const own = newClient("c1");
    const consumer = new ShareConsumer(own, { groupId: "g" });
    const refused = consumer.subscribe(["orders"]).catch((error: unknown) => error);
    expect(await run(refused)).toMatchObject({ name: "UNSUPPORTED_VERSION" });
    await run(consumer.close());
    own.close();
  });
});

describe("whatever breaks", () => {
  /** Numbers from 0 to below `most`, the same for the same seed. */
  function numbers(seed: number): (most: number) => number {
    let state = seed;
    return most => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * most);
    };
  }

  test.each([1, 2, 3, 4, 5, 6])("every record is handled, and in the end none is left: seed %i", async seed => {
    const next = numbers(seed);
    const handled = new Map<string, number>();
    const stop = new AbortController();
    const runs: Promise<void>[] = [];
    const begin = async (name: string): Promise<void> => {
      const acquireMode = next(2) === 0 ? "batch_optimized" : "record_limit";
      const consumer = await join(name, { acquireMode, maxPollRecords: 1 + next(20) }, {}, "wide");
      const work = consumer.run(
        async record => {
          const pause = next(30) === 0 ? 2 * LOCK_MS : next(50);
          await new Promise<void>(resolve => cluster.clientEnv.timers.after(pause, resolve));
          if (next(10) === 0) throw new Error("it fails now and then");
          handled.set(textOf(record), (handled.get(textOf(record)) ?? 0) + 1);
        },
        { concurrency: 1 + next(4), signal: stop.signal },
      );
      runs.push(work);
    };
    await set("share.delivery.count.limit", "10");
    for (const name of ["c1", "c2"]) await begin(name);
    const sent: string[] = [];
    for (let step = 0; step < 40; step++) {
      const values = Array.from({ length: 1 + next(8) }, (_, i) => `${step}.${i}`);
      await produce(next(2), values, "wide");
      sent.push(...values);
      const [name, broker] = [`c${1 + next(2)}`, 1 + next(3)];
      const fault = next(8);
      if (fault === 0) cluster.world.network.sever(name, `n${broker}`);
      if (fault === 1) {
        cluster.world.network.cut(name, `n${broker}`);
        await cluster.world.runFor(next(4000));
        cluster.world.network.heal(name, `n${broker}`);
      }
      if (fault === 2) {
        cluster.end(broker, "kill");
        await cluster.world.runFor(next(3000));
        await cluster.start(broker);
        await cluster.world.runFor(1000);
      }
      if (fault === 3 && step % 4 === 0) await begin(`c${runs.length + 1}`);
      await cluster.world.runFor(next(400));
    }
    await until(
      () => sent.every(value => handled.has(value)),
      () => `missing: ${sent.filter(value => !handled.has(value)).join()}`,
    );
    let left = -1;
    for (let i = 0; i < 60 && left !== 0; i++) {
      await cluster.world.runFor(1000);
      left = await lag();
    }
    expect(left).toBe(0);
    stop.abort();
    await run(Promise.all(runs));
  });
});
