import { fromUtf8 } from "@samsa/base";
import { Admin, CLUSTER_DEFAULTS, ClusterClient, ShareConsumer } from "@samsa/client-runtime";
import { SimCluster } from "@samsa/sim";
import { afterEach, beforeEach, expect, test } from "vitest";

const QUEUE = "dlq.orders";
const ENABLED = [{ name: "errors.deadletterqueue.group.enable", value: "true" }];

let cluster: SimCluster;
let client: ClusterClient;
let consumer: ShareConsumer;
let stream: ReturnType<ShareConsumer["records"]>;

const run = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);

beforeEach(async () => {
  const replicas = Object.fromEntries(
    ["offsets.topic", "share.coordinator.state.topic"].flatMap(topic => [
      [`${topic}.num.partitions`, "1"],
      [`${topic}.replication.factor`, "3"],
    ]),
  );
  cluster = new SimCluster({ settings: replicas });
  await cluster.startAll();
  client = new ClusterClient(cluster.clientEnv, {
    ...CLUSTER_DEFAULTS,
    bootstrapServers: cluster.brokers,
    clientId: "client",
    software: { name: "test", version: "1" },
    requestTimeoutMs: 3000,
  });
  consumer = new ShareConsumer(client, { groupId: "g" }, {});
  expect(await cluster.createTopic("orders", [1, 2, 3], [])).toBe(0);
  await cluster.untilPartition("orders", { leader: 1, isr: [1, 2, 3] });
  const set = (value: string) => ({ op: "set", value }) as const;
  const configs = {
    "share.auto.offset.reset": set("earliest"),
    "errors.deadletterqueue.topic.name": set(QUEUE),
    "errors.deadletterqueue.copy.record.enable": set("true"),
  };
  (await run(new Admin(client).configs.alter({ "group:g": configs }))).orThrow();
  await run(consumer.subscribe(["orders"]));
  stream = consumer.records();
});

afterEach(async () => {
  await run(consumer.close());
  client.close();
  await cluster.close();
});

/** Produces values and rejects all of them. */
async function reject(values: readonly string[]): Promise<void> {
  for (const value of values) expect(await cluster.produce("orders", value)).toBe(0);
  for (const wanted of values) {
    const { value: record } = await run(stream.next());
    expect(fromUtf8(record?.value ?? new Uint8Array(0))).toBe(wanted);
    consumer.acknowledge(record!, "reject");
  }
  const outcome = await run(consumer.commit());
  expect([...outcome]).toEqual([["orders/0", true]]);
}

/** Runs of letters that broker `id` has not written yet. */
const waiting = (id: number): number => cluster.nodes.get(id)?.broker.shares.deadLetters.size ?? 0;

/** Lets time pass until `holds`; fails after three minutes. */
async function until(holds: () => boolean): Promise<void> {
  const limit = cluster.world.now() + 180_000;
  while (!holds()) {
    if (cluster.world.now() > limit) throw new Error("it does not hold");
    await cluster.world.runFor(20);
  }
}

/** Lag of the group, once its states are written. */
async function lag(): Promise<number> {
  await cluster.world.runFor(1000);
  const offsets = (await run(new Admin(client).shareGroups.offsets(["g"]))).value("g");
  return offsets.reduce((sum, one) => sum + Number(one.lag), 0);
}

test("dead letters go to a leader on another broker, and to the next one if it is gone", async () => {
  expect(await cluster.createTopic(QUEUE, [2, 3], ENABLED)).toBe(0);
  await cluster.untilPartition(QUEUE, { leader: 2, isr: [2, 3] });
  await reject(["a", "b"]);
  await until(() => waiting(1) === 0);
  expect(await cluster.consume(QUEUE)).toEqual(["a", "b"]);
  cluster.end(2, "kill");
  await reject(["c"]);
  await until(() => waiting(1) === 0);
  await cluster.untilPartition(QUEUE, { leader: 3 });
  expect(await cluster.consume(QUEUE)).toEqual(["a", "b", "c"]);
  expect(await lag()).toBe(0);
});

test("a broker that becomes leader of a share partition writes what the last one has left", async () => {
  expect(await cluster.createTopic(QUEUE, [3], ENABLED)).toBe(0);
  await cluster.untilPartition(QUEUE, { leader: 3 });
  expect(await cluster.produce("orders", "first")).toBe(0);
  const { value: first } = await run(stream.next());
  cluster.end(3, "kill");
  await cluster.untilPartition("orders", { leader: 1, isr: [1, 2] });
  consumer.acknowledge(first!, "reject");
  expect([...(await run(consumer.commit()))]).toEqual([["orders/0", true]]);
  await until(() => waiting(1) === 1);
  cluster.end(1, "power");
  await cluster.untilPartition("orders", { leader: 2 });
  // The member asks the new leader for records, which loads the share partition.
  const next = run(stream.next());
  await until(() => waiting(2) === 1);
  await cluster.start(3);
  await cluster.untilPartition(QUEUE, { leader: 3 });
  await until(() => waiting(2) === 0);
  expect(await cluster.consume(QUEUE)).toEqual(["first"]);
  expect(await cluster.produce("orders", "second")).toBe(0);
  expect(fromUtf8((await next).value?.value ?? new Uint8Array(0))).toBe("second");
  consumer.acknowledge((await next).value!, "accept");
  await run(consumer.commit());
  expect(await lag()).toBe(0);
});

test("records are finished without dead letters if no leader comes", async () => {
  expect(await cluster.createTopic(QUEUE, [3], ENABLED)).toBe(0);
  await cluster.untilPartition(QUEUE, { leader: 3 });
  cluster.end(3, "kill");
  await cluster.untilPartition(QUEUE, { leader: -1 });
  await reject(["a", "b"]);
  expect(waiting(1)).toBe(1);
  const begun = cluster.world.now();
  await until(() => waiting(1) === 0);
  // Four waits of 2, 4, 8 and 16 s, give or take a fifth.
  expect(cluster.world.now() - begun).toBeGreaterThan(24_000 - 1000);
  expect(cluster.world.now() - begun).toBeLessThan(36_000 + 1000);
  expect(await lag()).toBe(0);
  await cluster.start(3);
  await cluster.untilPartition(QUEUE, { leader: 3 });
  await cluster.world.runFor(60_000);
  expect(await cluster.consume(QUEUE)).toEqual([]);
});
